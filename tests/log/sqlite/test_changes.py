"""What a change does in one write transaction, the application's statements among it."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from evenflow._errors import Conflict, LogError
from evenflow.log._sqlite import _changes
from evenflow.log._stored import Outdated, Put, Record, Statement

from .kit import Change, append, both_real, event, opened, select, texts


def invoices(path: Path) -> None:
    """A table of the application's, with two rows."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE invoice (id INTEGER PRIMARY KEY, paid INTEGER NOT NULL CHECK (paid IN (0, 1)))"
        )
        connection.execute("INSERT INTO invoice VALUES (1, 0), (2, 0)")
        connection.execute(
            "CREATE TRIGGER all_or_nothing BEFORE DELETE ON invoice BEGIN SELECT RAISE(ROLLBACK, 'never'); END"
        )


PAY = "UPDATE invoice SET paid = 1 WHERE id = ? AND paid = 0"


@both_real
async def test_statements_are_done_in_the_commit_of_the_events(tmp_path: Path) -> None:
    """The application's rows, events and records are all there afterwards."""
    invoices(tmp_path / "shop.db")
    async with opened(tmp_path / "shop.db") as engine:
        named = Statement("UPDATE invoice SET paid = 1 WHERE id = :id RETURNING id", {"id": 2}, 1)
        change = Change(puts={"k": Put(b"")}, appends=[event("a")], statements=[Statement(PAY, (1,), 1), named])
        assert (await engine.commit(change)).seqs == [1]
        assert await texts(engine) == ["a"]
        assert list(await engine.load(prefix="")) == ["k"]
    assert select(tmp_path / "shop.db", "SELECT paid FROM invoice") == [(1,), (1,)]


@both_real
async def test_another_number_of_rows_is_a_conflict_and_nothing_is_done(tmp_path: Path) -> None:
    """No event, no record, no id and no row; changes of others in the same commit are made."""
    invoices(tmp_path / "shop.db")
    raised: list[BaseException] = []
    async with opened(tmp_path / "shop.db") as engine:

        async def conflicting() -> None:
            statements = [Statement(PAY, (1,), None), Statement(PAY, (9,), 1)]
            try:
                await engine.commit(Change({}, {"k": Put(b"")}, (), [event("lost", id="i")], statements=statements))
            except Conflict as error:
                raised.append(error)

        async with anyio.create_task_group() as tasks:
            for n in range(5):
                tasks.start_soon(append, engine, f"a{n}")
                tasks.start_soon(conflicting)
        assert len(raised) == 5
        assert "affected 0 rows and must affect 1" in str(raised[0])
        assert sorted(await texts(engine)) == [f"a{n}" for n in range(5)]
        assert await engine.load(prefix="") == {}
        assert len(await append(engine, "other", id="i")) == 1
        rows = (await engine.read("orders", 0, 99)).rows
        assert [row.seq for row in rows] == [1, 2, 3, 4, 5, 6]
    assert select(tmp_path / "shop.db", "SELECT paid FROM invoice") == [(0,), (0,)]


@both_real
@pytest.mark.parametrize(
    "sql, affects",
    [
        ("WITH due AS (SELECT 1 AS id) UPDATE invoice SET paid = 1 WHERE id IN (SELECT id FROM due)", 1),
        ("WITH due AS (SELECT 7 AS id UNION SELECT 8) INSERT INTO invoice SELECT id, 0 FROM due RETURNING id", 2),
        ("WITH due AS (SELECT 9 AS id) UPDATE invoice SET paid = 1 WHERE id IN (SELECT id FROM due)", 0),
        ("WITH due AS (SELECT 1) SELECT * FROM due", 0),
    ],
)
async def test_the_rows_of_a_statement_that_begins_with_with_are_counted(
    tmp_path: Path, sql: str, affects: int
) -> None:
    """As those of any other: the right number is no conflict, and a wrong one is told with what it was."""
    invoices(tmp_path / "shop.db")
    async with opened(tmp_path / "shop.db") as engine:
        both = Statement("UPDATE invoice SET paid = 0", (), 2)
        with pytest.raises(Conflict) as caught:
            await engine.commit(Change(statements=[both, Statement(sql, (), 5)]))
        assert (caught.value.expected, caught.value.affected) == (5, affects)
        await engine.commit(Change(statements=[both, Statement(sql, (), affects)]))


