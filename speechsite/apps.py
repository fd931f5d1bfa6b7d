"""The site as a Django app: its commands and its system checks."""

from django.apps import AppConfig


class SpeechsiteConfig(AppConfig):
    name = "speechsite"
    verbose_name = "Speechsite"

    def ready(self) -> None:
        from speechsite import checks  # noqa: F401  (registers the checks)
