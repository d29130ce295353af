"""What one reader of a group claims: due retries and lanes first, then new events. Pure, as ``_group_rules``.

Rule 1: an event that nobody here can read is put off, uncounted, with a pause that grows; after a time it is a dead
        letter. It holds back its key, where that is known, and nothing else.
Rule 2: a new event of a key that is in hand, held or put off waits in its lane, and the position passes it.
Rule 3: the position stops before the first event that could be claimed and for which there is no room.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ._group_records import FirstTime, Item, Keys, LaneRecord, PageRecord, RetryRecord
from ._group_rules import Draft, Fate, Lanes, Outcome, bury

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._group_records import DeadRecord, GroupRecord
    from ._stored import Row

MOST_WAITING: Final = 100_000
"""How many events may wait behind others of their key before the group fetches no more."""

LONGEST_PAUSE: Final = 60.0
"""Seconds between two attempts to read an event that nobody can read."""


def pause_after(tries: int) -> float:
    """Seconds until an event is tried again that could not be read, after so many tries before this."""
    return min(LONGEST_PAUSE, 2.0**tries)


class Reading(NamedTuple):
    """An event, as this process reads it.

    Attributes:
        row: as it is stored; None where the log has it no more.
        event: the event; None where ``error`` says why it cannot be read.
        error: why it cannot be read, or used; empty where it can.
        broken: whether no other process could do more with it: it is a dead letter at once.
        wanted: whether the group wants it.
        lane: of a group with an order, its lane.
    """

    row: Row | None
    event: Any = None
    error: str = ""
    broken: bool = False
    wanted: bool = True
    lane: str = ""


class Plain(NamedTuple):
    """New events of which there is nothing to decide: all are wanted, can be read, and have no key.

    That is nearly always so. An object for each of them, and another for each that is claimed, would cost a third of
    what a batch costs.
    """

    rows: Sequence[Row]
    events: Sequence[Any]

    def readings(self) -> list[Reading]:
        """The same one by one, where something must be decided."""
        return [Reading(row, event) for row, event in zip(self.rows, self.events, strict=True)]


class Taken(NamedTuple):
    """One claimed event."""

    item: Item
    lane: str
    reading: Reading


class Claiming:
    """One claim.

    Attributes:
        draft: the change.
        taken: what is claimed.
        plain: what is claimed, where all of it is new, and nothing had to be decided; then ``taken`` is empty.
        gone: the numbers of events that the log had no more.
        put_off: the numbers of events that cannot be read, and were put off.
        dead: the dead letters that were made.
        position: how far the group has come by this.
    """

    def __init__(
        self,
        keys: Keys,
        seen: tuple[GroupRecord, int],
        *,
        page_id: str,
        room: int,
        lanes: Lanes,
        now: float,
        undecodable_after: float,
    ) -> None:
        self._keys = keys
        self._group, self._version = seen
        self._page_id = page_id
        self._room = room
        self._lanes = lanes
        self._now = now
        self._undecodable_after = undecodable_after
        self._waiting = self._group.waiting
        self.draft: Draft = Draft()
        self.taken: list[Taken] = []
        self.plain: Plain | None = None
        self.gone: list[int] = []
        self.put_off: list[int] = []
        self.dead: list[DeadRecord] = []
        self.position: int = self._group.position

    @property
    def room(self) -> int:
        """How many more can be claimed."""
        return self._room - len(self.taken)

    @property
    def is_choked(self) -> bool:
        """Whether so many events wait behind others that no more may be fetched."""
        return self._waiting >= MOST_WAITING

    # ------------------------------------------------------------------ what goes out again

    def add_retry(self, retry: RetryRecord, version: int, reading: Reading) -> None:
        """A retry that is due."""
        item = retry.item
        key = self._keys.retry_of(item.seq)
        self.draft.expect[key] = version
        self.draft.delete(key)
        if self._is_gone(item, reading):
            return
        if reading.error:
            if (later := self._unreadable(item, reading)) is not None:
                self.draft.put(key, RetryRecord(later, reading.error).dump(), later.due)
        elif reading.lane:
            self._into_lane(reading.lane, item)
        else:
            self.taken.append(Taken(item.fresh(), "", reading))

    def _into_lane(self, name: str, item: Item) -> None:
        """An event whose key was not known until now: before the later ones of its key that are not in hand."""
        lane = self._lanes.get(name)
        place = lane.in_page
        while place < len(lane.items) and lane.items[place].seq < item.seq:
            place += 1
        self._set(name, lane._replace(items=(*lane.items[:place], item.fresh(), *lane.items[place:])))

    def add_lane(self, name: str, readings: list[Reading], most: int) -> None:
        """A lane that is due: ``readings`` are its first events, of which at most ``most`` are claimed."""
        lane = self._lanes.get(name)
        items = list(lane.items)
        taken: list[Item] = []
        for reading in readings[: min(most, self.room)]:
            item = items[0]
            if item.due > self._now:
                break
            del items[0]
            if self._is_gone(item, reading):
                continue
            if not reading.error:
                taken.append(item.fresh())
                self.taken.append(Taken(taken[-1], name, reading))
            elif (later := self._unreadable(item, reading, name)) is not None:
                items.insert(0, later)
                break
            elif self._group.on_dead == "hold_key":
                lane = lane._replace(held=(*lane.held, item.seq))
                break
        page = self._page_id if taken else ""
        self._set(name, lane._replace(items=(*taken, *items), page=page, in_page=len(taken)))

    # ------------------------------------------------------------------ what is new

    def add_plain(self, news: Plain) -> None:
        """New events of which there is nothing to decide; they are all that is claimed, and there is room for them."""
        self.plain = news
        self.position = news.rows[-1].seq

    def add_all(self, readings: Sequence[Reading]) -> bool:
        """New events, in order; returns False where there was no room for all of them."""
        return all(map(self.add_new, readings))

    def add_new(self, reading: Reading) -> bool:
        """The next new event; returns False where there is no room for it, and nothing was done."""
        row = reading.row
        assert row is not None
        if reading.wanted and not self._claim_new(Item(row.seq), reading):
            return False
        self.position = row.seq
        return True

    def _claim_new(self, item: Item, reading: Reading) -> bool:
        if reading.error:
            if (later := self._unreadable(item, reading)) is not None:
                self.draft.put(self._keys.retry_of(item.seq), RetryRecord(later, reading.error).dump(), later.due)
            return True
        if not reading.lane:
            if not self.room:
                return False
            self.taken.append(Taken(item, "", reading))
            return True
        items, page, in_page, held, counted = lane = self._lanes.get(reading.lane)
        if lane.is_empty or (page == self._page_id and in_page == len(items)):
            if not self.room:
                return False
            self.taken.append(Taken(item, reading.lane, reading))
            page, in_page = self._page_id, in_page + 1
        elif self.is_choked:
            return False
        self._set(reading.lane, LaneRecord((*items, item), page, in_page, held, counted))
        return True

    def pass_to(self, position: int) -> None:
        """Everything up to this number was looked at."""
        self.position = max(self.position, position)

    # ------------------------------------------------------------------ the change

    def finish(self, reader: str, ack_wait: float) -> PageRecord | None:
        """Put the change together; returns the page, if anything was claimed."""
        self._lanes.write(self.draft, self._now)
        self.draft.expect[self._keys.group] = self._version
        if (group := self.group) is not self._group:
            self.draft.put(self._keys.group, group.dump())
        if not self.taken and self.plain is None:
            return None
        items: Sequence[Item] = tuple([taken.item for taken in self.taken])
        lanes = tuple([taken.lane for taken in self.taken])
        if self.plain is not None:
            items, lanes = FirstTime([row.seq for row in self.plain.rows]), ("",) * len(self.plain.rows)
        page = PageRecord(reader, ack_wait, items, lanes).with_head()
        key = self._keys.page + self._page_id
        self.draft.expect[key] = 0
        self.draft.put(key, page.dump())
        return page

    @property
    def only_moves(self) -> bool:
        """Whether the change does nothing but move the position, or nothing at all: that can wait."""
        draft = self.draft
        moves = not draft.deletes and draft.puts.keys() <= {self._keys.group}
        return moves and not self.taken and self.plain is None and self._waiting == self._group.waiting

    @property
    def group(self) -> GroupRecord:
        """The group's record after this."""
        before = self._group
        if (self.position, self._waiting) == (before.position, before.waiting):
            return before
        return replace(before, position=self.position, waiting=self._waiting)

    def _set(self, name: str, lane: LaneRecord) -> None:
        """Change a lane, and count what waits in it."""
        waiting = len(lane.items) - lane.in_page
        if waiting != lane.counted:
            self._waiting += waiting - lane.counted
            lane = lane._replace(counted=waiting)
        self._lanes.set(name, lane)

    def _is_gone(self, item: Item, reading: Reading) -> bool:
        if reading.row is None:
            self.gone.append(item.seq)
        return reading.row is None

    def _unreadable(self, item: Item, reading: Reading, lane: str = "") -> Item | None:
        """Put an event off that cannot be read; None where it is a dead letter now."""
        seen = item.seen or self._now
        end = seen + self._undecodable_after
        if reading.broken or self._now >= end:
            never_begun = item._replace(attempt=item.attempt - 1)
            outcome = Outcome(0, Fate.DEAD, error=reading.error, row=reading.row)
            self.dead.append(bury(self.draft, self._keys, never_begun, outcome, self._now, lane))
            return None
        due = min(self._now + pause_after(item.tries), end)
        self.put_off.append(item.seq)
        return item._replace(due=due, seen=seen, tries=min(item.tries + 1, 10))
