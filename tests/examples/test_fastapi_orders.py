"""The FastAPI service, under a real uvicorn with real clients."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from anyio import create_task_group, fail_after

from tests.examples.running import EXAMPLES, Service, running
from tests.limits import limit

pytestmark = pytest.mark.asyncio

UVICORN = ("-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0", "fastapi_orders:app")
ANNOUNCED = r"running on http://127\.0\.0\.1:(\d+)"
ENDED_BY_SIGTERM = {0, -signal.SIGTERM}
"""At its end uvicorn sends itself the signal that ended it."""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


@pytest.fixture
def service(database: Path) -> Iterator[Service]:
    with running(*UVICORN, announced=ANNOUNCED, ORDERS_DATABASE=str(database)) as service:
        yield service


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for tests that neither end it nor count what others do; each uses orders of its own."""
    database = tmp_path_factory.mktemp("shared") / "orders.db"
    with running(*UVICORN, announced=ANNOUNCED, ORDERS_DATABASE=str(database)) as service:
        yield service


def client_of(service: Service) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=100)


def order(number: int, region: str = "eu") -> dict[str, object]:
    return {"order_id": number, "region": region, "total": "19.90"}


@asynccontextmanager
async def event_stream(client: httpx2.AsyncClient, **query: str) -> AsyncIterator[AsyncIterator[str]]:
    """Yield the lines of an event stream whose subscription is active."""
    async with client.stream("GET", "/orders/events", params=query) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        assert await anext(lines) == "retry: 1000"
        yield lines


async def next_data(lines: AsyncIterator[str]) -> dict[str, object]:
    async for line in lines:
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


async def test_an_order_reaches_the_streams_that_want_it_the_long_poll_and_the_database(
    service: Service, database: Path
) -> None:
    """One order reaches two event streams, one of them for a single region, a long poll, and the database."""
    answers: list[httpx2.Response] = []
    async with client_of(service) as client:

        async def poll() -> None:
            answers.append(await client.get("/orders/next", params={"region": "us"}))

        async with event_stream(client) as everything, event_stream(client, region="us") as american:
            async with create_task_group() as tasks:
                tasks.start_soon(poll)
                # the poll needs a moment to subscribe, so we post orders until it has got one
                number = 0
                while not answers:
                    number += 1
                    posted = await client.post("/orders", json=order(number, "us" if number % 2 else "eu"))
                    assert posted.status_code == 202
                    assert posted.json()["wanted_by"] >= 2
            assert answers[0].status_code == 200
            assert answers[0].json()["region"] == "us"
            assert (await next_data(everything))["order_id"] == 1
            assert (await next_data(american))["order_id"] == 1
            if number > 1:
                assert (await next_data(everything))["order_id"] == 2
            await client.post("/orders", json=order(1_001, "us"))
            found = await next_data(american)
            while found["order_id"] != 1_001:
                assert found["region"] == "us"
                found = await next_data(american)
    service.terminate()
    with sqlite3.connect(database) as connection:
        kept = {row[0] for row in connection.execute("SELECT order_id FROM orders")}
    connection.close()
    assert kept == {*range(1, number + 1), 1_001}


async def test_the_service_reads_back_what_its_observer_wrote(shared: Service) -> None:
    """GET returns the orders as they were posted, once they are in the database."""
    mine = [order(number) for number in (101, 102, 103)]
    async with client_of(shared) as client:
        for each in mine:
            await client.post("/orders", json=each)
        found: list[object] = []
        with fail_after(30):
            while len(found) < 3:
                found = [each for each in (await client.get("/orders")).json() if each in mine]
    assert found == mine


async def test_a_long_poll_that_gets_nothing_says_so(shared: Service) -> None:
    """A long poll for which no order comes in time returns 204, and the client asks again."""
    async with client_of(shared) as client:
        assert (await client.get("/orders/next", params={"wait": 0.05})).status_code == 204


async def test_what_is_no_order_is_refused(shared: Service) -> None:
    """A body that is not a valid order is refused with 422, as with any pydantic model."""
    async with client_of(shared) as client:
        refused = await client.post("/orders", json={"order_id": "x", "region": "eu", "total": "1"})
        assert refused.status_code == 422
        assert refused.json()["detail"][0]["loc"] == ["body", "order_id"]


@pytest.mark.timed
async def test_sigterm_ends_it_within_two_seconds_while_a_client_is_connected_to_the_stream(
    service: Service, database: Path
) -> None:
    """On SIGTERM the stream ends, the observer has written every order, and the service does not wait for clients."""
    async with client_of(service) as client, event_stream(client) as lines:
        for number in range(50):
            await client.post("/orders", json=order(number))
        seconds = service.terminate()
        rest = [line async for line in lines]
    assert seconds < limit(2), service.said
    assert service.process.returncode in ENDED_BY_SIGTERM
    assert "Application shutdown complete" in service.said
    assert "Traceback" not in service.said
    assert "Warning" not in service.said
    assert [line for line in rest if line.startswith("id: ")] == [f"id: {number}" for number in range(50)]
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (50,)
    connection.close()


@pytest.mark.timed
async def test_sigterm_ends_a_long_poll(service: Service) -> None:
    """A client that waits for an order learns with a 503 that the service is ending."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(b"GET /orders/next?region=nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await writer.drain()
    async with client_of(service) as client:
        for number in range(5):  # once these are answered, the poll has surely been accepted
            await client.post("/orders", json=order(number))
    seconds = await asyncio.to_thread(service.terminate)
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    assert seconds < limit(2), service.said
    assert answer.startswith("HTTP/1.1 503")
    assert "the service is ending" in answer


async def test_a_client_that_goes_takes_its_subscription_with_it(shared: Service) -> None:
    """When the client of a stream goes, its subscription is closed: only the observer still wants orders."""
    async with client_of(shared) as client:
        async with event_stream(client):
            assert (await client.post("/orders", json=order(1))).json() == {"wanted_by": 2}
        with fail_after(30):
            while (await client.post("/orders", json=order(2))).json() != {"wanted_by": 1}:
                pass
