"""A WebSocket over a real connection: uvicorn, and the `websockets` library as the client."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import socket as sockets
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import websockets
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.sync.client import connect as connect_in_a_thread

from evenflow import Event, Subject
from evenflow.web import websocket
from tests.limits import HANGING, limit

from .test_shutdown import SERVERS, serving as serving_in_a_process

LIMIT = 30.0


class Say(BaseModel):
    n: int
    text: str = ""


class Said(Event):
    n: int
    text: str = ""


class Server:
    """A server on a free port, and the subject that it serves."""

    def __init__(self, **options: Any) -> None:
        self.subject: Subject[Said] = Subject(Said, name="said")
        self.options = options
        self.ended = 0
        listening = sockets.socket()
        listening.bind(("127.0.0.1", 0))
        self._listening = listening
        self.port: int = listening.getsockname()[1]
        app = Starlette(routes=[WebSocketRoute("/", self._endpoint)])
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=5)
        self.server = uvicorn.Server(config)

    async def _endpoint(self, socket: WebSocket) -> None:
        async def said(say: Say) -> None:
            if say.text == "bad":
                raise RuntimeError("swordfish")
            await self.subject.publish(Said(n=say.n, text=say.text))

        try:
            await websocket(socket, self.subject, receive=said, **self.options)
        finally:
            self.ended += 1

    def connect(self, **options: Any) -> connect:
        """A client."""
        return connect(f"ws://127.0.0.1:{self.port}/", **options)

    async def subscriptions(self, number: int) -> None:
        """Wait until there are so many subscriptions."""
        while len(self.subject.statistics().subscriptions) != number:
            await asyncio.sleep(0.01)

    async def serve(self) -> None:
        await self.server._serve([self._listening])  # without handlers for signals

    def stop(self) -> None:
        self.server.should_exit = True


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Server]:
    server = Server(**options)
    task = asyncio.create_task(server.serve())
    while not server.server.started:
        await asyncio.sleep(0.01)
    try:
        yield server
    finally:
        server.stop()
        await task


def run(test: Callable[[], Awaitable[None]], caplog: pytest.LogCaptureFixture) -> None:
    """Run it, with a limit; no warning and no error in a log is left, and no task."""

    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await test()

    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of the server's, about `websockets.legacy`
        asyncio.run(limited())
        gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR and "uvicorn" in record.name] == []


async def code_of(client: ClientConnection) -> int | None:
    """Read until the connection ends; returns its code."""
    try:
        async for _ in client:
            pass
    except websockets.ConnectionClosed:
        pass
    return client.close_code


async def heard(client: ClientConnection) -> Any:
    return json.loads(await client.recv())


def test_clients_talk_to_each_other(caplog: pytest.LogCaptureFixture) -> None:
    """What one says, all get; what is wrong is told to the one who said it, and the connection goes on."""

    async def test() -> None:
        async with serving() as server, server.connect() as ann, server.connect() as bob:
            for content in (b"\xff\x00", "{", "[" * 10_000, '{"n": "x"}', "null"):
                await ann.send(content)
                assert await heard(ann) == {"type": "evenflow.error", "id": None, "data": {"error": "ValidationError"}}
            await ann.send('{"n": 1, "text": "bad"}')
            assert (await heard(ann))["data"] == {"error": "RuntimeError"}
            await ann.send(b'{"n": 2, "text": "hello"}')
            for client in (ann, bob):
                assert await heard(client) == {"type": "Said", "id": None, "data": {"n": 2, "text": "hello"}}

    run(test, caplog)


def test_hostile_clients_are_closed_and_nobody_else_is(caplog: pytest.LogCaptureFixture) -> None:
    """Too big is 1009, too fast 1008, another origin 403; a client that is healthy hears nothing of it."""

    async def test() -> None:
        async with serving(max_message=1_000, rate=10.0) as server, server.connect() as healthy:
            async with server.connect() as big:
                await big.send("x" * 1_001)
                assert await code_of(big) == 1009
            async with server.connect() as fragmented:
                await fragmented.send(["x" * 400] * 4)
                assert await code_of(fragmented) == 1009
            async with server.connect() as fast:
                with pytest.raises(websockets.ConnectionClosed):
                    for _ in range(1_000):
                        await fast.send("1")
                        await asyncio.sleep(0)
                assert await code_of(fast) == 1008
            for origin in ("https://evil.example", "null"):
                with pytest.raises(websockets.InvalidStatus) as refused:
                    async with server.connect(origin=origin):
                        pass
                assert refused.value.response.status_code == 403
                assert b"origins=" in (refused.value.response.body or b"")
            async with server.connect(origin=f"http://127.0.0.1:{server.port}"):
                pass
            await server.subscriptions(1)
            await server.subject.publish(Said(n=1))
            assert (await heard(healthy))["data"]["n"] == 1

    run(test, caplog)


def test_a_client_that_reads_nothing_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Its buffer fills, and it is let go; the others get every event."""

    async def test() -> None:
        async with serving(buffer=16, send_timeout=1.0) as server:
            async with (
                server.connect(ping_interval=None, compression=None) as stalled,
                server.connect(compression=None) as healthy,
            ):
                stalled.transport.pause_reading()
                numbers: list[int] = []

                async def read() -> None:
                    async for text in healthy:
                        numbers.append(json.loads(text)["data"]["n"])

                reading = asyncio.create_task(read())
                text = "x" * 100_000
                for n in range(200):
                    await server.subject.publish(Said(n=n, text=text))
                    while len(numbers) <= n:
                        await asyncio.sleep(0)
                await server.subscriptions(1)
                assert numbers == list(range(200))
                reading.cancel()
                stalled.transport.abort()

    run(test, caplog)


