"""The numbers of a group, as they are stored: for all its members, in whatever process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ._group_records import DeadRecord, GroupRecord, Keys, LaneRecord, PageRecord, RetryRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import timedelta

    from ._engine import Engine
    from ._group_records import Item
    from ._offsets import Offset
    from ._stored import Page, Record, Row

    News: TypeAlias = Callable[[int, int], Awaitable[Page]]
    """Reads at most so many new events after a number."""

COUNTED: Final = 10_000
"""Up to how many new events are counted."""

AT_A_TIME: Final = 500
"""Records that are looked at together."""

ASKED: Final = 100
"""Events that are decoded together to ask a condition: the loop turns in between."""

MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """The numbers of one group.

    Attributes:
        name: its name.
        wants: its classes, condition and order, as they are kept.
        position: everything up to here was claimed, or is not wanted.
        due: how many events could be handled now: new ones that it wants (at most 10,000 are looked at), retries that
            are due, and what waits behind others of its key. Its condition is asked where this process has a consumer
            of the group, running or not, or an open reader; elsewhere only its text is known, and all new events of its
            classes count.
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


async def count(
    engine: Engine,
    subject: str,
    name: str,
    group: GroupRecord,
    news: News,
    is_wanted: Callable[[Row], bool] | None = None,
) -> Counts:
    """Count what a group has.

    ``news`` reads new events of the types that it wants; ``is_wanted`` asks its condition, if there is one and it is
    known.
    """
    keys, now, counts = Keys(subject, name), engine.wall(), Counts()

    def in_page(record: Record) -> None:
        counts.in_hand += len(PageRecord.parse(record.value).open_indexes())

    def retry(record: Record) -> None:
        _count_again(counts, record.due or now, now)

    def lane(record: Record) -> None:
        _count_lane(counts, LaneRecord.parse(record.value), record.due, now)

    def dead(record: Record) -> None:
        counts.dead += not DeadRecord.parse(record.value).redriven

    for prefix, look in ((keys.page, in_page), (keys.retry, retry), (keys.lane, lane), (keys.dead, dead)):
        await _each(engine, prefix, look)
    await _count_new(group, news, is_wanted, counts)
    return counts


async def _each(engine: Engine, prefix: str, look: Callable[[Record], None]) -> None:
    """Look at each record with this prefix; few of them are in memory at a time."""
    after = ""
    while found := await engine.load_some(prefix, after, AT_A_TIME):
        for key, record in found.items():
            look(record)
            after = key


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
    group: GroupRecord,
    news: News,
    is_wanted: Callable[[Row], bool] | None,
    counts: Counts,
) -> None:
    after, number = group.position, 0
    most = 1_000 if is_wanted is None else ASKED
    while number < COUNTED:
        page = await news(after, min(most, COUNTED - number))
        rows = page.rows if is_wanted is None else list(filter(is_wanted, page.rows))
        if rows:
            counts.add_due(len(rows), rows[0].time / MICRO)
        number += len(page.rows)
        if page.through <= after:
            return
        after = page.through


async def settled_through(engine: Engine, subject: str) -> int | None:
    """Up to which number no group of a subject needs anything any more; None where it has no group.

    The groups come first: what is claimed meanwhile lies behind their positions. The rest is looked at twice, because
    between two looks a retry may go into a page, and fail back into a retry.
    """
    needs = _Needs()
    await _each(engine, f"group/{subject}/", needs.group)
    if needs.least is not None:
        for _ in range(2):
            await _each(engine, f"page/{subject}/", needs.page)
            await _each(engine, f"retry/{subject}/", needs.retry)
            await _each(engine, f"lane/{subject}/", needs.lane)
    return needs.least


class _Needs:
    """The number behind which the first event lies that some record needs; a copied item needs none."""

    least: int | None = None

    def _behind(self, seq: int) -> None:
        self.least = seq if self.least is None else min(self.least, seq)

    def _items(self, items: Iterable[Item]) -> None:
        for item in items:
            if not item.copied:
                self._behind(item.seq - 1)

    def group(self, record: Record) -> None:
        self._behind(GroupRecord.parse(record.value).position)

    def page(self, record: Record) -> None:
        page = PageRecord.parse(record.value)
        self._items(page.items[index] for index in page.open_indexes())

    def retry(self, record: Record) -> None:
        self._items([RetryRecord.parse(record.value).item])

    def lane(self, record: Record) -> None:
        self._items(LaneRecord.parse(record.value).items)