@both_real
@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO invoice VALUES (1, 0)",
        "INSERT INTO invoice VALUES (5, 7)",
        "INSERT OR ROLLBACK INTO invoice VALUES (1, 0)",
        "DELETE FROM invoice",
        "SELECT * FROM nothing",
        "no sentence",
        "SELECT 1; SELECT 2",
        "SELECT ?",
        "VACUUM",
    ],
)
async def test_a_statement_that_fails_fails_its_own_change_only(tmp_path: Path, sql: str) -> None:
    """With the very error of SQLite, which the application knows; even if it rolls back the whole transaction."""
    invoices(tmp_path / "shop.db")
    raised: list[BaseException] = []
    async with opened(tmp_path / "shop.db") as engine:

        async def failing() -> None:
            try:
                await engine.commit(Change(appends=[event("lost")], statements=[Statement(sql, (), None)]))
            except (sqlite3.Error, sqlite3.Warning) as error:
                raised.append(error)

        async with anyio.create_task_group() as tasks:
            for n in range(5):
                tasks.start_soon(append, engine, f"a{n}")
                tasks.start_soon(failing)
        assert len(raised) == 5
        assert sorted(await texts(engine)) == [f"a{n}" for n in range(5)]
    assert select(tmp_path / "shop.db", "SELECT * FROM invoice") == [(1, 0), (2, 0)]


@both_real
@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT", "BEGIN", "ROLLBACK", "BEGIN IMMEDIATE", "SAVEPOINT a", "RELEASE evenflow_change",
        "CREATE TABLE t (x)", "DROP TABLE invoice", "ALTER TABLE invoice ADD y", "CREATE INDEX i ON invoice (paid)",
        "PRAGMA synchronous = OFF", "ATTACH 'x.db' AS x", "DELETE FROM evenflow_event",
        "UPDATE Evenflow_Record SET version = 1", "INSERT INTO evenflow_meta VALUES ('a', 1)",
    ],
)  # fmt: skip
async def test_what_is_no_statement_on_rows_of_the_application_is_refused(tmp_path: Path, sql: str) -> None:
    """Whatever would end the transaction, change tables, or touch the log's own rows; nothing is done."""
    invoices(tmp_path / "shop.db")
    async with opened(tmp_path / "shop.db") as engine:
        await append(engine, "a")
        for _ in range(2):
            with pytest.raises(LogError, match="the application's own tables") as caught:
                await engine.commit(Change(appends=[event("lost")], statements=[Statement(sql, (), None)]))
            assert caught.value.stored is False
        assert await append(engine, "b") == [2]
        assert await texts(engine) == ["a", "b"]


@both_real
async def test_a_statement_may_read_the_log(tmp_path: Path) -> None:
    """Rows of the application can be made from events."""
    invoices(tmp_path / "shop.db")
    async with opened(tmp_path / "shop.db") as engine:
        copy = "INSERT INTO invoice SELECT seq + 10, 0 FROM evenflow_event WHERE subject = 'orders'"
        await engine.commit(Change(appends=[event("a"), event("b")], statements=[Statement(copy, (), 2)]))
    assert select(tmp_path / "shop.db", "SELECT id FROM invoice WHERE id > 10") == [(11,), (12,)]


@both_real
async def test_one_that_cannot_be_stored_does_not_fail_its_neighbours(tmp_path: Path) -> None:
    """A value that SQLite cannot take is found only when it is written."""
    raised: list[BaseException] = []
    async with opened(tmp_path / "log.db") as engine:

        async def failing(change: Change) -> None:
            try:
                await engine.commit(change)
            except Exception as error:
                raised.append(error)

        async with anyio.create_task_group() as tasks:
            for n in range(5):
                tasks.start_soon(append, engine, f"a{n}")
                tasks.start_soon(failing, Change(appends=[event("x", key="\ud800")]))
                tasks.start_soon(failing, Change(appends=[event("x", headers={"a": object()})]))
                half = Change(puts={"k": Put(object())}, appends=[event("lost", id="half")])  # type: ignore[arg-type]  # what is tested
                tasks.start_soon(failing, half)
                tasks.start_soon(failing, half._replace(statements=[Statement("SELECT 1", (), None)]))
        assert len(raised) == 20
        assert sorted(await texts(engine)) == [f"a{n}" for n in range(5)]
        assert await append(engine, "other", id="half") == [6]


