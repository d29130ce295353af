"""The writer: group commit, and going on after a fault."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from evenflow._errors import LogError, Uncertain
from evenflow.log._sqlite import _writer
from evenflow.log._sqlite._connect import COMMIT
from evenflow.log._sqlite._files import wal_bytes
from evenflow.log._stored import Outdated

from .kit import Change, SQLiteEngine, append, both_real, event, names, opened, run_process, select, texts


class Failing:
    """A connection on which some statements fail, as with a broken disk."""

    def __init__(self, connection: sqlite3.Connection, fails: Callable[[str], BaseException | None]) -> None:
        self._connection = connection
        self._fails = fails

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        if (error := self._fails(sql)) is not None:
            raise error
        return self._connection.execute(sql, *parameters)


def sqlite_error(code: int, message: str = "disk I/O error") -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


def break_disk(engine: SQLiteEngine, fails: Callable[[str], BaseException | None]) -> None:
    """From now on statements of the connection that writes now may fail."""
    assert engine._opening is not None
    kept = engine._opening.writer._kept
    assert kept is not None
    kept.connection = Failing(kept.connection, fails)  # type: ignore[assignment]  # as far as it is used


async def outcomes(engine: SQLiteEngine, *names: str) -> dict[str, BaseException | int]:
    """Append one event for each name, all at the same time, each awaited by itself."""
    found: dict[str, BaseException | int] = {}

    async def one(name: str) -> None:
        try:
            (found[name],) = await append(engine, name)
        except Exception as error:
            found[name] = error

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(one, name)
    return found


@both_real
async def test_what_has_queued_is_one_commit(tmp_path: Path) -> None:
    """Fifty tasks that append ten events each share commits: there are at most a fifth as many."""
    commits: list[str] = []

    def note(sql: str) -> None:
        if sql == COMMIT:
            commits.append(sql)

    async with opened(tmp_path / "log.db") as engine:
        break_disk(engine, note)  # type: ignore[arg-type]  # nothing breaks

        async def publish() -> None:
            for _ in range(10):
                await append(engine, "x")

        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(publish)
        assert len(await texts(engine)) == 500
    assert 10 <= len(commits) <= 100


@both_real
async def test_one_that_is_refused_does_not_fail_its_neighbours(tmp_path: Path) -> None:
    """They are committed, and the numbers have no hole."""
    async with opened(tmp_path / "log.db") as engine:
        refused: list[BaseException] = []

        async def outdated() -> None:
            try:
                await engine.commit(Change({"a": 1}, appends=[event("lost")]))
            except Outdated as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            for n in range(10):
                tasks.start_soon(append, engine, f"a{n}")
                tasks.start_soon(outdated)
        assert len(refused) == 10
        assert [row.seq for row in (await engine.read("orders", 0, 99)).rows] == list(range(1, 11))


@both_real
async def test_a_commit_that_the_disk_does_not_confirm_is_uncertain_and_is_not_done_again(tmp_path: Path) -> None:
    """Everybody in it is told so; the log goes on, and once the id is published again it is there once."""
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "c")
        assert engine._opening is not None
        assert engine._opening.writer._kept is not None
        real = engine._opening.writer._kept.connection

        def commit_and_fail(sql: str) -> BaseException | None:
            if sql == COMMIT:
                real.execute(COMMIT)
                return sqlite_error(sqlite3.SQLITE_IOERR_FSYNC)
            return None

        # the connection is dropped after that: whoever was not in this commit is in one that succeeds
        break_disk(engine, commit_and_fail)
        found = await outcomes(engine, "d", "e", "f")
        uncertain = [error for error in found.values() if isinstance(error, Uncertain)]
        assert uncertain
        assert all(error.stored is None for error in uncertain)
        assert sorted(await texts(engine)) == ["c", "d", "e", "f"]
        assert len({id(error) for error in uncertain}) == len(uncertain)


@both_real
async def test_a_commit_that_fails_and_is_rolled_back_is_not_stored(tmp_path: Path) -> None:
    """That is known, and said."""
    async with opened(tmp_path / "log.db") as engine:
        break_disk(engine, lambda sql: sqlite_error(sqlite3.SQLITE_IOERR_FSYNC) if sql == COMMIT else None)
        with pytest.raises(LogError) as caught:
            await append(engine, "lost")
        assert caught.value.stored is False
        assert await append(engine, "a") == [1]


@both_real
@pytest.mark.parametrize("breaks", ["SELECT version", "SELECT seq, digest", "SELECT seq, time", "PRAGMA data_version"])
async def test_a_disk_that_cannot_be_read_fails_the_commit_and_the_log_goes_on(tmp_path: Path, breaks: str) -> None:
    """Also where it is found out before anything is written: never an error of SQLite's, and never something half."""
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "a")
        break_disk(engine, lambda sql: sqlite_error(sqlite3.SQLITE_IOERR) if breaks in sql else None)
        attempts = {
            "SELECT version": Change({"k": 5}, appends=[event("lost")]),
            "SELECT seq, digest": Change(appends=[event("lost", id="one")]),
            "PRAGMA data_version": Change(appends=[event("lost")]),
        }
        with pytest.raises(LogError, match="the disk reports an error") as caught:
            if breaks in attempts:
                await engine.commit(attempts[breaks])
            else:
                await engine.trim("orders", 1, 1)
        assert caught.value.stored is False
        assert await append(engine, "b") == [2]
        assert await texts(engine) == ["a", "b"]


