"""How events become rows.

Rule 1: events that differ in their data alone, which those of one ``publish_many`` do, are one statement with two
        values: all the data, and where in it each event is. That takes a third of the time of a statement for each
        event, and Python lets go of its lock once instead of a thousand times.
        Where SQLite was built without JSON, they are as other events.
Rule 2: other events are rows with values of their own, many to a statement.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evenflow.log._stored import Append

_COLUMNS: Final = 9
_CHUNKS: Final = (64, 8, 1)
"""How many rows with values of their own one statement inserts."""
_ROWS: Final = {
    rows: "INSERT INTO evenflow_event (seq, subject, type, version, id, time, headers, data, key) VALUES "  # noqa: S608 -- all of it is ours
    + ", ".join(["(?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?)"] * rows)
    for rows in _CHUNKS
}
_ALIKE_ROWS: Final = """
    INSERT INTO evenflow_event (seq, subject, type, version, id, time, headers, data, key)
    SELECT ?1 + place.key, ?2, ?3, ?4, NULL, ?5, ?6,
        CAST(substr(?7, place.value >> 32, place.value & 4294967295) AS TEXT), NULL
    FROM json_each(?8) AS place
"""
_ALIKE: Final = itemgetter(0, 1, 2, 4, 5, 7)
"""What one statement has once: subject, type, version, headers; and the id and the key, of which there must be none."""
_FEW: Final = 8
"""As many rows with values of their own cost as little."""
MOST_BYTES: Final = 2**22
"""Of the data of one statement: it is copied once for that."""


@lru_cache(maxsize=1)
def knows_json() -> bool:
    """Whether SQLite has its JSON functions: nearly always, but they can be left out when it is built."""
    with closing(sqlite3.connect(":memory:")) as connection, suppress(sqlite3.OperationalError):
        connection.execute("SELECT 1 FROM json_each('[]')")
        return True
    return False


def insert(connection: sqlite3.Connection, events: Sequence[Append], last: int, time: int) -> None:
    """Store events in order, where ``last`` is the number before them, all with the same time in microseconds."""
    rows: list[Any] = []
    for alike, found in groupby(events, _ALIKE):
        run = list(found)
        if len(run) >= _FEW and alike[4:] == (None, None) and knows_json():
            _insert_rows(connection, rows)
            rows = []
            _insert_alike(connection, run, last, time)
        else:
            rows += _rows(run, last, time)
        last += len(run)
    _insert_rows(connection, rows)


def _rows(events: Sequence[Append], last: int, time: int) -> list[Any]:
    """The columns of events, one behind the other."""
    rows: list[Any] = []
    for subject, kind, version, data, headers, name, _, key, _, _ in events:
        last += 1
        rows += (last, subject, kind, version, name, time, _text(headers), data, key)
    return rows


def _insert_rows(connection: sqlite3.Connection, rows: Sequence[Any]) -> None:
    start = 0
    for chunk in _CHUNKS:
        size, sql = chunk * _COLUMNS, _ROWS[chunk]
        while len(rows) - start >= size:
            connection.execute(sql, rows[start : start + size])
            start += size


def _insert_alike(connection: sqlite3.Connection, events: Sequence[Append], last: int, time: int) -> None:
    subject, kind, version, _, headers, *_ = events[0]
    text = _text(headers)
    for data, places in _joined(events):
        values = (last + 1, subject, kind, version, time, text, data, repr(places))
        connection.execute(_ALIKE_ROWS, values)
        last += len(places)


def _joined(events: Sequence[Append]) -> Iterator[tuple[bytes, list[int]]]:
    """The data of events behind one another, a few megabytes at a time, and where each is: its begin and its length."""
    parts: list[bytes] = []
    places: list[int] = []
    begin = 1
    for event in events:
        data = event[3]
        if begin + len(data) > MOST_BYTES and parts:
            yield b"".join(parts), places
            parts, places, begin = [], [], 1
        parts.append(data)
        places.append(begin << 32 | len(data))
        begin += len(data)
    yield b"".join(parts), places


def _text(headers: Any) -> str | None:
    return json.dumps(dict(headers), separators=(",", ":"), ensure_ascii=False) if headers else None
