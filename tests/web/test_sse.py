"""`sse()` in an application of FastAPI, with real clients: its test client, and httpx-sse through a server in memory."""

from __future__ import annotations

import threading
from typing import Any, cast

import anyio
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient
from httpx_sse._decoders import SSEDecoder

from evenflow import Subject
from evenflow.web import sse, websocket

from .kit import Client, Placed, both, connected, orders


@pytest.fixture
def subject() -> Subject[Any]:
    return orders(replay=5)


def test_fastapi_returns_it_from_async_and_plain_endpoints(subject: Subject[Any]) -> None:
    """A plain `def` runs in a worker thread; the stream itself runs in the loop all the same."""
    app = FastAPI()

    @app.get("/async")
    async def events(request: Request) -> Response:
        return sse(request, subject, Placed, since="start")

    @app.get("/plain")
    def events_of_a_thread(request: Request) -> Response:
        assert threading.current_thread() is not threading.main_thread()
        return sse(request, subject, Placed, since="start")

    @app.get("/wrong")
    async def wrong(request: Request) -> Response:
        return sse(request, subject, Placed, buffer=0)

    @app.post("/orders")
    async def place(order: Placed) -> int:
        count = await subject.publish(order)
        subject.close()
        return count

    with TestClient(app, raise_server_exceptions=False) as client:
        client.post("/orders", json={"n": 1})
        for path in ("/async", "/plain"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert "event: Placed\ndata: {" in answer.text
            assert "event: evenflow.end\n" in answer.text
            assert client.get(path, headers={"Last-Event-ID": "evenflow.end"}).status_code == 204
            assert client.get(path, params={"lastEventId": "nonsense"}).status_code == 400
        assert client.get("/wrong").status_code == 500


@both
async def test_httpx_sse_reads_it() -> None:
    """A client of Python that is stricter than browsers in one thing: each empty line is an event to it."""
    subject = orders(replay=5)
    async with connected(lambda request: sse(request, subject, ping=1.0)) as client:
        await subject.publish(Placed(n=1))
        await subject.publish(Placed(n=2))
        await anyio.sleep(5.5)  # pings in between
        await subject.publish(Placed(n=3))
        await anyio.sleep(0.5)
    decoder = SSEDecoder()
    lines = b"".join(client.chunks).decode().removesuffix("\n").split("\n")
    found = [event for line in lines if (event := decoder.decode(line)) is not None]
    assert [event.event for event in found] == ["Placed"] * 3
    assert [event.json()["n"] for event in found] == [1, 2, 3]


@both
async def test_its_subscription_has_the_place_of_the_endpoint() -> None:
    """For logs and the inspector."""
    subject = orders()
    client = Client()
    response = sse(client.request, subject)
    assert response._feed._options.created_at[0] == __file__  # type: ignore[attr-defined]


@both
async def test_what_is_no_request_is_refused_in_words() -> None:
    """A subject in its place, which is the common mistake, and a request of another framework."""
    for wrong in (orders(), object()):
        with pytest.raises(TypeError, match=r"as in sse\(request, orders\), not .*frames\(\) is for other frameworks"):
            sse(cast("Any", wrong), orders())
        with pytest.raises(TypeError, match=r"as in websocket\(socket, orders\), not"):
            await websocket(cast("Any", wrong), orders())
