"""What does an event to a browser cost: with evenflow.web, by hand, and with what frameworks bring?

Each case is an ASGI application under uvicorn's own protocol, and a way to publish. A client is a transport that counts
what is written: the kernel's share is left out, for all alike. "One at a time" waits after each event until all clients
have it; "in bursts" waits after 64.

By hand is a Starlette endpoint with an `asyncio.Queue` and a `model_dump_json` for each client and event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from benchmarks._harness import Bench, Case, Stopwatch
from evenflow import Event, Subject
from evenflow.web import sse

QUESTION = "What does an event to a browser cost?"

BY_HAND, OURS, OURS_RESUMED = "by hand, Starlette", "evenflow.web", "evenflow.web, with replay"
_BURST = 64


App = Callable[..., Awaitable[None]]


class Tick(Event):
    """A price: three fields, as small as an event is."""

    symbol: str
    price: float
    number: int


class Served(NamedTuple):
    """An application, and how to publish to its clients."""

    app: App
    publish: Callable[[Tick], Awaitable[object]]


class Browsers:
    """Clients that count what they get: uvicorn's own protocol for each, with a transport that is no socket."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.events = 0
        self._wanted = 0
        self._changed = asyncio.Event()
        self._protocols: list[H11Protocol] = []

    async def connect(self, app: App, query: str = "") -> None:
        """Connect all, and let each subscribe, whatever its framework does first."""
        config = Config(app, lifespan="off", log_config=None, access_log=False, http="h11", ws="none")  # type: ignore[arg-type]
        state = ServerState()
        for _ in range(self.count):
            self._request(config, state, Transport(self), query)
        for _ in range(30):
            await asyncio.sleep(0)

    def stall(self, app: App) -> None:
        """One more client, which never reads: its connection is full from the beginning."""
        config = Config(app, lifespan="off", log_config=None, access_log=False, http="h11", ws="none")  # type: ignore[arg-type]
        self._request(config, ServerState(), Transport(None), "").pause_writing()

    def _request(self, config: Config, state: ServerState, transport: Transport, query: str) -> H11Protocol:
        protocol = H11Protocol(config=config, server_state=state, app_state={})
        protocol.connection_made(transport)  # type: ignore[arg-type]
        protocol.data_received(f"GET /events?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self._protocols.append(protocol)
        return protocol

    def count_events(self, data: bytes) -> None:
        """What one of them has got."""
        self.events += data.count(b"data: ")
        if self.events >= self._wanted:
            self._changed.set()

    async def have(self, events: int) -> None:
        """Wait until all together have got as many."""
        self._wanted = events
        while self.events < events:
            self._changed.clear()
            await self._changed.wait()

    async def leave(self) -> None:
        """All of them close their connection."""
        for protocol in self._protocols:
            protocol.connection_lost(None)
            protocol.resume_writing()
        for _ in range(30):
            await asyncio.sleep(0)


class Transport(asyncio.Transport):
    """What uvicorn writes to."""

    def __init__(self, browsers: Browsers | None) -> None:
        super().__init__({"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 1)})
        self._browsers = browsers
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        """Count the events."""
        if self._browsers is not None:
            self._browsers.count_events(bytes(data))

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self._is_closing

    def close(self) -> None:
        """Nothing is to be closed."""
        self._is_closing = True

    def get_protocol(self) -> asyncio.BaseProtocol:
        """It has none of its own."""
        raise NotImplementedError

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""


@asynccontextmanager
async def by_hand() -> AsyncIterator[Served]:
    queues: set[asyncio.Queue[Tick]] = set()

    async def blocks() -> AsyncIterator[str]:
        queue: asyncio.Queue[Tick] = asyncio.Queue(1_024)
        queues.add(queue)
        try:
            while True:
                tick = await queue.get()
                yield f"event: Tick\ndata: {tick.model_dump_json()}\n\n"
        finally:
            queues.discard(queue)

    async def endpoint(_: Request) -> Response:
        return StreamingResponse(blocks(), media_type="text/event-stream")

    async def publish(tick: Tick) -> None:
        for queue in queues:
            await queue.put(tick)

    yield Served(Starlette(routes=[Route("/events", endpoint)]), publish)


@asynccontextmanager
async def ours(replay: int = 0) -> AsyncIterator[Served]:
    ticks = Subject(Tick, name="ticks", replay=replay)

    async def endpoint(request: Request) -> Response:
        return sse(request, ticks, Tick)

    yield Served(Starlette(routes=[Route("/events", endpoint)]), ticks.publish)


@asynccontextmanager
async def fastapi_own() -> AsyncIterator[Served]:
    from fastapi import FastAPI
    from fastapi.sse import EventSourceResponse

    queues: set[asyncio.Queue[Tick]] = set()
    app = FastAPI()

    @app.get("/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[Tick]:
        queue: asyncio.Queue[Tick] = asyncio.Queue(1_024)
        queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)

    async def publish(tick: Tick) -> None:
        for queue in queues:
            await queue.put(tick)

    yield Served(app, publish)


@asynccontextmanager
async def sse_starlette() -> AsyncIterator[Served]:
    from sse_starlette import EventSourceResponse

    queues: set[asyncio.Queue[Tick]] = set()

    async def blocks() -> AsyncIterator[dict[str, str]]:
        queue: asyncio.Queue[Tick] = asyncio.Queue(1_024)
        queues.add(queue)
        try:
            while True:
                tick = await queue.get()
                yield {"event": "Tick", "data": tick.model_dump_json()}
        finally:
            queues.discard(queue)

    async def endpoint(_: Request) -> Response:
        return EventSourceResponse(blocks())

    async def publish(tick: Tick) -> None:
        for queue in queues:
            await queue.put(tick)

    yield Served(Starlette(routes=[Route("/events", endpoint)]), publish)


@asynccontextmanager
async def litestar_channels() -> AsyncIterator[Served]:
    from litestar import Litestar, get
    from litestar.channels import ChannelsPlugin
    from litestar.channels.backends.memory import MemoryChannelsBackend
    from litestar.response import ServerSentEvent

    plugin = ChannelsPlugin(MemoryChannelsBackend(), channels=["ticks"])

    async def events() -> Any:
        async def blocks() -> AsyncIterator[bytes]:
            async with plugin.start_subscription("ticks") as subscriber:
                async for event in subscriber.iter_events():
                    yield event  # noqa: ASYNC119 -- read to its end

        return ServerSentEvent(blocks())

    async def publish(tick: Tick) -> None:
        await plugin.wait_published(tick.model_dump_json().encode(), "ticks")

    events.__annotations__["return"] = ServerSentEvent  # or the annotation would be looked for in this module
    app = Litestar([get("/events")(events)], plugins=[plugin])
    async with app.lifespan():
        yield Served(app, publish)


async def _to_all(watch: Stopwatch, made: Any, clients: int, events: int, burst: int) -> None:
    ticks = [Tick(symbol="EVEN", price=number / 100, number=number) for number in range(events)]
    async with made() as served:
        browsers = Browsers(clients)
        await browsers.connect(served.app)
        with watch(events * clients):
            await _publish(served, browsers, ticks, burst)
        await browsers.leave()


async def _publish(served: Served, browsers: Browsers, ticks: list[Tick], burst: int) -> None:
    for number, tick in enumerate(ticks, 1):
        await served.publish(tick)
        if number % burst == 0:
            await browsers.have(number * browsers.count)
    await browsers.have(len(ticks) * browsers.count)


def _with_stalled(stalled: int, clients: int, events: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        ticks = [Tick(symbol="EVEN", price=1.0, number=number) for number in range(events)]
        async with ours() as served:
            browsers = Browsers(clients)
            await browsers.connect(served.app)
            for _ in range(stalled):
                browsers.stall(served.app)
            await asyncio.sleep(0)
            with watch(events * clients):
                await _publish(served, browsers, ticks, 1)
            await browsers.leave()

    return case


def _with_keys(clients: int, events: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        ticks: Subject[Tick] = Subject(Tick)

        async def endpoint(request: Request) -> Response:
            return sse(request, ticks, Tick, where=Tick.number == int(request.query_params["number"]))

        app = Starlette(routes=[Route("/events", endpoint)])
        browsers = [Browsers(1) for _ in range(clients)]
        for number, browser in enumerate(browsers):
            await browser.connect(app, f"number={number}")
        tick = Tick(symbol="EVEN", price=1.0, number=0)
        with watch(events):
            for number in range(events):
                await ticks.publish(tick)
                if number % _BURST == 0:
                    await browsers[0].have(number + 1)
            await browsers[0].have(events)
        for browser in browsers:
            await browser.leave()

    return case


def run(bench: Bench) -> None:
    """Fan-out one at a time and in bursts, one stalled client, and a condition for each client."""
    made: dict[str, Any] = {
        BY_HAND: by_hand,
        OURS: ours,
        OURS_RESUMED: lambda: ours(replay=1_000),
        "FastAPI's own": fastapi_own,
        "sse-starlette": sse_starlette,
        "Litestar channels": litestar_channels,
    }
    clients, events = bench.pick(quick=(200, 64), full=(1_000, 256))
    for title, burst in (("one at a time", 1), ("in bursts", _BURST)):
        cases: dict[str, Case] = {
            name: lambda watch, one=one, burst=burst: _to_all(watch, one, clients, events, burst)
            for name, one in made.items()
        }
        results = bench.compare(
            f"sse-{title.replace(' ', '-')}", f"An event to each of {clients:,} clients, {title}", cases,
            reference=BY_HAND, per="event and client",
        )  # fmt: skip
        bench.expect(
            f"an event to a client costs at most a fifth of one by hand, {title}", results.ratio(OURS), at_most=0.2
        )
    stalled = bench.compare(
        "sse-stalled", f"An event to each of {clients:,} clients",
        {"all read": _with_stalled(0, clients, events), "one more never reads": _with_stalled(1, clients, events)},
        reference="all read", per="event and client",
    )  # fmt: skip
    bench.expect("one client that never reads slows the others", stalled.ratio("one more never reads"), at_most=1.05)
    many, published = bench.pick(quick=(2_000, 500), full=(10_000, 2_000))
    keys = bench.compare(
        "sse-keys", "An event that one client wants, with a condition of its own for each",
        {"one client": _with_keys(1, published), f"{many:,} clients": _with_keys(many, published)},
        reference="one client", per="event",
    )  # fmt: skip
    bench.expect(f"a publish among {many:,} clients, against one", keys.ratio(f"{many:,} clients"), at_most=1.3)
