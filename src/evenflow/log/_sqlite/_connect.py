"""How a connection is opened, and what an application's statements may do on it."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from urllib.parse import quote

from evenflow._errors import LogError

from ._files import MEMORY

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import timedelta
    from pathlib import Path

WAL_LIMIT: Final = 4 * 2**20
"""Bytes to which the write-ahead log is cut when it begins anew."""
MOST_STATEMENTS: Final = 256

# The text of each is evenflow's own: sqlite3 keeps prepared statements by their text, and what an application executes
# under the same text would not be looked at again.
BEGIN: Final = "BEGIN IMMEDIATE -- evenflow"
COMMIT: Final = "COMMIT -- evenflow"
ROLLBACK: Final = "ROLLBACK -- evenflow"
SAVEPOINT: Final = "SAVEPOINT evenflow_change -- evenflow"
ROLLBACK_TO: Final = "ROLLBACK TO evenflow_change -- evenflow"
RELEASE: Final = "RELEASE evenflow_change -- evenflow"

_ALLOWED: Final = frozenset({
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
})  # fmt: skip
_WRITES: Final = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})


class Settings(NamedTuple):
    """How a log is opened; ``path`` is None for one in memory, ``keep_ids`` is how long given ids are known."""

    path: Path | None
    durability: Literal["power", "process"]
    keep_ids: timedelta
    busy_timeout: float
    unsafe_filesystem: bool

    @property
    def name(self) -> str:
        """What messages call it."""
        return MEMORY if self.path is None else str(self.path)


class Guard:
    """What a connection's statements may do: everything, or while it is ``closed`` what an application's may.

    SQLite asks when it prepares a statement, and not when it executes one.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._is_closed = False
        self._refused = ""
        connection.set_authorizer(self._look)

    @contextmanager
    def closed(self, sql: str) -> Generator[None]:
        """In this block a statement of the application's is executed.

        Raises:
            LogError: it is more than reading and writing rows of the application's own tables.
        """
        self._is_closed, self._refused = True, ""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not self._refused:
                raise
            raise LogError(
                "a transaction executes statements on rows of the application's own tables, and this one"
                f" {self._refused}: {sql}"
            ) from error
        finally:
            self._is_closed = False

    def _look(self, action: int, table: str | None, *_: Any) -> int:
        if not self._is_closed or action in _ALLOWED:
            return sqlite3.SQLITE_OK
        if action in _WRITES and table is not None and not table.lower().startswith(("evenflow_", "sqlite_")):
            return sqlite3.SQLITE_OK
        self._refused = f"writes to {table}" if action in _WRITES else "is more than reading and writing rows"
        return sqlite3.SQLITE_DENY


def uri(path: Path, mode: str) -> str:
    """The address of a file for SQLite."""
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


def connect_writer(settings: Settings) -> sqlite3.Connection:
    """The connection that writes; the write lock is held.

    Raises:
        sqlite3.Error: it cannot be opened.
        LogError: it has no write-ahead log.
    """
    where = MEMORY if settings.path is None else uri(settings.path, "rwc")
    connection = sqlite3.connect(
        where,
        uri=settings.path is not None,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=MOST_STATEMENTS,
        timeout=settings.busy_timeout,
    )
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = wal").fetchone()
        if settings.path is not None and mode != "wal":
            raise LogError(f"{settings.name} cannot have a write-ahead log: its journal mode stays {mode}")
        synchronous = "FULL" if settings.durability == "power" else "NORMAL"
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}").fetchone()
        connection.execute("PRAGMA trusted_schema = off")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, timeout: float) -> sqlite3.Connection:
    """A connection that only reads: its close never checkpoints, which it would do outside of the write lock."""
    return sqlite3.connect(uri(path, "ro"), uri=True, isolation_level=None, check_same_thread=False, timeout=timeout)
