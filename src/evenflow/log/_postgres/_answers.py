"""Answers: when whoever waits for a change hears what came of it.

A hundred tasks that each publish, wait, and publish again, would all hear at once, and all publish at once: the server
has nothing to do while they run, and they have nothing to do while it works.

Rule 1: where the tasks that hear take about as long as a transaction, or longer, they hear by halves: while the
        changes of one half are committed, the tasks of the other half run. What is told is never kept back for a change
        that may not come: only for one turn of the loop, or until the next transaction is on its way.
Rule 2: where a transaction takes longer, as on a slow disk, all hear at once: what they do next shares one commit.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Final

from evenflow.log._stored import Done

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection

    from ._calls import Job

LEAST: Final = 2
"""Changes in one transaction: fewer have no halves."""

WEIGHT: Final = 0.25
"""Of the last transaction in how long one takes. One that is quick alone must not divide what a slow disk waits for."""

WORTH: Final = 1.5
"""How much longer than its tasks a transaction may take before all hear at once: one of half the changes takes less.
On a quick disk, 100 tasks that publish: 26 us an event, 28 with 1, 31 where all hear at once."""


class Answers:
    """What is known of changes, and not told yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = perf_counter) -> None:
        self._loop = loop
        self._clock = clock
        self._untold: deque[tuple[Job, Done | Exception]] = deque()
        self._each = 0.0
        """Seconds that the loop takes for one task that hears, and what it does until it waits again."""
        self._takes = 0.0
        """Seconds that a transaction takes, a mean of the last ones."""
        self._begun = 0.0
        self._ran = 0.0
        """When the present transaction has begun, and seconds that tasks which heard of the last have run since."""

    @property
    def wait(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._untold)

    def add(self, answers: Collection[tuple[Job, Done | Exception]]) -> None:
        """This is known, and to be told."""
        self._untold += answers

    def begin(self) -> None:
        """A transaction begins."""
        self._begun, self._ran = self._clock(), 0.0

    def tell_some(self, queued: int) -> bool:
        """The transaction is over: tell all; or a half, or none of it where so many changes are queued.

        The rest is told when the next transaction is on its way, or after a turn of the loop without one. Returns
        whether all were told, and the next should wait for what they do.
        """
        known = len(self._untold)
        seconds = self._clock() - self._begun - self._ran  # its answer waits for tasks that run meanwhile
        self._takes += (seconds - self._takes) * (WEIGHT if self._takes else 1.0)
        if known + queued < LEAST or WORTH * self._each * (known + queued) <= self._takes:
            self.tell()
            return True
        if not queued:
            self.tell(known // 2)
        return False

    def tell(self, count: int | None = None) -> None:
        """Tell these, the first to be made in front; without a number, all."""
        count = len(self._untold) if count is None else count
        if not count:
            return
        begun = self._clock()
        for job, answer in list(islice(self._untold, count)):
            self._untold.popleft()
            if isinstance(answer, Done):
                job.succeed(answer)
            else:
                job.fail(answer)
        self._loop.call_soon(self._note_turn, begun, count)

    def _note_turn(self, begun: float, count: int) -> None:
        """All tasks that heard then have run."""
        seconds = self._clock() - begun
        self._each = seconds / count
        self._ran += seconds
