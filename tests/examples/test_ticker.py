"""The ticker, under a real uvicorn with real clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from yarl import URL

from tests.examples.running import EXAMPLES, Service, imported, running

pytestmark = pytest.mark.asyncio

UVICORN = ("-m", "uvicorn", "--app-dir", str(EXAMPLES / "ticker"), "--port", "0", "ticker:app")
ANNOUNCED = r"running on http://127\.0\.0\.1:(\d+)"
LIMIT = 30
COUNT = 500


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """One market for all tests."""
    with running(*UVICORN, announced=ANNOUNCED) as service:
        yield service


def watching(service: Service, where: object = None, **options: Any) -> connect:
    address = URL(f"ws://127.0.0.1:{service.port}/prices")
    if where is not None:
        address = address.with_query(where=where if isinstance(where, str) else json.dumps(where))
    return connect(str(address), **options)


async def tick(client: ClientConnection) -> dict[str, Any]:
    """The next price."""
    async with asyncio.timeout(LIMIT):
        while (frame := json.loads(await client.recv()))["type"] != "Tick":
            assert frame["type"] != "evenflow.slow"
        data: dict[str, Any] = frame["data"]
        return data


async def test_a_client_begins_with_every_symbol_and_then_sees_them_move(service: Service) -> None:
    """The newest price of each of the 500 comes first; the numbers of a symbol only grow."""
    async with watching(service) as client:
        newest: dict[str, int] = {}
        moved = 0
        while len(newest) < COUNT or moved < COUNT:
            one = await tick(client)
            if one["symbol"] in newest:
                assert len(newest) == COUNT, "a price of a known symbol came before the first of another"
                assert one["number"] > newest[one["symbol"]]
                moved += 1
            newest[one["symbol"]] = one["number"]
        assert len(newest) == COUNT


async def test_a_client_narrows_to_its_symbols(service: Service) -> None:
    """`?where=` names symbols, and no other comes; a field that is not allowed is refused."""
    async with watching(service, {"in": ["symbol", ["AAA", "AAC"]]}) as client:
        assert {(await tick(client))["symbol"] for _ in range(12)} == {"AAA", "AAC"}
    for where in ({"gt": ["price", 10]}, "nonsense"):
        with pytest.raises((InvalidStatus, ConnectionClosed)):
            async with watching(service, where) as client:
                await client.recv()


@pytest.mark.timeout(LIMIT)
async def test_a_slow_client_skips_to_the_newest_and_is_kept() -> None:
    """While one send to a client waits, 100 prices of each symbol are published: it gets the newest, and holds nobody."""
    ticker = imported(EXAMPLES / "ticker" / "ticker.py")
    frames: list[dict[str, Any]] = []
    is_sending, may_go_on, has_newest = asyncio.Event(), asyncio.Event(), asyncio.Event()
    incoming = [{"type": "websocket.connect"}]

    async def receive() -> dict[str, Any]:
        if not incoming:
            await asyncio.Event().wait()
        return incoming.pop()

    async def send(message: dict[str, Any]) -> None:
        assert message["type"] in ("websocket.accept", "websocket.send"), "the slow client was let go"
        if message["type"] == "websocket.send":
            frame = json.loads(message["text"])
            if frame["type"] != "Tick":
                return
            frames.append(frame)
            is_sending.set()
            await may_go_on.wait()
            if {frame["data"]["symbol"] for frame in frames if frame["data"]["number"] == 99} == {"AAA", "AAB"}:
                has_newest.set()

    scope = {"type": "websocket", "path": "/prices", "root_path": "", "query_string": b"", "headers": [], "scheme": "ws",
             "subprotocols": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}  # fmt: skip
    async with ticker.prices:
        await publish(ticker, 0)
        client = asyncio.create_task(ticker.app(scope, receive, send))
        await is_sending.wait()
        for number in range(1, 100):
            await publish(ticker, number)
        may_go_on.set()
        await has_newest.wait()
        client.cancel()
        await asyncio.wait([client])
    assert len(frames) <= 6, "a few at most were on their way to it when it began to be slow"


async def publish(ticker: ModuleType, number: int) -> None:
    await ticker.prices.publish_many([ticker.Tick(symbol=name, price=1.0, number=number) for name in ("AAA", "AAB")])


async def test_the_page_has_what_it_names_and_nothing_from_elsewhere(service: Service) -> None:
    """A strict policy for each file of the page, and each is there."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=100) as client:
        page = await client.get("/")
        assert "http" not in page.text
        for name in ("", "shared/base.css", "ticker.css", "ticker.js"):
            assert f'"{name}"' in page.text or not name
            answer = await client.get(f"/{name}")
            assert answer.status_code == 200
            assert "default-src 'self'" in answer.headers["content-security-policy"]
