"""What is stored of a group: its records, as bytes and back. No decisions.

    group/<subject>/<group>              what it is, how far it has come, who its members are
    page/<subject>/<group>/<page>        events that one member has in hand, and which of them are settled
    retry/<subject>/<group>/<seq>        an event that goes out again, once it is due
    dead/<subject>/<group>/<seq>         a dead letter, a copy of its event
    lane/<subject>/<group>/<key>         the events of one key, in order, that are not settled (``ordered_by``)

An event is an ``Item`` in all of them but the first. An item that is *copied* has its event in its dead letter, which
stays, hidden, until the item is settled: the log may have removed the event meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast, overload

from pydantic_core import from_json, to_json

from ._stored import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

SEPARATORS: Final = (",", ":")
DIGITS: Final = 20
"""Numbers in keys are padded, so that keys are sorted as numbers."""


_encode: Final = json.JSONEncoder(separators=SEPARATORS).encode  # json.dumps makes one for each call


def _dumped(value: object) -> bytes:
    return _encode(value).encode()


class Keys:
    """The keys of one group's records."""

    __slots__ = ("begun", "dead", "group", "lane", "page", "retry")

    def __init__(self, subject: str, group: str) -> None:
        self.begun: str = f"{subject}/{group}"
        """What the engine's marks of what was begun call the group."""
        self.group: str = f"group/{self.begun}"
        self.page: str = f"page/{self.begun}/"
        self.retry: str = f"retry/{self.begun}/"
        self.dead: str = f"dead/{self.begun}/"
        self.lane: str = f"lane/{self.begun}/"

    def retry_of(self, seq: int) -> str:
        """The key of an event that goes out again."""
        return f"{self.retry}{seq:0{DIGITS}}"

    def dead_of(self, seq: int) -> str:
        """The key of a dead letter."""
        return f"{self.dead}{seq:0{DIGITS}}"


def last_part(key: str) -> str:
    """What comes after the last slash: a page's id, a lane's key, an event's number."""
    return key.rpartition("/")[2]


class Item(NamedTuple):
    """One event of a group.

    Attributes:
        seq: its number.
        attempt: which attempt the next hand-over is, or this one; 1 at first.
        copied: whether its event is kept in its dead letter.
        due: when it may go out again, on the wall clock; 0 for at once.
        seen: since when nobody could read it, on the wall clock; 0 for an event that was read.
        tries: how often it could not be read.
        died: whether its process died while it was handled: of these a reader hands over one at a time.
    """

    seq: int
    attempt: int = 1
    copied: bool = False
    due: float = 0.0
    seen: float = 0.0
    tries: int = 0
    died: bool = False

    def fresh(self) -> Item:
        """The same, as it is handed over."""
        return self._replace(due=0.0, seen=0.0, tries=0) if self.due or self.seen else self

    def packed(self) -> Any:
        """As JSON: most items are a number."""
        if self[1:] == _AS_AT_FIRST:
            return self.seq
        values = [self.seq, self.attempt, int(self.copied), self.due, self.seen, self.tries, int(self.died)]
        while len(values) > 1 and values[-1] == (1 if len(values) == 2 else 0):  # noqa: PLR2004 -- the attempt is 1
            values.pop()
        return values

    @classmethod
    def unpacked(cls, packed: Any) -> Item:
        """Back from JSON."""
        if isinstance(packed, int):
            return cls(packed)
        item = cls(*packed)
        return item._replace(copied=bool(item.copied), died=bool(item.died))


_AS_AT_FIRST: Final = Item(0)[1:]


