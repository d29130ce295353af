"""The tables: what they are, which version of them a file has, and the lines of its history.

A person reads a log with a ``SELECT``: headers and data are text, times are microseconds since 1970.
Everything is named ``evenflow_``; all other tables of the file belong to the application.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from evenflow._errors import LogError
from evenflow.log._stored import Lineage

from ._files import boot_id

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

VERSION: Final = 1
"""Of the tables; a file of a newer one is refused."""

_TABLES: Final = (
    "CREATE TABLE evenflow_meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # AUTOINCREMENT: the number of a removed event is never given again
    """
    CREATE TABLE evenflow_event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, type TEXT NOT NULL, version INTEGER NOT NULL,
        id TEXT, time INTEGER NOT NULL, headers TEXT, data TEXT NOT NULL, key TEXT
    )
    """,
    "CREATE INDEX evenflow_event_key ON evenflow_event (subject, key) WHERE key IS NOT NULL",
    # floor: up to there events may have been removed; floor_time: of the newest of these; removed: how many they are
    """
    CREATE TABLE evenflow_subject (
        name TEXT PRIMARY KEY, floor INTEGER NOT NULL DEFAULT 0, floor_time INTEGER NOT NULL DEFAULT 0,
        removed INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
    # rows lie in the order in which they end, so that no index by time is needed; seq 0: the event is scheduled
    """
    CREATE TABLE evenflow_dedup (
        number INTEGER PRIMARY KEY, subject TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL,
        until INTEGER, UNIQUE (subject, id)
    )
    """,
    """
    CREATE TABLE evenflow_record (key TEXT PRIMARY KEY, version INTEGER NOT NULL, due REAL, value BLOB NOT NULL)
    WITHOUT ROWID
    """,
    "CREATE INDEX evenflow_record_due ON evenflow_record (due) WHERE due IS NOT NULL",
    "CREATE TABLE evenflow_lineage (number INTEGER PRIMARY KEY, id TEXT NOT NULL, after INTEGER NOT NULL, at REAL)",
)
SUBJECT_INDEX: Final = "CREATE INDEX IF NOT EXISTS evenflow_event_subject ON evenflow_event (subject)"
"""Made with the second subject: a file with one finds every event of it without."""
LAST_SEQ: Final = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'evenflow_event'), 0)"


def prepare(connection: sqlite3.Connection, path: str, *, survives_power_cut: bool) -> Sequence[Lineage]:
    """In a write transaction: make the tables if they are not there; returns the lines of history.

    Raises:
        LogError: the tables are those of a newer evenflow, or the file's text has another encoding.
    """
    (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    if encoding != "UTF-8":
        raise LogError(f"{path} keeps its text as {encoding}, and a log needs UTF-8; give the log a file of its own")
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'evenflow_meta'").fetchone():
        for table in _TABLES:
            connection.execute(table)
        connection.execute("INSERT INTO evenflow_meta VALUES ('version', ?)", (VERSION,))
        begin_lineage(connection)
    found = connection.execute("SELECT value FROM evenflow_meta WHERE name = 'version'").fetchone()
    if found is None or found[0] > VERSION:
        raise LogError(
            f"{path} has tables of version {found and found[0]}, and this evenflow knows {VERSION}; upgrade evenflow,"
            " or open it with the one that wrote it"
        )
    _note_boot(connection, survives_power_cut=survives_power_cut)
    rows = connection.execute("SELECT id, after FROM evenflow_lineage ORDER BY number")
    return tuple(Lineage(*row) for row in rows.fetchall())


def begin_lineage(connection: sqlite3.Connection) -> None:
    """In a write transaction: from now on events belong to a new line of history."""
    (after,) = connection.execute(LAST_SEQ).fetchone()
    connection.execute(
        "INSERT INTO evenflow_lineage (id, after, at) VALUES (?, ?, ?)", (uuid4().hex, after, round(time(), 3))
    )


def _note_boot(connection: sqlite3.Connection, *, survives_power_cut: bool) -> None:
    """Begin a new line of history if the machine was started anew since somebody wrote without syncing.

    Events of the old line that were lost with the machine had numbers that will be given again.
    """
    boot = boot_id()
    found = connection.execute("SELECT value FROM evenflow_meta WHERE name = 'boot'").fetchone()
    if found is not None and found[0] != boot:
        begin_lineage(connection)
    if (found is None and not survives_power_cut) or (found is not None and found[0] != boot):
        connection.execute("INSERT OR REPLACE INTO evenflow_meta VALUES ('boot', ?)", (boot,))
