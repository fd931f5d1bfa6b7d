"""The site as a Django app: its commands, its system checks, and what only the top may tie."""

from django.apps import AppConfig


class SpeechsiteConfig(AppConfig):
    name = "speechsite"
    verbose_name = "Speechsite"

    def ready(self) -> None:
        from jobs import callbacks, outbound
        from speechsite import checks  # noqa: F401  (registers the checks)
        from speechsite.api.native import describing

        callbacks.write_with("kie", "speechsite.api.kie.tasks.message")
        outbound.describe_with(describing.message)
