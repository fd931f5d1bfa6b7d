"""Who owns which URL. Paths are listed one by one; there is no catch-all."""

from django.contrib import admin
from django.urls import include, path

from speechsite.pages import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/", include("allauth.urls")),
    path("healthz", health.alive),
    path("", include("speechsite.pages.urls")),
]
