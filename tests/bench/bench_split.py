"""How long a million characters take to split, for friendly and hostile texts.

Run it with: python -m tests.bench.bench_split
"""

from __future__ import annotations

import time

from speechsite.audio.split import split
from tests.audio.test_split import HOSTILE

CHARACTERS = 1_000_000


def main() -> None:
    for name, unit in HOSTILE.items():
        text = (unit * (CHARACTERS // len(unit) + 1))[:CHARACTERS]
        for limit in (300, 5_000):
            begun = time.perf_counter()
            pieces = split(text, limit, first=100)
            passed = time.perf_counter() - begun
            print(f"{name:22} limit {limit:5}  {passed * 1000:6.0f} ms  {len(pieces):6} pieces")


if __name__ == "__main__":
    main()
