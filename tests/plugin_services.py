"""With REQUIRE_SERVICES=1, a skipped service test is a failed one.

Loaded by `-p tests.plugin_services`. Where PostgreSQL, Redis and Chromium are promised,
a test that does without them proves nothing, and nobody would notice.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

SERVICES = ("postgres", "redis", "browser", "processes", "clients")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if (
        report.skipped
        and os.environ.get("REQUIRE_SERVICES") == "1"
        and not hasattr(report, "wasxfail")
    ):
        needed = [name for name in SERVICES if item.get_closest_marker(name)]
        if needed:
            report.outcome = "failed"
            report.longrepr = (
                f"{item.nodeid} needs {', '.join(needed)} and was skipped: {report.longrepr}"
            )
    return report
