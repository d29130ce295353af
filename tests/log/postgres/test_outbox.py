"""The outbox: events of the application's own transaction go to the log once it is committed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import asyncpg
import psycopg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from evenflow.log.postgres import PostgresLog
from tests.conformance.kit import numbers, take
from tests.servers import Postgres

from .kit import Placed, log_on, on_postgres


@asynccontextmanager
async def in_transaction(library: str, server: Postgres, *, commit: bool = True) -> AsyncGenerator[Any]:
    """A connection of this library in a transaction, which is committed at the end, or rolled back."""
    if library == "asyncpg":
        connection: Any = await asyncpg.connect(server.dsn)
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await (transaction.commit() if commit else transaction.rollback())
        await connection.close()
    elif library == "psycopg":
        async with await psycopg.AsyncConnection.connect(server.dsn) as found:
            yield found
            await (found.commit() if commit else found.rollback())
    else:
        engine = create_async_engine(server.dsn.replace("postgresql:", "postgresql+asyncpg:"))
        async with engine.connect() as found_by_alchemy:
            yield found_by_alchemy
            await (found_by_alchemy.commit() if commit else found_by_alchemy.rollback())
        await engine.dispose()


LIBRARIES = ["asyncpg", "psycopg", "sqlalchemy"]


@pytest.mark.parametrize("library", LIBRARIES)
@on_postgres
async def test_events_of_a_committed_transaction_come_in_order(server: Postgres, library: str) -> None:
    """With their ids and headers, after the commit and not before; those of one that is rolled back never do."""
    log = log_on(server)
    orders = log.subject("orders", Placed)
    async with log, orders.records() as feed:
        async with in_transaction(library, server) as connection:
            async with log.transaction(connection) as tx:
                tx.publish(orders, Placed(n=1), id="one", headers={"traceparent": "x"})
                tx.publish(orders, Placed(n=2))
            with pytest.raises(RuntimeError, match="offsets"):
                _ = tx.offsets
            with anyio.move_on_after(0.3) as scope:
                await feed.receive()
            assert scope.cancelled_caught, "an event of an open transaction was seen"
        found = await take(feed, 2)
        assert numbers(record.event for record in found) == [1, 2]
        assert found[0].id == "one"
        assert dict(found[0].headers) == {"traceparent": "x"}
        async with in_transaction(library, server, commit=False) as connection:
            async with log.transaction(connection) as tx:
                tx.publish(orders, Placed(n=3))
        async with in_transaction(library, server) as connection:
            async with log.transaction(connection) as tx:
                tx.publish(orders, Placed(n=4))
        assert numbers(record.event for record in await take(feed, 1)) == [4]


@on_postgres
async def test_a_transaction_that_stays_open_holds_up_nobody(server: Postgres) -> None:
    """Others publish, directly and through the outbox, and their events are not behind one that is not there yet."""
    log = log_on(server)
    orders = log.subject("orders", Placed)
    async with log, orders.subscribe() as feed, in_transaction("asyncpg", server) as slow:
        async with log.transaction(slow) as tx:
            tx.publish(orders, Placed(n=1))
        await orders.publish(Placed(n=2))
        async with in_transaction("asyncpg", server) as quick, log.transaction(quick) as tx:
            tx.publish(orders, Placed(n=3))
        assert numbers(await take(feed, 2)) == [2, 3]
    async with log:
        assert [record.event.n async for record in orders.read()][:2] == [2, 3]


@on_postgres
async def test_an_outbox_is_moved_at_the_next_opening(server: Postgres) -> None:
    """By whichever process opens the log; an event whose id is taken by the same data is there once."""
    log = log_on(server)
    orders = log.subject("orders", Placed)
    async with log:
        await orders.publish(Placed(n=1), id="one")
        outbox = log.transaction
        async with in_transaction("asyncpg", server) as connection:
            async with outbox(connection) as tx:
                tx.publish(orders, Placed(n=1), id="one")
                tx.publish(orders, Placed(n=2), id="two")
        other: PostgresLog = log_on(server, log._settings["schema"])
        again = other.subject("orders", Placed)
        async with other, again.subscribe(since="start") as feed:
            assert numbers(await take(feed, 2)) == [1, 2]


@on_postgres
async def test_an_event_whose_id_belongs_to_other_data_stays_marked_and_the_others_go(
    server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and its row says why."""
    log = log_on(server)
    orders = log.subject("orders", Placed)
    async with log, orders.subscribe() as feed:
        await orders.publish(Placed(n=1), id="one")
        async with in_transaction("asyncpg", server) as connection, log.transaction(connection) as tx:
            tx.publish(orders, Placed(n=2))
            tx.publish(orders, Placed(n=100), id="one")
            tx.publish(orders, Placed(n=3))
        assert numbers(await take(feed, 3)) == [1, 2, 3]
    assert len([record for record in caplog.records if "belongs to other data" in record.message]) == 1
    connection = await asyncpg.connect(server.dsn)
    (row,) = await connection.fetch(f'SELECT id, refused FROM "{log._settings["schema"]}".outbox')
    assert row["id"] == "one"
    assert row["refused"]
    await connection.close()


@on_postgres
async def test_a_connection_in_no_transaction_is_refused(server: Postgres) -> None:
    """And so is what is no connection, and an acknowledgement."""
    log = log_on(server)
    orders = log.subject("orders", Placed)
    alone = await asyncpg.connect(server.dsn)
    with pytest.raises(ValueError, match="in no transaction"):
        log.transaction(alone)
    await alone.close()
    async with await psycopg.AsyncConnection.connect(server.dsn, autocommit=True) as found:
        with pytest.raises(ValueError, match="in no transaction"):
            log.transaction(found)
    with pytest.raises(TypeError, match="asyncpg or psycopg"):
        log.transaction(object())  # type: ignore[call-overload]
    async with log, orders.deliveries("g") as deliveries:
        await orders.publish(Placed(n=1))
        delivery = await deliveries.receive()
        async with in_transaction("asyncpg", server) as connection, log.transaction(connection) as tx:
            with pytest.raises(ValueError, match="without a connection"):
                tx.ack(delivery)


@on_postgres
async def test_own_rows_are_written_with_events_in_one_commit(server: Postgres) -> None:
    """Statements with numbered placeholders; another number of rows undoes all of it."""
    from evenflow.log import Conflict

    log = log_on(server)
    table = f"{log._settings['schema']}_bills"
    orders = log.subject("orders", Placed)
    connection = await asyncpg.connect(server.dsn)
    await connection.execute(f"CREATE TABLE {table} (n integer PRIMARY KEY)")
    async with log:
        async with log.transaction() as tx:
            tx.publish(orders, Placed(n=1))
            tx.execute(f"INSERT INTO {table} VALUES ($1)", (1,), rows=1)
        with pytest.raises(Conflict):
            async with log.transaction() as tx:
                tx.publish(orders, Placed(n=2))
                tx.execute(f"INSERT INTO {table} VALUES ($1) ON CONFLICT DO NOTHING", (1,), rows=1)
        with pytest.raises(TypeError, match=r"\$1"):
            async with log.transaction() as tx:
                tx.execute(f"INSERT INTO {table} VALUES (:n)", {"n": 2})
        assert numbers([record.event async for record in orders.read()]) == [1]
    assert await connection.fetchval(f"SELECT array_agg(n) FROM {table}") == [1]
    await connection.close()
