"""Orders over HTTP: a FastAPI service around one subject at module level.

    uvicorn --app-dir examples fastapi_orders:app

    POST /orders          publishes an order
    GET  /orders          returns the orders that an observer has written to SQLite
    GET  /orders/next     a long poll: waits for the next order
    GET  /orders/events   server-sent events, until the client goes or the service ends

The endpoints do not know each other or the observer that writes to the database; each reads at its own pace.
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
"""Seconds; many proxies between a server and its clients close a request after 30."""


class OrderPlaced(Event):
    """A customer has ordered; also the body of the request and of the responses."""

    order_id: int
    region: str
    total: Decimal


orders = Subject(OrderPlaced, name="orders")


# -- an observer: it writes each order, in order; publishers wait only when 64 orders are waiting for it


class Store:
    """Keeps orders in SQLite."""

    def __init__(self, path: Path) -> None:
        # safe although several threads use it: `store_order` handles one event after another
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute("CREATE TABLE IF NOT EXISTS orders (order_id INTEGER PRIMARY KEY, json TEXT NOT NULL)")

    def add(self, order: OrderPlaced) -> None:
        """Write an order, or replace the one with the same id."""
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO orders VALUES (?, ?)", (order.order_id, order.model_dump_json())
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def read_all(path: Path) -> list[OrderPlaced]:
    """Read all orders, with a separate connection."""
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT json FROM orders ORDER BY order_id").fetchall()
    finally:
        connection.close()
    return [OrderPlaced.model_validate_json(json) for (json,) in rows]


@asynccontextmanager
async def stored(path: Path) -> AsyncGenerator[None]:
    """Write orders to this file while the block runs."""
    store = await anyio.to_thread.run_sync(Store, path)

    async def store_order(order: OrderPlaced) -> None:
        await anyio.to_thread.run_sync(store.add, order)

    observer = orders.observe(store_order)
    try:
        # leaving it closes the subject and waits until the observer has written every order
        async with orders:
            yield
    finally:
        observer.detach()
        store.close()


# -- the application: the subject is open during its lifespan


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Run what must run as long as the service does."""
    async with stored(DATABASE):
        with closed_by_signals(orders):
            yield


@contextmanager
def closed_by_signals(subject: Subject[OrderPlaced]) -> Generator[None]:
    """Close the subject as soon as SIGINT or SIGTERM comes.

    A server waits for open requests before it ends the lifespan, and an event stream never finishes by itself:
    without this function the service would run until the last client goes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can set signal handlers; a test client runs the application in another thread
        return
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def close_and_pass_on(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(subject.close)
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in handlers:
        signal.signal(number, close_and_pass_on)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


app = FastAPI(title="orders", lifespan=lifespan)


@app.exception_handler(SubjectClosed)
async def _service_is_ending(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"detail": "the service is ending"}, status_code=503)


# -- the endpoints


@app.post("/orders", status_code=202)
async def place_order(order: OrderPlaced) -> dict[str, int]:
    """Publish an order, and return how many subscriptions wanted it."""
    return {"wanted_by": await orders.publish(order)}


@app.get("/orders")
async def all_orders() -> list[OrderPlaced]:
    """Return the orders that are in the database now."""
    return await anyio.to_thread.run_sync(read_all, DATABASE)


@app.get("/orders/next", responses={204: {"description": "no order came in time: ask again"}})
async def next_order(
    region: str | None = None, wait: Annotated[float, Query(gt=0, le=LONGEST_POLL)] = LONGEST_POLL
) -> OrderPlaced:
    """Wait for the next order, or for the next one of a region."""
    where = None if region is None else OrderPlaced.region == region
    # this request needs one order, so later ones must not make a publisher wait
    async with orders.subscribe(OrderPlaced, where=where, buffer=1, overflow="drop_newest") as placed:
        with anyio.move_on_after(wait):
            try:
                return await placed.receive()
            except anyio.EndOfStream:
                raise HTTPException(503, "the service is ending") from None
    raise HTTPException(204)


@app.get("/orders/events")
async def events(region: str | None = None) -> EventStream:
    """Send each order as it comes."""
    where = None if region is None else OrderPlaced.region == region
    # a slow client delays nobody; it gets a `missed` event where orders were dropped
    return EventStream(orders.subscribe(OrderPlaced, where=where, buffer=256, overflow="drop_oldest", gaps=True))


class EventStream(StreamingResponse):
    """Server-sent events from a subscription, which is closed when the response ends, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, feed: Subscription[OrderPlaced | Gap]) -> None:
        super().__init__(blocks(feed), headers={"Cache-Control": "no-cache"})
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the subscription ends or the client goes."""
        async with self._feed:
            await super().__call__(scope, receive, send)


async def blocks(feed: Subscription[OrderPlaced | Gap]) -> AsyncGenerator[str]:
    """Yield the text of an event stream."""
    yield "retry: 1000\n\n"
    async for item in feed:
        match item:
            case Gap(count=count):
                yield f"event: missed\ndata: {count}\n\n"
            case OrderPlaced(order_id=order_id):
                yield f"id: {order_id}\nevent: placed\ndata: {item.model_dump_json()}\n\n"
