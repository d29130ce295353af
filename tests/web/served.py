"""An application that real servers run in the tests: an endless stream of orders, and no signal handler of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import anyio
from fastapi import FastAPI, Request, Response, WebSocket

from evenflow import Event, Subject
from evenflow.web import sse, websocket


class Placed(Event):
    """An order was placed."""

    n: int


orders = Subject(Placed, name="orders", replay=100)


async def place_orders() -> None:
    for n in count():
        await orders.publish(Placed(n=n))
        await anyio.sleep(0.02)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with orders, anyio.create_task_group() as tasks:
        tasks.start_soon(place_orders)
        print("ready", flush=True)  # noqa: T201 -- the test waits for it
        yield
        tasks.cancel_scope.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/events")
async def events(request: Request) -> Response:
    return sse(request, orders)


@app.get("/silent")
async def silent(request: Request) -> Response:
    return sse(request, orders, Placed, where=Placed.n < 0)


taken = [0]


async def heavy_rows() -> AsyncIterator[str]:
    """Much more than any kernel takes from a server whose client reads nothing."""
    while True:
        taken[0] += 1
        yield "x" * 100_000


@app.get("/heavy")
async def heavy(request: Request) -> Response:
    return sse(request, heavy_rows())


@app.websocket("/heavy")
async def heavy_socket(socket: WebSocket) -> None:
    await websocket(socket, heavy_rows())


@app.get("/taken")
async def how_many() -> int:
    """Rows that the streams have taken: no more once each of them waits for its client."""
    return taken[0]


@app.websocket("/socket")
async def socket(socket: WebSocket, at_least: int = 0) -> None:
    await websocket(socket, orders, Placed, where=Placed.n >= at_least)
