"""The house in order: imports go down, migrations are complete, no address of an index."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[1]
# A lock file may name packages and hashes, and nothing about where they come from.
INDEX = re.compile(
    r"--(?:extra-)?index-url|--find-links|--trusted-host|^-[if] |https?://|file://", re.M
)
LOCKS = (
    "requirements.txt",
    "requirements-dev.txt",
    *(f"tests/api/elevenlabs/former/requirements-{one}.txt" for one in ("0.2.27", "1.59.0")),
)
PACKAGES = ("tests/api/js", "tests/api/elevenlabs/former", "tests/pages/axe")


def tracked() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [name for name in listing.stdout.split("\0") if name]


def test_imports_go_down_only() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_models_have_their_migrations(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_says_nothing_about_where_packages_come_from(name: str) -> None:
    assert INDEX.findall((ROOT / name).read_text()) == []


@pytest.mark.parametrize("folder", PACKAGES)
def test_neither_does_one_of_javascript(folder: str) -> None:
    lock = (ROOT / folder / "package-lock.json").read_text()
    assert "resolved" not in lock
    packages = json.loads(lock)["packages"]
    assert [name for name, one in packages.items() if name and "integrity" not in one] == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
    packages = [entry for entry in entries if not entry.startswith("#")]
    assert packages
    assert [entry.split()[0] for entry in packages if "--hash=sha256:" not in entry] == []


def test_nothing_configures_a_package_index() -> None:
    suspects = {"pip.conf", "uv.toml", ".netrc", ".pypirc", "poetry.toml"}
    assert [name for name in tracked() if Path(name).name in suspects] == []
    settings = re.compile(r"PIP_(?:INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS)\s*=|\[\[tool\.uv\.index")
    texts = [name for name in tracked() if Path(name).name in {"Makefile", "pyproject.toml", "run"}]
    assert [name for name in texts if settings.search((ROOT / name).read_text())] == []


def test_nothing_stands_at_the_top_that_does_not_belong_there() -> None:
    allowed = {
        "manage.py", "pyproject.toml", "speechsite", "voices", "jobs", "templates", "static",
        "tests", "docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE",
        "Makefile", ".ci", ".gitignore", "requirements.txt", "requirements-dev.txt",
    }  # fmt: skip
    assert {name.split("/")[0] for name in tracked()} <= allowed


def test_the_readme_lists_every_setting() -> None:
    from speechsite import checks

    readme = (ROOT / "README.md").read_text()
    missing = [name for name in sorted(checks.known_settings()) if f"`{name}`" not in readme]
    assert missing == []
