"""The paths of kie.ai's dialect."""

from django.urls import path

from speechsite.api.kie import recordings, upload_views, views

app_name = "kie"
urlpatterns = [
    path("api/v1/jobs/createTask", views.create_task, name="create-task"),
    path("api/v1/jobs/recordInfo", views.record_info, name="record-info"),
    path("api/v1/chat/credit", views.credit, name="credit"),
    path("api/v1/common/download-url", views.download_url, name="download-url"),
    path("api/file-stream-upload", upload_views.from_stream, name="file-stream-upload"),
    path("api/file-url-upload", upload_views.from_url, name="file-url-upload"),
    path("api/file-base64-upload", upload_views.from_base64, name="file-base64-upload"),
    path("api/file-download/<str:signed>/<str:name>", recordings.serve, name="download"),
]
