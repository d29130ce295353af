"""When a batch that is closed by time is due: a while after its first event, or when its window ends.

Windows end at the multiples of their length on the clock: those of a minute end at each full minute. The clock is the
one on the wall, or in virtual time that of the loop.
"""

from __future__ import annotations

from time import time_ns
from typing import Protocol

from anyio import current_time

from evenflow.streams._moments import A_SECOND, moment_of, timetable_here


class Closing(Protocol):
    """Says when a batch is due."""

    def due(self, now: float) -> float:
        """Return when the batch is due whose first event has come ``now``."""
        ...

    def was_due(self) -> None:
        """Note that this time has come, and that the batch is closed."""
        ...


class AfterFirst:
    """A batch is due ``seconds`` after its first event."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def due(self, now: float) -> float:
        """Return the time ``seconds`` from now."""
        return now + self.seconds

    def was_due(self) -> None:
        """Note nothing."""


class Windows:
    """A batch is due at the end of its window. What comes at that very moment is in that window still, as in Rx."""

    __slots__ = ("_closed", "_length", "_number")

    def __init__(self, seconds: float) -> None:
        self._length = max(round(seconds * A_SECOND), 1)
        # Whatever comes at the very start is in the first window, though another ends there.
        self._number = self._closed = nanoseconds(current_time()) // self._length

    def due(self, now: float) -> float:
        """Return the end of the window that is open ``now``. No end is used twice, should the clock go back a bit."""
        on_the_clock = nanoseconds(now)
        number = -(-on_the_clock // self._length)
        if number == self._closed:
            number += 1
        self._number = number
        left = number * self._length - on_the_clock
        return (moment_of(now) + left) / A_SECOND

    def was_due(self) -> None:
        """Note that the window has ended."""
        self._closed = self._number


def nanoseconds(now: float) -> int:
    """Return what the clock shows, or will show, at a time of the loop."""
    moment = round(now * A_SECOND)
    if timetable_here() is not None:
        return moment
    return moment + time_ns() - round(current_time() * A_SECOND)
