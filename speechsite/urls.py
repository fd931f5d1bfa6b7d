"""Who owns which URL. Paths are listed one by one; there is no catch-all."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/", include("allauth.urls")),
    path("", include("speechsite.pages.urls")),
]
