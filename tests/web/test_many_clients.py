"""Thousands of clients of one process, over real sockets: what they get, and what is left of them."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import resource
import sys
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.websockets import WebSocket

from evenflow.web import sse, websocket

from .kit import Client, Placed, both, orders
from .socket_kit import SocketClient
from .test_shutdown import serving
from .test_websocket_served import wait_until_it_listens

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # on a machine that is busy with other things
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc"),
]
COMMAND = "uvicorn tests.web.many:app --port {port} --log-level warning"
CLIENTS = 1_000
NUMBER = re.compile(rb'^data: \{"n":(\d+),', re.MULTILINE)


async def ask(port: int, path: str) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def wait_for_subscriptions(port: int, expected: int) -> dict[str, int]:
    async with asyncio.timeout(30):
        while (numbers := await ask(port, "/numbers"))["subscriptions"] != expected:
            await asyncio.sleep(0.05)
    found: dict[str, int] = numbers
    return found


class Listener:
    """It keeps the bytes that come, and how many events they hold."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.got = 0
        self.expected = 0
        self.has_all = asyncio.Event()

    async def run(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while chunk := await reader.read(65_536):
                self.chunks.append(chunk)
                self.got += chunk.count(b"\ndata: ")
                if self.got >= self.expected:
                    self.has_all.set()
        finally:
            writer.close()


@pytest.mark.soak
def test_a_thousand_clients_get_each_event_once_and_it_is_encoded_once() -> None:
    """100 events a second for a short time: none lost, none doubled, in order, and the memory stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if min(hard, 1 << 20) < CLIENTS + 200:
        pytest.skip("this system lets a process open too few connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CLIENTS + 200), hard))

    async def talk(port: int) -> None:
        listeners = [Listener() for _ in range(CLIENTS)]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(listener.run(port)) for listener in listeners]
            await wait_for_subscriptions(port, CLIENTS)
            memory = []
            for count in (100, 300):
                for listener in listeners:
                    listener.expected += count
                    listener.has_all.clear()
                await ask(port, f"/publish?first={listeners[0].expected - count}&count={count}&rate=100")
                async with asyncio.timeout(20):
                    for listener in listeners:
                        await listener.has_all.wait()
                numbers = await ask(port, "/numbers")
                memory.append(numbers["memory"])
            for task in running:
                task.cancel()
        for listener in listeners:
            assert [int(n) for n in NUMBER.findall(b"".join(listener.chunks))] == [*range(400)]
        assert numbers["encodings"] == 400
        assert memory[1] - memory[0] < 10_000_000
        left = await wait_for_subscriptions(port, 0)
        assert left["tasks"] < 10

    with serving(COMMAND) as (_, port):
        wait_until_it_listens(port)
        asyncio.run(talk(port))


GET = b" HTTP/1.1\r\nHost: localhost\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n"
REQUESTS = [
    (b"GET /events" + GET + b"\r\n", b"\r\n\r\n"),  # it goes when the response has begun
    (b"GET /events?all" + GET + b"\r\n", b'"n":3'),  # in the middle of what is kept
    (b"GET /events?all" + GET + b"\r\n", None),  # before anything came
    (b"GET /events" + GET, None),  # in the middle of its own request
    (b"GET /events" + GET + b"Last-Event-ID: x\r\n\r\n", b"evenflow.gap"),
    (b"GET /socket" + GET + UPGRADE % b"AAAAAAAAAAAAAAAAAAAAAA==" + b"\r\n", b'"n":3'),
    (b"GET /socket" + GET + UPGRADE % b"AAAAAAAAAAAAAAAAAAAAAA==" + b"\r\n", None),
]


def test_many_connects_and_disconnects_leave_nothing() -> None:
    """Clients that go at every moment, some without a word: no subscription, no task, no memory, no warning."""

    async def come_and_go(port: int, numbers: list[int]) -> None:
        while numbers:
            number = numbers.pop()
            request, until = REQUESTS[number % len(REQUESTS)]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                if until is not None:
                    async with asyncio.timeout(20):
                        await reader.readuntil(until)
                if number % 2:
                    writer.transport.abort()  # a reset
            finally:
                writer.close()

    async def talk(port: int) -> None:
        await ask(port, "/publish?first=0&count=50&rate=1e9")
        memory = []
        for count in (500, 1_500):
            numbers = [*range(count)]
            async with asyncio.TaskGroup() as tasks:
                for _ in range(50):
                    tasks.create_task(come_and_go(port, numbers))
            left = await wait_for_subscriptions(port, 0)
            memory.append(left["memory"])
        assert left["tasks"] < 10
        assert left["encodings"] == 50
        assert memory[1] - memory[0] < 5_000_000

    with serving(COMMAND) as (process, port):
        wait_until_it_listens(port)
        asyncio.run(talk(port))
        process.terminate()
        said, _ = process.communicate(timeout=40)
        assert "Traceback" not in said
        assert "Warning" not in said
        assert "socket.send() raised" not in said


@pytest.mark.soak
@both
async def test_ten_thousand_connects_and_disconnects_leave_nothing() -> None:
    """In memory, half of them on each backend; each is over before the next begins: nothing of the first is there when the last has gone."""
    subject = orders(replay=5)

    async def come_and_go(number: int) -> None:
        turns = number % 20
        if number % 3:
            client = Client({"last-event-id": "x"} if number % 2 else {}, query="all=1" if number % 5 else "")
            response = sse(client.request, subject, since="start")
            run, leave = partial(client.run, response), client.leave
        else:
            caller = SocketClient()
            run = partial(websocket, WebSocket(caller.scope, caller.receive, caller.send), subject, since="start")
            leave = caller.leave
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            leave()

    async with subject:
        await subject.publish_many([Placed(n=n) for n in range(5)])
        objects = []
        for first in (0, 100, 2_500):
            for number in range(first, {0: 100, 100: 2_500, 2_500: 5_000}[first]):
                await come_and_go(number)
            assert subject.statistics().subscriptions == ()
            gc.collect()
            objects.append(len(gc.get_objects()))
        assert (
            objects[2] - objects[1] < 1_000
        )  # a thing for each would be 2,500; trio keeps some deadlines that have gone
