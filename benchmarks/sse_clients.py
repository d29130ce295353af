"""Clients of an event stream that cost as little as a client can: bare sockets, and one look for the bytes of an event.

They run in the process of the benchmark, and the server in one of its own.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0
"""Seconds without a byte after which a benchmark gives up."""

UNTIL_NEXT_LOOK = 0.005
"""Seconds between two looks at the sockets, where no latencies are measured."""

_ASK = "GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n"
_MARK = b"\ndata: "


class Clients:
    """A server in a process of its own, and the clients that are connected to it."""

    def __init__(self, name: str, http: str = "h11") -> None:
        command = [sys.executable, "-m", "benchmarks.sse_server", name, http]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        self._sockets: dict[int, socket.socket] = {}
        self._poll = select.epoll()
        self._published = 0
        self.events = 0
        """What all of them have got."""

    def close(self) -> None:
        """End the server, and with it the connections."""
        assert self._process.stdin is not None
        for client in self._sockets.values():
            client.close()
        self._process.stdin.close()
        self._process.wait(10)

    def connect(self, count: int) -> None:
        """Connect so many more, and wait until all have subscribed."""
        before = self.numbers()["clients"]
        for _ in range(count):
            client = self._ask_for_events()
            client.setblocking(False)
            self._sockets[client.fileno()] = client
            self._poll.register(client.fileno(), select.EPOLLIN)
        while self.numbers()["clients"] < before + count:
            self._read(0.02, None)
        self._read_what_waits()

    def stall(self) -> socket.socket:
        """One more, which reads nothing, and takes as little as the system allows."""
        before = self.numbers()["clients"]
        client = self._ask_for_events(receive_buffer=1)
        while self.numbers()["clients"] == before:
            time.sleep(0.01)
        return client

    def _ask_for_events(self, receive_buffer: int | None = None) -> socket.socket:
        client = socket.socket()
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect(("127.0.0.1", self._port))
        client.sendall(_ASK.format("/events", "").encode())
        return client

    def numbers(self) -> Any:
        """What the server says of itself."""
        return self._ask("/numbers")

    def _ask(self, path: str) -> Any:
        with socket.create_connection(("127.0.0.1", self._port)) as control:
            control.sendall(_ASK.format(path, "Connection: close\r\n").encode())
            answer = b""
            while chunk := control.recv(65_536):
                answer += chunk
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    def publish(self, events: int, rate: float, latencies: list[int] | None = None) -> tuple[float, float]:
        """Publish so many, wait until all clients have them; returns ns of the server's processor, and ns of time."""
        self._read_what_waits()
        before = self.events
        cpu, began = self.numbers()["cpu"], time.perf_counter_ns()
        self._ask(f"/publish?events={events}&rate={rate}&first={self._published}")
        self._published += events
        wanted = before + events * len(self._sockets)
        see = None if latencies is None else _measured(latencies)
        while self.events < wanted:
            if see is None:  # whoever waits in the system must be woken by each send, which is not the server's cost
                time.sleep(UNTIL_NEXT_LOOK)
            if not self._read(PATIENCE, see):
                raise TimeoutError(f"{self.events - before:,} of {wanted - before:,} events came")
        wall = time.perf_counter_ns() - began
        if self.events > wanted:
            raise AssertionError(f"{self.events - wanted} events came twice")
        return self.numbers()["cpu"] - cpu, wall

    def _read_what_waits(self) -> None:
        while self._read(0.05, None):
            pass

    def _read(self, seconds: float, see: Callable[[bytes], None] | None) -> int:
        ready = self._poll.poll(seconds)
        for number, _ in ready:
            data = self._sockets[number].recv(262_144)
            if not data:
                raise ConnectionResetError("the server has closed a connection")
            self.events += data.count(_MARK)
            if see is not None:
                see(data)
        return len(ready)


def _measured(latencies: list[int]) -> Callable[[bytes], None]:
    def see(data: bytes) -> None:
        now = time.monotonic_ns()
        for part in data.split(_MARK)[1:]:
            start = part.index(b'"at":') + 5
            latencies.append(now - int(part[start : part.index(b"}", start)]))

    return see
