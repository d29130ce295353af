"""How the events of one subject become what is stored, and how what is stored becomes events and records."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from pydantic_core import ValidationError, to_json

from evenflow._errors import DecodeError

from ._names import checked_given_id, checked_headers
from ._record import Record
from ._routes import Wanted, texts_in
from ._stored import Append
from ._wire import digest, encode, refuse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evenflow._conditions import Condition
    from evenflow._fields import Path

    from ._codec import Codec
    from ._offsets import Offset
    from ._retain import Retain
    from ._routes import Routing
    from ._running import Running
    from ._schemas import Schemas
    from ._stored import Row

    Stamp: TypeAlias = Callable[[Mapping[str, str] | None], Mapping[str, str] | None]


_made: Final = partial(tuple.__new__, Append)  # pyright: ignore[reportUnknownMemberType]  # typeshed says nothing of what it takes
"""What ``Append._make`` does, without a call of Python for each event."""
_KIND: Final = itemgetter(1, 2)
"""The wire name and version of a row."""


class Kind(NamedTuple):
    """What a subject is made of.

    Attributes:
        subject: its name.
        types: the classes that it declares.
        schemas: how their events are read.
        retain: how much of its history it keeps.
        skips: whether a reader counts what cannot be read, and goes on.
        routing: what its events are routed by.
    """

    subject: str
    types: tuple[type, ...]
    schemas: Schemas
    retain: Retain | None = None
    skips: bool = False
    routing: Routing | None = None


class Unreadable(NamedTuple):
    """What stands for an event that nobody here can read."""

    error: DecodeError


class Encoder:
    """Makes events ready to be stored."""

    def __init__(self, kind: Kind, max_event_bytes: int) -> None:
        self._schemas = kind.schemas
        self._subject = kind.subject
        self._key: Path | None = None if kind.retain is None else kind.retain.key
        self._routing = kind.routing
        self._is_plain = self._key is None and self._routing is None
        self._max_event_bytes = max_event_bytes
        self._stamp: Stamp | None = None

    def stamp_with(self, stamp: Stamp | None) -> None:
        """From now on this gives the headers of each event, from those of the publisher; None for these themselves."""
        self._stamp = stamp

    def append(self, event: Any, id: str | None, headers: Mapping[str, str] | None) -> Append:  # noqa: A002 -- the word of CloudEvents
        """The event as it is stored.

        Raises:
            TypeError: the event is none of the subject's classes, or the id or a header has the wrong type.
            ValueError: the id or a header cannot be used, or the event is too large or cannot be written.
        """
        codec = self._schemas.codec(event)
        if self._stamp is not None:
            headers = self._stamp(headers)
        if id is None and headers is None and self._is_plain:  # most events, at two thirds of the cost
            data = codec.encode(event)
            if len(data) > self._max_event_bytes:
                refuse_size(codec.name, len(data), self._max_event_bytes)
            return Append(self._subject, codec.name, codec.version, data)
        made = encode(codec, event, id=id, headers=headers, max_event_bytes=self._max_event_bytes)
        key = None if self._key is None else _text(self._key.read(event))
        route = None if self._routing is None else self._routing.route(event, made.version)
        return Append(
            self._subject, made.type, made.version, made.data, made.headers, made.id, made.digest, key, route=route
        )

    def appends(
        self, events: Iterable[Any], id_of: Callable[[Any], str] | None, headers: Mapping[str, str] | None
    ) -> list[Append]:
        """Several events as they are stored: as ``append``, at half the cost."""
        if self._stamp is not None:
            headers = self._stamp(headers)
        extensions = checked_headers(headers)
        beside = sum(len(name) + len(value.encode()) for name, value in extensions.items())
        if id_of is None and self._is_plain:
            events = list(events)
            if len(set(map(type, events))) == 1 and (alike := self._appends_alike(events, extensions, beside)):
                return alike
        subject, key, most = self._subject, self._key, self._max_event_bytes - beside
        routing = self._routing
        made: list[Append] = []
        codec: Codec | None = None
        for event in events:
            if codec is None or type(event) is not codec.cls:
                codec = self._schemas.codec(event)
            data = codec.encode(event)
            if len(data) > most:
                refuse_size(codec.name, len(data) + beside, self._max_event_bytes)
            name = None if id_of is None else checked_given_id(id_of(event))
            proof = b"" if name is None else digest(codec.name, codec.version, data)
            text = None if key is None else _text(key.read(event))
            route = None if routing is None else routing.route(event, codec.version)
            made.append(Append(subject, codec.name, codec.version, data, extensions, name, proof, text, False, route))
        return made

    def _appends_alike(self, events: list[Any], extensions: Mapping[str, str], beside: int) -> list[Append] | None:
        """Events of one class without an id, a key or a route; None if one of them must be refused."""
        codec = self._schemas.codec(events[0])
        try:
            found = codec.encode_all(events)
        except ValueError:
            return None
        if max(map(len, found)) > self._max_event_bytes - beside:
            return None
        same = (self._subject, codec.name, codec.version)
        return [_made((*same, data, extensions, None, b"", None, False, None)) for data in found]


class Decoder:
    """Makes events and records of what is stored, while a log is open.

    Attributes:
        offset_of: the offset of a number.
    """

    def __init__(self, running: Running, kind: Kind) -> None:
        self._types = kind.types
        self._schemas = kind.schemas
        self._routing = kind.routing if running.engine.filters else None
        self.offset_of: Callable[[int], Offset] = partial(running.offset, kind.subject)

    def event(self, row: Row) -> Any:
        """The event of a row.

        Raises:
            DecodeError: nobody here can read it; it has the offset.
        """
        try:
            return self._schemas.decode(row.type, row.version, row.data)
        except DecodeError:  # once more, because an offset for each event would cost as much as the event
            return self._schemas.decode(row.type, row.version, row.data, offset=self.offset_of(row.seq))

    def events(self, rows: Sequence[Row]) -> list[Any]:
        """The event of each row, or ``Unreadable`` with the error: as ``event``, at two thirds of the cost.

        (To validate all of them in one call of pydantic's takes as long.)
        """
        try:
            if (reader := self._reader_of_all(rows)) is not None:
                return [reader(row[3]) for row in rows]
        except (DecodeError, ValidationError):
            pass  # one of them: below it has an error of its own
        return self._events_one_by_one(rows)

    def _reader_of_all(self, rows: Sequence[Row]) -> Callable[[bytes], object] | None:
        """What reads each of these rows, where they are of one class and version, which is nearly always so."""
        if len(set(map(_KIND, rows))) != 1:
            return None
        return self._schemas.reader(*_KIND(rows[0]))

    def _events_one_by_one(self, rows: Sequence[Row]) -> list[Any]:
        found: list[Any] = []
        name, version = "", 0
        reader: Callable[[bytes], object] | None = None
        for row in rows:
            try:
                if row[1] != name or row[2] != version:
                    name, version = row[1], row[2]
                    reader = self._schemas.reader(name, version)
                found.append(self.event(row) if reader is None else reader(row[3]))
            except (DecodeError, ValidationError):
                found.append(self._unreadable(row))
        return found

    def _unreadable(self, row: Row) -> Unreadable:
        try:
            self.event(row)
        except DecodeError as error:
            return Unreadable(error)
        raise AssertionError(f"event {row.seq} was read at the second try")

    def record(self, row: Row, event: Any) -> Record[Any]:
        """The record of a row and its event."""
        return Record(event, row, self.offset_of)

    def with_subclasses(self, names: Iterable[str]) -> frozenset[str]:
        """These wire names, and those of the subclasses of their classes, as far as they are known here."""
        names = frozenset(names)
        classes = self._schemas.classes_of(names)
        return names | self._schemas.names_of(*classes) if classes else names

    @property
    def filters(self) -> bool:
        """Whether the server may leave out what nobody wants."""
        return self._routing is not None

    def wanted(self, types: frozenset[str] | None, condition: Condition | None) -> Wanted | None:
        """What the server may be told of a reader of these types; None if it can leave out nothing but types."""
        if self._routing is None:
            return None
        return Wanted(types, texts_in(condition), self._schemas.version_of)

    def names_of(self, wants: tuple[type, ...]) -> frozenset[str] | None:
        """The wire names of the events that are wanted, of the classes that are defined now; None for whatever comes.

        Wants that take everything that the subject declares take what nobody here knows, too.
        """
        if not wants or all(issubclass(declared, wants) for declared in self._types):
            return None
        return self._schemas.names_of(*wants)


def _text(key: object) -> str:
    return to_json(key, fallback=repr).decode()
