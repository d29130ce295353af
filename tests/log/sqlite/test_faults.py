"""What an error of SQLite means."""

from __future__ import annotations

import sqlite3

import pytest

from evenflow._errors import Uncertain
from evenflow.log._sqlite._faults import is_fault, log_error, says_full, stored_after_commit

from .test_writer import sqlite_error


@pytest.mark.parametrize(
    "code, fault, full, stored",
    [
        (sqlite3.SQLITE_FULL, True, True, False),
        (sqlite3.SQLITE_IOERR_WRITE, True, True, False),
        (sqlite3.SQLITE_IOERR_FSYNC, True, False, None),
        (sqlite3.SQLITE_IOERR, True, False, None),
        (sqlite3.SQLITE_READONLY, True, False, False),
        (sqlite3.SQLITE_BUSY, True, False, False),
        (sqlite3.SQLITE_CORRUPT, True, False, None),
        (sqlite3.SQLITE_CONSTRAINT_CHECK, False, False, None),
        (sqlite3.SQLITE_ERROR, False, False, None),
    ],
)
def test_whose_fault_it_is_and_what_is_stored(code: int, fault: bool, full: bool, stored: bool | None) -> None:
    """A broken constraint is the caller's; a sync that failed may have stored something."""
    error = sqlite_error(code)
    assert (is_fault(error), says_full(error), stored_after_commit(error)) == (fault, full, stored)


def test_what_a_caller_gets() -> None:
    """The file, the error, the way out, and the cause; an error of the log's own stays as it is."""
    told = log_error(sqlite_error(sqlite3.SQLITE_FULL, "database or disk is full"), "writing to", "shop.db")
    assert str(told).startswith(
        "writing to shop.db failed: database or disk is full; the disk is full; free some space"
    )
    assert told.stored is False
    assert isinstance(told.__cause__, sqlite3.OperationalError)
    assert isinstance(log_error(sqlite_error(10), "writing to", "shop.db", stored=None), Uncertain)
    assert log_error(told, "reading", "other") is told
    assert "no error" not in str(log_error(KeyError(), "reading", "x"))
    assert is_fault(MemoryError())
