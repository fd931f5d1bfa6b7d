#!/usr/bin/env python
"""Runs Speechsite's commands; `manage.py up` starts the whole site."""

import os
import sys

from speechsite.core.env import BadSetting
from speechsite.management import loading


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speechsite.settings")
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    try:
        if "--prepared" in sys.argv:
            loading.begin()
        execute_from_command_line(sys.argv)
    except BadSetting as error:
        sys.exit(f"Speechsite cannot start. {error}")
    except DatabaseError as error:
        from speechsite.management import unprepared

        if explanation := unprepared.explanation(error):
            sys.exit(explanation)
        raise


if __name__ == "__main__":
    main()
