"""How a connection is opened, and what an application's statements may do on it."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from evenflow._errors import LogError
from evenflow.log._sqlite._connect import Guard, Settings, connect_reader, connect_writer, uri


def settings(path: Path | None) -> Settings:
    return Settings(path, "power", timedelta(days=7), 0.1, unsafe_filesystem=False)


def test_a_reader_cannot_write_and_makes_no_file(tmp_path: Path) -> None:
    """Its close never checkpoints, for it cannot."""
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        connect_reader(tmp_path / "log.db", 0.1)
    connect_writer(settings(tmp_path / "log.db")).close()
    reader = connect_reader(tmp_path / "log.db", 0.1)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("CREATE TABLE t (x)")
    reader.close()


def test_the_address_of_a_file_is_its_name_and_nothing_else(tmp_path: Path) -> None:
    """Whatever it contains."""
    assert uri(Path("/a/b?mode=rw#c%20d"), "ro") == "file:/a/b%3Fmode%3Drw%23c%2520d?mode=ro"
    assert settings(None).name == ":memory:"
    assert settings(tmp_path).name == str(tmp_path)


def test_a_statement_of_the_application_reads_and_writes_its_rows() -> None:
    """And nothing else, as long as the guard is closed; its own errors stay what they are."""
    connection = connect_writer(settings(None))
    guard = Guard(connection)
    connection.execute("CREATE TABLE evenflow_x (a)")
    connection.execute("CREATE TABLE own (a UNIQUE)")
    for allowed in ("INSERT INTO own VALUES (1)", "UPDATE own SET a = abs(2)", "SELECT own.a FROM evenflow_x, own"):
        with guard.closed(allowed):
            connection.execute(allowed)
    for refused in ("INSERT INTO EVENFLOW_X VALUES (1)", "DROP TABLE own", "PRAGMA journal_mode", "SAVEPOINT a"):
        with pytest.raises(LogError, match="own tables"), guard.closed(refused):
            connection.execute(refused)
    with pytest.raises(sqlite3.IntegrityError), guard.closed(""):
        connection.execute("INSERT INTO own VALUES (2)")
    connection.execute("DROP TABLE own")
    connection.close()
