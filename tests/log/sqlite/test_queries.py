"""What is read, and that it stays quick."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import perf_counter

from evenflow.log._sqlite import _queries

from .kit import Change, append, both_real, event, opened, texts


def steps(path: Path, query: str, *arguments: object) -> int:
    """How many thousands of SQLite's steps a query takes: a measure that no busy machine changes."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    connection.set_progress_handler(count, 1_000)
    getattr(_queries, query)(connection, *arguments)
    connection.close()
    return counted[0]


@both_real
async def test_what_is_not_there_is_found_out_without_a_walk_through_the_log(tmp_path: Path) -> None:
    """A subject that nobody has published, the end, a place, and what is due."""
    path = tmp_path / "log.db"
    async with opened(path) as engine:
        for _ in range(20):
            await append(engine, *("x" * 1_000))
        assert steps(path, "read", "none", 0, 100, None, None) == 0
        assert steps(path, "read", "none", 0, 100, ("Placed",), None) == 0
        assert steps(path, "end", "none") == steps(path, "end", "orders") == 0
        assert steps(path, "place", "orders", 2**60) <= 3
        assert steps(path, "place", "none", 0) == 0
        assert steps(path, "read", "orders", 19_000, 100, None, None) <= 3
        await append(engine, "y", subject="other")
        assert steps(path, "read", "other", 0, 100, None, None) == 0
        assert steps(path, "end", "other") == 0
        assert steps(path, "place", "other", 0) <= 1
        assert steps(path, "size") == 0


@both_real
async def test_a_long_run_of_other_types_takes_several_short_pages(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]  # a fixture of pytest
    """Each looks at a window that is full, and ends there."""
    monkeypatch.setattr(_queries, "WINDOW", 10)
    monkeypatch.setattr(_queries, "LONGEST_LOOK", -1.0)
    async with opened(tmp_path / "log.db") as engine:
        await engine.commit(Change(appends=[event("x", type="Other") for _ in range(35)]))
        await append(engine, "a")
        throughs, after = list[int](), 0
        while after < 36:
            page = await engine.read("orders", after, 5, types={"Placed"})
            after = page.through
            throughs.append(after)
        assert throughs == [10, 20, 30, 36]
        assert [row.data for row in page.rows] == [b"a"]


@both_real
async def test_a_reader_of_long_history_holds_up_nobody_who_loads_a_record(tmp_path: Path) -> None:
    """There are two threads."""
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "a")
        assert engine._opening is not None
        import threading

        import anyio

        free = threading.Event()

        async def read_slowly() -> None:
            assert engine._opening is not None
            await engine._opening.do(lambda _: free.wait(20), reads=True)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_slowly)
            await anyio.wait_all_tasks_blocked()
            began = perf_counter()
            assert await texts(engine) == ["a"]
            assert perf_counter() - began < 10
            free.set()
