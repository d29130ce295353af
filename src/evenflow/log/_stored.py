"""What a log stores, and what is done to it: the words that engines share with what is above them.

Keys of records are made of names joined with ``/``; they are compared and sorted as text.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from evenflow._errors import LogError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ._routes import Route

ABSENT: Final = 0
"""The version of a record that does not exist."""

NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class Append(NamedTuple):
    """An event to be stored.

    Attributes:
        subject: its subject's name.
        type: its wire name.
        version: of its schema.
        data: its JSON.
        headers: CloudEvents extensions.
        id: the id that the publisher gave, or None.
        digest: of type, version and data: tells whether two events with one id are the same. Empty without an id.
        key: the text of its key, where the subject keeps the newest of each key; else None.
        scheduled: whether its id is reserved, and the event takes its place.
        route: what it is routed by, where the subject says so; an engine that cannot filter may forget it.
    """

    subject: str
    type: str
    version: int
    data: bytes
    headers: Mapping[str, str] = NONE
    id: str | None = None
    digest: bytes = b""
    key: str | None = None
    scheduled: bool = False
    route: Route | None = None


class Row(NamedTuple):
    """A stored event; ``time`` is in microseconds since 1970, ``id`` empty where none was given."""

    seq: int
    type: str
    version: int
    data: bytes
    headers: Mapping[str, str]
    id: str
    time: int


class Page(NamedTuple):
    """Some events of a subject, in order.

    Attributes:
        rows: those that were asked for.
        through: everything up to this number was looked at: the next read begins after it.
        floor: everything up to this number may have been removed by retention.
    """

    rows: Sequence[Row]
    through: int
    floor: int


class Record(NamedTuple):
    """A stored record; ``due`` is on the wall clock."""

    value: bytes
    version: int
    due: float | None


class Put(NamedTuple):
    """A record to be stored, whatever was there; ``due`` is when ``due()`` finds it."""

    value: bytes
    due: float | None = None


class Reserve(NamedTuple):
    """An id that is taken from now on, for an event that is scheduled."""

    subject: str
    id: str
    digest: bytes


class Statement(NamedTuple):
    """A statement on the application's own tables; ``rows`` is how many it must affect, or None."""

    sql: str
    parameters: Sequence[Any] | Mapping[str, Any]
    rows: int | None


class Change(NamedTuple):
    """What is done in one commit.

    Attributes:
        expect: the version that each of these records must have; ``ABSENT`` for one that must not exist.
        puts: records to store, by key.
        deletes: keys of records to delete; one that does not exist is none.
        appends: events to append, in this order.
        reserves: ids to take.
        frees: ids, each with its subject, that were reserved and are free again.
        statements: what is done to the application's tables, after everything else.
    """

    expect: Mapping[str, int] = NONE
    puts: Mapping[str, Put] = NONE
    deletes: Collection[str] = ()
    appends: Sequence[Append] = ()
    reserves: Sequence[Reserve] = ()
    frees: Sequence[tuple[str, str]] = ()
    statements: Sequence[Statement] = ()

    def topics(self) -> set[str]:
        """What whoever waits may want to hear of.

        That is the subjects with new events, the first part of the key of each record that is put to become due, and
        the whole key of each other record. The records of a page change with each settlement, and wake nobody.
        """
        found = {append[0] for append in self.appends}
        for key, (_, due) in self.puts.items():
            found.add(key if due is None else key.partition("/")[0])
        found.update(self.deletes)
        return found


class Done(NamedTuple):
    """What a change came to.

    Attributes:
        seqs: the number of each appended event; of one whose id was taken by the same event, that one's.
        versions: the version of each record that was put.
    """

    seqs: Sequence[int]
    versions: Mapping[str, int]


class Outdated(Exception):
    """A record has another version than was expected; nothing was done.

    Attributes:
        keys: the records' keys.
    """

    def __init__(self, keys: Collection[str]) -> None:
        super().__init__(f"changed meanwhile: {', '.join(keys)}")
        self.keys: tuple[str, ...] = tuple(keys)


class IdTaken(Exception):
    """An id belongs to other data, or to an event that is scheduled; nothing was done.

    Attributes:
        subject: the subject's name.
        id: the id.
        scheduled: whether the other event has not gone out yet.
        same: of an id that was to be reserved, whether it belongs to the same event, which is stored.
    """

    def __init__(self, subject: str, id: str, *, scheduled: bool, same: bool = False) -> None:  # noqa: A002 -- as everywhere in the log
        super().__init__(id)
        self.subject = subject
        self.id = id
        self.scheduled = scheduled
        self.same = same

    def refusal(self) -> ValueError:
        """The error for whoever published with this id."""
        if self.scheduled:
            return ValueError(
                f"the id {self.id!r} of {self.subject} belongs to an event that is scheduled and has not gone out;"
                " withdraw that first, `unschedule`, or take another id"
            )
        return ValueError(
            f"the id {self.id!r} of {self.subject} belongs to an event with other data, which is stored; nothing was"
            " stored now: what is published again under one id must be the same event"
        )


class Away(LogError):
    """The server cannot be reached, and nothing was done.

    The engine looks for it until it is back: whoever can wait asks again.
    """


class Absent(LogError):
    """There is no log here, and whoever only looks must not make one."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not there: nothing has opened it yet, and looking at it makes none")


class Lineage(NamedTuple):
    """One line of a log's history: events above ``after``, up to the next line's ``after``, were stored in it."""

    id: str
    after: int


class Pulse(NamedTuple):
    """What is known of a member: a process that has opened the log.

    Attributes:
        alive: whether its process lives; None where the engine cannot know.
        at: when it was last heard of, on the lease clock.
        begun: what was handed to a handler and is not settled, as ``begin`` was told.
    """

    alive: bool | None
    at: float
    begun: frozenset[tuple[str, int]]


class Size(NamedTuple):
    """How much is stored; None where the engine cannot say cheaply."""

    events: int | None
    bytes: int | None
    wal_bytes: int | None = None
