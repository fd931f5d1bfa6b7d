"""What people upload is kept within what their plan says."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files import File
from django.core.files.storage import default_storage

from jobs import uploads
from jobs.errors import OrderError
from speechsite.accounts import plans
from speechsite.accounts.models import User
from tests.fakes.tones import tone

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


def take(user: User, sound: bytes) -> Any:
    return uploads.take(user, File(io.BytesIO(sound), name="a.wav"))  # type: ignore[arg-type]


def limit(user: User, **figures: int | None) -> None:
    plan = plans.put_on_plan(user)
    for name, value in figures.items():
        setattr(plan, name, value)
    plan.save()


def test_recordings_are_counted_and_a_deleted_one_gives_its_place_back(ada: User) -> None:
    limit(ada, upload_files=2, upload_megabytes=None)
    sound = tone("wav_16000", 200)
    first = take(ada, sound)
    take(ada, sound)
    with pytest.raises(OrderError) as refused:
        take(ada, sound)
    assert refused.value.code == "upload_quota_reached"
    uploads.discard(first)
    take(ada, sound)


def test_bytes_are_counted_over_all_recordings(ada: User, ben: User) -> None:
    limit(ada, upload_files=None, upload_megabytes=1)
    sound = tone("wav_16000", 20_000)  # 640 kB
    take(ada, sound)
    with pytest.raises(OrderError) as refused:
        take(ada, sound)
    assert refused.value.code == "upload_quota_reached"
    take(ben, sound)


def test_a_refused_recording_leaves_no_file(ada: User) -> None:
    limit(ada, upload_files=0)
    with pytest.raises(OrderError):
        take(ada, tone("wav_16000", 200))
    assert not default_storage.exists("uploads") or default_storage.listdir("uploads")[0] == []


def test_a_plan_without_limits_keeps_everything(ada: User) -> None:
    limit(ada, upload_files=None, upload_megabytes=None)
    take(ada, tone("wav_16000", 200))
