"""The numbers of a group, as they are stored: for all its members, in whatever process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ._group_records import DeadRecord, GroupRecord, Keys, LaneRecord, PageRecord, last_part

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import timedelta

    from ._engine import Engine, Record
    from ._offsets import Offset

COUNTED: Final = 10_000
"""Up to how many new events are counted."""

MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """The numbers of one group.

    Attributes:
        name: its name.
        wants: its classes, condition and order, as they are kept.
        position: everything up to here was claimed, or is not wanted.
        due: how many events could be handled now: new ones of its classes (at most 10,000 are counted, and its
            condition is not asked), retries that are due, and what waits behind others of its key.
        oldest_due: how long the oldest of these has been there; None where nothing is due.
        in_hand: how many its members have claimed, and not settled.
        retrying: how many go out again later.
        dead: how many dead letters it has.
        members: how many readers it has.
        paused: whether it is paused.
    """

    name: str
    wants: str
    position: Offset
    due: int
    oldest_due: timedelta | None
    in_hand: int
    retrying: int
    dead: int
    members: int
    paused: bool


@dataclass(slots=True)
class Counts:
    """What is counted of one group."""

    due: int = 0
    since: float | None = None
    in_hand: int = 0
    retrying: int = 0
    dead: int = 0

    def add_due(self, number: int, since: float) -> None:
        """So many are due, the oldest since then, on the wall clock."""
        self.due += number
        self.since = since if self.since is None else min(self.since, since)


async def count(engine: Engine, subject: str, name: str, group: GroupRecord, types: Collection[str] | None) -> Counts:
    """Count what a group has; ``types`` are the wire names of what it wants, None for everything."""
    keys, now, counts = Keys(subject, name), engine.wall(), Counts()
    for record in (await engine.load(prefix=keys.page)).values():
        counts.in_hand += len(PageRecord.parse(record.value).open_indexes())
    for record in (await engine.load(prefix=keys.retry)).values():
        _count_again(counts, record.due or now, now)
    for record in (await engine.load(prefix=keys.lane)).values():
        _count_lane(counts, LaneRecord.parse(record.value), record.due, now)
    for record in (await engine.load(prefix=keys.dead)).values():
        counts.dead += not DeadRecord.parse(record.value).redriven
    await _count_new(engine, subject, group, types, counts)
    return counts


def _count_again(counts: Counts, due: float, now: float) -> None:
    if due <= now:
        counts.add_due(1, due)
    else:
        counts.retrying += 1


def _count_lane(counts: Counts, lane: LaneRecord, due: float | None, now: float) -> None:
    waiting = len(lane.items) - lane.in_page
    if due is not None and waiting:
        _count_again(counts, due, now)
        waiting -= 1
    if waiting:
        counts.add_due(waiting, now)


async def _count_new(
    engine: Engine, subject: str, group: GroupRecord, types: Collection[str] | None, counts: Counts
) -> None:
    after, number = group.position, 0
    while number < COUNTED:
        page = await engine.read(subject, after, min(1_000, COUNTED - number), types=types)
        if page.rows:
            counts.add_due(len(page.rows), page.rows[0].time / MICRO)
            number += len(page.rows)
        if page.through <= after:
            return
        after = page.through


async def settled_through(engine: Engine, subject: str) -> int | None:
    """Up to which number no group of a subject needs anything any more; None where it has no group."""
    needed = [
        GroupRecord.parse(record.value).position for record in (await engine.load(prefix=f"group/{subject}/")).values()
    ]
    for kind in ("page", "retry", "lane"):
        needed += [seq - 1 for seq in _needed(kind, await engine.load(prefix=f"{kind}/{subject}/"))]
    return min(needed, default=None)


def _needed(kind: str, records: Mapping[str, Record]) -> Iterable[int]:
    """The numbers of the events that such records need; what is copied needs none."""
    for key, record in records.items():
        if kind == "retry":
            yield int(last_part(key))
            continue
        if kind == "page":
            page = PageRecord.parse(record.value)
            items = [page.items[index] for index in page.open_indexes()]
        else:
            items = list(LaneRecord.parse(record.value).items)
        yield from (item.seq for item in items if not item.copied)
