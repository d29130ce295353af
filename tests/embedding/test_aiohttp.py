"""A module-level subject in an aiohttp application: entered in `cleanup_ctx`, closed in `on_shutdown`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from evenflow import Event, Subject, SubjectClosed
from evenflow.web import frames

pytestmark = pytest.mark.asyncio


class Said(Event):
    room: str
    text: str


said = Subject(Said, name="said")
handled: list[str] = []


@said.observer
async def remember(line: Said) -> None:
    await asyncio.sleep(0)
    handled.append(line.text)


async def subject_lives(_: web.Application) -> AsyncIterator[None]:
    async with said:
        yield  # noqa: ASYNC119  (aiohttp always runs this generator to its end)


async def end_streams(_: web.Application) -> None:
    said.close()


async def say(request: web.Request) -> web.Response:
    line = Said.model_validate_json(await request.text())
    return web.json_response(await said.publish(line))


async def listen(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    async with said.subscribe(Said, overflow="drop_oldest") as lines:
        await response.prepare(request)
        async for line in lines:
            await response.write(f"data: {line.model_dump_json()}\n\n".encode())
    return response


def application() -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(subject_lives)
    app.on_shutdown.append(end_streams)
    app.router.add_post("/say", say)
    app.router.add_get("/listen", listen)
    return app


@pytest.fixture(autouse=True)
def nothing_handled() -> Iterator[None]:
    handled.clear()
    yield
    handled.clear()


@pytest.mark.parametrize("time", [1, 2])
async def test_a_module_level_subject_works_in_two_tests(time: int) -> None:
    """Each test has its own loop and server, and the observer has handled every event when the server has ended."""
    async with TestClient(TestServer(application())) as client:
        answer = await client.post("/say", json={"room": "a", "text": f"hello {time}"})
        assert await answer.json() == 1
    assert handled == [f"hello {time}"]
    with pytest.raises(SubjectClosed):
        await said.publish(Said(room="a", text="late"))


async def test_two_servers_one_after_the_other_in_one_loop() -> None:
    """The subject can be entered again in the same loop."""
    for text in ("first", "second"):
        async with TestClient(TestServer(application())) as client:
            await client.post("/say", json={"room": "a", "text": text})
    assert handled == ["first", "second"]


async def test_the_end_of_the_server_ends_an_event_stream_whose_client_stays() -> None:
    """`on_shutdown` closes the subject, so the handler's `async for` ends, and the server does not wait for the client."""
    runner = web.AppRunner(application(), shutdown_timeout=100)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with ClientSession() as session, session.get(f"{address}/listen") as stream:
        async with session.post(f"{address}/say", json={"room": "a", "text": "heard"}) as answer:
            assert await answer.json() == 2
        assert await stream.content.readline() == b'data: {"room":"a","text":"heard"}\n'
        async with asyncio.timeout(60):
            await runner.cleanup()
            rest = await stream.content.read()
    assert rest == b"\n"
    assert handled == ["heard"]


async def test_a_client_that_goes_ends_its_handler() -> None:
    """With `handler_cancellation` aiohttp cancels the handler of a client that has gone, which closes its subscription."""
    runner = web.AppRunner(application(), handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with ClientSession() as session:
        async with session.get(f"{address}/listen"):
            assert len(said.statistics().subscriptions) == 2
        async with asyncio.timeout(60):
            while len(said.statistics().subscriptions) > 1:
                await asyncio.sleep(0)
    await runner.cleanup()


async def test_a_startup_that_fails_leaves_the_subject_usable() -> None:
    """If something after the subject in `cleanup_ctx` raises, the subject is closed and can be entered again."""

    async def broken(_: web.Application) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    app = application()
    app.cleanup_ctx.append(broken)
    runner = web.AppRunner(app)
    with pytest.raises(LookupError, match="no database"):
        await runner.setup()
    await runner.cleanup()
    async with TestClient(TestServer(application())) as client:
        await client.post("/say", json={"room": "a", "text": "after"})
    assert handled == ["after"]


async def send_frames(request: web.Request) -> web.StreamResponse:
    stream = frames(request.headers.get("Last-Event-ID"), said, Said)
    response = web.StreamResponse(status=stream.status, headers=stream.headers)
    await response.prepare(request)
    async with aclosing(stream):
        async for chunk in stream:
            await response.write(chunk)
    return response


async def test_frames_reach_a_client() -> None:
    """A block for each event, and 204 for whoever comes back after the end."""
    app = application()
    app.router.add_get("/frames", send_frames)
    async with TestClient(TestServer(app)) as client:
        async with client.get("/frames") as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            await answer.content.readline()
            await client.post("/say", data=Said(room="a", text="hello").model_dump_json())
            lines = [(await answer.content.readline()).decode() for _ in range(3)]
            assert lines[1:] == ["event: Said\n", 'data: {"room":"a","text":"hello"}\n']
        over = await client.get("/frames", headers={"Last-Event-ID": "evenflow.end"})
        assert over.status == 204