class FirstTime(Sequence[Item]):
    """Events that go out for the first time, without lanes, by their numbers: an item is made where one is asked for.

    (To make one for each event took as long as to settle it.)
    """

    __slots__ = ("seqs",)

    def __init__(self, seqs: Sequence[int]) -> None:
        self.seqs: Sequence[int] = seqs

    def __len__(self) -> int:
        return len(self.seqs)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> FirstTime: ...
    def __getitem__(self, index: int | slice) -> Item | FirstTime:
        return FirstTime(self.seqs[index]) if isinstance(index, slice) else Item(self.seqs[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(cast("Sequence[Item]", other))

    def __hash__(self) -> int:
        return hash(tuple(self))


class Definition(NamedTuple):
    """What a group is, as it is kept and compared.

    Attributes:
        wants: the wire names that it wants, sorted; None for everything.
        where: its condition, written out; empty without one.
        ordered_by: the fields that are its key, written out; None where it has no order.
    """

    wants: tuple[str, ...] | None
    where: str
    ordered_by: str | None

    def __str__(self) -> str:
        wants = "everything" if self.wants is None else " | ".join(self.wants)
        where = f" where {self.where}" if self.where else ""
        return wants + where + ("" if self.ordered_by is None else f", ordered by {self.ordered_by}")


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """A group.

    Attributes:
        definition: what it is.
        position: everything up to this number was claimed, or is not wanted.
        epoch: how often it was moved or defined anew: who has looked ahead looks again.
        paused: whether nothing is claimed.
        lanes: whether it has, or ever had, an order.
        waiting: how many events wait in lanes, behind others of their key.
        max_attempts: the newest member's.
        on_dead: the newest member's.
        members: each open reader of it, with the engine's member that it runs in.
    """

    definition: Definition
    position: int
    epoch: int = 0
    paused: bool = False
    lanes: bool = False
    waiting: int = 0
    max_attempts: int | None = None
    on_dead: str = "continue"
    members: Mapping[str, str] = field(default_factory=dict[str, str])

    def dump(self) -> bytes:
        """As bytes."""
        return _dumped(
            {
                "wants": self.definition.wants,
                "where": self.definition.where,
                "ordered_by": self.definition.ordered_by,
                "position": self.position,
                "epoch": self.epoch,
                "paused": self.paused,
                "lanes": self.lanes,
                "waiting": self.waiting,
                "max_attempts": self.max_attempts,
                "on_dead": self.on_dead,
                "members": dict(self.members),
            }
        )

    @classmethod
    def parse(cls, value: bytes) -> GroupRecord:
        """Back from bytes."""
        known: dict[str, Any] = json.loads(value)
        wants, where, ordered_by = known.pop("wants"), known.pop("where"), known.pop("ordered_by")
        return cls(Definition(None if wants is None else tuple(wants), where, ordered_by), **known)


@dataclass(frozen=True, slots=True)
class PageRecord:
    """Events that one reader of a group has in hand.

    Attributes:
        reader: the reader of the group, a name that begins with the engine's member.
        ack_wait: for how many seconds that may be silent.
        items: the events.
        lanes: the lane of each event; empty for one without.
        done: a bit for each event that is settled, the first lowest.
        head: all but ``done``, as bytes, where that is known: it never changes, and is most of the record.
    """

    reader: str
    ack_wait: float
    items: Sequence[Item]
    lanes: tuple[str, ...]
    done: int = 0
    head: bytes = field(default=b"", compare=False, repr=False)

    @property
    def member(self) -> str:
        """The engine's member that the reader runs in."""
        return self.reader.rpartition("/")[0]

    @property
    def is_plain(self) -> bool:
        """Whether what is done of it leaves nothing else to be done: no event has a lane, or a copy."""
        return type(self.items) is FirstTime

    @property
    def is_over(self) -> bool:
        """Whether all of it is settled."""
        return self.done == (1 << len(self.items)) - 1

    def is_done(self, index: int) -> bool:
        """Whether this one is settled."""
        return bool(self.done >> index & 1)

    def open_indexes(self) -> list[int]:
        """Which are not settled."""
        return [index for index in range(len(self.items)) if not self.is_done(index)]

    def dump(self) -> bytes:
        """As bytes: a line of JSON, and the bits."""
        return b"%s\n%x" % (self.head or self._head(), self.done)

    def _head(self) -> bytes:
        lanes = self.lanes if any(self.lanes) else None
        packed = list(self.items.seqs) if isinstance(self.items, FirstTime) else [item.packed() for item in self.items]
        if packed and packed == list(range(self.items[0].seq, self.items[0].seq + len(packed))):
            # most pages: what is written with each settlement is a fiftieth of a list of a thousand numbers
            return _dumped([self.reader, self.ack_wait, {"from": packed[0], "events": len(packed)}, lanes])
        return _dumped([self.reader, self.ack_wait, packed, lanes])

    def with_done(self, done: int) -> PageRecord:
        """The same, of which this is settled."""
        return PageRecord(self.reader, self.ack_wait, self.items, self.lanes, done, self.head)

    def with_head(self) -> PageRecord:
        """The same, which knows its head."""
        return self if self.head else replace(self, head=self._head())

    @classmethod
    def parse(cls, value: bytes) -> PageRecord:
        """Back from bytes."""
        head, _, done = value.partition(b"\n")
        reader, ack_wait, packed, lanes = json.loads(head)
        if isinstance(packed, dict):
            run = cast("dict[str, int]", packed)
            packed = range(run["from"], run["from"] + run["events"])
        is_plain = lanes is None and isinstance(packed, range)
        items = FirstTime(packed) if is_plain else tuple(map(Item.unpacked, packed))
        return cls(reader, ack_wait, items, tuple(lanes or [""] * len(items)), int(done, 16), head)


class RetryRecord(NamedTuple):
    """An event that goes out again. It is due when its item is."""

    item: Item
    error: str = ""

    def dump(self) -> bytes:
        """As bytes."""
        return _dumped([self.item.packed(), self.error])

    @classmethod
    def parse(cls, value: bytes) -> RetryRecord:
        """Back from bytes."""
        packed, error = json.loads(value)
        return cls(Item.unpacked(packed), error)


class LaneRecord(NamedTuple):
    """The events of one key that are not settled.

    Attributes:
        items: in order.
        page: the page that has the first of them; empty where none has.
        in_page: how many that page has.
        held: dead letters that hold the key.
        counted: how many of its items the group's ``waiting`` counts.
    """

    items: tuple[Item, ...] = ()
    page: str = ""
    in_page: int = 0
    held: tuple[int, ...] = ()
    counted: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of the key any more."""
        return not self.items and not self.held

    def due(self, now: float) -> float | None:
        """When its first event may be claimed; None while that is in hand, or the key is held."""
        if self.page or self.held or not self.items:
            return None
        return self.items[0].due or now

    def dump(self) -> bytes:
        """As bytes."""
        # pydantic's JSON takes a third of the time of json's, and a lane is written several times for each event
        packed = [item.packed() for item in self.items]
        return to_json([packed, self.page, self.in_page, self.held, self.counted])

    @classmethod
    def parse(cls, value: bytes) -> LaneRecord:
        """Back from bytes."""
        packed, page, in_page, held, counted = from_json(value)
        return cls(tuple(map(Item.unpacked, packed)), page, in_page, tuple(held), counted)


@dataclass(frozen=True, slots=True)
class DeadRecord:
    """A dead letter.

    Attributes:
        row: the event.
        attempts: how often it was handed over.
        error: what was wrong the last time.
        at: when it became one, on the wall clock.
        lane: the lane that it holds, or held; empty for one without.
        redriven: whether it is out again: then it is none, and only keeps the event.
    """

    row: Row
    attempts: int
    error: str
    at: float
    lane: str = ""
    redriven: bool = False

    def dump(self) -> bytes:
        """As bytes: a line of JSON, and the event's own data."""
        row = self.row
        facts = [row.seq, row.type, row.version, dict(row.headers), row.id, row.time]
        return _dumped([facts, self.attempts, self.error, self.at, self.lane, self.redriven]) + b"\n" + row.data

    @classmethod
    def parse(cls, value: bytes) -> DeadRecord:
        """Back from bytes."""
        line, _, data = value.partition(b"\n")
        (seq, kind, version, headers, id_, time), attempts, error, at, lane, redriven = json.loads(line)
        return cls(Row(seq, kind, version, data, headers, id_, time), attempts, error, at, lane, redriven)

    def out_again(self) -> DeadRecord:
        """The same, once it is redriven."""
        return replace(self, redriven=True)
