from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from evenflow import Subject
from evenflow.web import inspector
from evenflow.web._inspector import _connection
from tests.limits import limit

from .kit import Answer, Order, get, request, streaming

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[3]


async def test_a_stream_ends_by_itself_when_the_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server waits for its connections: when it is told to end, each stream ends whole, and nobody looks any more."""
    stops: list[Callable[[], None]] = []

    @contextmanager
    def told(stop: Callable[[], None]) -> Generator[None]:
        stops.append(stop)
        yield

    monkeypatch.setattr(_connection, "told_of_shutdown", told)
    subject = Subject(Order, name="orders")
    app = inspector(subject, contents=True)
    async with streaming(app, "/live") as live, streaming(app, "/tail", query="subject=s1") as tail:
        await live.until('"full":true')
        await tail.until("retry")
        for stop in stops:
            stop()
        with anyio.fail_after(30):
            while not (live.ended and tail.ended):
                await anyio.sleep(0.01)
        assert app.state.hub.viewers == 0
        assert subject.statistics().subscriptions == ()
        assert subject._life.gate.watchers == ()


@pytest.mark.parametrize("path, query", [("/live", ""), ("/tail", "subject=s1")])
async def test_a_send_that_fails_ends_the_stream_quietly(path: str, query: str) -> None:
    """A server may raise where the viewer has gone: that is the end of the stream, and no error."""
    subject = Subject(Order, name="orders")
    app = inspector(subject, contents=True)
    answer = Answer()

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        await answer.take(message)
        if message["type"] == "http.response.body":
            raise OSError("gone")

    with anyio.fail_after(30):
        await app(request(path, query=query), receive, send)
    assert answer.status == 200
    assert app.state.hub.viewers == 0 and subject.statistics().subscriptions == ()


@pytest.mark.parametrize("path, query", [("/live", ""), ("/tail", "subject=s1")])
async def test_who_asks_for_the_head_alone_gets_no_stream(path: str, query: str) -> None:
    """A HEAD is answered at once, and nobody looks."""
    subject = Subject(Order, name="orders")
    app = inspector(subject, contents=True)
    with anyio.fail_after(30):
        answer = await get(app, path, method="HEAD", query=query)
    assert answer.ended and answer.body == b"" and answer.header("content-type").startswith("text/event-stream")
    assert app.state.hub.viewers == 0 and subject._life.gate.watchers == ()
    assert subject.statistics().subscriptions == ()


@pytest.mark.parametrize("path, query", [("/live", ""), ("/tail", "subject=s1")])
async def test_a_viewer_that_takes_nothing_does_not_hold_a_process_that_ends(
    path: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the frame that it does not take nor the end of the stream is waited for."""
    stops: list[Callable[[], None]] = []

    @contextmanager
    def told(stop: Callable[[], None]) -> Generator[None]:
        stops.append(stop)
        yield

    monkeypatch.setattr(_connection, "told_of_shutdown", told)
    monkeypatch.setattr(_connection, "GRACE", 0.01)
    app = inspector(Subject(Order, name="orders"), contents=True)
    stuck = anyio.Event()

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            stuck.set()
            await anyio.sleep_forever()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app, request(path, query=query), receive, send)
            await stuck.wait()
            stops[0]()
    assert app.state.hub.viewers == 0


@pytest.mark.parametrize("path, query", [("/live", ""), ("/tail", "subject=s1")])
async def test_a_viewer_that_comes_while_the_process_ends_gets_a_whole_answer(
    path: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its start and its end, though a server may take its time for both."""
    answer = Answer()

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        await anyio.lowlevel.checkpoint()
        await answer.take(message)

    @contextmanager
    def told(stop: Callable[[], None]) -> Generator[None]:
        stop()
        yield

    monkeypatch.setattr(_connection, "told_of_shutdown", told)
    with anyio.fail_after(30):
        await inspector(Subject(Order, name="orders"), contents=True)(request(path, query=query), receive, send)
    assert (answer.status, answer.ended, answer.body) == (200, True, b"")


async def test_the_lifetime_of_a_tail_ends_while_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a viewer whose right was withdrawn would get one more event."""
    monkeypatch.setattr(_connection, "LIFETIME", 0.05)
    subject = Subject(Order, name="orders")
    with anyio.fail_after(30):
        answer = await get(inspector(subject, contents=True), "/tail", query="subject=s1")
    assert answer.ended
    assert subject.statistics().subscriptions == ()


SERVED = """
import uvicorn
from evenflow import Event, Subject
from evenflow.web import inspector
app = inspector(Subject(Event, name="orders"))
server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="info", lifespan="off"))
server.run()
"""


@pytest.mark.timed
def test_a_server_with_a_viewer_ends_when_it_is_told_to() -> None:
    """SIGTERM ends a server while somebody looks, within a moment, and without a complaint."""
    with subprocess.Popen([sys.executable, "-c", SERVED], stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        said = ""
        while "running on http" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        address = said.rpartition("running on ")[2].split()[0]
        with urllib.request.urlopen(f"{address}/live", timeout=100) as stream:
            assert stream.readline() == b"retry: 1000\n"
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            while stream.readline():
                pass
            process.wait(100)
            assert time.monotonic() - began < limit(10)
        rest = process.stderr.read()
    assert "Traceback" not in rest and "without completing" not in rest
