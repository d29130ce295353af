"""ReadAhead: events that one reader of a group with an order has read, and could not claim yet.

An event whose key is in hand waits in its lane, and is claimed later; and what was looked at behind the last one that
could be claimed is looked at again. To read and decode both anew took a third of the time of such a group.

Rule 1: what is kept is as the log has it: events never change. What of them is claimed, the records alone decide; and
        what retention may have removed is read again, where ``unacked="drop"`` removes what waits.
Rule 2: at most ``most`` are kept. Whatever is not kept is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ._claiming import Reading


class Place(NamedTuple):
    """Where new events are looked for: after a number, in an epoch of the group, of some types only."""

    epoch: int
    after: int
    types: Collection[str] | None


class ReadAhead:
    """What was read, and not claimed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[int, Reading] = {}
        self._place: Place | None = None
        self._next: Sequence[Reading] = ()
        self._through = 0

    def get(self, seq: int) -> Reading | None:
        """An event that waits in a lane, if it is kept."""
        return self._waiting.get(seq)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept."""
        return not self._waiting and not self._next

    def forget_through(self, floor: int) -> None:
        """Up to this number events may have been removed: whoever wants one of them reads it."""
        for seq in [seq for seq in self._waiting if seq <= floor]:
            del self._waiting[seq]
        if self._next and self._next[0].row is not None and self._next[0].row.seq <= floor:
            self._place, self._next, self._through = None, (), 0

    def next_at(self, place: Place) -> tuple[Sequence[Reading], int]:
        """The new events there, in order, and up to where there are no others; none where none are kept."""
        return (self._next, self._through) if place == self._place else ((), place.after)

    def keep(self, place: Place, read: Iterable[Reading], taken: Iterable[int], through: int) -> None:
        """These were read, and those were taken; ``place`` is where the next is looked for.

        New events were looked for up to ``through``; 0 where none were.
        """
        waiting = self._waiting
        behind: list[Reading] = []
        for reading in read:
            assert reading.row is not None
            if (seq := reading.row.seq) > place.after:
                behind.append(reading)
            elif reading.lane and not reading.error:
                waiting[seq] = reading
        for seq in taken:
            waiting.pop(seq, None)
        while len(waiting) > self._most:
            del waiting[next(iter(waiting))]
        if through:
            self._place, self._next, self._through = place, behind, max(through, place.after)
