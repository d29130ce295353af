"""A queue as one writes it by hand on `sqlite3`: rows that are claimed with `UPDATE ... RETURNING` and then deleted.

It does the same job as a group: each commit is as durable, whoever claims has a lease with a name and an end, attempts
are counted, whoever has lost its lease deletes nothing, and each payload is validated. It keeps no history, and it
counts an attempt when it claims, not when it hands over.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from time import time

LEASE = 30.0

_CLAIM = """
    UPDATE job SET state = 1, owner = ?, until = ?, attempt = attempt + 1
    WHERE id IN (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT ?)
    RETURNING id, data
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the settings of a log with `durability="power"`."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=60.0)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def fill(connection: sqlite3.Connection, payloads: Iterable[str]) -> None:
    """Make the table, and put these into it, in one commit."""
    connection.execute(
        "CREATE TABLE job (id INTEGER PRIMARY KEY, state INTEGER, owner TEXT, until REAL, attempt INTEGER, data TEXT)"
    )
    connection.execute("CREATE INDEX waiting ON job (state, id)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO job (state, attempt, data) VALUES (0, 0, ?)", [(text,) for text in payloads])
    connection.execute("COMMIT")


def handle_all(connection: sqlite3.Connection, in_one_commit: int, handle: Callable[[str], object]) -> int:
    """Claim, handle and delete until there is nothing; returns how many were handled."""
    owner, handled = f"worker-{os.getpid()}", 0
    while jobs := connection.execute(_CLAIM, (owner, time() + LEASE, in_one_commit)).fetchall():
        for _, data in jobs:
            handle(data)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM job WHERE id = ? AND owner = ?", [(job, owner) for job, _ in jobs])
        connection.execute("COMMIT")
        handled += len(jobs)
    return handled
