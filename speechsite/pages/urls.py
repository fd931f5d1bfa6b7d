"""The portal's addresses."""

app_name = "pages"
urlpatterns = []
