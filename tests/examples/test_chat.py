"""The chat, under a real uvicorn with real clients."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.examples.running import EXAMPLES, Service, running
from tests.limits import limit

pytestmark = pytest.mark.asyncio

UVICORN = ("-m", "uvicorn", "--app-dir", str(EXAMPLES / "chat"), "--port", "0", "chat:app")
ANNOUNCED = r"running on http://127\.0\.0\.1:(\d+)"
LIMIT = 30


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """One service for all tests; each has rooms of its own."""
    with running(*UVICORN, announced=ANNOUNCED) as service:
        yield service


def entering(service: Service, room: str, user: str, last: str = "", **options: Any) -> connect:
    query = f"user={user}" + (f"&lastEventId={last}" if last else "")
    return connect(f"ws://127.0.0.1:{service.port}/rooms/{room}?{query}", **options)


async def until(client: ClientConnection, text: str) -> list[dict[str, Any]]:
    """Read frames until somebody says this."""
    frames: list[dict[str, Any]] = []
    async with asyncio.timeout(LIMIT):
        while not frames or frames[-1]["data"].get("text") != text:
            frames.append(json.loads(await client.recv()))
    return frames


def said(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["data"]["text"] for frame in frames if frame["type"] == "Said"]


async def say(client: ClientConnection, text: str) -> None:
    await client.send(json.dumps({"text": text}))


async def test_a_room_hears_itself_and_no_other(service: Service) -> None:
    """Rooms are conditions; a newcomer gets the history of its room."""
    async with entering(service, "garden", "ann") as ann, entering(service, "cellar", "eve") as eve:
        await say(ann, "one")
        await say(eve, "dark")
        await until(eve, "dark")
        await until(ann, "one")
        async with entering(service, "garden", "bob") as bob:
            frames = await until(bob, "one")
            await say(bob, "two")
            frames += await until(bob, "two")
            assert said(frames) == ["one", "two"]
            assert {frame["data"]["room"] for frame in frames} == {"garden"}
            assert [frame["type"] for frame in frames if frame["data"]["user"] == "bob"] == ["Came", "Said"]
        await until(ann, "two")
        assert json.loads(await ann.recv())["type"] == "Went"


async def test_a_browser_that_comes_back_misses_nothing_and_gets_nothing_twice(service: Service) -> None:
    """It goes on after the id that it has seen."""
    async with entering(service, "attic", "ann") as ann:
        async with entering(service, "attic", "bob") as bob:
            await say(bob, "one")
            last = (await until(bob, "one"))[-1]["id"]
            bob.transport.abort()
        await say(ann, "two")
        await until(ann, "two")
        async with entering(service, "attic", "bob", last) as again:
            assert said(await until(again, "two")) == ["two"]


async def test_nonsense_is_answered_and_too_much_of_it_ends_the_connection(service: Service) -> None:
    """Nobody else hears of it."""
    async with entering(service, "hall", "ann") as ann, entering(service, "hall", "eve") as eve:
        await say(eve, " ")
        async with asyncio.timeout(LIMIT):
            while (frame := json.loads(await eve.recv()))["type"] != "evenflow.error":
                pass
            assert frame["data"] == {"error": "ValidationError"}
            with pytest.raises(ConnectionClosed) as closed:
                for _ in range(100):
                    await say(eve, " ")
                    await asyncio.sleep(0)
                while True:
                    await eve.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008
        await say(ann, "still here")
        assert said(await until(ann, "still here")) == ["still here"]


@pytest.mark.parametrize("room, user", [("garden", "%3Cimg%3E"), ("garden", ""), ("x" * 40, "ann")])
async def test_a_name_that_is_none_is_refused(service: Service, room: str, user: str) -> None:
    """Before anybody hears of it."""
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        async with entering(service, room, user) as client:
            await client.recv()


async def test_a_page_of_another_host_cannot_enter(service: Service) -> None:
    """Its origin is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with entering(service, "garden", "ann", origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403


async def test_the_page_has_what_it_names_and_nothing_from_elsewhere(service: Service) -> None:
    """A strict policy, and each file of the page is there."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=100) as client:
        page = await client.get("/")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert "http" not in page.text
        for name in ("chat.js", "chat.css", "icon.svg"):
            assert f'"{name}"' in page.text
            assert (await client.get(f"/{name}")).status_code == 200


@pytest.mark.timed
async def test_it_ends_within_two_seconds() -> None:
    """With a client connected, which is told to come back."""
    with running(*UVICORN, announced=ANNOUNCED) as service:
        await ends(service)


async def ends(service: Service) -> None:
    async with entering(service, "garden", "ann") as ann:
        assert await asyncio.to_thread(service.terminate) < limit(2)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await ann.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code in (1001, 1012)  # the second where uvicorn itself was quicker
    assert service.process.returncode in (0, -signal.SIGTERM)
