from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow import Subject
from evenflow.web import inspector
from evenflow.web._inspector import _connection, _stream

from .kit import Order, frames, get, request, streaming

pytestmark = pytest.mark.anyio


async def test_a_stream_begins_with_everything_and_goes_on_with_changes() -> None:
    """A viewer gets a frame with everything at once, and then what changes."""
    subject = Subject(Order, name="orders")
    async with streaming(inspector(subject), "/live") as answer:
        await answer.until('"full":true')
        await subject.publish(Order(region="eu", total=1))
        await answer.until('"published":1')
        assert answer.header("content-type").startswith("text/event-stream")
        assert answer.header("cache-control") == "no-store"
        assert answer.header("x-accel-buffering") == "no"
        assert answer.text.startswith("retry: 1000\n")
        assert [frame["n"] for frame in frames(answer.body)][:2] == [1, 2]


async def test_who_goes_is_noticed_at_once() -> None:
    """A viewer that goes is no viewer any more, and nothing is hooked after the last."""
    subject = Subject(Order, name="orders")
    app = inspector(subject)
    async with streaming(app, "/live") as first:
        await first.until('"full":true')
        async with streaming(app, "/live") as second:
            await second.until('"full":true')
            assert app.state.hub.viewers == 2
        assert app.state.hub.viewers == 1
        assert len(subject._life.gate.watchers) == 1
    assert app.state.hub.viewers == 0
    assert subject._life.gate.watchers == ()


async def test_a_viewer_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that takes nothing does not stay for ever."""
    monkeypatch.setattr(_connection, "SEND_TIMEOUT", 0.05)
    app = inspector(Subject(Order, name="orders"))
    stuck = 0

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        nonlocal stuck
        if message["type"] == "http.response.body":
            stuck += 1
            await anyio.sleep_forever()

    with anyio.fail_after(30):
        await app(request("/live"), receive, send)
    assert stuck == 1
    assert app.state.hub.viewers == 0


async def test_a_stream_ends_after_its_lifetime(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream ends now and then, so that whoever looks is asked again whether they may."""
    monkeypatch.setattr(_connection, "LIFETIME", 0.0)
    answer = await get(inspector(Subject(Order, name="orders")), "/live")
    assert answer.ended and answer.status == 200


async def test_too_many_viewers_are_told_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a limit to how many look at once."""
    monkeypatch.setattr(_stream, "MOST_VIEWERS", 1)
    app = inspector(Subject(Order, name="orders"))
    async with streaming(app, "/live") as first:
        await first.until('"full":true')
        answer = await get(app, "/live")
        assert answer.status == 503 and answer.header("retry-after") == "30"
