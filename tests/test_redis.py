"""The grown shape: the queue in Redis, the rest as ever."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.running import Site, Visitor

REDIS = os.environ.get("TEST_REDIS_URL", "")

pytestmark = [
    pytest.mark.redis,
    pytest.mark.processes,
    pytest.mark.skipif(not REDIS, reason="needs Redis: set TEST_REDIS_URL"),
]


def test_work_that_is_woken_through_redis_ends_and_is_charged(tmp_path: Path) -> None:
    with Site(tmp_path, REDIS_URL=REDIS) as site, Visitor(site) as visitor:
        site.open_account()
        visitor.sign_in()
        voice = site.rows("select id from voices_voice where external_id = 'en-us'")[0][0]
        visitor.generate(visitor.open_studio(), voice=voice, text="Redis wakes the worker.")
        deadline = time.monotonic() + 30
        while (row := site.rows("select state, charged from jobs_job"))[0][0] != "succeeded":
            assert time.monotonic() < deadline, row
            time.sleep(0.2)
        assert row == [("succeeded", 23)]
        assert site.rows("select count(*) from django_q_ormq") == [(0,)]
        assert site.manage("auditcredits").returncode == 0
