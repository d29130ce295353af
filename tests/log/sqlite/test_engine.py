"""The face: options, opening and closing."""

from __future__ import annotations

import gc
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.to_thread
import pytest

from evenflow._errors import LogError

from .kit import SQLiteEngine, append, both_real, names, opened, texts


@pytest.mark.parametrize(
    "options, message",
    [
        ({"durability": "none"}, "'power' or 'process', not 'none'"),
        ({"keep_ids": timedelta(-1)}, "must not be negative"),
        ({"busy_timeout": -1}, "at least 0 seconds"),
        ({"busy_timeout": float("nan")}, "at least 0 seconds"),
    ],
)
def test_nonsense_is_refused_where_it_is_written(options: dict[str, Any], message: str) -> None:
    """With the value."""
    with pytest.raises(ValueError, match=message):
        SQLiteEngine("log.db", **options)


def test_nothing_is_opened_until_it_is_opened(tmp_path: Path) -> None:
    """An engine may be a module's own, and be dropped."""
    engine = SQLiteEngine(tmp_path / "log.db")
    del engine
    gc.collect()
    assert not list(tmp_path.iterdir())


@both_real
async def test_it_is_opened_once_at_a_time_and_may_be_opened_again(tmp_path: Path) -> None:
    """Each opening is another member."""
    engine = SQLiteEngine(tmp_path / "log.db")
    await engine.open()
    with pytest.raises(LogError, match="open already"):
        await engine.open()
    first = engine.member
    await append(engine, "a")
    await engine.close()
    await engine.open()
    assert engine.member != first
    assert await texts(engine) == ["a"]
    await engine.close()


def test_it_can_be_opened_in_a_later_loop(tmp_path: Path) -> None:
    """Also where the earlier loop ended without closing it."""
    engine = SQLiteEngine(tmp_path / "log.db")

    async def use(*, close: bool) -> list[str]:
        await engine.open()
        await append(engine, "a")
        found = await texts(engine)
        if close:
            await engine.close()
        return found

    assert anyio.run(lambda: use(close=False)) == ["a"]
    assert anyio.run(lambda: use(close=True), backend="trio") == ["a", "a"]


@both_real
async def test_a_path_with_strange_characters_is_a_file_of_that_name(tmp_path: Path) -> None:
    """Not a parameter of SQLite."""
    path = tmp_path / "a b?mode=memory#%41ü.db"
    async with opened(path) as engine:
        await append(engine, "a")
        assert await texts(engine) == ["a"]
        assert path.stat().st_size > 0


@both_real
async def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    """Whoever opens it by another name has the same lock, the same members and the same write-ahead log."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "there" / "log.db")
    async with opened(tmp_path / "link.db") as engine, opened(tmp_path / "there" / "log.db") as other:
        await append(engine, "a")
        assert (await engine.size()).wal_bytes == (await other.size()).wal_bytes
        assert (await other.pulses([engine.member]))[engine.member].alive
    assert names(tmp_path) == ["link.db", "there"]
    assert names(tmp_path / "there") == ["log.db", "log.db-evenflow-lock", "log.db-evenflow-members"]


@both_real
async def test_it_is_writing_from_the_call_until_the_disk_has_it(tmp_path: Path) -> None:
    """But not while it waits for the disk: a busy loop does not delay that."""
    async with opened(tmp_path / "log.db") as engine:
        writer: Any = engine._opened().writer
        commit, may, seen = writer._commit, threading.Event(), list[bool]()

        def watched(kept: Any) -> None:
            may.wait(10)
            connection = kept.connection

            class Watched:
                in_transaction = True

                def execute(self, sql: str) -> object:
                    seen.append(engine.is_writing)
                    return connection.execute(sql)

            commit(SimpleNamespace(connection=Watched(), forget=kept.forget))

        writer._commit = watched
        assert not engine.is_writing
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(append, engine, "one")
            await anyio.wait_all_tasks_blocked()
            assert engine.is_writing
            may.set()
        assert seen == [False]
        assert not engine.is_writing
