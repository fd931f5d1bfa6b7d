"""What backups are made of: a library, jobs, providers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flushing import allow_flush, close_elsewhere
from tests.jobs.conftest import catalogue, model, open_site, place, voice  # noqa: F401


@pytest.fixture(autouse=True)
def _nobody_else_has_the_database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests before may have left threads waiting, each with the database open.

    A restore puts all triggers back, and the flush after the test comes when this has ended.
    """
    close_elsewhere()
    commits = request.node.get_closest_marker("django_db")
    if commits:
        request.getfixturevalue("transactional_db")
    yield
    if commits:
        allow_flush()