@both_real
async def test_a_full_disk_fails_whoever_does_not_fit(tmp_path: Path) -> None:
    """Each job is tried alone: small ones are stored beside one that is too large; it is logged once."""
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "first")
        large = "x" * 100_000

        def full(sql: str) -> BaseException | None:
            assert engine._opening is not None
            job_is_large = sql.startswith("INSERT INTO evenflow_event") and is_large[0]
            return sqlite_error(sqlite3.SQLITE_FULL, "database or disk is full") if job_is_large else None

        is_large = [False]
        broken: Any = _BrokenForLarge(engine, full, is_large)
        broken.install()
        found = await outcomes(engine, "a", large, "b")
        assert isinstance(found[large], LogError)
        assert found[large].stored is False  # type: ignore[union-attr]  # seen above
        assert "disk is full" in str(found[large])
        assert sorted(await texts(engine)) == ["a", "b", "first"]


class _BrokenForLarge:
    """A disk on which large rows do not fit, whichever connection writes them."""

    def __init__(self, engine: SQLiteEngine, full: Callable[[str], BaseException | None], is_large: list[bool]) -> None:
        self.engine = engine
        self.full = full
        self.is_large = is_large

    def install(self) -> None:
        assert self.engine._opening is not None
        writer = self.engine._opening.writer
        connect = writer._connect

        def connect_and_break() -> Any:
            kept = connect()
            self.break_one(kept)
            return kept

        writer._connect = connect_and_break  # type: ignore[method-assign]  # every connection to come
        self.break_one(writer._kept)

    def break_one(self, kept: Any) -> None:
        owner = self

        class Connection(Failing):
            def execute(self, sql: str, *parameters: Any) -> Any:
                owner.is_large[0] = any(
                    isinstance(value, bytes) and len(value) > 50_000 for given in parameters for value in given
                )
                return super().execute(sql, *parameters)

        kept.connection = Connection(kept.connection, self.full)


@both_real
async def test_the_log_goes_on_when_the_fault_ends_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each attempt fails in bounded time with the fault; what was confirmed stays; the first one and the end are logged."""
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "a")
        assert engine._opening is not None
        writer = engine._opening.writer
        connect = writer._connect

        def broken() -> Any:
            raise sqlite_error(sqlite3.SQLITE_IOERR)

        writer._connect = broken  # type: ignore[method-assign]  # until the fault ends
        break_disk(engine, lambda sql: sqlite_error(sqlite3.SQLITE_IOERR) if "INSERT" in sql else None)
        with caplog.at_level(logging.INFO, "evenflow.log"):
            for _ in range(4):
                with anyio.fail_after(30), pytest.raises(LogError, match="the disk reports an error") as caught:
                    await append(engine, "lost")
                assert caught.value.stored is False
                assert await texts(engine) == ["a"]
            writer._connect = connect  # type: ignore[method-assign]  # the fault ends
            await append(engine, "b")
            await append(engine, "c")
        assert await texts(engine) == ["a", "b", "c"]
        assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
        assert "after 4 failures" in caplog.records[1].getMessage()


@both_real
@pytest.mark.parametrize("happens", ["moved", "replaced"])
async def test_a_file_that_is_not_there_any_more_is_an_error_for_everyone(tmp_path: Path, happens: str) -> None:
    """Whoever writes, reads or waits learns that; nothing is written into nowhere."""
    path = tmp_path / "log.db"
    async with opened(path) as engine:
        await append(engine, "a")
        raised: list[LogError] = []

        async def wait() -> None:
            try:
                while True:
                    await engine.wait(engine.mark())
            except LogError as error:
                raised.append(error)

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await anyio.sleep(0.05)  # the thread that looks has begun
                path.rename(tmp_path / "moved.db")
                if happens == "replaced":
                    path.write_bytes(b"")
        for attempt in (append(engine, "lost"), texts(engine), engine.commit(Change())):
            with pytest.raises(LogError, match="moved or deleted" if happens == "moved" else "replaced"):
                await attempt
        assert len(raised) == 1
        (tmp_path / "moved.db").replace(path)
        await append(engine, "b")
        assert await texts(engine) == ["a", "b"]


@both_real
async def test_an_idle_log_has_an_empty_write_ahead_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second after the last commit, if nobody reads at that moment; and its size is told."""
    monkeypatch.setattr(_writer, "IDLE", 0.05)
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, *("x" * 500))
        assert (await engine.size()).wal_bytes
        with anyio.fail_after(30):
            while wal_bytes(tmp_path / "log.db"):
                await anyio.sleep(0.01)
        assert (await engine.size()).wal_bytes == 0
        await append(engine, "y")
        assert len(await texts(engine)) == 501


