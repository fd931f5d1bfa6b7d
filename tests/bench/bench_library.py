"""The library and the Studio's picker with 5,000 voices, against 200.

Two sites, each in a process and a database of its own, are asked in turn through Django's test
client; what is measured is processor time, as in `bench_growth`. Fails where p95 with 5,000 is over 150 ms or over 1.5 times that with 200, or where a page
takes more than 8 queries.

    python -m tests.bench.bench_library [--database postgres://…] [--voices N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from tests.bench.bench_growth import clock
from tests.bench.fresh import Ask, site_that_answers
from tests.crashing import percentile

FEW, MANY = 200, 5_000
ROUNDS, WARM = 40, 5
LIMIT_MS, LIMIT_RATIO, MOST_QUERIES = 150.0, 1.5, 8
PATHS = {
    "the library": "/voices/",
    "in one language": "/voices/?voice_language=de",
    "a search": "/voices/?voice_q=warm+female",
    "two filters": "/voices/?voice_gender=female&voice_age=young",
    "the last page": "/voices/?page=9999",
    "typing, the list alone": "/voices/?voice_q=war",
    "the Studio's picker": "/studio/voices/",
    "a search in the picker": "/studio/voices/?voice_q=warm",
}
LANGUAGES = ("en-US", "de-DE", "zh-CN")
USES = ("narration", "social_media", "conversational", "advertisement", "")


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("--database", default="", help="a PostgreSQL; SQLite if left out")
    asked.add_argument("--voices", type=int, default=MANY)
    asked.add_argument("--rounds", type=int, default=ROUNDS)
    asked.add_argument("--site", type=int, help=argparse.SUPPRESS)
    told = asked.parse_args()
    if told.site is not None:
        serve(told.site)
        return 0
    with (
        site_that_answers(__spec__.name, FEW, told.database) as few,
        site_that_answers(__spec__.name, told.voices, told.database) as many,
    ):
        return judge({name: compared(name, few, many, told.rounds) for name in PATHS})


def compared(name: str, few: Ask, many: Ask, rounds: int) -> list[tuple[Any, Any]]:
    """One page of both, in turn."""
    pairs = [(few(name), many(name)) for _ in range(WARM + rounds)]
    return pairs[WARM:]


def judge(pages: dict[str, list[tuple[Any, Any]]]) -> int:
    good = True
    print(f"{'p95':<26}{FEW:>8}{'many':>12}{'ratio':>8}{'queries':>9}")
    for name, pairs in pages.items():
        before, after = (
            percentile(sorted(pair[place]["seconds"] * 1000 for pair in pairs), 0.95)
            for place in (0, 1)
        )
        queries = max(one["queries"] for pair in pairs for one in pair)
        fits = after <= LIMIT_MS and after / before <= LIMIT_RATIO and queries <= MOST_QUERIES
        good &= fits
        print(
            f"{name:<26}{before:>5.1f} ms{after:>9.1f} ms{after / before:>8.2f}{queries:>9}"
            f"{'' if fits else '  FAIL'}"
        )
    limits = f"{LIMIT_MS:g} ms, {LIMIT_RATIO} times, {MOST_QUERIES} queries"
    print("PASS" if good else "FAIL", f"(limits {limits})")
    return 0 if good else 1


# --- in the site's own process ---------------------------------------------------------------


def serve(voices: int) -> None:
    """Fill the library, then answer a line with a line."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "speechsite.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    browser = Client(headers={"Accept-Language": "de-DE,de;q=0.9,en;q=0.8"})
    browser.force_login(fill(voices))
    now = clock()
    for line in sys.stdin:
        name = line.strip()
        headers = {"HX-Request": "true"} if name.startswith("typing") else {}
        began = now()
        with CaptureQueriesContext(connection) as queries:
            answer = browser.get(PATHS[name], headers=headers)
        seconds = now() - began
        assert answer.status_code == 200, answer.status_code
        print(json.dumps({"seconds": seconds, "queries": len(queries)}), flush=True)


def fill(count: int) -> Any:
    """So many voices as a large provider has them; a person who keeps some.

    Each page that is asked for is full with 200 of them already.
    """
    from speechsite.accounts import plans
    from speechsite.accounts.models import User
    from voices import library
    from voices.models import Favourite, Voice

    library.load()
    Voice.objects.all().delete()
    plans.Plan.objects.get_or_create(slug="free", defaults={"name": "Free"})
    user = User.objects.create_user("bench@example.com", "x")
    plans.put_on_plan(user)
    made = [
        Voice(
            family="builtin", external_id=f"made-{number}", name=f"Made {number}",
            language=LANGUAGES[number % len(LANGUAGES)],
            languages=[LANGUAGES[number % len(LANGUAGES)]],
            gender=("female", "male")[number % 2], age=("young", "old")[number // 2 % 2],
            accent=("american", "british", "standard", "")[number % 4],
            use_case=USES[number % len(USES)],
            description=f"A {('warm', 'deep')[number // 4 % 2]} voice, number {number}.",
            labels={"engine": "natural"}, position=number,
        )
        for number in range(count)
    ]  # fmt: skip
    for voice in made:
        voice.make_findable()
    Voice.objects.bulk_create(made, batch_size=500)
    kept = Voice.objects.order_by("?")[:10]
    Favourite.objects.bulk_create(Favourite(user=user, voice=voice) for voice in kept)
    return user


if __name__ == "__main__":
    sys.exit(main())
