"""What is removed within a write transaction: events beyond retention, and ids whose time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_OLDEST: Final = "SELECT seq, time FROM evenflow_event WHERE subject = ? AND seq <= ? ORDER BY seq LIMIT ?"
_OLDEST_REPLACED: Final = """
    SELECT seq, time FROM evenflow_event AS one WHERE subject = ? AND seq <= ? AND (key IS NULL OR EXISTS (
        SELECT 1 FROM evenflow_event AS newer
        WHERE newer.subject = one.subject AND newer.key = one.key AND newer.seq > one.seq
    )) ORDER BY seq LIMIT ?
"""
_NOTE: Final = """
    UPDATE evenflow_subject SET floor = max(floor, ?), floor_time = max(floor_time, ?), removed = removed + ?
    WHERE name = ?
"""
# without the plus, the index on subject and id would be read instead of the rows in their order
_OVER: Final = """
    DELETE FROM evenflow_dedup WHERE number IN (
        SELECT number FROM evenflow_dedup WHERE seq > 0 ORDER BY number LIMIT ?
    ) AND +until <= ?
"""


def trim(connection: sqlite3.Connection, subject: str, through: int, limit: int, *, keep_newest_of_keys: bool) -> int:
    """Remove the oldest events up to a number, and note the floor; returns how many."""
    rows = connection.execute(
        _OLDEST_REPLACED if keep_newest_of_keys else _OLDEST, (subject, through, limit)
    ).fetchall()
    if not rows:
        return 0
    connection.executemany("DELETE FROM evenflow_event WHERE seq = ?", [(seq,) for seq, _ in rows])
    floor, time = rows[-1]
    connection.execute(_NOTE, (floor, time, len(rows), subject))
    return len(rows)


def prune_ids(connection: sqlite3.Connection, now: int, limit: int) -> bool:
    """Remove at most this many ids whose time is over; whether there may be more."""
    return connection.execute(_OVER, (limit, now)).rowcount >= limit
