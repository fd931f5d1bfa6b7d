"""The site as a Django app: its commands, its system checks, and what only the top may tie."""

from django.apps import AppConfig


class SpeechsiteConfig(AppConfig):
    name = "speechsite"
    verbose_name = "Speechsite"

    def ready(self) -> None:
        from jobs import callbacks
        from speechsite import checks  # noqa: F401  (registers the checks)

        callbacks.write_with("kie", "speechsite.api.kie.tasks.message")
