"""The tables, and which files are refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evenflow._errors import LogError
from evenflow.log._sqlite import _schema

from .kit import SQLiteEngine, append, both_real, opened, select, texts


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@both_real
async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """With both versions, and nothing is changed."""
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "a")
    execute(tmp_path / "log.db", "UPDATE evenflow_meta SET value = 9 WHERE name = 'version'")
    with pytest.raises(LogError, match="tables of version 9, and this evenflow knows 1"):
        await SQLiteEngine(tmp_path / "log.db").open()
    execute(tmp_path / "log.db", "UPDATE evenflow_meta SET value = 1 WHERE name = 'version'")
    async with opened(tmp_path / "log.db") as engine:
        assert await texts(engine) == ["a"]


@both_real
async def test_a_database_of_the_application_takes_a_log(tmp_path: Path) -> None:
    """Its own tables stay as they are."""
    execute(tmp_path / "shop.db", "CREATE TABLE invoice (id)", "INSERT INTO invoice VALUES (17)")
    async with opened(tmp_path / "shop.db") as engine:
        await append(engine, "a")
    assert select(tmp_path / "shop.db", "SELECT id FROM invoice") == [(17,)]


@both_real
@pytest.mark.parametrize("content", [b"this is no database" * 100, b"\x00" * 5000])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """And left as it is."""
    (tmp_path / "notes.txt").write_bytes(content)
    with pytest.raises(LogError, match="not an SQLite database"):
        await SQLiteEngine(tmp_path / "notes.txt").open()
    assert (tmp_path / "notes.txt").read_bytes() == content


@both_real
async def test_a_database_with_another_encoding_is_refused(tmp_path: Path) -> None:
    """Text would be stored as something else."""
    execute(tmp_path / "shop.db", "PRAGMA encoding = 'UTF-16'", "CREATE TABLE invoice (id)")
    with pytest.raises(LogError, match="UTF-16"):
        await SQLiteEngine(tmp_path / "shop.db").open()


@both_real
async def test_the_application_reads_and_the_pragmas_are_as_promised(tmp_path: Path) -> None:
    """A write-ahead log, synced with each commit, or with each checkpoint where the process alone must survive."""
    for durability, synchronous in (("power", 2), ("process", 1)):
        options: Any = {"durability": durability}
        async with opened(tmp_path / f"{durability}.db", **options) as engine:
            assert engine._opening is not None
            assert engine._opening.writer._kept is not None
            connection = engine._opening.writer._kept.connection
            assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@both_real
async def test_below_power_a_reboot_begins_a_new_line_of_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, at the first opening after it, by whomever; what is stored by then is on the old line."""
    path = tmp_path / "log.db"
    monkeypatch.setattr(_schema, "boot_id", lambda: "first")
    async with opened(path, durability="process") as engine:
        await append(engine, "a", "b")
        (only,) = engine.lineages
    async with opened(path, durability="process") as engine:
        assert list(engine.lineages) == [only]
    monkeypatch.setattr(_schema, "boot_id", lambda: "second")
    async with opened(path, durability="power") as engine:
        old, new = engine.lineages
        assert (old, new.after) == (only, 2)
        assert new.id != old.id
    async with opened(path, durability="process") as engine:
        assert list(engine.lineages) == [old, new]


@both_real
async def test_with_power_a_reboot_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was confirmed can be lost."""
    for boot in ("first", "second"):
        monkeypatch.setattr(_schema, "boot_id", lambda boot=boot: boot)
        async with opened(tmp_path / "log.db") as engine:
            assert len(engine.lineages) == 1
