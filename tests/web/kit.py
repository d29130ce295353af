"""What the tests of the web share: events, and a client in memory that reads server-sent events as the HTML standard says.

The client is what a server is to the application: it calls a response with ``scope``, ``receive`` and ``send``. It can
leave, and it can stop reading, so that a send waits for ever.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response

from evenflow import Event, Subject
from evenflow.testing import run_virtual
from evenflow.web._cursor import Asked, asked_for
from evenflow.web._feed import Feed
from evenflow.web._item import Item
from evenflow.web._options import Options

from ..contract.kit import BACKENDS, Backend, settle

FOREVER = 1_000


def both(test: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    """Run this test on asyncio and on trio, in virtual time; it leaves no task.

    Not the `both` of the contract's tests: its clock refuses to go on by less than a microsecond, which sums of
    floating-point deadlines make.
    """
    signature = inspect.signature(test)
    backend = inspect.Parameter("backend", inspect.Parameter.KEYWORD_ONLY)

    @pytest.mark.parametrize("backend", BACKENDS)
    @functools.wraps(test)
    def on_one_backend(*args: Any, backend: Backend, **kwargs: Any) -> None:
        async def watched() -> None:
            before = len(anyio.get_running_tasks())
            with anyio.fail_after(FOREVER):
                await test(*args, **kwargs)
            assert len(anyio.get_running_tasks()) == before, "tasks were left behind"

        run_virtual(watched, backend=backend)

    parameters = [*signature.parameters.values(), backend]
    on_one_backend.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return on_one_backend


class Placed(Event):
    """An order was placed."""

    n: int
    region: str = "eu"


class Shipped(Event, name="order.shipped"):
    """An order was sent."""

    n: int


class Sent(NamedTuple):
    """An event as a browser gets it."""

    type: str
    data: str
    id: str

    @property
    def value(self) -> Any:
        """Its data, read as JSON."""
        return json.loads(self.data)


class Parser:
    """Reads an event stream: https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6."""

    def __init__(self) -> None:
        self.events: list[Sent] = []
        self.last_id = ""
        self.retry: int | None = None
        self.comments: list[str] = []
        self._text = ""
        self._type = self._id = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> None:
        self._text += chunk.decode()
        *lines, self._text = self._text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            self._line(line)

    def _line(self, line: str) -> None:
        if not line:
            self.last_id = self._id
            if self._data:
                self.events.append(Sent(self._type or "message", "\n".join(self._data), self.last_id))
            self._type, self._data = "", []
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name:
            self.comments.append(value)
        elif name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isdigit():
            self.retry = int(value)


class Client:
    """One request, and what comes back."""

    def __init__(self, headers: Mapping[str, str] | None = None, query: str = "", method: str = "GET") -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": "/events",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        }
        self.parser = Parser()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.chunks: list[bytes] = []
        self.is_complete = False
        self.reads = anyio.Event()
        self.reads.set()
        self._gone = anyio.Event()
        self._has_asked = False

    @property
    def request(self) -> Request:
        """The request as an endpoint gets it."""
        return Request(self.scope)

    @property
    def events(self) -> list[Sent]:
        """What the browser dispatches."""
        return self.parser.events

    @property
    def numbers(self) -> list[int]:
        """The numbers of the orders that came."""
        return [sent.value["n"] for sent in self.events if not sent.type.startswith("evenflow.")]

    @property
    def types(self) -> list[str]:
        """The types of what came."""
        return [sent.type for sent in self.events]

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    def stall(self) -> None:
        """Read no more: a send waits until ``reads`` is set."""
        self.reads = anyio.Event()

    async def receive(self) -> dict[str, Any]:
        if not self._has_asked:
            self._has_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.chunks.append(message.get("body", b""))
        self.parser.feed(message.get("body", b""))
        self.is_complete = not message.get("more_body", False)

    async def run(self, response: Response) -> None:
        """Let the response run to its end."""
        await response(self.scope, self.receive, self.send)


@asynccontextmanager
async def connected(
    answer: Callable[[Request], Response], headers: Mapping[str, str] | None = None, query: str = ""
) -> AsyncIterator[Client]:
    """A client whose response runs in a task; it has subscribed. At the end of the block it leaves."""
    client = Client(headers, query)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run, answer(client.request))
        await settle()
        try:
            yield client
        finally:
            client.leave()


def options(**given: Any) -> Options:
    """Options, with a ping that no test waits for."""
    return Options(**{"ping": 900.0, "lifetime": 900.0, **given})


def feed_of(source: Any, asked: str | None = None, **given: Any) -> Feed:
    """The reading of a client that says, in a header, where it has been."""
    return Feed(source, options(**given), asked_for(asked, None))


async def read_to_end(feed: Feed) -> list[Item]:
    """All items until the end; an idle moment is left out."""
    items: list[Item] = []
    while (read := await feed.read()) is not None:
        items += read
    return items


def orders(**given: Any) -> Subject[Placed | Shipped]:
    """A subject of orders."""
    return Subject(Placed, Shipped, name="orders", **given)


def strict(text: str) -> Asked:
    """A cursor that stood in the query."""
    return Asked(text, strict=True)
