"""Statements of a transaction, and what may not stand in one."""

from __future__ import annotations

import copy
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evenflow import Subject
from evenflow.log import Batch, Conflict, SQLiteLog, SQLiteTransaction, Unsupported, _transaction
from evenflow.log._transaction import check_statement
from evenflow.testing import MemoryLog
from tests.contract.kit import both, both_real

from .events import Ordered


def rows(path: Path) -> list[tuple[Any, ...]]:
    """The application's own rows."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT id, paid FROM invoices ORDER BY id").fetchall()


def make(path: Path) -> SQLiteLog:
    """A log in a file with a table of the application's."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER PRIMARY KEY, paid INTEGER)")
        connection.execute("INSERT INTO invoices VALUES (17, 0)")
        connection.commit()
    return SQLiteLog(path)


@both_real
async def test_own_rows_and_events_are_one_commit(tmp_path: Path) -> None:
    """Both are there, or neither."""
    log = make(tmp_path / "shop.db")
    orders = log.subject("orders", Ordered)
    async with log:
        async with log.transaction() as tx:
            tx.publish(orders, Ordered(n=1), id="paid-17")
            tx.execute("UPDATE invoices SET paid = 1 WHERE id = ? AND paid = 0", (17,), rows=1)
            assert rows(tmp_path / "shop.db") == [(17, 0)]
        assert tx.committed
        assert rows(tmp_path / "shop.db") == [(17, 1)]
        with pytest.raises(Conflict) as caught:
            async with log.transaction() as tx:
                tx.publish(orders, Ordered(n=2))
                tx.execute("INSERT INTO invoices VALUES (18, 0)")
                tx.execute("UPDATE invoices SET paid = 1 WHERE id = :id AND paid = 0", {"id": 17}, rows=1)
        assert (caught.value.expected, caught.value.affected) == (1, 0)
        assert not tx.committed
        assert rows(tmp_path / "shop.db") == [(17, 1)]
        assert [record.event.n for record in await orders.read().to_list()] == [1]


@both_real
async def test_a_statement_that_fails_undoes_everything(tmp_path: Path) -> None:
    """A constraint of the application's is told as what it is."""
    log = make(tmp_path / "shop.db")
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(Exception, match="UNIQUE"):
            async with log.transaction() as tx:
                tx.publish(orders, Ordered(n=1))
                tx.execute("INSERT INTO invoices VALUES (17, 0)")
        await orders.publish(Ordered(n=2))
        assert [record.event.n for record in await orders.read().to_list()] == [2]


@pytest.mark.parametrize(
    "sql", ["", "SELECT 1", "DROP TABLE invoices", "create table x (y)", "PRAGMA user_version = 3", "BEGIN", "commit"]
)
def test_what_changes_no_rows_is_refused_where_it_is_written(sql: str) -> None:
    """Reading, the schema and transactions have no place in a transaction."""
    with pytest.raises(ValueError, match="INSERT"):
        check_statement(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE invoices SET paid = 1; UPDATE invoices SET paid = 2",
        "UPDATE invoices SET paid = ';' ; -- and\n DROP TABLE invoices",
        "UPDATE invoices SET paid = 1;;x",
    ],
)
def test_two_statements_are_refused_where_they_are_written(sql: str) -> None:
    """One statement each, and nothing of it is done later."""
    with pytest.raises(ValueError, match="one statement"):
        SQLiteTransaction._check_statement(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE invoices SET paid = 1;",
        "UPDATE invoices SET paid = 1 ; ; -- done; really",
        "UPDATE invoices SET note = 'a; b''; c', [d; e] = 1, `f; g` = 2, \"h; i\" = 3",
        "UPDATE invoices SET paid = 1 /* one; two",
    ],
)
def test_a_semicolon_alone_begins_no_second_statement(sql: str) -> None:
    """At the end, in a text, in a quoted name or in a remark."""
    SQLiteTransaction._check_statement(sql)


@both_real
async def test_a_transaction_takes_durable_subjects_deliveries_and_parameters_only(tmp_path: Path) -> None:
    """Anything else is refused where it is written, with what it takes."""
    log = make(tmp_path / "shop.db")
    nonsense: Any = "orders"
    in_memory: Any = Subject(Ordered)
    batch: Any = Batch[Any](())
    async with log, log.transaction() as tx:
        for subject in (nonsense, in_memory):
            with pytest.raises(TypeError, match="durable subject"):
                tx.publish(subject, Ordered(n=1))
        with pytest.raises(TypeError, match="a delivery of a group, not 'orders'"):
            tx.ack(nonsense)
        with pytest.raises(TypeError, match="each by itself"):
            tx.ack(batch)
        parameters: tuple[Any, ...] = ("17", 17)
        for each in parameters:
            with pytest.raises(TypeError, match=r"\(17,\)"):
                tx.execute("UPDATE invoices SET paid = 1 WHERE id = ?", each)
    assert tx.offsets == ()


