"""What is read, each within one snapshot of the file, and short.

Rule 1: no cursor outlives its query: one that stays open would keep the write-ahead log from being emptied.
Rule 2: the number of the last event and the floor are of the same snapshot as the rows.
Rule 3: a page of some types only looks at a window of numbers, which grows as long as that is quick.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from evenflow.log._engine import Page, Record, Row

from ._schema import LAST_SEQ

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Generator, Mapping, Sequence

_EVENTS: Final = """
    SELECT seq, type, version, CAST(data AS BLOB), headers, coalesce(id, ''), time FROM evenflow_event
    WHERE subject = ? AND seq > ? AND seq <= ?
"""
_FLOOR: Final = "SELECT floor FROM evenflow_subject WHERE name = ?"
_BEHIND: Final = "\U0010ffff"
"""Sorts behind whatever a key can have after a prefix."""
WINDOW: Final = 10_000
"""Numbers that a page of some types looks at first."""
LONGEST_LOOK: Final = 0.005
"""Seconds after which it looks no further."""
_KEYS_AT_ONCE: Final = 500


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
            rows = connection.execute(f"{_EVENTS} ORDER BY seq LIMIT ?", (subject, after, last, limit)).fetchall()
            looked_at = last
        else:
            rows, looked_at = _of_types(connection, subject, after, limit, tuple(types), last)
    through = rows[-1][0] if len(rows) == limit else looked_at
    return Page([_row(row) for row in rows], max(after, through), found[0])


def _of_types(
    connection: sqlite3.Connection, subject: str, after: int, limit: int, types: Sequence[str], last: int
) -> tuple[list[tuple[Any, ...]], int]:
    """Rows of some types, and the last number that was looked at."""
    sql = f"{_EVENTS} AND type IN ({', '.join('?' * len(types))}) ORDER BY seq LIMIT ?"
    enough = monotonic() + LONGEST_LOOK
    window, rows = WINDOW, list[tuple[Any, ...]]()
    while after < last and len(rows) < limit:
        through = min(last, after + window)
        rows += connection.execute(sql, (subject, after, through, *types, limit - len(rows))).fetchall()
        after, window = through, window * 2
        if monotonic() > enough:
            break
    return rows, after


def _row(row: tuple[Any, ...]) -> Row:
    seq, kind, version, data, headers, name, time = row
    return Row(seq, kind, version, data, {} if headers is None else json.loads(headers), name, time)


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


def due(connection: sqlite3.Connection, prefix: str, until: float, limit: int) -> Mapping[str, Record]:
    """Records that are due until a time, the earliest first."""
    rest = "WHERE due <= ? AND key >= ? AND key < ? ORDER BY due, key LIMIT ?"
    return _records(connection, rest, (until, prefix, prefix + _BEHIND, limit))


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
