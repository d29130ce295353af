"""An application for thousands of clients: it tells what they cost it."""

from __future__ import annotations

import gc
from asyncio import all_tasks
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from evenflow import Event, Subject
from evenflow.log._codec import Codec
from evenflow.web import sse, websocket


class Tick(Event):
    """A number, and something of a usual size."""

    n: int
    text: str = "x" * 50


ticks = Subject(Tick, name="ticks", replay=100)
encodings = 0


def counted(encode: Any) -> Any:
    def count(self: Codec, event: object) -> bytes:
        global encodings  # noqa: PLW0603 -- the program counts for itself
        encodings += 1
        return encode(self, event)  # type: ignore[no-any-return]

    return count


Codec.encode = counted(Codec.encode)  # type: ignore[method-assign]


async def events(request: Request) -> Response:
    return sse(request, ticks, Tick, since="start" if "all" in request.query_params else "now")


async def socket(socket: WebSocket) -> None:
    await websocket(socket, ticks, Tick, since="start")


async def publish(request: Request) -> Response:
    """So many, at this rate; ``soon``: after the answer."""
    asked = request.query_params
    work = partial(publish_all, int(asked["first"]), int(asked["count"]), float(asked["rate"]))
    if "soon" in asked:
        return JSONResponse(0, background=BackgroundTask(work))
    await work()
    return JSONResponse(0)


async def publish_all(first: int, count: int, rate: float) -> None:
    begin = anyio.current_time()
    for number in range(count):
        await anyio.sleep_until(begin + number / rate)
        await ticks.publish(Tick(n=first + number))


def memory() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


async def numbers(_: Request) -> Response:
    subscriptions = len(ticks.statistics().subscriptions)
    return JSONResponse(
        {
            "subscriptions": subscriptions,
            "tasks": len(all_tasks()),
            "memory": memory(),
            "encodings": encodings,
            "cpu": process_time(),
        }
    )


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with ticks:
        print("ready", flush=True)  # noqa: T201 -- the test waits for it
        yield


app = Starlette(
    routes=[
        Route("/events", events),
        WebSocketRoute("/socket", socket),
        Route("/publish", publish),
        Route("/numbers", numbers),
    ],
    lifespan=lifespan,
)
