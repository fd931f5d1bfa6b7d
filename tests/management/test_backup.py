"""Taking a backup and putting it back: what is in it, what is refused, what stays as it was."""

from __future__ import annotations

import io
import json
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, default_storage, storages
from django.core.management import CommandError, call_command
from django.db import connection, models

from jobs import spending
from jobs.models import Job, NumberedFile
from speechsite.accounts import keys
from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import Wallet
from speechsite.management.backups import manifest, sealing, stored
from tests.conftest import _account
from tests.jobs.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_data(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT, settings.DATA_DIR = tmp_path / "media", tmp_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def text(ada: User) -> NumberedFile:
    """A stored file that a row names."""
    name = default_storage.save("texts/ab/abc", ContentFile(b"Good morning." * 1000))
    return NumberedFile.objects.create(user=ada, purpose="x", name="a.txt", file=name, size=13_000)


def backup(folder: Path) -> str:
    said = io.StringIO()
    call_command("backup", str(folder), stdout=said, stderr=said)
    return said.getvalue()


def restore(folder: Path, *options: str) -> str:
    said = io.StringIO()
    call_command("restore", str(folder), *options, stdout=said, stderr=said)
    return said.getvalue()


def content(name: str) -> bytes:
    with default_storage.open(name) as file:
        return file.read()


class Bucket(Storage):
    """A storage that is no folder: it knows no paths, and hands out streams."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.when_asked: Callable[[str], object] = lambda name: None
        self.when_given: Callable[[str], object] = lambda name: None

    def _open(self, name: str, mode: str = "rb") -> ContentFile[bytes]:
        self.when_asked(name)
        if name not in self.kept:
            raise FileNotFoundError(name)
        return ContentFile(self.kept[name])

    def _save(self, name: str, content: Any) -> str:
        self.when_given(name)
        self.kept[name] = b"".join(content.chunks())
        return name

    def exists(self, name: str) -> bool:
        return name in self.kept

    def delete(self, name: str) -> None:
        self.kept.pop(name, None)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    made = Bucket()
    monkeypatch.setattr(default_storage, "_wrapped", made)
    return made


@contextmanager
def started_meanwhile(bucket: Bucket) -> Iterator[None]:
    """Somebody starts the site while its files are being put back."""
    path = connection.settings_dict["NAME"]
    opened: list[Any] = []

    def start(name: str) -> None:
        if connection.vendor == "sqlite":
            opened.append(sqlite3.connect(path))
            opened[-1].execute("PRAGMA journal_mode=WAL")
            opened[-1].execute("SELECT COUNT(*) FROM accounts_user")
        else:
            opened.append(connection.copy())
            opened[-1].connect()

    bucket.when_given = start
    yield
    bucket.when_given = lambda name: None
    for one in opened:
        one.close()


def test_everything_comes_back_as_it_was(ada: User, text: NumberedFile, folder: Path) -> None:
    assert "1 files" in backup(folder)
    wallet = Wallet.objects.get(user=ada)
    ledger.grant(wallet, 5000, key="later", reason="after the backup")
    _account("later@example.com", "Later")
    default_storage.delete(text.file)
    assert "Restored the site of" in restore(folder, "--replace")
    assert not User.objects.filter(email="later@example.com").exists()
    assert Wallet.objects.get(user=ada).available == wallet.available
    assert content(text.file) == b"Good morning." * 1000
    assert ledger.audit() == []


def test_new_rows_get_numbers_that_were_never_given(ada: User, ben: User, folder: Path) -> None:
    backup(folder)
    restore(folder, "--replace")
    assert _account("new@example.com", "New").pk > ben.pk


def test_only_its_owner_can_read_a_backup(ada: User, text: NumberedFile, folder: Path) -> None:
    backup(folder)
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_manifest_says_what_is_in_it(ada: User, text: NumberedFile, folder: Path) -> None:
    backup(folder)
    found = json.loads((folder / "manifest.json").read_text())
    assert found["files"]["media/texts/ab/abc"]["size"] == 13_000
    assert ["credits", "0001_initial"] in found["migrations"]
    assert found["ledger"] == {
        "wallets": 1, "entries": 1, "available": 1_000_000, "held": 0,
        "moved_available": 1_000_000, "moved_held": 0, "differences": 0,
    }  # fmt: skip
    assert sorted(found["files"]) == sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    )


def test_a_backup_needs_a_folder_of_its_own(ada: User, folder: Path) -> None:
    folder.mkdir()
    (folder / "mine.txt").touch()
    with pytest.raises(CommandError, match="is not empty"):
        backup(folder)
    assert [path.name for path in folder.parent.iterdir() if "backup" in path.name] == ["backup"]


def test_a_backup_that_fails_leaves_nothing_behind(
    ada: User, bucket: Bucket, text: NumberedFile, folder: Path
) -> None:
    def away(name: str) -> None:
        raise OSError("the bucket does not answer")

    bucket.when_asked = away
    with pytest.raises(OSError, match="does not answer"):
        backup(folder)
    assert [path for path in folder.parent.iterdir() if "backup" in path.name] == []


def test_a_file_that_was_deleted_meanwhile_is_gone_and_one_that_was_lost_is_said(
    ada: User, bucket: Bucket, folder: Path
) -> None:
    for name in ("deleted", "lost"):
        NumberedFile.objects.create(user=ada, purpose="x", name=name, file=f"texts/{name}")
    # Files are asked for once the database was copied.
    bucket.when_asked = lambda name: NumberedFile.objects.filter(name="deleted").delete()
    said = backup(folder)
    found = manifest.read(folder)
    assert (found.gone, found.missing) == (["texts/deleted"], ["texts/lost"])
    assert "The site names texts/lost, and it is not there." in said


def test_every_column_that_names_a_stored_file_is_known() -> None:
    found = {
        (model._meta.app_label, model.__name__, field.name)
        for app in ("jobs", "voices", "credits", "accounts", "upstreams")
        for model in apps.get_app_config(app).get_models()
        for field in model._meta.fields
        if isinstance(field, models.FileField) or field.name in ("file", "audio", "picture")
    }
    assert found == set(stored.COLUMNS)


def damage_a_file(folder: Path) -> None:
    path = folder / "media" / "texts" / "ab" / "abc"
    path.write_bytes(b"Bad morning.." * 1000)


def lose_a_file(folder: Path) -> None:
    (folder / "media" / "texts" / "ab" / "abc").unlink()


def damage_the_database(folder: Path) -> None:
    path = next(path for path in folder.rglob("*") if path.suffix in (".sqlite3", ".copy"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def lose_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def rewrite(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def come_from_the_future(folder: Path) -> None:
    found = manifest.read(folder)
    rewrite(folder, migrations=[*found.migrations, ["jobs", "0999_unheard_of"]])


def have_other_credits(folder: Path) -> None:
    rewrite(folder, ledger={**manifest.read(folder).ledger, "available": 7})


def lead_outside(folder: Path) -> None:
    rewrite(folder, files={"../outside": {"sha256": "0", "size": 1}})


def be_of_another_database(folder: Path) -> None:
    rewrite(folder, vendor="oracle")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damage_a_file, "media/texts/ab/abc is damaged"),
        (lose_a_file, "media/texts/ab/abc is not there"),
        (damage_the_database, "is damaged"),
        (lose_the_manifest, "no backup, or one that never ended"),
        (come_from_the_future, "0999_unheard_of is not known here"),
        (have_other_credits, "The ledger is not what was backed up"),
        (lead_outside, "is no path of a backup"),
        (be_of_another_database, "The backup is of oracle"),
    ],
)
def test_what_is_not_as_it_was_backed_up_touches_nothing(
    ada: User,
    text: NumberedFile,
    folder: Path,
    spoil: Callable[[Path], None],
    reason: str,
) -> None:
    backup(folder)
    spoil(folder)
    _account("later@example.com", "Later")
    default_storage.delete(text.file)
    with pytest.raises(CommandError, match=reason):
        restore(folder, "--replace")
    assert User.objects.filter(email="later@example.com").exists()
    assert not default_storage.exists(text.file)
    assert ledger.audit() == []


def test_a_site_with_accounts_is_not_lost_by_mistake(ada: User, folder: Path) -> None:
    backup(folder)
    _account("later@example.com", "Later")
    with pytest.raises(CommandError, match="--replace"):
        restore(folder)
    assert User.objects.filter(email="later@example.com").exists()


def test_a_failure_at_the_last_step_undoes_all_before_it(
    ada: User, bucket: Bucket, text: NumberedFile, folder: Path
) -> None:
    backup(folder)
    _account("later@example.com", "Later")
    bucket.kept.clear()
    with started_meanwhile(bucket), pytest.raises(CommandError, match=r"[Nn]othing was changed"):
        restore(folder, "--replace")
    assert User.objects.filter(email="later@example.com").exists()
    assert bucket.kept == {}
    restore(folder, "--replace")
    assert content(text.file) == b"Good morning." * 1000


def test_a_file_of_the_same_name_and_another_content_comes_back_when_it_fails(
    ada: User, bucket: Bucket, text: NumberedFile, folder: Path
) -> None:
    backup(folder)
    bucket.kept[text.file] = b"another"
    with started_meanwhile(bucket), pytest.raises(CommandError, match=r"[Nn]othing was changed"):
        restore(folder, "--replace")
    assert bucket.kept == {text.file: b"another"}


def test_a_key_of_its_own_comes_back_with_the_site(
    ada: User, folder: Path, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    old = settings.SECRET_KEY
    backup(folder)
    settings.SECRET_KEY = "another-key-" * 6
    (tmp_path / "secret_key").write_text(settings.SECRET_KEY)
    restore(folder, "--replace")
    assert (tmp_path / "secret_key").read_text() == old
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "secret_key.before").read_text() == settings.SECRET_KEY


def test_a_key_from_the_environment_is_never_written_and_has_to_be_the_same(
    ada: User, folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", settings.SECRET_KEY)
    assert "SECRET_KEY is not in it" in backup(folder)
    for path in folder.rglob("*"):
        assert path.is_dir() or settings.SECRET_KEY.encode() not in path.read_bytes()
    settings.SECRET_KEY = "another-key-" * 6
    with pytest.raises(CommandError, match="SECRET_KEY is not the key of the backup"):
        restore(folder, "--replace")
    assert "Restored" in restore(folder, "--replace", "--new-key")


def test_a_key_in_the_backup_gives_way_to_one_in_the_environment_only_when_told(
    ada: User, folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    backup(folder)
    assert sealing.FILE in manifest.read(folder).files
    settings.SECRET_KEY = "another-key-" * 6
    monkeypatch.setenv("SECRET_KEY", settings.SECRET_KEY)
    with pytest.raises(CommandError, match="SECRET_KEY is not the key"):
        restore(folder, "--replace")


def test_files_in_a_bucket_come_along(ada: User, bucket: Bucket, folder: Path) -> None:
    name = default_storage.save("texts/ab/abc", ContentFile(b"From afar."))
    NumberedFile.objects.create(user=ada, purpose="x", name="a", file=name, size=10)
    backup(folder)
    bucket.kept.clear()
    restore(folder, "--replace")
    assert bucket.kept == {name: b"From afar."}


def test_what_is_read_from_a_bucket_does_not_lie_in_memory_as_a_whole(settings: Any) -> None:
    settings.AWS_STORAGE_BUCKET_NAME = "speech"
    made = storages.create_storage({"BACKEND": "storages.backends.s3.S3Storage"})
    assert 0 < made.max_memory_size <= 16 * 1024 * 1024


def test_a_finished_job_can_be_heard_after_the_way_there_and_back(
    ada: User,
    place: Callable[..., Job],
    folder: Path,
) -> None:
    job = place()
    work()
    job.refresh_from_db()
    heard = content(job.audio)
    backup(folder)
    default_storage.delete(job.audio)
    restore(folder, "--replace")
    assert content(job.audio) == heard


def test_what_a_key_spent_comes_back(ada: User, place: Callable[..., Job], folder: Path) -> None:
    key, _ = keys.issue_key(ada)
    kept = place(api_key=key)
    backup(folder)
    place(api_key=key)
    restore(folder, "--replace")
    assert spending.of_key(key).in_all == kept.quoted
    assert list(spending.differences()) == []
