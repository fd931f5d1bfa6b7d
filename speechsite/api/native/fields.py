"""Fields that take what their schema says and nothing that merely looks like it."""

from __future__ import annotations

import math
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers


class Text(serializers.CharField):
    """A JSON string, as it stands."""

    default_error_messages = {"not_text": _("This must be a string.")}

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_text")
        return super().to_internal_value(data)


class Number(serializers.FloatField):
    """A JSON number within bounds."""

    default_error_messages = {"not_number": _("This must be a number.")}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("not_number")
        # Python reads integers of any length; a float holds up to some 10^308.
        if isinstance(data, int):
            data = max(min(data, 10**15), -(10**15))
        if not math.isfinite(data):
            self.fail("not_number")
        return float(data)


class Whole(serializers.IntegerField):
    """A JSON number without a fraction."""

    default_error_messages = {"not_whole": _("This must be a whole number.")}

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("not_whole")
        if isinstance(data, float) and not data.is_integer():
            self.fail("not_whole")
        return max(min(int(data), 10**15), -(10**15))


class Switch(serializers.BooleanField):
    """True or false, and nothing that is taken for it elsewhere."""

    default_error_messages = {"not_switch": _("This must be true or false.")}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("not_switch")
        return data


class Word(serializers.ChoiceField):
    """One of some words."""

    default_error_messages = {"not_text": _("This must be a string.")}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_text")
        return super().to_internal_value(data)
