"""What the admin pages of all apps share: rows that are looked at and never edited."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline


class ReadOnly:
    """Nobody adds, changes or deletes these rows here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Page(ModelAdmin):
    """The usual page: nothing is deleted, and big tables are not counted."""

    show_full_result_count = False
    list_per_page = 50
    compressed_fields = True
    actions: Any = ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyPage(ReadOnly, Page):
    """A list and a page per row, to look at."""


class ReadOnlyInline(ReadOnly, TabularInline):
    """Rows that belong to another, twenty at a time."""

    extra = 0
    max_num = 0
    per_page = 20
    tab = True