@both
async def test_statements_need_an_engine_with_rows_of_yours() -> None:
    """Elsewhere ``execute`` is ``Unsupported`` when it is called, and nothing is done."""
    log = MemoryLog()
    with pytest.raises(Unsupported, match="own_rows"):
        async with log, log.transaction() as tx:
            tx.execute("DELETE FROM invoices")  # type: ignore[attr-defined]  # what is tested


@both
async def test_a_transaction_shows_what_it_holds_and_is_no_value() -> None:
    """Its log, what it will do, and how it stands; a copy would commit nothing, and is refused."""
    log = MemoryLog(name="shop")
    orders = log.subject("orders", Ordered)
    async with log, log.transaction() as tx:
        tx.publish(orders, Ordered(n=1))
        assert repr(tx) == "<Transaction of log shop, 1 events, 0 acknowledgements, 0 statements, open>"
        with pytest.raises(TypeError, match="cannot be copied"):
            copy.copy(tx)


@pytest.mark.parametrize("before", ["", " ", "-- a remark\n", "/* a\nremark */ ", "--\n/* */\n  "])
def test_a_remark_may_stand_before_a_statement(before: str) -> None:
    """What matters is the first word."""
    check_statement(f"{before}DELETE FROM invoices")
    with pytest.raises(ValueError, match="'DROP'"):
        check_statement(f"{before}DROP TABLE invoices")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM evenflow_event", "UPDATE Evenflow_Record SET version = 1", "REPLACE INTO evenflow_meta VALUES (1)",
        "INSERT OR IGNORE INTO evenflow_meta VALUES ('a', 1)", 'UPDATE OR FAIL main."evenflow_meta" SET a = 1',
        "WITH a AS (SELECT 1) DELETE /* all */ FROM -- of them\n evenflow_event", "DELETE FROM ONLY [evenflow_event]",
    ],
)  # fmt: skip
def test_a_statement_on_a_table_of_evenflows_is_refused_where_it_is_written(sql: str) -> None:
    """Whatever stands around its name."""
    with pytest.raises(ValueError, match=r"(?i)evenflow_\w+ is evenflow's"):
        check_statement(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO invoices SELECT seq, 0 FROM evenflow_event", "UPDATE invoices SET note = 'into evenflow_event'",
        "DELETE FROM invoices -- FROM evenflow_event", "INSERT INTO my_evenflow_event VALUES (1)",
        """INSERT INTO "it's" VALUES ('delete from evenflow_event')""",
        "INSERT INTO a VALUES (1) ON CONFLICT DO UPDATE SET b = (SELECT max(seq) FROM evenflow_event)",
    ],
)  # fmt: skip
def test_a_statement_may_read_or_mention_a_table_of_evenflows(sql: str) -> None:
    """Only writing to it is refused."""
    check_statement(sql)


@both_real
async def test_headers_and_parameters_count_in_the_size_of_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory is bounded by all that it holds, not by the events' data alone."""
    monkeypatch.setattr(_transaction, "MOST_BYTES", 1_000)
    log = SQLiteLog(":memory:")
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(ValueError, match="1,000 bytes"):
            async with log.transaction() as tx:
                tx.publish(orders, Ordered(n=1), headers={"a": "x" * 1_000})
        for parameters in (("x" * 1_000,), {"a": b"x" * 1_000}):
            with pytest.raises(ValueError, match="1,000 bytes"):
                async with log.transaction() as tx:
                    tx.execute("DELETE FROM invoices WHERE id = ?", parameters)
        assert await orders.read().to_list() == []


@both
async def test_a_delivery_of_another_log_is_refused_and_stays_as_it_was() -> None:
    """Where it is written; it can still be acknowledged by itself."""
    one, other = MemoryLog(name="one"), MemoryLog(name="other")
    here, there = one.subject("orders", Ordered), other.subject("orders", Ordered)
    async with one, other, there.deliveries("g") as deliveries:
        await there.publish(Ordered(n=1))
        delivery = await deliveries.receive()
        async with one.transaction() as tx:
            tx.publish(here, Ordered(n=2))
            with pytest.raises(ValueError, match="is of another log than this transaction's, one"):
                tx.ack(delivery)
        await delivery.ack()
        assert len(await here.read().to_list()) == 1
