"""`frames` in a Quart application, called as a server calls it: a client that goes, and one that comes back."""

from __future__ import annotations

import gc

import anyio
import pytest
from quart import Quart, Response, request

from evenflow import Subject
from evenflow.web import frames

from ..contract.kit import settle
from ..web.kit import Client, Placed, orders

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.asyncio]


def application(subject: Subject[Placed]) -> Quart:
    app = Quart(__name__)

    @app.get("/events")
    async def events() -> Response:
        stream = frames(request.headers.get("Last-Event-ID"), subject, Placed)
        response = Response(stream, status=stream.status, headers=dict(stream.headers))
        response.timeout = None
        return response

    return app


def client_of(**headers: str) -> Client:
    client = Client({"host": "127.0.0.1", **headers})
    client.scope |= {"http_version": "1.1", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "scheme": "http"}
    client.scope |= {"raw_path": b"/events", "root_path": "", "asgi": {"version": "3.0", "spec_version": "2.3"}}
    return client


async def test_a_client_gets_events_and_leaves_nothing_when_it_goes() -> None:
    """Quart cancels the stream."""
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
