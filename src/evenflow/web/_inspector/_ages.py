"""How long the oldest event of a buffer has been waiting, without a time on any event.

A buffer counts what came in and what went out. Whoever looks at it now and then, and remembers how much had come in at
each look, knows between which two looks the oldest event came. So an age is right to within the time between two looks,
and of what was there before the first look only the least is known.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from evenflow._buffer import Cell, ConflatedBuffer

if TYPE_CHECKING:
    from evenflow._buffer import Buffer

MOST_LOOKS: Final = 64
"""How many looks are remembered for a buffer that nobody reads; then every other one is forgotten."""

MOST_CELLS: Final = 256
"""How many cells of a conflated buffer are looked at, of each of its lanes."""


class Oldest(NamedTuple):
    """Since when the oldest event waits; ``at_least`` where it may have been waiting for longer."""

    since: float
    at_least: bool


class Ages:
    """The looks at one buffer."""

    __slots__ = ("_looks",)

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()
        """When, and how many events had come in; the first is the last before the oldest event came, or the first."""

    def look(self, buffer: Buffer[object], now: float) -> Oldest | None:
        """Since when the oldest event of the buffer waits; None where nothing does."""
        left, came = _left_and_came(buffer)
        looks = self._looks
        if not len(buffer):
            looks.clear()
        if not looks or looks[-1][1] != came:
            looks.append((now, came))
            if len(looks) > MOST_LOOKS:
                self._looks = looks = deque([looks[0], *list(looks)[1:-1:2], looks[-1]])
        if not len(buffer):
            return None
        if buffer.replay:  # it was there when the subscription was made
            return Oldest(looks[0][0], at_least=True)
        while len(looks) > 1 and looks[1][1] <= left:
            looks.popleft()
        if looks[0][1] > left:
            return Oldest(looks[0][0], at_least=True)
        return Oldest(looks[1][0], at_least=False)


def _left_and_came(buffer: Buffer[object]) -> tuple[int, int]:
    """How many events have left before the oldest one, and how many have come in."""
    if not isinstance(buffer, ConflatedBuffer):
        return buffer.head(), buffer.tail()
    cells: list[Cell] = [*islice(buffer.outbox, MOST_CELLS), *islice(buffer.inbox, MOST_CELLS)]
    oldest = min((cell.sequence for cell in cells), default=buffer.sequence + 1)
    return oldest - 1, buffer.sequence
