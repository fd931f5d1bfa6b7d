"""Numbers for jobs and uploaded texts."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from jobs import files, lifecycle, numbers
from jobs.models import Job, NumberedFile
from speechsite.accounts.models import User
from speechsite.duties.models import Duty

pytestmark = pytest.mark.django_db
Place = Callable[..., Job]


def keep(user: User, text: bytes = b"Once upon a time.") -> NumberedFile:
    return numbers.keep(
        user, name="../a/story.txt", purpose="text", content=io.BytesIO(text), size=len(text)
    )


def test_a_job_has_one_number_for_ever(place: Place) -> None:
    job = place()
    first = numbers.give(job, purpose="result", parts=[("1", 4)])
    assert numbers.give(job, purpose="other").number == first.number
    assert NumberedFile.objects.get().parts == [["1", 4]]


def test_a_number_is_found_by_its_owner_only(place: Place, ada: User, ben: User) -> None:
    number = numbers.give(place(), purpose="result").number
    assert numbers.find(ada, number) is not None
    assert numbers.find(ben, number) is None
    assert numbers.find(ada, number + 1) is None


def test_a_deleted_job_has_no_number(place: Place, ada: User) -> None:
    job = place()
    number = numbers.give(job, purpose="result").number
    lifecycle.delete(job)
    assert numbers.find(ada, number) is None


def test_a_text_is_kept_under_a_plain_name(ada: User) -> None:
    kept = keep(ada)
    assert (kept.name, kept.size) == ("story.txt", 17)
    with default_storage.open(kept.file) as file:
        assert file.read() == b"Once upon a time."


def test_old_texts_are_swept_with_their_files(ada: User, place: Place) -> None:
    old, fresh = keep(ada), keep(ada)
    result = numbers.give(place(), purpose="result")
    long_ago = timezone.now() - numbers.KEPT - timedelta(days=1)
    NumberedFile.objects.exclude(pk=fresh.pk).update(created_at=long_ago)
    assert numbers.sweep() == 1
    left = set(NumberedFile.objects.values_list("pk", flat=True))
    assert left == {fresh.pk, result.pk}
    assert list(Duty.objects.values_list("kind", "key")) == [(files.FILE, old.file)]