def test_a_connection_that_is_cut_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Without a close frame, at once after the handshake, in the middle of a burst, and in the middle of a message."""

    async def test() -> None:
        async with serving() as server:
            for number in range(30):
                client = await server.connect(ping_interval=None)
                if number % 3 == 0:
                    await client.send('{"n": 1}')
                if number % 3 == 1:
                    for n in range(50):
                        server.subject.publish_nowait(Said(n=n, text="x" * 10_000))
                if number % 3 == 2:
                    client.transport.write(b"\x81\xfe\x10\x00half")
                client.transport.abort()
            await server.subscriptions(0)
            while server.ended < 30:
                await asyncio.sleep(0.01)

    run(test, caplog)


def test_a_half_open_connection_ends_with_the_pings_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    """A client that never answers is noticed by the server, and the reading task ends it."""

    async def test() -> None:
        async with serving() as server:
            server.server.config.ws_ping_interval = 0.2
            server.server.config.ws_ping_timeout = 0.2
            client = await server.connect(ping_interval=None)
            await server.subscriptions(1)
            client.transport.pause_reading()
            await server.subscriptions(0)
            client.transport.abort()

    run(test, caplog)


def test_a_subject_that_closes_ends_with_1000(caplog: pytest.LogCaptureFixture) -> None:
    """After the frame that says so."""

    async def test() -> None:
        async with serving() as server, server.connect() as client:
            await server.subscriptions(1)
            server.subject.close()
            assert (await heard(client))["type"] == "evenflow.end"
            assert await code_of(client) == 1000
            assert client.close_reason == "closed"

    run(test, caplog)


def test_many_connects_and_disconnects_leak_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Clients that come and go, some with a goodbye and some without."""

    async def test() -> None:
        async with serving() as server:

            async def visit(number: int) -> None:
                client = await server.connect(ping_interval=None)
                if number % 2:
                    await client.close()
                else:
                    client.transport.abort()

            for first in range(0, 300, 20):
                await asyncio.gather(*(visit(number) for number in range(first, first + 20)))
            await server.subscriptions(0)
            while server.ended < 300:
                await asyncio.sleep(0.01)
            assert len(asyncio.all_tasks()) < 10

    run(test, caplog)


@pytest.mark.timed
@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
def test_under_a_real_server_every_connection_ends_within_a_second_and_the_process_within_two(server: str) -> None:
    """A busy and a silent one under SIGTERM: 1001, and when to come back."""
    with serving_in_a_process(SERVERS[server]) as (process, port):
        wait_until_it_listens(port)
        address = f"ws://127.0.0.1:{port}/socket"
        with connect_in_a_thread(address) as busy, connect_in_a_thread(f"{address}?at_least=1000000") as quiet:
            busy.recv()
            quiet.recv()  # where it is: granian cuts a connection that is being accepted when it is told to end
            at = time.monotonic()
            process.send_signal(signal.SIGTERM)
            for client in (quiet, busy):
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    while True:
                        client.recv(timeout=100)
                assert time.monotonic() - at < limit(1)
                if server == "granian" and limit(1) == HANGING and closed.value.rcvd is None:
                    continue  # granian itself was quicker and cut it, because this machine was busy
                assert closed.value.rcvd is not None
                if server.startswith("uvicorn") and closed.value.rcvd.code == 1012:
                    continue  # uvicorn itself was quicker: it looks every 0.1 s, and this machine was busy
                assert closed.value.rcvd.code == 1001
                assert closed.value.rcvd.reason.startswith("shutdown; retry=")
            process.wait(30)
            assert time.monotonic() - at < limit(2)


def wait_until_it_listens(port: int) -> None:
    give_up = time.monotonic() + 30
    while True:
        try:
            sockets.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < give_up
