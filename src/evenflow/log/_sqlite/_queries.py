"""What is read, each within one snapshot of the file, and short.

Rule 1: no cursor outlives its query: one that stays open would keep the write-ahead log from being emptied.
Rule 2: the number of the last event and the floor are of the same snapshot as the rows.
Rule 3: a page of events is one row of the database, and is taken apart here: for each row Python lets go of its lock,
        and while the loop is busy it takes 5 ms to get that back. Alone it is twice as fast, too.
Rule 4: a page of some types only looks at a window of numbers, which grows as long as that is quick.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from evenflow.log._stored import NONE, Page, Record, Row

from ._schema import LAST_SEQ

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Mapping, Sequence

_EVENTS: Final = "FROM evenflow_event WHERE subject = ? AND seq > ? AND seq <= ?"
_SEPARATOR: Final = "\x1e"
"""Stands in no JSON, and in no id."""
_IN_ONE_ROW: Final = """
    SELECT count(*), min(seq), max(seq), group_concat(type, char(30)), min(version), max(version),
        CAST(group_concat(data, char(30)) AS BLOB), count(headers), count(id), min(time), max(time), group_concat(time)
    FROM (SELECT * {} ORDER BY seq)
"""
_MORE_IN_ONE_ROW: Final = """
    SELECT group_concat(seq), group_concat(version), group_concat(coalesce(headers, ''), char(30)),
        group_concat(coalesce(id, ''), char(30))
    FROM (SELECT * {} ORDER BY seq)
"""
_ONE_BY_ONE: Final = "SELECT seq, type, version, data, headers, id, time {} ORDER BY seq"
_FLOOR: Final = "SELECT floor FROM evenflow_subject WHERE name = ?"
_BEHIND: Final = "\U0010ffff"
"""Sorts behind whatever a key can have after a prefix."""
WINDOW: Final = 10_000
"""Numbers that a page of some types looks at first."""
LONGEST_LOOK: Final = 0.005
"""Seconds after which it looks no further."""
_KEYS_AT_ONCE: Final = 500
_made: Final = partial(tuple.__new__, Row)  # pyright: ignore[reportUnknownMemberType]  # typeshed says nothing of what it takes
"""What ``Row._make`` does, without a call of Python for each row: a third of its time."""


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Generator[None]:
    """Whatever is read in this block is of one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def read(
    connection: sqlite3.Connection,
    subject: str,
    after: int,
    limit: int,
    types: Collection[str] | None,
    until: int | None,
) -> Page:
    """A page of a subject's events."""
    with snapshot(connection):
        (last,) = connection.execute(LAST_SEQ).fetchone()
        last = last if until is None else min(until, last)
        found = connection.execute(_FLOOR, (subject,)).fetchone()
        if found is None:  # it has no events, and to look for them could take a walk through the whole table
            return Page((), max(after, last), 0)
        if types is None:
            rows = _some(connection, _EVENTS, (subject,), after, last, limit)
            looked_at = last
        else:
            rows, looked_at = _of_types(connection, subject, after, limit, tuple(types), last)
    through = rows[-1][0] if len(rows) == limit else looked_at
    return Page(rows, max(after, through), found[0])


def _of_types(
    connection: sqlite3.Connection, subject: str, after: int, limit: int, types: Sequence[str], last: int
) -> tuple[list[Row], int]:
    """Rows of some types, and the last number that was looked at."""
    events = _EVENTS.replace("WHERE", f"WHERE type IN ({', '.join('?' * len(types))}) AND")
    enough = monotonic() + LONGEST_LOOK
    window, rows = WINDOW, list[Row]()
    while after < last and len(rows) < limit:
        through = min(last, after + window)
        rows += _some(connection, events, (*types, subject), after, through, limit - len(rows))
        after, window = through, window * 2
        if monotonic() > enough:
            break
    return rows, after


def _some(
    connection: sqlite3.Connection, events: str, arguments: Sequence[Any], after: int, through: int, limit: int
) -> list[Row]:
    """At most ``limit`` events in a range of numbers.

    A query that counts its rows takes twice as long as one of a range: the next numbers are nearly always all of them.
    """
    rows = _rows(connection, events, (*arguments, after, min(through, after + limit)))
    after, limit = after + limit, limit - len(rows)
    if limit and after < through:
        last = f"SELECT max(seq) FROM (SELECT seq {events} ORDER BY seq LIMIT ?)"  # noqa: S608 -- all of it is ours
        (found,) = connection.execute(last, (*arguments, after, through, limit)).fetchone()
        if found is not None:
            rows += _rows(connection, events, (*arguments, after, found))
    return rows


def _rows(connection: sqlite3.Connection, events: str, parameters: Sequence[Any]) -> list[Row]:
    """All that this finds."""
    try:
        found = connection.execute(_IN_ONE_ROW.format(events), parameters).fetchone()
        number, first, last, kinds, version, highest, data, with_headers, with_id, time, newest, times = found
        if not number:
            return []
        seqs: Iterable[int] = range(first, last + 1)
        versions: Iterable[int] = repeat(version, number)
        headers: Iterable[Mapping[str, str]] = repeat(NONE, number)
        ids: Iterable[str] = repeat("", number)
        if with_headers or with_id or version != highest or last - first >= number:
            more = connection.execute(_MORE_IN_ONE_ROW.format(events), parameters).fetchone()
            seqs, versions = map(int, more[0].split(",")), map(int, more[1].split(","))
            headers, ids = map(_headers, more[2].split(_SEPARATOR)), more[3].split(_SEPARATOR)
        kinds, data = kinds.split(_SEPARATOR), data.split(b"\x1e")
        times = repeat(time, number) if time == newest else map(int, times.split(","))  # one commit has one time
        return list(map(_made, zip(seqs, kinds, versions, data, headers, ids, times, strict=True)))
    except (sqlite3.DataError, ValueError):
        # more than a text can hold, as a thousand events of a mebibyte; or a class with a separator in its name
        return [_row(row) for row in connection.execute(_ONE_BY_ONE.format(events), parameters)]


