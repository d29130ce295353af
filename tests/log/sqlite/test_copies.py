"""Copies of a log that is in use, and its room given back."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from evenflow._errors import LogError
from evenflow.log._sqlite import _copies
from evenflow.log._stored import Put

from .kit import Change, append, both_real, names, opened, select, texts


@both_real
async def test_a_copy_is_a_log_with_a_line_of_history_of_its_own(tmp_path: Path) -> None:
    """Events, records and ids are in it; the log itself stays on its line."""
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "a", id="one")
        await engine.commit(Change(puts={"k": Put(b"v")}))
        await engine.backup(tmp_path / "copy.db")
        await append(engine, "b")
        assert len(engine.lineages) == 1
        async with opened(tmp_path / "copy.db") as copy:
            assert [lineage.after for lineage in copy.lineages] == [0, 1]
            assert copy.lineages[0] == engine.lineages[0]
            assert await texts(copy) == ["a"]
            assert await append(copy, "a", id="one") == [1]
            assert list(await copy.load(prefix="")) == ["k"]
            assert await append(copy, "other") == [2]
        assert await texts(engine) == ["a", "b"]
    assert select(tmp_path / "copy.db", "PRAGMA integrity_check") == [("ok",)]
    assert not [name for name in names(tmp_path) if "part" in name]


@both_real
async def test_a_copy_is_made_while_others_publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has what was stored at one moment, and publishing goes on meanwhile."""
    monkeypatch.setattr(_copies, "_PAGES", 1)
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, *("x" * 10_000))
        done = anyio.Event()
        counts: list[int] = []

        async def publish() -> None:
            while not done.is_set():
                counts.extend(await append(engine, "y", "z"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish)
            await engine.backup(tmp_path / "copy.db")
            done.set()
    (found,) = select(tmp_path / "copy.db", "SELECT count(*), max(seq) FROM evenflow_event")
    assert found[0] == found[1] >= 10_000
    assert found[0] % 2 == 0
    assert counts, "none was stored before the copy was made"


@both_real
async def test_a_copy_replaces_nothing(tmp_path: Path) -> None:
    """Whatever lies there."""
    (tmp_path / "copy.db").write_text("mine")
    async with opened(tmp_path / "log.db") as engine:
        with pytest.raises(LogError, match="replaces nothing"):
            await engine.backup(tmp_path / "copy.db")
        with pytest.raises(LogError, match="none"):
            await engine.backup(tmp_path / "none" / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


@both_real
async def test_a_copy_that_nobody_waits_for_any_more_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled in the middle, nothing of it stays."""
    monkeypatch.setattr(_copies, "_PAGES", 1)
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, *("x" * 9_000))
        before = names(tmp_path)
        with anyio.move_on_after(0.003) as scope:
            await engine.backup(tmp_path / "copy.db")
        if scope.cancelled_caught:
            assert names(tmp_path) == before
        else:
            assert "copy.db" in names(tmp_path)


@both_real
async def test_a_log_in_memory_can_be_copied_to_a_file(tmp_path: Path) -> None:
    """And opened there."""
    async with opened(":memory:") as engine:
        await append(engine, "a")
        await engine.backup(tmp_path / "copy.db")
    async with opened(tmp_path / "copy.db") as copy:
        assert await texts(copy) == ["a"]


@both_real
async def test_vacuum_gives_room_back(tmp_path: Path) -> None:
    """After retention has removed something; what is left stays."""
    async with opened(tmp_path / "log.db") as engine:
        for _ in range(10):
            await append(engine, "x" * 100_000)
        before = (await engine.size()).bytes
        await engine.trim("orders", 9, 100)
        await engine.vacuum()
        after = (await engine.size()).bytes
        assert before is not None
        assert after is not None
        assert after < before / 2
        assert len(await texts(engine)) == 1
        assert await append(engine, "y") == [11]
    assert (tmp_path / "log.db").stat().st_size < before / 2
