"""Whose turn it is: the order in which waiting pieces are taken.

Fair between accounts, and between the jobs of one account: who has the least in
flight comes first. Plain arithmetic over counts; `claims` reads and writes the rows.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Line:
    """The waiting pieces of one job."""

    user: int
    job: UUID
    first: int  # the key of its first waiting piece: who came earlier
    length: int


@dataclass(slots=True)
class _Account:
    """One account's jobs, the one with the least in flight on top."""

    jobs: list[tuple[int, int, UUID]] = field(default_factory=list)
    left: Counter[UUID] = field(default_factory=Counter)

    def next_job(self) -> UUID:
        load, first, job = heapq.heappop(self.jobs)
        self.left[job] -= 1
        if self.left[job]:
            heapq.heappush(self.jobs, (load + 1, first, job))
        return job


def order(lines: list[Line], flying: Mapping[tuple[int, UUID], int]) -> Iterator[UUID]:
    """Jobs in the order of their turns, one entry for each piece; `flying` is what is under way."""
    accounts: dict[int, _Account] = {}
    loads: Counter[int] = Counter()
    for (user, _job), count in flying.items():
        loads[user] += count
    for line in lines:
        account = accounts.setdefault(line.user, _Account())
        account.left[line.job] = line.length
        heapq.heappush(account.jobs, (flying.get((line.user, line.job), 0), line.first, line.job))
    turns = [(loads[user], min(jobs.jobs)[1], user) for user, jobs in accounts.items()]
    heapq.heapify(turns)
    while turns:
        load, first, user = heapq.heappop(turns)
        yield accounts[user].next_job()
        if accounts[user].jobs:
            heapq.heappush(turns, (load + 1, first, user))
