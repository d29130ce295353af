"""What is read, and that it stays quick."""

from __future__ import annotations

import sqlite3
from pathlib import Path

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
        assert steps(path, "read", "orders", 19_000, 100, None, None) <= 5
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
        ended: list[str] = []

        async def read_slowly() -> None:
            assert engine._opening is not None
            await engine._opening.do(lambda _: free.wait(60), reads=True)
            ended.append("slow")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_slowly)
            await anyio.wait_all_tasks_blocked()
            assert await texts(engine) == ["a"]
            assert not ended
            free.set()


@both_real
async def test_a_page_of_all_kinds_of_events_is_taken_apart_as_it_was_put_in(tmp_path: Path) -> None:
    """With and without ids and headers, of several classes and versions, with holes, and with text of all kinds."""
    put = [
        event("plain"),
        event("with id", id="a,b|c"),
        event("ünïcode, commas"),
        event("headers", headers={"a": "x,y", "b": "ü"}),
        event("other", type="Other"),
        event("newer")._replace(version=2),
    ]
    async with opened(tmp_path / "log.db") as engine:
        for one in put:
            await engine.commit(Change(appends=[event("between", subject="elsewhere"), one]))
        (*found,) = (await engine.read("orders", 0, 100)).rows
        told = [(row.data, row.type, row.version, row.id, dict(row.headers)) for row in found]
        assert told == [(one.data, one.type, one.version, one.id or "", dict(one.headers)) for one in put]
        assert [row.seq for row in found] == [2, 4, 6, 8, 10, 12]
        assert [row.seq for row in (await engine.read("orders", 3, 2)).rows] == [4, 6]
        assert [row.seq for row in (await engine.read("orders", 3, 2, types={"Other"})).rows] == [10]


@both_real
async def test_a_class_with_a_separator_in_its_name_is_read_nevertheless(tmp_path: Path) -> None:
    """One by one, as is a page that is longer than a text can be."""
    async with opened(tmp_path / "log.db") as engine:
        await engine.commit(Change(appends=[event("a", type="X\x1eY"), event("b")]))
        assert [(row.type, row.data) for row in (await engine.read("orders", 0, 9)).rows] == [
            ("X\x1eY", b"a"),
            (event("").type, b"b"),
        ]
        connection = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_500)
        await append(engine, "x" * 1_000, "y" * 1_000)
        assert [len(row.data) for row in _queries.read(connection, "orders", 2, 9, None, None).rows] == [1_000, 1_000]
        connection.close()