def read_without_a_pause(path: Path, stop: threading.Event) -> None:
    """Read so that at each moment somebody reads: SQLite alone never begins the write-ahead log anew then."""
    readers = [sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None) for _ in range(2)]
    turn = 0
    readers[1].execute("BEGIN")
    while not stop.is_set():
        readers[turn].execute("BEGIN")
        readers[turn].execute("SELECT max(seq) FROM evenflow_event").fetchall()
        readers[1 - turn].execute("ROLLBACK")
        turn = 1 - turn
    for reader in readers:
        reader.close()


@both_real
async def test_a_write_ahead_log_that_readers_let_grow_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is no moment without a reader."""
    monkeypatch.setattr(_writer, "WAL_IS_LONG", 1_000_000)
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "a")
        stop, lengths = threading.Event(), list[int]()
        reader = threading.Thread(target=read_without_a_pause, args=(tmp_path / "log.db", stop))
        reader.start()
        for _ in range(60):
            await append(engine, "x" * 500_000)
            lengths.append(wal_bytes(tmp_path / "log.db"))
        stop.set()
        await anyio.to_thread.run_sync(reader.join)
        assert max(lengths) < 8_000_000


@both_real
async def test_closing_finishes_what_was_handed_over(tmp_path: Path) -> None:
    """Every commit that was handed over is stored, or refused; and the file needs nothing beside it."""
    engine = SQLiteEngine(tmp_path / "log.db")
    await engine.open()
    found: dict[str, BaseException | int] = {}

    async def publish() -> None:
        found.update(await outcomes(engine, *map(str, range(50))))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publish)
        for _ in range(4):
            await anyio.lowlevel.checkpoint()
        await engine.close()
    assert names(tmp_path) == [
        "log.db",
        "log.db-evenflow-lock",
        "log.db-evenflow-members",
    ]
    stored = {name for name, outcome in found.items() if isinstance(outcome, int)}
    assert all(isinstance(outcome, int | LogError) for outcome in found.values())
    assert {data for (data,) in select(tmp_path / "log.db", "SELECT data FROM evenflow_event")} == stored
    assert len(found) == 50


@both_real
async def test_closing_is_not_cut_short_by_a_cancellation(tmp_path: Path) -> None:
    """The file is let go of, and then the cancellation goes on."""
    engine = SQLiteEngine(tmp_path / "log.db")
    await engine.open()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await engine.close()
    assert not wal_bytes(tmp_path / "log.db")
    assert not names(tmp_path / "log.db-evenflow-members")
    async with opened(tmp_path / "log.db") as again:
        await append(again, "a")


def test_a_full_disk_loses_nothing_that_was_confirmed(tmp_path: Path) -> None:
    """A real limit on the size of files: commits fail with LogError, and once there is room the log goes on by itself."""
    said = run_process(
        """
        import resource, signal
        from evenflow._errors import LogError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        async def main():
            engine = SQLiteEngine(path)
            await engine.open()
            stored, failed = [], 0
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
            for n in range(1_000):
                try:
                    await append(engine, f"{n} " + "x" * 50_000)
                    stored.append(n)
                except LogError as error:
                    assert error.stored is False, error
                    failed += 1
                    if failed == 5:
                        break
            assert failed == 5 and len(stored) > 10
            found = []
            async def small(n):
                try:
                    await append(engine, f"{n} small")
                    stored.append(n)
                except LogError as error:
                    assert error.stored is False, error
            async with anyio.create_task_group() as tasks:
                for n in range(2_000, 2_020):
                    tasks.start_soon(small, n)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            await append(engine, "9000 after")
            stored.append(9_000)
            found = [int(text.split()[0]) for text in await texts(engine)]
            assert found == stored, (found, stored)
            await engine.close()
            say("ok", len(stored))

        anyio.run(main)
        """,
        tmp_path / "log.db",
    )
    assert said.startswith("ok")
    assert select(tmp_path / "log.db", "PRAGMA integrity_check") == [("ok",)]
