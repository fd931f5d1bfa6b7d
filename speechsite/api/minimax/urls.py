"""The paths of MiniMax's dialect, under the prefix that relay gateways use."""

from django.urls import path

from speechsite.api.minimax import talk, views

app_name = "minimax"
urlpatterns = [
    path("minimax/v1/t2a_async_v2", views.t2a_async, name="t2a-async"),
    path("minimax/v1/query/t2a_async_query_v2", views.query, name="query"),
    path("minimax/v1/t2a_v2", talk.t2a, name="t2a"),
    path("minimax/v1/files", views.upload, name="upload"),
    path("minimax/v1/files/upload", views.upload, name="upload-official"),
    path("minimax/v1/files/retrieve", views.retrieve, name="retrieve"),
    path("minimax/v1/files/retrieve_content", views.retrieve_content, name="retrieve-content"),
    path("minimax/v1/files/download/<str:signed>/<str:name>", views.download, name="download"),
    path("minimax/v1/subtitles/<str:signed>", views.subtitles, name="subtitles"),
    path("minimax/v1/get_voice", views.get_voice, name="get-voice"),
    path("minimax/v1/delete_voice", views.delete_voice, name="delete-voice"),
]
