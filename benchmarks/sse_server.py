"""The servers that benchmarks/sse.py compares: one endpoint each, under uvicorn, in a process of its own.

    python -m benchmarks.sse_server NAME HTTP     prints its port, and serves until its standard input ends

    GET /events                                   the stream
    GET /publish?events=&rate=&first=             publishes so many; rate 0 is as fast as there is room
    GET /numbers                                  the processor time of this process, and how many clients it has

By hand is a Starlette endpoint with an `asyncio.Queue` and a `model_dump_json` for each client and event. At most
256 events wait for a client, and a publisher waits for room; but Litestar's channels have no bound that makes one wait.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from evenflow import Event, Subject
from evenflow.web import sse

BUFFER = 256
"""Events that wait for one client at most."""

DISCONNECTING = "evenflow, disconnect"


class Tick(Event):
    """A price: three fields, and when it was published."""

    symbol: str
    price: float
    number: int
    at: int


class Served(NamedTuple):
    """An application with `/events`, how to publish to its clients, and how many there are."""

    app: Any
    publish: Callable[[Tick], Awaitable[object]]
    clients: Callable[[], int]


class Queues:
    """A queue for each client, as one writes it by hand."""

    def __init__(self) -> None:
        self.all: set[asyncio.Queue[Tick]] = set()

    async def ticks(self) -> AsyncIterator[Tick]:
        """What one client gets."""
        queue: asyncio.Queue[Tick] = asyncio.Queue(BUFFER)
        self.all.add(queue)
        try:
            while True:
                yield await queue.get()  # noqa: ASYNC119 -- read to its end
        finally:
            self.all.discard(queue)

    async def publish(self, tick: Tick) -> None:
        """Wait for room at each."""
        for queue in [*self.all]:
            await queue.put(tick)

    def served(self, app: Any) -> Served:
        """An application that reads them."""
        return Served(app, self.publish, lambda: len(self.all))


@asynccontextmanager
async def by_hand() -> AsyncIterator[Served]:
    queues = Queues()

    async def blocks() -> AsyncIterator[str]:
        async for tick in queues.ticks():
            yield f"event: Tick\ndata: {tick.model_dump_json()}\n\n"

    async def endpoint(_: Request) -> Response:
        return StreamingResponse(blocks(), media_type="text/event-stream")

    yield queues.served(Starlette(routes=[Route("/events", endpoint)]))


@asynccontextmanager
async def ours(replay: int = 0, overflow: Any = "block") -> AsyncIterator[Served]:
    ticks = Subject(Tick, name="ticks", replay=replay)

    async def endpoint(request: Request) -> Response:
        return sse(request, ticks, Tick, buffer=BUFFER, overflow=overflow, lifetime=None)

    app = Starlette(routes=[Route("/events", endpoint)])
    yield Served(app, ticks.publish, lambda: len(ticks.statistics().subscriptions))


@asynccontextmanager
async def fastapi_own() -> AsyncIterator[Served]:
    from fastapi import FastAPI
    from fastapi.sse import EventSourceResponse

    queues, app = Queues(), FastAPI()

    @app.get("/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[Tick]:
        async for tick in queues.ticks():
            yield tick

    yield queues.served(app)


@asynccontextmanager
async def sse_starlette() -> AsyncIterator[Served]:
    from sse_starlette import EventSourceResponse

    queues = Queues()

    async def blocks() -> AsyncIterator[dict[str, str]]:
        async for tick in queues.ticks():
            yield {"event": "Tick", "data": tick.model_dump_json()}

    async def endpoint(_: Request) -> Response:
        return EventSourceResponse(blocks())

    yield queues.served(Starlette(routes=[Route("/events", endpoint)]))


@asynccontextmanager
async def litestar_channels() -> AsyncIterator[Served]:
    from litestar import Litestar, get
    from litestar.channels import ChannelsPlugin
    from litestar.channels.backends.memory import MemoryChannelsBackend
    from litestar.response import ServerSentEvent

    plugin = ChannelsPlugin(MemoryChannelsBackend(), channels=["ticks"])
    clients: set[object] = set()

    async def events() -> Any:
        async def blocks() -> AsyncIterator[bytes]:
            async with plugin.start_subscription("ticks") as subscriber:
                clients.add(subscriber)
                try:
                    async for event in subscriber.iter_events():
                        yield event  # noqa: ASYNC119 -- read to its end
                finally:
                    clients.discard(subscriber)

        return ServerSentEvent(blocks())

    async def publish(tick: Tick) -> None:
        await plugin.wait_published(tick.model_dump_json().encode(), "ticks")

    events.__annotations__["return"] = ServerSentEvent  # or the annotation would be looked for in this module
    app = Litestar([get("/events")(events)], plugins=[plugin], openapi_config=None)
    async with app.lifespan():
        yield Served(app, publish, lambda: len(clients))


MADE: dict[str, Callable[[], Any]] = {
    "by hand": by_hand,
    "evenflow": ours,
    "evenflow, replay": lambda: ours(replay=1_000),
    DISCONNECTING: lambda: ours(overflow="disconnect"),
    "FastAPI": fastapi_own,
    "sse-starlette": sse_starlette,
    "Litestar": litestar_channels,
}


async def _publish(served: Served, first: int, events: int, rate: float) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(events):
        if rate and (wait := began + number / rate - loop.time()) > 0:
            await asyncio.sleep(wait)
        await served.publish(Tick(symbol="EVEN", price=1.25, number=first + number, at=time.monotonic_ns()))


def _with_control(served: Served) -> Any:
    publishing: set[asyncio.Task[None]] = set()

    async def publish(request: Request) -> Response:
        asked = request.query_params
        task = asyncio.create_task(_publish(served, int(asked["first"]), int(asked["events"]), float(asked["rate"])))
        publishing.add(task)
        task.add_done_callback(publishing.discard)
        return JSONResponse({})

    async def numbers(_: Request) -> Response:
        return JSONResponse({"cpu": time.process_time_ns(), "clients": served.clients()})

    control = Starlette(routes=[Route("/publish", publish), Route("/numbers", numbers)])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Straight to the peer's application: nothing stands between it and the server."""
        of = served.app if scope["path"] == "/events" else control
        await of(scope, receive, send)

    return app


async def serve(name: str, http: str) -> None:
    """Serve one of them, and print the port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=4_096)
    if name == DISCONNECTING:  # the system takes little, so that one that does not read is noticed
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
    async with MADE[name]() as served:
        config = uvicorn.Config(
            _with_control(served), http=http, loop="asyncio", ws="none", lifespan="off", log_config=None,
            access_log=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        threading.Thread(target=_leave_with_the_parent, daemon=True).start()
        print(listening.getsockname()[1], flush=True)
        await uvicorn.Server(config).serve(sockets=[listening])


def _leave_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
