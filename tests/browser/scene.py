"""A small shop that the inspector looks at: some subjects, slow and quick readers, a log with groups and dead letters."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evenflow import Event, Subject
from evenflow.log import SQLiteLog


class OrderPlaced(Event):
    order: int
    region: str
    total: float


class OrderShipped(Event):
    order: int


class Tick(Event):
    symbol: str
    price: float


class Mail(Event):
    to: str


async def _take(seconds: float) -> None:
    """Work for so long: what the pictures show are rates, and readers that are slower than their publishers."""
    await asyncio.sleep(seconds)  # it is the pace of the shop; nothing is waited for


async def _read(subscription: Any, pause: float) -> None:
    async for _ in subscription:
        await _take(pause)


@asynccontextmanager
async def scene() -> AsyncGenerator[list[Any]]:
    """What is to be shown, while it runs."""
    orders = Subject(OrderPlaced, OrderShipped, name="orders", replay=20, stall_after=2)
    prices = Subject(Tick, name="prices")

    @orders.observer
    async def reserve_stock(order: OrderPlaced) -> None:
        if order.order % 40 == 0:
            raise KeyError(order.order)

    @orders.observer(name="invoice")
    async def invoice(order: OrderPlaced) -> None:
        await _take(0.002)

    readers = [
        (
            orders.subscribe(
                OrderPlaced, where=(OrderPlaced.region == "eu") & (OrderPlaced.total > 100), name="eu desk"
            ),
            0.01,
        ),
        (orders.subscribe(OrderPlaced | OrderShipped, name="warehouse", buffer=32), 0.05),
        (orders.subscribe(name="analytics", buffer=64, overflow="drop_oldest"), 0.2),
        (prices.subscribe(Tick, conflate=Tick.symbol, buffer=64, name="ticker"), 0.1),
        (prices.subscribe(Tick, where=Tick.symbol == "EVF", name="alerts"), 0.001),
        (prices.subscribe(Tick, name="candles", buffer=256), 0.002),
    ]

    async def place_orders() -> None:
        number = 0
        while True:
            number += 1
            await orders.publish(
                OrderPlaced(order=number, region=random.choice(["eu", "us"]), total=random.random() * 400)
            )
            if number % 3 == 0:
                await orders.publish(OrderShipped(order=number))
            await _take(0.02)

    async def tick() -> None:
        while True:
            await prices.publish(Tick(symbol=random.choice(["EVF", "ABC", "XYZ"]), price=random.random()))
            await _take(0.005)

    with TemporaryDirectory() as folder:
        log = SQLiteLog(Path(folder) / "shop.db", name="shop")
        mail = log.subject("mail", Mail)

        @mail.consumer("sender", max_attempts=1)
        async def send(one: Mail) -> None:
            if one.to.startswith("nobody"):
                raise ConnectionRefusedError(one.to)

        @mail.consumer("archive")
        async def archive(one: Mail) -> None:
            await _take(0.15)

        async def write() -> None:
            number = 0
            while True:
                number += 1
                await mail.publish(Mail(to="nobody@example.org" if number % 50 == 0 else "somebody@example.org"))
                await _take(0.1)

        async with orders, prices, log:
            tasks = [
                asyncio.create_task(one)
                for one in (place_orders(), tick(), write(), *(_read(*reader) for reader in readers))
            ]
            try:
                yield [orders, prices, log]
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for subscription, _ in readers:
                    subscription.close()
