"""The threads that read."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from evenflow._errors import LogError

from .kit import append, both_real, opened, texts
from .test_writer import sqlite_error


@both_real
async def test_a_read_that_fails_is_told_and_the_next_one_has_another_connection(tmp_path: Path) -> None:
    """What SQLite says becomes a LogError with a way out; an error of the caller's own is raised as it is."""
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "a")
        assert engine._opening is not None
        used: list[Any] = []

        def broken(connection: sqlite3.Connection) -> None:
            used.append(connection)
            raise sqlite_error(sqlite3.SQLITE_IOERR)

        for _ in range(3):
            with pytest.raises(LogError, match="the disk reports an error"):
                await engine._opening.do(broken, reads=True)
        assert len(set(map(id, used))) == 3
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            used[0].execute("SELECT 1")
        with pytest.raises(KeyError):
            await engine._opening.do(lambda _: {}["none"], reads=True)
        assert await texts(engine) == ["a"]


@both_real
async def test_a_log_that_is_only_written_to_has_no_thread_that_reads(tmp_path: Path) -> None:
    """They begin with the first read; becoming a member is one."""
    async with opened(":memory:") as engine:
        assert engine._opening is not None
        assert engine._opening.readers is None
        await append(engine, "a")
        assert await texts(engine) == ["a"]
