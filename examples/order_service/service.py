"""An order service that can be killed at any moment: its rows and its events are one commit.

    python examples/order_service/service.py FILE ORDERS

Each order becomes a row of ``orders`` and an ``OrderPlaced``, in one transaction. A consumer bills it: it writes a row
of ``invoices``, publishes ``OrderBilled`` and acknowledges the order, in one transaction again. A second consumer
counts what was billed for each customer, in order, in the commit of its acknowledgement.

Kill it with SIGKILL and start it again with the same arguments: it places the orders that are missing, handles what was
not handled, and ends when all is done. No row is missing, and none is there twice.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from evenflow import Event
from evenflow.log import Delivery, SQLiteLog

CLIENTS = 8
CUSTOMERS = 5

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, total REAL NOT NULL);
CREATE TABLE IF NOT EXISTS invoices (order_id INTEGER PRIMARY KEY, total REAL NOT NULL);
CREATE TABLE IF NOT EXISTS customers (id INTEGER PRIMARY KEY, orders INTEGER NOT NULL, billed REAL NOT NULL);
"""


class OrderPlaced(Event, name="shop.order.placed"):
    """A customer has ordered."""

    order_id: int
    customer: int
    total: float


class OrderBilled(Event, name="shop.order.billed"):
    """The invoice of an order is written."""

    order_id: int
    customer: int
    total: float


class Service:
    """The service on one file, which has its own tables and those of the log."""

    def __init__(self, path: str, number: int) -> None:
        self._path = path
        self._number = number
        self._all_counted = asyncio.Event()
        self.log = SQLiteLog(path, name="shop")
        self.orders = self.log.subject("orders", OrderPlaced, OrderBilled)
        self.orders.consume("billing", self.bill, OrderPlaced, concurrency=4)
        self.orders.consume("customers", self.count, OrderBilled, ordered_by=OrderBilled.customer, concurrency=4)

    # -- what happens to one order

    async def place(self, order_id: int) -> None:
        """Store the order and its event; the id of the event makes it one, however often that is tried."""
        order = OrderPlaced(order_id=order_id, customer=order_id % CUSTOMERS, total=order_id * 10)
        async with self.log.transaction() as tx:
            tx.execute("INSERT INTO orders VALUES (?, ?, ?)", (order_id, order.customer, order.total))
            tx.publish(self.orders, order, id=f"placed-{order_id}")
        print("placed", order_id, flush=True)

    async def bill(self, delivery: Delivery[OrderPlaced]) -> None:
        """Write the invoice: the row, the event and the acknowledgement are there, or none of them is."""
        order = delivery.event
        billed = OrderBilled(order_id=order.order_id, customer=order.customer, total=order.total)
        async with self.log.transaction() as tx:
            tx.execute("INSERT INTO invoices VALUES (?, ?)", (order.order_id, order.total), rows=1)
            tx.publish(self.orders, billed, id=f"billed-{order.order_id}")
            tx.ack(delivery)
        print("billed", order.order_id, flush=True)

    async def count(self, delivery: Delivery[OrderBilled]) -> None:
        """Add to the sum of the customer. An addition that is done twice would be wrong: here it is done once."""
        billed = delivery.event
        async with self.log.transaction() as tx:
            tx.execute(
                "INSERT INTO customers VALUES (?, 1, ?)"
                " ON CONFLICT (id) DO UPDATE SET orders = orders + 1, billed = billed + excluded.billed",
                (billed.customer, billed.total),
            )
            tx.ack(delivery)
        print("counted", billed.order_id, flush=True)
        self._note_progress()

    # -- one run

    async def run(self) -> None:
        """Place the orders that are not there yet, and end when all are handled."""
        placed = self._prepare()
        missing = iter([order_id for order_id in range(1, self._number + 1) if order_id not in placed])
        async with self.log:
            # what the groups still have to do of an earlier run goes on meanwhile
            async with asyncio.TaskGroup() as clients:
                for _ in range(CLIENTS):
                    clients.create_task(self._place_all(missing))
            self._note_progress()
            await self._all_counted.wait()

    def _prepare(self) -> set[int]:
        """Make the tables, while the log is closed; returns the orders that are there."""
        with closing(sqlite3.connect(self._path)) as connection:
            connection.executescript(SCHEMA)
            return {order_id for (order_id,) in connection.execute("SELECT id FROM orders")}

    async def _place_all(self, order_ids: Iterator[int]) -> None:
        for order_id in order_ids:
            await self.place(order_id)

    def _note_progress(self) -> None:
        # reading the file with a connection of one's own is safe at any time
        with closing(sqlite3.connect(f"{Path(self._path).absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (orders,) = connection.execute("SELECT coalesce(sum(orders), 0) FROM customers").fetchone()
        if orders >= self._number:
            self._all_counted.set()


if __name__ == "__main__":
    asyncio.run(Service(sys.argv[1], int(sys.argv[2])).run())
    print("all handled", flush=True)
