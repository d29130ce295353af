"""What becomes of a group's events. Pure decisions: from records to a change of records, without waiting.

Rule 1: an event that was claimed and is not settled is in exactly one page, retry or lane; nothing else knows it.
Rule 2: whoever settles names the version of the page that it saw; where that has changed, nothing is done.
Rule 3: the events of one key are in one lane, in order. At most one page has the first of them, in a row; what comes
        after an event that goes out again leaves the page with it.
Rule 4: a lane that says otherwise than the page is newer: whoever saw that page has lost it.

what became of it     without a lane                      in a lane
  DONE                gone                                gone; the next of its key may go on
  AGAIN               a retry, one attempt more           first in its lane, one attempt more, when it is due
  BACK                a retry, due now, same attempt      first in its lane, due now, same attempt
  DEAD                a dead letter                       a dead letter; ``hold_key`` holds the lane
An event that goes out ``AGAIN`` for the last time is ``DEAD``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ._group_records import DeadRecord, Item, Keys, LaneRecord, PageRecord, RetryRecord
from ._stored import Change, Outdated, Put

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ._stored import Record, Row


LARGEST_PAGE: Final = 1_000
"""Events that are claimed in one commit, at most."""


class Fate(Enum):
    """What became of an event that was claimed."""

    DONE = "done"
    AGAIN = "again"
    BACK = "back"
    DEAD = "dead"


class Outcome(NamedTuple):
    """What became of one event of a page.

    Attributes:
        place: its place in the page.
        fate: what became of it.
        due: when it goes out again, on the wall clock; 0 for at once.
        error: what was wrong.
        row: the event, where it may become a dead letter.
        died: whether its process died while it was handled.
    """

    place: int
    fate: Fate
    due: float = 0.0
    error: str = ""
    row: Row | None = None
    died: bool = False


DONE: Final = tuple(Outcome(place, Fate.DONE) for place in range(LARGEST_PAGE))
"""Most outcomes, made once: the acknowledgement of each place of a page."""

BITS: Final = tuple(1 << place for place in range(LARGEST_PAGE))
"""The bit of each place of a page. What is acknowledged is kept as the bits of its page: an object for each event took
a tenth of what a batch takes."""


class Policy(NamedTuple):
    """What a group says of events that fail; ``now`` is on the wall clock."""

    max_attempts: int | None
    holds: bool
    now: float


@dataclass(slots=True)
class Draft:
    """A change that is being put together."""

    expect: dict[str, int] = field(default_factory=dict[str, int])
    puts: dict[str, Put] = field(default_factory=dict[str, Put])
    deletes: set[str] = field(default_factory=set[str])
    lanes: dict[str, LaneRecord] = field(default_factory=dict[str, LaneRecord])
    """The lanes that it changes, by key, as it leaves them."""

    def put(self, key: str, value: bytes, due: float | None = None) -> None:
        """Store a record."""
        self.deletes.discard(key)
        self.puts[key] = Put(value, due)

    def delete(self, key: str) -> None:
        """Delete a record."""
        self.puts.pop(key, None)
        self.deletes.add(key)

    @property
    def is_empty(self) -> bool:
        """Whether it would change nothing."""
        return not self.puts and not self.deletes

    def change(self) -> Change:
        """The change."""
        return Change(self.expect, self.puts, tuple(sorted(self.deletes)) if self.deletes else ())


class Lanes:
    """The lanes that a change touches: what is known of each, and what becomes of it."""

    def __init__(
        self, keys: Keys, loaded: Mapping[str, Record], known: Mapping[str, tuple[LaneRecord, int]] | None = None
    ) -> None:
        self._prefix = keys.lane
        self._lanes = {
            key.removeprefix(keys.lane): (LaneRecord.parse(record.value), record.version)
            for key, record in loaded.items()
            if key.startswith(keys.lane)
        }
        self._lanes.update(known or {})
        self._touched: dict[str, LaneRecord] = {}

    def __contains__(self, lane: str) -> bool:
        return lane in self._touched or lane in self._lanes

    def names(self) -> list[str]:
        """All that were loaded."""
        return list(self._lanes)

    def get(self, lane: str) -> LaneRecord:
        """A lane as it is by now; an empty one where there is none."""
        known = self._touched.get(lane)
        if known is None:
            known = self._lanes.get(lane, (LaneRecord(), 0))[0]
        return known

    def set(self, lane: str, record: LaneRecord) -> None:
        """Change a lane."""
        self._touched[lane] = record

    def write(self, draft: Draft, now: float) -> None:
        """Write what was changed into a change, and expect what was seen."""
        for lane, record in self._touched.items():
            key = self._prefix + lane
            draft.expect[key] = self._lanes[lane][1] if lane in self._lanes else 0
            draft.lanes[key] = record
            if record.is_empty:
                draft.delete(key)
            else:
                draft.put(key, record.dump(), record.due(now))


class Settled(NamedTuple):
    """What settling came to: the page as it is now, which of its events were taken back, and the dead letters."""

    page: PageRecord
    taken_back: Sequence[int] = ()
    dead: Sequence[DeadRecord] = ()


def acknowledge(draft: Draft, keys: Keys, page_id: str, seen: tuple[PageRecord, int], acked: int) -> Settled:
    """Acknowledge events of a plain page, by their bits: there is nothing to decide."""
    page, version = seen
    page = page.with_done(page.done | acked)
    _write_page(draft, keys.page + page_id, page, version)
    return Settled(page)


def _write_page(draft: Draft, key: str, page: PageRecord, version: int) -> None:
    draft.expect[key] = version
    if page.is_over:
        draft.delete(key)
    else:
        draft.put(key, page.dump())


def acknowledged(acked: int) -> list[Outcome]:
    """The same as outcomes, where something must be decided."""
    return [DONE[place] for place in range(acked.bit_length()) if acked >> place & 1]


def settle(
    draft: Draft,
    keys: Keys,
    page_id: str,
    seen: tuple[PageRecord, int],
    outcomes: Sequence[Outcome],
    lanes: Lanes,
    policy: Policy,
) -> Settled:
    """Settle events of one page; those that are settled already are left alone.

    ``lanes`` must know the lane of each event.

    Raises:
        Outdated: the lanes, which were loaded after the page, say that another has taken it meanwhile.
    """
    page, version = seen
    dead: list[DeadRecord] = []
    fates: dict[str, dict[int, Outcome]] = {}
    done, plain = page.done, page.is_plain
    for outcome in outcomes:
        if done >> outcome.place & 1:
            continue
        done |= 1 << outcome.place
        if plain and outcome.fate is Fate.DONE:
            continue
        checked = _last_attempt(page.items[outcome.place], outcome, policy)
        if lane := page.lanes[outcome.place]:
            fates.setdefault(lane, {})[outcome.place] = checked
        else:
            _settle_item(draft, keys, page.items[outcome.place], checked, policy.now, dead)
    taken_back: list[int] = []
    open_ = _open_by_lane(page, fates)
    for lane, by_index in fates.items():
        indexes = open_[lane]
        if (lanes.get(lane).page, lanes.get(lane).in_page) != (page_id, len(indexes)):
            raise Outdated([keys.page + page_id])
        taken_back += _settle_lane(draft, keys, indexes, lane, by_index, lanes, policy, dead)
    for index in taken_back:
        done |= 1 << index
    page = page.with_done(done)
    _write_page(draft, keys.page + page_id, page, version)
    return Settled(page, taken_back, dead)


def _open_by_lane(page: PageRecord, lanes: Mapping[str, Any]) -> dict[str, list[int]]:
    """For each of these lanes, which of its events in the page are not settled yet, in order."""
    found: dict[str, list[int]] = {lane: [] for lane in lanes}
    if lanes:
        for index, lane in enumerate(page.lanes):
            if lane in lanes and not page.done >> index & 1:
                found[lane].append(index)
    return found


def _last_attempt(item: Item, outcome: Outcome, policy: Policy) -> Outcome:
    """An event that goes out again too often is dead."""
    if outcome.fate is Fate.AGAIN and policy.max_attempts is not None and item.attempt >= policy.max_attempts:
        return outcome._replace(fate=Fate.DEAD)
    return outcome


def next_item(item: Item, outcome: Outcome) -> Item:
    """The item as it goes out again."""
    if outcome.fate is Fate.AGAIN:
        return item._replace(attempt=item.attempt + 1, due=outcome.due, seen=0.0, tries=0, died=outcome.died)
    return item._replace(due=outcome.due)


def _settle_item(draft: Draft, keys: Keys, item: Item, outcome: Outcome, now: float, dead: list[DeadRecord]) -> None:
    match outcome.fate:
        case Fate.DONE:
            if item.copied:
                draft.delete(keys.dead_of(item.seq))
        case Fate.DEAD:
            dead.append(bury(draft, keys, item, outcome, now))
        case Fate.AGAIN | Fate.BACK:
            again = next_item(item, outcome)
            draft.put(keys.retry_of(item.seq), RetryRecord(again, outcome.error).dump(), again.due or now)


def bury(draft: Draft, keys: Keys, item: Item, outcome: Outcome, now: float, lane: str = "") -> DeadRecord:
    """Make an event a dead letter."""
    assert outcome.row is not None
    letter = DeadRecord(outcome.row, item.attempt, outcome.error, now, lane)
    draft.put(keys.dead_of(item.seq), letter.dump())
    return letter


def _settle_lane(
    draft: Draft,
    keys: Keys,
    indexes: Sequence[int],
    name: str,
    fates: Mapping[int, Outcome],
    lanes: Lanes,
    policy: Policy,
    dead: list[DeadRecord],
) -> list[int]:
    """Settle events of one key, which has those at ``indexes`` of the page, and returns which of them leave it.

    What is not settled leaves the page where one before it does.
    """
    lane = lanes.get(name)
    held, kept, taken_back = list(lane.held), list[Item](), list[int]()
    in_page = 0
    leaving = False
    for index, item in zip(indexes, lane.items[: lane.in_page], strict=True):
        outcome = fates.get(index)
        if outcome is None:
            # what comes after an event that goes out again, or that holds its key, cannot go on
            kept.append(item)
            if leaving:
                taken_back.append(index)
            else:
                in_page += 1
        elif outcome.fate in (Fate.AGAIN, Fate.BACK):
            kept.append(next_item(item, outcome))
            leaving = True
        elif outcome.fate is Fate.DEAD:
            dead.append(bury(draft, keys, item, outcome, policy.now, name))
            if policy.holds:
                held.append(item.seq)
                leaving = True
        elif item.copied:
            draft.delete(keys.dead_of(item.seq))
    lanes.set(
        name,
        LaneRecord(
            (*kept, *lane.items[lane.in_page :]), lane.page if in_page else "", in_page, tuple(held), lane.counted
        ),
    )
    return taken_back


def unhold(lanes: Lanes, name: str, seq: int, *, again: Item | None = None) -> None:
    """A dead letter holds its key no more: it goes out again, before the others, or it is discarded."""
    lane = lanes.get(name)
    items = lane.items
    if again is not None:
        place = lane.in_page
        while place < len(items) and items[place].copied and items[place].seq < seq:
            place += 1  # behind those that were sent out again before, and stand before it in the log
        items = (*items[:place], again, *items[place:])
    lanes.set(name, lane._replace(items=items, held=tuple(each for each in lane.held if each != seq)))


def lanes_of(page: PageRecord, indexes: Iterable[int]) -> set[str]:
    """The lanes of these events."""
    return {page.lanes[index] for index in indexes if page.lanes[index]}
