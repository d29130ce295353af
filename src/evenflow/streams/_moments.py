"""What comes first if several sources have something at one moment.

In virtual time a loop has a ``Timetable``. A source that keeps time itself (`interval`, `timer`, and `marbles` of
`evenflow.testing`) does not set a timer there: it waits in the timetable for its turn. The loop does, in this order:

    something is ready                        run it, and let nothing else happen
    sources have something at this moment     let one source go on: of all, the one that was started first
    timers are due at this moment             run them
    nothing of this kind                      jump to the next moment

So one event has reached everyone before the next event comes. In real time there is no such order: sources set timers.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from math import inf
from sys import maxsize
from typing import Final

from anyio import Event, current_time, sleep_until
from anyio.lowlevel import RunVar, current_token

from evenflow.streams._channel import let_others_run

A_SECOND: Final = 1_000_000_000
"""A second in nanoseconds. What is in the same nanosecond is at one moment: 0.1 + 0.2 and 0.3 are the same time."""

AFTER_ALL_SOURCES: Final = maxsize
"""A number that no source has."""


class Timetable:
    """The sources that wait for their time, in the order in which they will go on."""

    __slots__ = ("_numbers", "_order", "_waiting")

    def __init__(self) -> None:
        self._numbers = count()
        # Those that wait for all sources have one number: the first to wait goes on first.
        self._order = count()
        self._waiting: list[tuple[float, int, float, int, Event]] = []

    def next_number(self) -> int:
        """Return the number of a source that starts now."""
        return next(self._numbers)

    async def wait(self, due: float, number: int) -> None:
        """Wait until it is time ``due``, and the turn of the source with this number."""
        entry = (moment_of(due), number, due, next(self._order), Event())
        heappush(self._waiting, entry)
        try:
            await entry[4].wait()
        except BaseException:
            # A source that was cancelled must not make the clock stop at its time. It may have been let go on already.
            if entry in self._waiting:
                self._waiting.remove(entry)
                self._waiting.sort()
            raise

    def first(self) -> tuple[float, float] | None:
        """Return when the next source goes on, as a moment and in seconds; None if no source waits."""
        return (self._waiting[0][0], self._waiting[0][2]) if self._waiting else None

    def let_one_go_on(self) -> None:
        """Let the first source go on."""
        heappop(self._waiting)[4].set()


TIMETABLE: Final[RunVar[Timetable]] = RunVar("evenflow timetable")
"""The timetable of a loop that has no attribute for it."""


def timetable_here() -> Timetable | None:
    """Return the timetable of the loop that runs here; None in real time.

    A `VirtualLoop` has it as an attribute, because on asyncio only a task can set a `RunVar`.
    """
    loop = current_token().native_token
    timetable: Timetable | None = getattr(loop, "timetable", None)
    return timetable or TIMETABLE.get(None)


class Turn:
    """The place of one source among all others. It is taken when the source starts."""

    __slots__ = ("_number", "_timetable")

    def __init__(self) -> None:
        self._timetable = timetable_here()
        self._number = 0 if self._timetable is None else self._timetable.next_number()

    async def sleep_until(self, due: float) -> None:
        """Sleep until ``due``, and let the sources go first that have something then and were started earlier."""
        if self._timetable is None or moment_of(due) < moment_of(current_time()):
            await sleep_until(due)
        else:
            await self._timetable.wait(due, self._number)


async def let_sources_go_first() -> None:
    """Let everything come that comes at this very moment, as far as that can be known."""
    timetable = timetable_here()
    if timetable is None:
        await let_others_run()
    else:
        await timetable.wait(current_time(), AFTER_ALL_SOURCES)


def moment_of(seconds: float) -> float:
    """Return a time in whole nanoseconds; infinite is never."""
    return round(seconds * A_SECOND) if seconds < inf else inf
