"""Thousands of clients of one process, over real sockets: what they get, and what is left of them."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import resource
import select
import socket
import sys
from functools import partial
from time import monotonic, sleep
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
EVENTS = 6_000
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


class Listeners:
    """Bare sockets, which keep how far each has come, and nothing that they got: six million events.

    They look every few milliseconds, as clients on other machines would: what they take is not the server's.
    """

    def __init__(self, port: int, count: int) -> None:
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.rest: dict[int, bytes] = {}
        self.next: dict[int, int] = {}
        for _ in range(count):
            self.add(port, b"/events")

    def add(self, port: int, path: bytes) -> int:
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
        client.setblocking(False)
        number = client.fileno()
        self.sockets[number], self.rest[number], self.next[number] = client, b"", 0
        self.poll.register(number, select.EPOLLIN)
        return number

    def read_until(self, count: int) -> None:
        """Read until each of them has got as many events, in order and without a hole."""
        missing = {number for number, has in self.next.items() if has < count}
        while missing:
            sleep(0.005)
            ready = self.poll.poll(30)
            assert ready, f"{len(missing)} of {len(self.next)} clients got nothing for 30 s"
            for number, _ in ready:
                self.read(number)
                if self.next[number] >= count:
                    missing.discard(number)

    def read(self, number: int) -> None:
        chunk = self.sockets[number].recv(1 << 20)
        assert chunk, f"a client was let go after {self.next[number]} events"
        whole, found, self.rest[number] = (self.rest[number] + chunk).rpartition(b"\n\n")
        for n in map(int, NUMBER.findall(whole) if found else ()):
            assert n == self.next[number]
            self.next[number] += 1

    def close(self) -> None:
        for client in self.sockets.values():
            client.close()
        self.poll.close()


@pytest.mark.soak
@pytest.mark.timeout(900)  # a server that gets a tenth of a core takes ten minutes
def test_a_thousand_clients_get_each_event_once_and_it_is_encoded_once() -> None:
    """100 events a second for a minute: none lost, none doubled, in order, and the memory stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if min(hard, 1 << 20) < CLIENTS + 200:
        pytest.skip("this system lets a process open too few connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CLIENTS + 200), hard))

    with serving(COMMAND) as (_, port):
        wait_until_it_listens(port)
        listeners = Listeners(port, CLIENTS)
        try:
            asyncio.run(wait_for_subscriptions(port, CLIENTS))
            memory = []
            for first, end in ((0, 1_000), (1_000, EVENTS)):
                begin = monotonic()
                ask_for_events(port, first, end - first)
                listeners.read_until(end)
                took = monotonic() - begin
                numbers = asyncio.run(ask(port, "/numbers"))
                memory.append(numbers["memory"])
                print(f"{end - first} events in {took:.1f} s; processor {numbers['cpu']:.1f} s; {memory[-1]:,} bytes")  # noqa: T201 -- how it went
            assert set(listeners.next.values()) == {EVENTS}
            assert numbers["encodings"] == EVENTS
            assert memory[1] - memory[0] < 10_000_000
        finally:
            listeners.close()
        left = asyncio.run(wait_for_subscriptions(port, 0))
        assert left["tasks"] < 10


def ask_for_events(port: int, first: int, count: int) -> None:
    """Have them published while the answer is not waited for."""
    with socket.create_connection(("127.0.0.1", port)) as control:
        control.sendall(b"GET /publish?first=%d&count=%d&rate=100&soon HTTP/1.1\r\nHost: x\r\n\r\n" % (first, count))
        control.recv(65_536)


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
                    async with asyncio.timeout(60):
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
        said, _ = process.communicate(timeout=100)
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
