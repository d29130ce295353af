"""What can be asked of a log on the server, and what its replies mean."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from evenflow.log._stored import NONE, Page, Record, Row, Size

from ._names import Names, split
from ._reads import Query, script
from ._scripts import DUE, LOAD, NEXT, OLDER, PLACE, TRIM

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

SEEN: Final = 64
"""How many events are looked at, at least, for a reader that wants some types only."""
_TYPE, _VERSION, _TIME, _DATA, _MORE = 1, 3, 5, 7, 8
_row: Callable[[tuple[Any, ...]], Row] = partial(cast("Any", tuple).__new__, Row)
"""A row of its seven values: ``Row`` itself takes twice as long."""


def rows_of(entries: Iterable[list[Any]]) -> list[Row]:
    """Entries of a stream as events. Their first four fields are always the same ones, in the same order."""
    rows: list[Row] = []
    types: dict[bytes, str] = {}
    for name, fields in entries:
        if (kind := types.get(fields[_TYPE])) is None:
            kind = types[fields[_TYPE]] = fields[_TYPE].decode()
        headers, given = (NONE, "") if len(fields) == _MORE else _more(fields)
        rows.append(
            _row((int(name[:-2]), kind, int(fields[_VERSION]), fields[_DATA], headers, given, int(fields[_TIME])))
        )
    return rows


def _more(fields: list[Any]) -> tuple[Mapping[str, str], str]:
    """The headers and the id of an event that has any."""
    more = dict(zip(fields[_MORE::2], fields[_MORE + 1 :: 2], strict=True))
    text = more.get(b"headers")
    return json.loads(text) if text else NONE, more.get(b"id", b"").decode()


def read(
    names: Names,
    note: Callable[[bytes | None, bytes | None], int],
    subject: str,
    after: int,
    limit: int,
    types: Collection[str] | None,
    until: int | None,
) -> Query:
    """A page of events: they, the newest number and the floor are looked at in one moment.

    ``note`` is told the line of history and its newest number, and returns that.
    """
    count = limit if types is None else max(limit, SEEN)
    last = "+" if until is None else f"{until}-0"

    def parse(replies: list[Any]) -> Page:
        (lineage, found, lost), floor, entries = replies[-1]
        newest = note(lineage, found)
        rows = rows_of(entries)
        seen = rows[-1].seq if len(rows) == count else newest if until is None else min(until, newest)
        if types is not None:
            rows = [row for row in rows if row.type in types]
        if len(rows) > limit:
            rows = rows[:limit]
            seen = rows[-1].seq
        return Page(rows, max(after, seen), max(int(floor or 0), int(lost or 0)))

    commands = [
        ("MULTI",),
        ("HMGET", names.meta, "lineage", "seq", "floor"),
        ("HGET", names.floors, subject),
        ("XRANGE", names.events(subject), f"{after + 1}-0", last, "COUNT", count),
        ("EXEC",),
    ]
    return Query(commands, parse)


def both(one: Query, other: Query) -> Query:
    """Two questions as one; an error in the reply of a transaction is found where ``other`` ends with it."""
    count = len(one.commands)

    def parse(replies: list[Any]) -> tuple[Any, Any]:
        return one.parse(replies[:count]), other.parse(replies[count:])

    return Query([*one.commands, *other.commands], parse)


def end(names: Names, subject: str) -> Query:
    """The number of the newest event."""
    return Query([("HGET", names.ends, subject)], lambda replies: int(replies[0] or 0))


def floor(names: Names, subject: str) -> Query:
    """Up to where events may have been removed."""

    def parse(replies: list[Any]) -> int:
        return max(int(reply or 0) for reply in replies)

    return Query([("HGET", names.floors, subject), ("HGET", names.meta, "floor")], parse)


def place(names: Names, subject: str, time: int) -> Query:
    """The number before the first event at or after a time."""
    return Query([script(PLACE, names.meta, subject, time)], lambda replies: int(replies[0]))


def length(names: Names, subject: str) -> Query:
    """How many events of a subject are there."""
    return Query([("XLEN", names.events(subject))], lambda replies: int(replies[0]))


def nth(names: Names, subject: str, after: int, count: int) -> Query:
    """How many events come after a number, ``count`` at most; and the number of the last of these."""

    def parse(replies: list[Any]) -> tuple[int, int]:
        found, last = replies[0]
        return int(found), int(last)

    return Query([script(OLDER, names.meta, subject, after + 1, count)], parse)


def trim(names: Names, subject: str, through: int, limit: int) -> Query:
    """Remove the oldest events; how many."""
    return Query([script(TRIM, names.meta, subject, through, limit)], lambda replies: int(replies[0]))


def _record(text: bytes) -> Record:
    version, due, value = text.split(b" ", 2)
    return Record(value, int(version), None if due == b"-" else float(due))


def load(names: Names, keys: Collection[str], prefix: str | None) -> Query:
    """Records by key or prefix."""
    places: dict[str, list[str]] = {}
    for key in keys:
        directory, last = split(key)
        places.setdefault(directory, []).append(last)
    commands: list[tuple[Any, ...]] = [
        ("HMGET", names.records(directory), *lasts) for directory, lasts in places.items()
    ]
    if prefix is not None:
        commands.append(script(LOAD, names.meta, prefix))

    def parse(replies: list[Any]) -> Mapping[str, Record]:
        found: dict[str, Record] = {}
        for (directory, lasts), texts in zip(places.items(), replies, strict=False):
            found.update(
                (directory + last, _record(text)) for last, text in zip(lasts, texts, strict=True) if text is not None
            )
        if prefix is not None:
            listed = replies[-1]
            for directory, fields in zip(listed[::2], listed[1::2], strict=True):
                for last, text in zip(fields[::2], fields[1::2], strict=True):
                    if (key := (directory + last).decode()).startswith(prefix):
                        found[key] = _record(text)
        return dict(sorted(found.items()))

    return Query(commands, parse)


def due(names: Names, prefix: str, until: float, limit: int) -> Query:
    """The records that are due until then."""

    def parse(replies: list[Any]) -> Mapping[str, Record]:
        found = [((directory + last).decode(), _record(text)) for directory, last, text in replies[0] if text]
        found.sort(key=lambda item: (item[1].due or 0.0, item[0]))
        return dict(found[:limit])

    return Query([script(DUE, names.meta, prefix, repr(float(until)), limit)], parse)


def next_due(names: Names, prefix: str) -> Query:
    """When the next record is due."""

    def parse(replies: list[Any]) -> float | None:
        return None if replies[0] is None else float(replies[0])

    return Query([script(NEXT, names.meta, prefix)], parse)


def subjects(names: Names) -> Query:
    """The names of the subjects, sorted."""
    return Query([("HKEYS", names.ends)], lambda replies: sorted(name.decode() for name in replies[0]))


def size(names: Names, of: Collection[str]) -> Query:
    """How many events there are, and about how much memory they take."""
    streams = [names.events(subject) for subject in of]
    commands = [("XLEN", stream) for stream in streams] + [("MEMORY", "USAGE", stream) for stream in streams]

    def parse(replies: list[Any]) -> Size:
        numbers = [int(reply or 0) for reply in replies]
        return Size(sum(numbers[: len(streams)]), sum(numbers[len(streams) :]))

    return Query(commands, parse)
