"""Orders over HTTP: a FastAPI service around one subject, which is the module's own.

    uvicorn --app-dir examples fastapi_orders:app

    POST /orders          publishes an order
    GET  /orders          the orders that an observer has written to SQLite
    GET  /orders/next     a long poll: the next order, from now on
    GET  /orders/events   server-sent events, until the client goes or the service ends

The endpoints do not know each other, nor who writes to the database; each waits at its own pace.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Annotated

import anyio
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from evenflow import Event, Gap, Subject, SubjectClosed, Subscription

DATABASE = Path(os.environ.get("ORDERS_DATABASE", "orders.db"))
LONGEST_POLL = 25.0
"""Seconds; proxies between us and the client often give up after 30."""


class OrderPlaced(Event):
    """A customer wants something. It is also the body of the request, and of the answers."""

    order_id: int
    region: str
    total: Decimal


orders = Subject(OrderPlaced, name="orders")


# -- an observer: it writes what it is given, in order, and nobody waits for it until it is 64 orders behind


class Store:
    """The orders in SQLite."""

    def __init__(self, path: Path) -> None:
        # one connection, used by one thread at a time: `store_order` handles one event after the other
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute("CREATE TABLE IF NOT EXISTS orders (order_id INTEGER PRIMARY KEY, json TEXT NOT NULL)")

    def add(self, order: OrderPlaced) -> None:
        """Keep an order; one that was kept before is replaced."""
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO orders VALUES (?, ?)", (order.order_id, order.model_dump_json())
            )

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def read_all(path: Path) -> list[OrderPlaced]:
    """The orders, as a reader of its own sees them."""
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT json FROM orders ORDER BY order_id").fetchall()
    finally:
        connection.close()
    return [OrderPlaced.model_validate_json(json) for (json,) in rows]


@asynccontextmanager
async def stored(path: Path) -> AsyncGenerator[None]:
    """Write orders to this file, from here to here."""
    store = await anyio.to_thread.run_sync(Store, path)

    async def store_order(order: OrderPlaced) -> None:
        await anyio.to_thread.run_sync(store.add, order)

    observer = orders.observe(store_order)
    try:
        async with orders:  # left: the subject is closed, and the observer has written all that it was owed
            yield
    finally:
        observer.detach()
        store.close()


# -- the application: its lifespan is the subject's


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Everything that lives as long as the service."""
    async with stored(DATABASE):
        with closed_by_signals(orders):
            yield


@contextmanager
def closed_by_signals(subject: Subject[OrderPlaced]) -> Generator[None]:
    """Close the subject as soon as the server is told to end.

    A server lets open requests finish before it ends the lifespan, and an event stream is never finished:
    without this, `SIGTERM` waits for the last client to go.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can handle signals; a test client runs the application in another
        return
    loop = asyncio.get_running_loop()
    servers_own = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def close_and_pass_on(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(subject.close)
        handler = servers_own[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in servers_own:
        signal.signal(number, close_and_pass_on)
    try:
        yield
    finally:
        for number, handler in servers_own.items():
            signal.signal(number, handler)


app = FastAPI(title="orders", lifespan=lifespan)


@app.exception_handler(SubjectClosed)
async def _ends(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"detail": "the service ends"}, status_code=503)


# -- the endpoints


@app.post("/orders", status_code=202)
async def place_order(order: OrderPlaced) -> dict[str, int]:
    """Publish an order; say how many wanted it."""
    return {"wanted_by": await orders.publish(order)}


@app.get("/orders")
async def all_orders() -> list[OrderPlaced]:
    """What is in the database by now."""
    return await anyio.to_thread.run_sync(read_all, DATABASE)


@app.get("/orders/next", responses={204: {"description": "none came in time: ask again"}})
async def next_order(
    region: str | None = None, wait: Annotated[float, Query(gt=0, le=LONGEST_POLL)] = LONGEST_POLL
) -> OrderPlaced:
    """Wait for the next order, or for one of this region: a long poll."""
    where = None if region is None else OrderPlaced.region == region
    # one is all we ask for: what comes after it is no reason to make a publisher wait
    async with orders.subscribe(OrderPlaced, where=where, buffer=1, overflow="drop_newest") as placed:
        with anyio.move_on_after(wait):
            try:
                return await placed.receive()
            except anyio.EndOfStream:
                raise HTTPException(503, "the service ends") from None
    raise HTTPException(204)


@app.get("/orders/events")
async def events(region: str | None = None) -> EventStream:
    """Server-sent events: each order as it comes."""
    where = None if region is None else OrderPlaced.region == region
    # a client that reads too slowly is told what it missed, and holds nobody up
    return EventStream(orders.subscribe(OrderPlaced, where=where, buffer=256, overflow="drop_oldest", gaps=True))


class EventStream(StreamingResponse):
    """Server-sent events out of a subscription, which is closed when the response is over, in whatever way."""

    media_type = "text/event-stream"

    def __init__(self, feed: Subscription[OrderPlaced | Gap]) -> None:
        super().__init__(blocks(feed), headers={"Cache-Control": "no-cache"})
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until there are no more, or the client goes."""
        async with self._feed:
            await super().__call__(scope, receive, send)


async def blocks(feed: Subscription[OrderPlaced | Gap]) -> AsyncGenerator[str]:
    """The text of an event stream."""
    yield "retry: 1000\n\n"
    async for item in feed:
        match item:
            case Gap(count=count):
                yield f"event: missed\ndata: {count}\n\n"
            case OrderPlaced(order_id=order_id):
                yield f"id: {order_id}\nevent: placed\ndata: {item.model_dump_json()}\n\n"
