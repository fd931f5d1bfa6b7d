"""Programs to copy: templates of their own, one file for each, filled in as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.template import Context, Engine

SIGNING_SECRET = "YOUR_SIGNING_SECRET"  # noqa: S105  (a placeholder)


@dataclass(frozen=True, slots=True)
class Snippet:
    """One program in one language."""

    language: str
    label: str
    code: str


def snippet(folder: str, language: str, label: str, values: Mapping[str, str]) -> Snippet:
    """A program with its values filled in. The page that shows it escapes it."""
    template = Engine.get_default().get_template(f"developers/examples/{folder}/{language}.txt")
    code = template.render(Context(dict(values), autoescape=False)).strip()
    return Snippet(language, label, code)


def receivers() -> list[Snippet]:
    """How a message is checked where it arrives."""
    values = {"key": SIGNING_SECRET}
    return [
        snippet("webhooks", "python", "Python", values),
        snippet("webhooks", "node", "Node", values),
    ]
