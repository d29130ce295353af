"""Turns: who decides about one thing, such as what a group hands out next, where several processes would.

A reader of a group reads the next events, and then commits that they are its own. Where others do the same meanwhile,
one commit succeeds; the others have read for nothing, and read again. With a turn they wait instead.

Rule 1: a turn only saves work. Whoever does not get it in a moment goes on without it: the versions of records decide.
Rule 2: a turn is an ``fcntl`` lock on one byte of the lock file, so it ends with its process.
Rule 3: where a holder lets nobody have it, as one whose loop is blocked, nobody waits for it for a while.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from time import monotonic
from typing import TYPE_CHECKING, Final
from zlib import crc32

from anyio import sleep

if TYPE_CHECKING:
    from ._lock import WriteLock

_FIRST_PLACE: Final = 4_096
_PLACES: Final = 2**20
"""Two names that have one place take turns with each other, which is harmless."""
_STEP: Final = 0.0005
_LONGEST_STEP: Final = 0.002
LONGEST_WAIT: Final = 0.5
"""Seconds: on a busy machine a claim takes 40 ms, and three others may be before it."""
PAUSE: Final = 5.0
"""Seconds without waiting, once somebody has waited in vain."""


class Turns:
    """The turns of one opening of a log. In the loop."""

    def __init__(self, lock: WriteLock) -> None:
        self._lock = lock
        self.not_before: dict[int, float] = {}
        """Until when nobody waits, by place."""

    def turn(self, name: str) -> AbstractAsyncContextManager[None]:
        """A block in which nobody else has the turn of this name, or has had it for long."""
        return _Turn(self, self._lock, _FIRST_PLACE + crc32(name.encode()) % _PLACES)


class _Turn(AbstractAsyncContextManager[None]):
    def __init__(self, turns: Turns, lock: WriteLock, place: int) -> None:
        self._turns = turns
        self._lock = lock
        self._place = place
        self._is_mine = False

    async def __aenter__(self) -> None:
        begin, place = self._lock.begin_turn, self._place
        if begin(place):
            self._is_mine = True
            return
        until, step = monotonic() + LONGEST_WAIT, _STEP
        while monotonic() >= self._turns.not_before.get(place, 0.0):
            await sleep(step)
            if begin(place):
                self._is_mine = True
                break
            if monotonic() > until:
                self._turns.not_before[place] = until + PAUSE
            step = min(_LONGEST_STEP, step * 1.5)

    async def __aexit__(self, *_: object) -> None:
        if self._is_mine:
            self._lock.end_turn(self._place)
