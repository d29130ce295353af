"""What of a group goes out again now: retries and lanes whose time has come, as one reader looks for them.

Rule 1: what this reader could not read it leaves alone for as long again as the last pause was, so that a reader that
        can read it finds it due. After ``undecodable_after`` it is left alone no more: somebody must give it up.
Rule 2: what is left alone takes no place from other retries, and nobody looks for it again and again.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from ._claiming import LONGEST_PAUSE, pause_after
from ._group_records import LaneRecord, RetryRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._claiming import Reading
    from ._engine import Engine
    from ._group_records import Item, Keys
    from ._known_lanes import KnownLanes
    from ._stored import Record

MOST_REMEMBERED: Final = 1_000
"""How many events a reader remembers that it could not read: beyond it the ones that failed first are tried again."""


class Again(NamedTuple):
    """What is due.

    Attributes:
        records: the retries, as they are stored, by key.
        heads: the lanes, as they are stored, by key.
        retries: the events that are due by themselves, by key.
        lanes: the lanes whose first event is due, by name.
    """

    records: Mapping[str, Record]
    heads: Mapping[str, Record]
    retries: Mapping[str, RetryRecord]
    lanes: Mapping[str, LaneRecord]

    def items(self, room: int) -> tuple[list[Item], int]:
        """The events that can go out, and how many of each lane they are at most."""
        most = max(1, (room - len(self.retries)) // max(1, len(self.lanes)))
        found = [retry.item for retry in self.retries.values()]
        for lane in self.lanes.values():
            found += lane.items[:most]
        return found, most


class Due:
    """Looks for what of one group is due."""

    def __init__(self, engine: Engine, keys: Keys, undecodable_after: float, known: KnownLanes) -> None:
        self._engine = engine
        self._known = known
        self._keys = keys
        self._undecodable_after = undecodable_after
        self._unread: dict[int, None] = {}
        """The numbers of events that this reader could not read, those that failed first in front."""

    def note_read(self, readings: Mapping[int, Reading]) -> None:
        """This reader could read these events, unless they have an error."""
        for seq in self._unread.keys() & readings.keys():
            if not readings[seq].error:
                del self._unread[seq]

    def note_unreadable(self, seqs: Iterable[int]) -> None:
        """This reader could not read these events."""
        for seq in seqs:
            self._unread.pop(seq, None)
            self._unread[seq] = None
        while len(self._unread) > MOST_REMEMBERED:
            del self._unread[next(iter(self._unread))]

    def most(self, room: int) -> int:
        """How many records ``load`` must see to find ``room`` that this reader may claim."""
        return room + len(self._unread)

    async def load(self, now: float, room: int, *, lanes: bool, retries: Mapping[str, Record] | None = None) -> Again:
        """What is due now, at most ``room`` retries and ``room`` lanes; ``retries`` where they were loaded."""
        if retries is None:
            retries = await self._engine.due(self._keys.retry, now, self.most(room))
        retries = self._claimable(self._keys.retry, retries, now, room)
        heads: Mapping[str, Record] = {}
        if lanes:
            heads = await self._engine.due(self._keys.lane, now, self.most(room))
            heads = self._claimable(self._keys.lane, heads, now, room)
        return Again(
            retries,
            heads,
            {key: RetryRecord.parse(record.value) for key, record in retries.items()},
            self._known.parsed(heads),
        )

    def _claimable(self, prefix: str, found: Mapping[str, Record], now: float, room: int) -> Mapping[str, Record]:
        if not self._unread:
            return found
        kept = [key for key, record in found.items() if self._from(prefix, record) <= now]
        return {key: found[key] for key in kept[:room]}

    async def next(self, *, lanes: bool) -> float:
        """When the next is due, on the wall clock; infinite where none is."""
        prefixes = (self._keys.retry, self._keys.lane) if lanes else (self._keys.retry,)
        return min([await self._next(prefix) for prefix in prefixes])

    async def _next(self, prefix: str) -> float:
        due = await self._engine.next_due(prefix)
        if due is None:
            return inf
        if not self._unread or due > self._engine.wall():
            return due
        later = self._engine.wall() + LONGEST_PAUSE
        found = await self._engine.due(prefix, later, len(self._unread) + 1)
        return min((self._from(prefix, record) for record in found.values()), default=later)

    def _from(self, prefix: str, record: Record) -> float:
        """From when on this reader may claim what such a record says."""
        due = record.due or 0.0
        if prefix == self._keys.retry:
            item = RetryRecord.parse(record.value).item
        else:
            item = LaneRecord.parse(record.value).items[0]
        if item.seq not in self._unread:
            return due
        end = item.seen + self._undecodable_after if item.seen else inf
        return max(due, min(due + pause_after(max(0, item.tries - 1)), end))
