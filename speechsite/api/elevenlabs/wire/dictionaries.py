"""Pronunciation dictionaries: their rules and their lexicon files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from speechsite.api.elevenlabs.schema import Field

MOST_RULES = 1000
LARGEST_LEXICON = 2 * 1024 * 1024
ALPHABETS = ("ipa", "cmu-arpabet")
NAMESPACE = "http://www.w3.org/2005/01/pronunciation-lexicon"

RULE = Field(
    "object",
    fields={
        "type": Field(choices=("alias", "phoneme")),
        "string_to_replace": Field(is_required=True),
        "alias": Field(),
        "phoneme": Field(),
        "alphabet": Field(choices=ALPHABETS),
        "case_sensitive": Field("boolean", default=True),
        "word_boundaries": Field("boolean", default=True),
    },
)
RULES = Field("list", is_required=True, minimum=1, maximum=MOST_RULES, item=RULE)
ADD_FROM_RULES = {
    "name": Field(is_required=True),
    "rules": RULES,
    "description": Field(),
    "workspace_access": Field(),
}
ADD_FROM_FILE = {"name": Field(is_required=True), "description": Field()}
CHANGE_RULES = {"rules": RULES}
REMOVE_RULES = {"rule_strings": Field("list", is_required=True, item=Field(), maximum=MOST_RULES)}
UPDATE = {"name": Field(), "archived": Field("boolean")}
LIST_QUERY = {
    "cursor": Field(),
    "page_size": Field("integer", default=30, minimum=1, maximum=100),
    "sort": Field(default="creation_time_unix"),
    "sort_direction": Field(default="DESCENDING"),
    "include_archived": Field("boolean", default=True),
}


class BadLexicon(ValueError):
    """The file is not a pronunciation lexicon that can be read."""


def clean(rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rules as they are kept; one that replaces nothing by anything is left out."""
    kept = []
    for rule in rules:
        # A client sends rules without their type: what they hold tells it.
        own = rule["type"] or ("alias" if rule["alias"] else "phoneme")
        if rule["string_to_replace"] and rule[own]:
            kept.append({**{k: v for k, v in rule.items() if v is not None}, "type": own})
    return kept


def to_lexicon(rules: Sequence[Mapping[str, Any]], language: str = "en") -> str:
    """The rules as a PLS file."""
    entries = "".join(
        f"  <lexeme>\n    <grapheme>{escape(rule['string_to_replace'])}</grapheme>\n"
        f"    <{rule['type']}>{escape(rule[rule['type']])}</{rule['type']}>\n  </lexeme>\n"
        for rule in rules
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<lexicon version="1.0" xmlns="{NAMESPACE}" alphabet="ipa" xml:lang="{language}">\n'
        f"{entries}</lexicon>\n"
    )


def from_lexicon(raw: bytes) -> list[dict[str, Any]]:
    """The rules of a PLS file. Raises BadLexicon."""
    # A lexicon needs no document type, and entities in one can be made to eat all memory.
    if len(raw) > LARGEST_LEXICON or b"<!DOCTYPE" in raw.upper() or b"<!ENTITY" in raw.upper():
        raise BadLexicon("the file is too large or declares a document type")
    try:
        root = ElementTree.fromstring(raw.decode("utf-8-sig"))  # noqa: S314 - no entities left
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError) as error:
        raise BadLexicon("the file is not XML in UTF-8") from error
    alphabet = "cmu-arpabet" if "arpabet" in root.get("alphabet", "").lower() else "ipa"
    rules: list[dict[str, Any]] = []
    for lexeme in root.iter():
        if _name(lexeme) == "lexeme":
            rules.extend(_rules_of(lexeme, alphabet))
    return rules[:MOST_RULES]


def _rules_of(lexeme: ElementTree.Element, alphabet: str) -> list[dict[str, Any]]:
    texts: dict[str, list[str]] = {}
    for child in lexeme:
        texts.setdefault(_name(child), []).append((child.text or "").strip())
    kind = "alias" if "alias" in texts else "phoneme"
    if kind not in texts:
        return []
    more = {"alphabet": alphabet} if kind == "phoneme" else {}
    return [
        {"type": kind, "string_to_replace": word, kind: texts[kind][0], **more}
        | {"case_sensitive": True, "word_boundaries": True}
        for word in texts.get("grapheme", [])
        if word and texts[kind][0]
    ]


def _name(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def made(row: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to making a dictionary."""
    return {
        "id": row["id"],
        "name": row["name"],
        "created_by": row["created_by"],
        "creation_time_unix": row["created_unix"],
        "version_id": row["version_id"],
        "version_rules_num": len(row["rules"]),
        "description": row["description"] or None,
        "permission_on_resource": "admin",
    }


def metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    """A dictionary without its rules."""
    return {
        "id": row["id"],
        "latest_version_id": row["version_id"],
        "latest_version_rules_num": len(row["rules"]),
        "name": row["name"],
        "created_by": row["created_by"],
        "creation_time_unix": row["created_unix"],
        "archived_time_unix": row["archived_unix"],
        "description": row["description"] or None,
        "permission_on_resource": "admin",
    }


def changed(row: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to changing the rules."""
    return {
        "id": row["id"],
        "version_id": row["version_id"],
        "version_rules_num": len(row["rules"]),
    }
