"""Frames: the bytes of a stream for any framework; when it subscribes, how it ends, and what is left of it."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from evenflow import State, interval
from evenflow.testing import run_virtual
from evenflow.web import Frames, frames

from ..contract.kit import settle
from .kit import Parser, Placed, both, orders


def on_asyncio(test: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    """Run this test on asyncio alone, in virtual time."""

    @functools.wraps(test)
    def run(**given: Any) -> None:
        run_virtual(functools.partial(test, **given), backend="asyncio")

    return run


async def read(stream: Frames) -> Parser:
    """Read it to its end, as a browser does."""
    parser = Parser()
    async for chunk in stream:
        parser.feed(chunk)
    return parser


@both
async def test_it_subscribes_at_the_first_read_and_ends_with_the_source() -> None:
    """What is made and never read leaves nothing."""
    subject = orders(replay=5)
    stream = frames(None, subject, Placed)
    assert subject.statistics().subscriptions == ()
    assert (await anext(stream)).startswith(b":")
    assert len(subject.statistics().subscriptions) == 1
    await subject.publish(Placed(n=1))
    subject.close()
    parser = await read(stream)
    assert [sent.type for sent in parser.events] == ["Placed", "evenflow.end"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@both
async def test_its_status_and_headers_are_for_the_answer() -> None:
    """200 and the headers of an event stream; 204 for whoever comes back after the end, and nothing to read."""
    stream = frames(None, orders())
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    over = frames("evenflow.end", orders())
    assert over.status == 204
    assert "content-type" not in over.headers
    assert (await read(over)).events == []


@both
async def test_a_stream_that_a_client_does_not_get_is_closed() -> None:
    """By reading to the end at once, as whoever comes back after the end does, or by closing before the first read."""
    subject = orders()
    assert (await read(frames("evenflow.end", subject.subscribe()))).events == []
    assert subject.statistics().subscriptions == ()
    for last in ("evenflow.end", None):
        await frames(last, subject.subscribe().map(lambda order: order.n)).aclose()
        assert subject.statistics().subscriptions == ()


@both
async def test_it_shows_what_it_reads_and_whether_it_does() -> None:
    """For a debugger and a log."""
    stream = frames(None, State(1))
    assert repr(stream) == "<Frames of <State state of 1>, not read yet>"
    await anext(stream)
    assert repr(stream) == "<Frames of <State state of 1>, open>"
    await stream.aclose()
    assert repr(stream) == "<Frames of <State state of 1>, closed>"


@both
async def test_closing_it_ends_a_reader_that_waits() -> None:
    """In another task, as frameworks do; the second time nothing happens."""
    subject = orders()
    stream = frames(None, subject)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, stream)
        await settle()
        await stream.aclose()
        await stream.aclose()
    assert subject.statistics().subscriptions == ()


@both
async def test_a_cancelled_read_loses_nothing() -> None:
    """The framework may look at something else meanwhile."""
    subject = orders()
    stream = frames(None, subject)
    await anext(stream)
    with anyio.move_on_after(1):
        await anext(stream)
    await subject.publish(Placed(n=1))
    assert b'data: {"n":1' in await anext(stream)
    await stream.aclose()


@on_asyncio
async def test_a_client_that_has_gone_leaves_nothing_though_the_framework_keeps_it() -> None:
    """Litestar and Django cancel the read, and an error of theirs holds it until it is collected as garbage."""
    subject = orders()
    stream = frames(None, subject)
    await anext(stream)
    with anyio.move_on_after(1):
        await anext(stream)
    await anyio.sleep(0.5)
    assert len(subject.statistics().subscriptions) == 1
    await anyio.sleep(1)
    assert subject.statistics().subscriptions == ()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.parametrize("source", ["subject", "stream"])
@on_asyncio
async def test_a_framework_that_hangs_in_a_send_keeps_nothing_after_the_timeout(source: str) -> None:
    """It has taken a chunk, and asks for no more; one that asks in time goes on."""
    subject = orders()
    stream = frames(None, subject if source == "subject" else interval(1), send_timeout=20.0)
    for _ in range(2):
        await anext(stream)
        await subject.publish(Placed(n=1))
        await anyio.sleep(19)
    await anyio.sleep(2)
    assert subject.statistics().subscriptions == ()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@both
async def test_a_silent_client_is_not_given_up() -> None:
    """A read that waits for long is no hanging send."""
    subject = orders()
    stream = frames(None, subject, ping=900.0, send_timeout=20.0)
    await anext(stream)
    await subject.publish(Placed(n=0))
    await anext(stream)
    async with anyio.create_task_group() as tasks:
        got: list[bytes] = []

        async def read_one() -> None:
            got.append(await anext(stream))

        tasks.start_soon(read_one)
        await anyio.sleep(100)
        await subject.publish(Placed(n=1))
    assert b'data: {"n":1' in got[0]
    await stream.aclose()


@both
async def test_one_that_is_dropped_in_the_middle_leaves_nothing() -> None:
    """Many frameworks never close what they iterate; there is no warning either."""
    subject = orders()

    async def serve() -> None:
        stream = frames(None, subject)
        async for _ in stream:
            assert len(subject.statistics().subscriptions) == 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await settle()
        tasks.cancel_scope.cancel()
    gc.collect()
    await settle()
    assert subject.statistics().subscriptions == ()
    await anyio.sleep(2)  # on asyncio it is looked at, and has gone


@both
async def test_a_cursor_that_cannot_be_read_is_a_gap_and_never_an_error() -> None:
    """It is what the header said."""
    stream = frames("nonsense", State(1))
    await anext(stream)
    assert b"event: evenflow.gap" in await anext(stream)
    await stream.aclose()


@both
async def test_a_stream_of_operators_is_closed_with_it() -> None:
    """Its task ends."""
    stream = frames(None, interval(1).map(str))
    await anext(stream)
    assert b'event: str\ndata: "0"\n\n' in await anext(stream)
    await stream.aclose()


@both
async def test_mistakes_are_raised_by_the_call() -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="retry"):
        frames(None, orders(), retry=-1)
