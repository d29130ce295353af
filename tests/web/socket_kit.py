"""A client of a WebSocket in memory: what a server is to the application, on asyncio and trio, in virtual time."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from starlette.websockets import WebSocket

from ..contract.kit import settle

Endpoint = Callable[[WebSocket], Awaitable[None]]


class SocketClient:
    """One connection: it says things, it can leave, and it can stop reading, so that a send waits for ever."""

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        *,
        can_deny: bool = True,
        host: str = "testserver",
    ) -> None:
        given = {"host": host, **(headers or {})}
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "scheme": "ws",
            "path": "/",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
            "extensions": {"websocket.http.response": {}} if can_deny else {},
        }
        self.sent: list[dict[str, Any]] = []
        self.reads = anyio.Event()
        self.reads.set()
        self._gone = False
        self._says: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        self._news = anyio.Event()

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The frames that came, read as JSON."""
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the orders that came."""
        return [frame["data"]["n"] for frame in self.frames if not frame["type"].startswith("evenflow.")]

    @property
    def types(self) -> list[str]:
        """The types of the frames that came."""
        return [frame["type"] for frame in self.frames]

    @property
    def code(self) -> int | None:
        """The code that it was closed with; None as long as it was not."""
        return next((message["code"] for message in self.sent if message["type"] == "websocket.close"), None)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self.code is not None

    @property
    def reason(self) -> str:
        """The reason that it was closed with."""
        return next(str(message["reason"]) for message in self.sent if message["type"] == "websocket.close")

    @property
    def is_accepted(self) -> bool:
        """Whether it was accepted."""
        return any(message["type"] == "websocket.accept" for message in self.sent)

    @property
    def denial(self) -> tuple[int, str] | None:
        """The status and the text with which it was refused."""
        status = [message["status"] for message in self.sent if message["type"] == "websocket.http.response.start"]
        bodies = [message["body"] for message in self.sent if message["type"] == "websocket.http.response.body"]
        return (status[0], b"".join(bodies).decode()) if status else None

    def say(self, content: object) -> None:
        """Send a message: text and bytes as they are, anything else as JSON."""
        if isinstance(content, bytes):
            self._put({"type": "websocket.receive", "bytes": content})
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            self._put({"type": "websocket.receive", "text": text})

    def leave(self) -> None:
        """Close the connection."""
        self._gone = True
        self._put({"type": "websocket.disconnect", "code": 1001})

    def stall(self) -> None:
        """Read no more: a send waits until ``reads`` is set."""
        self.reads = anyio.Event()

    def _put(self, message: dict[str, Any]) -> None:
        self._says.append(message)
        self._news.set()

    async def receive(self) -> dict[str, Any]:
        while not self._says:
            self._news = anyio.Event()
            await self._news.wait()
        return self._says.popleft()

    async def send(self, message: Any) -> None:
        await anyio.lowlevel.checkpoint()
        if self._gone and message["type"] != "websocket.close":
            raise OSError("the client has gone")
        await self.reads.wait()
        self.sent.append(message)

    async def run(self, endpoint: Endpoint) -> None:
        """Let the endpoint run to its end."""
        await endpoint(WebSocket(self.scope, self.receive, self.send))


@asynccontextmanager
async def talking(
    endpoint: Endpoint, headers: Mapping[str, str] | None = None, query: str = "", **given: Any
) -> AsyncIterator[SocketClient]:
    """A client whose endpoint runs in a task. At the end of the block it leaves, and the endpoint must end."""
    client = SocketClient(headers, query, **given)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run, endpoint)
        await settle()
        try:
            yield client
        finally:
            client.leave()
