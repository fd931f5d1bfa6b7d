"""The site's secret key, made once and kept beside the data when none is given."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from speechsite.core.env import BadSetting

SHORTEST = 50


def load_or_make(path: Path) -> str:
    """The key in the file; made with mode 0600 when there is none.

    Two processes that start at once agree: the file is linked into place whole,
    and whoever comes second reads the first one's key.
    """
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise BadSetting(
            f"DATA_DIR: cannot keep the secret key in {path}: {reason}. "
            "Name a folder that may be written, or set SECRET_KEY."
        ) from error
    if len(key) < SHORTEST:
        raise BadSetting(
            f"{path} is damaged: delete it, and everybody has to sign in again, "
            "or put the old key back."
        )
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(50), encoding="ascii")
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
