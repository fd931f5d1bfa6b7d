"""The secret key of a backup: it signs links and sessions, and opens what is sealed.

Sealed are the providers' keys and the secrets of webhooks. Without the key they are noise.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from django.conf import settings

from speechsite.core import env
from speechsite.management.backups.manifest import BadBackup, Kept, Manifest, hashed

FILE = "secret_key"
_SALT = b"speechsite backup"


def fingerprint() -> str:
    """Tells whether two keys are the same, and nothing else: slow to guess from."""
    key = settings.SECRET_KEY.encode()
    return hashlib.scrypt(key, salt=_SALT, n=2**14, r=8, p=1, dklen=16).hex()


def is_in_a_file() -> bool:
    """Whether the site made its key itself; otherwise its operator keeps it."""
    return not env.text("SECRET_KEY")


def copy_out(folder: Path) -> dict[str, Kept]:
    """Put the key into the backup if it is a file of the site's own."""
    if not is_in_a_file():
        return {}
    (folder / FILE).write_text(settings.SECRET_KEY, encoding="ascii")
    with (folder / FILE).open("rb") as file:
        return {FILE: hashed(file)}


def check(manifest: Manifest, *, new_key: bool) -> None:
    """Raises BadBackup when what is sealed in the backup could not be opened afterwards."""
    fits = manifest.key_fingerprint == fingerprint()
    if fits or new_key or (FILE in manifest.files and is_in_a_file()):
        return
    raise BadBackup(
        "SECRET_KEY is not the key of the backup. Set it to the old site's, or say --new-key: "
        "everybody then signs in again, links run out, and the keys of providers and the "
        "secrets of webhooks have to be entered again."
    )


def put_back(manifest: Manifest, folder: Path, *, new_key: bool) -> None:
    """Make the backup's key the site's; the one that was there is kept beside it."""
    is_ours = manifest.key_fingerprint == fingerprint()
    if new_key or is_ours or FILE not in manifest.files or not is_in_a_file():
        return
    own = _own()
    draft = own.with_name(f"{FILE}.restoring")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_bytes((folder / FILE).read_bytes())
    if own.exists():
        os.replace(own, own.with_name(f"{FILE}.before"))
    draft.replace(own)


def take_out() -> None:
    """Undo `put_back`: what followed it failed."""
    before = _own().with_name(f"{FILE}.before")
    if before.exists():
        before.replace(_own())


def _own() -> Path:
    return Path(settings.DATA_DIR) / FILE
