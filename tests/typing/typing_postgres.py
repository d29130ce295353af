"""What type checkers know of a log in PostgreSQL: its options, and the two kinds of transactions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_type

from evenflow import Event, State
from evenflow.log import DurableSubject, Log, SQLTransaction, Transaction
from evenflow.log.postgres import Executes, PostgresLog


class Placed(Event):
    order_id: int


log = PostgresLog(
    "postgresql://nowhere/shop",
    name="shop",
    schema="shop_log",
    durability="process",
    keep_ids=timedelta(days=1),
    publish_timeout=5.0,
    ssl=True,
)
as_log: Log = log
orders = log.subject("orders", Placed)
assert_type(orders, DurableSubject[Placed])
assert_type(log.connected, State[bool])
PostgresLog("postgresql://nowhere", durability="nothing")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Connection:
    """As far as asyncpg's, psycopg's and SQLAlchemy's connections are used."""

    async def execute(self, query: Any, params: Any = None, /) -> str:
        return ""


class NoConnection:
    """It executes nothing."""


async def transactions(connection: Connection) -> None:
    executes: Executes = connection
    async with log.transaction() as own:
        assert_type(own, SQLTransaction)
        own.publish(orders, Placed(order_id=1))
        own.execute("UPDATE invoices SET paid = true WHERE id = $1", (17,), rows=1)
    async with log.transaction(executes) as theirs:
        assert_type(theirs, Transaction)
        theirs.publish(orders, Placed(order_id=1), id="one")
        theirs.execute("SELECT 1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    log.transaction(NoConnection())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
