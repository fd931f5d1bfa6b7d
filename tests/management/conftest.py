"""What backups are made of: a library, jobs, providers."""

from tests.jobs.conftest import catalogue, model, open_site, place, voice  # noqa: F401
