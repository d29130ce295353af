"""`frames` in a Litestar application, called as a server calls it: a client that goes, and one that comes back."""

from __future__ import annotations

import gc

import anyio
import pytest
from litestar import Litestar, Request, get
from litestar.response import Stream

from evenflow import Subject
from evenflow.web import frames

from ..contract.kit import settle
from ..web.kit import Client, Placed, both, orders

pytestmark = pytest.mark.filterwarnings("error")


def application(subject: Subject[Placed]) -> Litestar:
    @get("/events")
    async def events(request: Request) -> Stream:  # type: ignore[type-arg]
        stream = frames(request.headers.get("Last-Event-ID"), subject, Placed)
        return Stream(stream, status_code=stream.status, headers=dict(stream.headers))

    return Litestar([events])


def client_of(**headers: str) -> Client:
    client = Client(headers)
    client.scope |= {"http_version": "1.1", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "scheme": "http"}
    client.scope |= {
        "raw_path": b"/events",
        "root_path": "",
        "state": {},
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    return client


@both
async def test_a_client_gets_events_and_leaves_nothing_when_it_goes() -> None:
    """Litestar cancels what it iterates, and closes it not."""
    subject = orders(replay=5)
    client = client_of()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(application(subject), client.scope, client.receive, client.send)
        await settle()
        await subject.publish(Placed(n=1))
        await settle()
        assert client.numbers == [1]
        assert client.headers["content-type"].startswith("text/event-stream")
        client.leave()
    gc.collect()
    await settle()
    assert subject.statistics().subscriptions == ()


@both
async def test_the_end_is_answered_204() -> None:
    """The status is that of the frames."""
    subject = orders(replay=5)
    client = client_of(**{"last-event-id": "evenflow.end"})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(application(subject), client.scope, client.receive, client.send)
        await settle()
        client.leave()
    assert client.status == 204
    assert b"".join(client.chunks) == b""