@both_real
async def test_one_alone_that_cannot_be_stored_leaves_nothing(tmp_path: Path) -> None:
    """Its event is not stored, whether it has statements or not; the next one has the next number."""
    async with opened(tmp_path / "log.db") as engine:
        half = Change(puts={"k": Put(object())}, appends=[event("lost", id="half")])  # type: ignore[arg-type]  # what is tested
        for change in (half, half._replace(statements=[Statement("SELECT 1", (), None)])):
            with pytest.raises(sqlite3.Error):
                await engine.commit(change)
            assert await texts(engine) == []
        assert await append(engine, "other", id="half") == [1]


@both_real
async def test_a_person_reads_a_log_with_a_select(tmp_path: Path) -> None:
    """Headers and data are JSON as text, which SQLite's own functions take."""
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, '{"total": 17}', headers={"tenant": "ü"})
    assert select(
        tmp_path / "log.db",
        "SELECT seq, subject, type, version, data ->> 'total', headers ->> 'tenant', id, key FROM evenflow_event",
    ) == [(1, "orders", "Placed", 1, 17, "ü", None, None)]


@both_real
async def test_the_index_by_subject_is_made_with_the_second_subject(tmp_path: Path) -> None:
    """A log of one subject does not pay for it; and a commit that fails makes none."""

    def indexed() -> bool:
        return bool(select(tmp_path / "log.db", "SELECT 1 FROM sqlite_master WHERE name = 'evenflow_event_subject'"))

    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "a")
        with pytest.raises(sqlite3.OperationalError):
            await engine.commit(
                Change(appends=[event("x", subject="other")], statements=[Statement("no sentence", (), None)])
            )
    assert not indexed()
    async with opened(tmp_path / "log.db") as engine, opened(tmp_path / "log.db") as another:
        await append(another, "b", subject="other")
        await append(engine, "c")
        assert await texts(engine, subject="other") == ["b"]
    assert indexed()


@both_real
async def test_a_clock_that_was_far_ahead_is_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Later events get the time of the newest one until the clock has passed it."""
    now = time.time_ns()
    async with opened(tmp_path / "log.db") as engine:
        monkeypatch.setattr(_changes, "time_ns", lambda: now + 3600 * 10**9)
        await append(engine, "ahead")
        monkeypatch.setattr(_changes, "time_ns", lambda: now)
        with caplog.at_level(logging.WARNING, "evenflow.log"):
            await append(engine, "b")
            await append(engine, "c")
        assert [record.getMessage()[:33] for record in caplog.records] == ["the newest event's time is 3600 s"]
        monkeypatch.setattr(_changes, "time_ns", lambda: now + 3601 * 10**9)
        await append(engine, "d")
        ahead, b, c, d = [row.time for row in (await engine.read("orders", 0, 9)).rows]
        assert ahead == b == c == d - 1_000_000
        await engine.trim("orders", 4, 9)
    monkeypatch.setattr(_changes, "time_ns", lambda: now)
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "e")
        assert [row.time for row in (await engine.read("orders", 0, 9)).rows] == [d]


@both_real
async def test_one_record_that_was_seen_is_changed_or_refused(tmp_path: Path) -> None:
    """A change of nothing else is one statement: outdated, it has touched nothing, and its neighbours are committed."""
    async with opened(tmp_path / "log.db") as engine:
        first = (await engine.commit(Change(puts={"a": Put(b"1", 5.0)}))).versions["a"]
        second = (await engine.commit(Change(expect={"a": first}, puts={"a": Put(b"2")}))).versions["a"]
        for change in (Change(expect={"a": first}, puts={"a": Put(b"3")}), Change(expect={"a": first}, deletes=["a"])):
            with pytest.raises(Outdated) as refused:
                await engine.commit(change)
            assert refused.value.keys == ("a",)
        assert await engine.load(["a"]) == {"a": Record(b"2", second, None)}
        await engine.commit(Change(expect={"a": second}, deletes=["a"]))
        assert await engine.load(["a"]) == {}
        with pytest.raises(Outdated):
            await engine.commit(Change(expect={"a": second}, puts={"a": Put(b"4")}))