def _headers(text: str) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads(text) if text else NONE
    return found


def _row(row: tuple[Any, ...]) -> Row:
    seq, kind, version, data, headers, name, time = row
    return Row(seq, kind, version, data.encode(), _headers(headers or ""), name or "", time)


def end(connection: sqlite3.Connection, subject: str) -> int:
    """The number of a subject's newest event, even if it was removed."""
    with snapshot(connection):
        found = connection.execute(_FLOOR, (subject,)).fetchone()
        if found is None:
            return 0
        newest = connection.execute(
            "SELECT seq FROM evenflow_event WHERE subject = ? ORDER BY seq DESC LIMIT 1", (subject,)
        ).fetchone()
    return int(max(found[0], 0 if newest is None else newest[0]))


def floor(connection: sqlite3.Connection, subject: str) -> int:
    """Up to where events may have been removed."""
    found = connection.execute(_FLOOR, (subject,)).fetchone()
    return 0 if found is None else int(found[0])


def older_than(connection: sqlite3.Connection, subject: str, events: int) -> int:
    """The number of a subject's newest event that is older than as many others; 0 where none is."""
    found = connection.execute(
        "SELECT seq FROM evenflow_event WHERE subject = ? ORDER BY seq DESC LIMIT 1 OFFSET ?", (subject, events)
    ).fetchone()
    return 0 if found is None else int(found[0])


def subjects(connection: sqlite3.Connection) -> Sequence[str]:
    """The names of all subjects, sorted."""
    return [name for (name,) in connection.execute("SELECT name FROM evenflow_subject ORDER BY name")]


def place(connection: sqlite3.Connection, subject: str, time: int) -> int:
    """The number before a subject's first event at or after a time: a binary search, for times never decrease."""
    newest = end(connection, subject)
    with snapshot(connection):
        low, high = 0, newest + 1  # the answer's event is in [low, high]; high is behind all of them
        first = _next(connection, subject, 0, newest)
        if first is not None:
            low = first[0]
        while low < high:
            middle = (low + high) // 2
            found = _next(connection, subject, middle - 1, high - 1)
            if found is None or found[1] >= time:
                high = middle
            else:
                low = found[0] + 1
        found = _next(connection, subject, low - 1, newest)
    return newest if found is None else int(found[0]) - 1


def _next(connection: sqlite3.Connection, subject: str, after: int, until: int) -> tuple[int, int] | None:
    """The number and time of the next event in a range."""
    found: tuple[int, int] | None = connection.execute(
        "SELECT seq, time FROM evenflow_event WHERE subject = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT 1",
        (subject, after, until),
    ).fetchone()
    return found


# ---------------------------------------------------------------------- records


def load(connection: sqlite3.Connection, keys: Sequence[str], prefix: str | None) -> Mapping[str, Record]:
    """Records by key and by prefix, sorted by key."""
    found: dict[str, Record] = {}
    with snapshot(connection):
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            condition = f"key IN ({', '.join('?' * len(some))})"
            found |= _records(connection, f"WHERE {condition} ORDER BY key", some)
        if prefix is not None:
            found |= _records(connection, "WHERE key >= ? AND key < ? ORDER BY key", (prefix, prefix + _BEHIND))
    return found if prefix is None and len(keys) <= _KEYS_AT_ONCE else dict(sorted(found.items()))


def load_some(connection: sqlite3.Connection, prefix: str, after: str, limit: int) -> Mapping[str, Record]:
    """The first records of a prefix behind a key, sorted by key."""
    rest = "WHERE key > ? AND key < ? ORDER BY key LIMIT ?"
    return _records(connection, rest, (max(prefix, after), prefix + _BEHIND, limit))


def due(connection: sqlite3.Connection, prefix: str, until: float, limit: int) -> Mapping[str, Record]:
    """Records that are due until a time, the earliest first."""
    rest = "WHERE due <= ? AND key >= ? AND key < ? ORDER BY due, key LIMIT ?"
    return _records(connection, rest, (until, prefix, prefix + _BEHIND, limit))


def read_with_due(
    connection: sqlite3.Connection, events: tuple[Any, ...], records: tuple[str, float, int]
) -> tuple[Page, Mapping[str, Record]]:
    """A page of events, and the records that are due: ``read`` and ``due`` with these arguments."""
    return read(connection, *events), due(connection, *records)


def next_due(connection: sqlite3.Connection, prefix: str) -> float | None:
    """When the next record is due."""
    found = connection.execute(
        "SELECT due FROM evenflow_record WHERE due IS NOT NULL AND key >= ? AND key < ? ORDER BY due LIMIT 1",
        (prefix, prefix + _BEHIND),
    ).fetchone()
    return None if found is None else float(found[0])


def _records(connection: sqlite3.Connection, rest: str, parameters: Sequence[Any]) -> dict[str, Record]:
    sql = f"SELECT key, value, version, due FROM evenflow_record {rest}"  # noqa: S608 -- the rest is ours
    rows = connection.execute(sql, parameters).fetchall()
    return {key: Record(value, version, when) for key, value, version, when in rows}


def size(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many events are stored, and how many bytes the file has. Numbers are given without holes."""
    with snapshot(connection):
        (last,) = connection.execute(LAST_SEQ).fetchone()
        (removed,) = connection.execute("SELECT coalesce(sum(removed), 0) FROM evenflow_subject").fetchone()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    return last - removed, pages * page_size
