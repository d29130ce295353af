"""What the tests of the inspector share: events, a hub whose clock a test moves, and a client without a network."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio

from evenflow import Event
from evenflow.web._inspector._hub import Hub


class Order(Event):
    region: str
    total: float


class Shipped(Event):
    order: int


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time

    def pass_(self, seconds: float) -> None:
        self.time += seconds


def hub(*sources: Any, contents: bool = False) -> tuple[Hub, Clock]:
    """A hub of these, and its clock."""
    clock = Clock()
    return Hub(sources, contents=contents, clock=clock, wall=clock), clock


def frames(text: bytes) -> list[dict[str, Any]]:
    """The frames of a stream."""
    found = [line.removeprefix("data: ") for line in text.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(one) for one in found]


def named(rows: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The row of this name."""
    return next(row for row in rows.values() if row and row.get("name") == name)


HERE = {"host": "127.0.0.1:8000"}


@asynccontextmanager
async def entered(*subjects: Any) -> AsyncGenerator[None]:
    """Within this block the subjects are entered."""
    async with AsyncExitStack() as stack:
        for subject in subjects:
            await stack.enter_async_context(subject)
        yield


def request(
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | list[tuple[str, str]] = HERE,
    client: tuple[str, int] | None = ("127.0.0.1", 5000),
    query: str = "",
) -> dict[str, Any]:
    """What a server would hand to an application."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "client": client,
        "server": ("127.0.0.1", 8000), "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
    }  # fmt: skip


class Answer:
    """What came back."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.came = anyio.Event()
        self.ended = False

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        return ", ".join(value for known, value in self.headers if known == name)

    async def take(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.decode().lower(), value.decode()) for name, value in message["headers"]]
            return
        self.body += message.get("body", b"")
        self.ended = not message.get("more_body", False)
        self.came.set()
        self.came = anyio.Event()

    async def until(self, text: str) -> None:
        """Wait until this has come."""
        while text not in self.text:
            await self.came.wait()


async def get(app: Any, path: str, *, body: bytes = b"", **asked: Any) -> Answer:
    """Ask once; a client that stays until it is answered."""
    answer, given = Answer(), False

    async def receive() -> dict[str, Any]:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        await anyio.sleep_forever()
        raise AssertionError

    await app(request(path, **asked), receive, answer.take)
    return answer


@asynccontextmanager
async def streaming(app: Any, path: str, **asked: Any) -> AsyncGenerator[Answer]:
    """A client of a stream, which goes at the end of the block."""
    answer, gone = Answer(), anyio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app, request(path, **asked), receive, answer.take)
        try:
            yield answer
        finally:
            gone.set()
