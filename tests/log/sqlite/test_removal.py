"""What is removed within a write transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from evenflow.log._sqlite import _removal, _schema


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A log of five events."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _schema.prepare(connection, "log.db", survives_power_cut=True)
    connection.execute("INSERT INTO evenflow_subject (name) VALUES ('orders')")
    connection.executemany(
        "INSERT INTO evenflow_event (subject, type, version, time, data, key) VALUES ('orders', 'Placed', 1, ?, '', ?)",
        [(10 * n, None) for n in range(1, 6)],
    )
    yield connection
    connection.close()


def test_the_floor_its_time_and_the_number_are_noted_with_the_removal(connection: sqlite3.Connection) -> None:
    """So that the clock of the newest event is known when it is gone, and events are counted without a walk."""
    assert _removal.trim(connection, "orders", 3, 2, keep_newest_of_keys=False) == 2
    assert connection.execute("SELECT * FROM evenflow_subject").fetchall() == [("orders", 2, 20, 2)]
    assert _removal.trim(connection, "orders", 9, 9, keep_newest_of_keys=True) == 3
    assert connection.execute("SELECT * FROM evenflow_subject").fetchall() == [("orders", 5, 50, 5)]
    assert _removal.trim(connection, "orders", 9, 9, keep_newest_of_keys=False) == 0


def test_ids_go_in_the_order_in_which_they_came(connection: sqlite3.Connection) -> None:
    """At most as many as asked for, and it is told whether there may be more."""
    rows = [("orders", str(n), 0 if n == 0 else n, b"", None if n == 0 else 10 * n) for n in range(6)]
    connection.executemany("INSERT INTO evenflow_dedup (subject, id, seq, digest, until) VALUES (?, ?, ?, ?, ?)", rows)
    assert _removal.prune_ids(connection, 30, 2)
    assert not _removal.prune_ids(connection, 30, 2)
    left = connection.execute("SELECT id FROM evenflow_dedup ORDER BY number").fetchall()
    assert left == [("0",), ("4",), ("5",)]
