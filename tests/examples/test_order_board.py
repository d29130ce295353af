"""The order board over HTTP, under a real uvicorn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.addresses import EVERYWHERE
from tests.examples.running import EXAMPLES, Service, running, started

pytestmark = pytest.mark.asyncio

UVICORN = ("-m", "uvicorn", "--app-dir", str(EXAMPLES / "order_board"), "--port", "0", "board:app")
SEVERAL = ("-m", "tests.examples.several", "board:app", "3", str(EXAMPLES / "order_board"))
ANNOUNCED = r"running on http://127\.0\.0\.1:(\d+)"
LIMIT = 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests; each has orders of its own."""
    database = tmp_path_factory.mktemp("board") / "orders.db"
    with running(*UVICORN, announced=ANNOUNCED, ORDER_BOARD=str(database)) as service:
        yield service


def client_of(service: Service) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=LIMIT)


def order(customer: str, region: str = "eu", total: str = "9.50") -> dict[str, str]:
    return {"customer": customer, "region": region, "total": total}


async def read(client: httpx2.AsyncClient, until: str, **query: str) -> list[dict[str, Any]]:
    """The events from the first, until one of this customer."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(LIMIT), client.stream("GET", "/orders/events", params=query) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
                if events[-1].get("customer") == until:
                    break
    return events


async def test_one_key_places_one_order(service: Service) -> None:
    """Sent twice, at once or later, it answers with the same order, and one event is published."""
    async with client_of(service) as client:
        key = {"idempotency-key": "one-key"}
        answers = await asyncio.gather(*(client.post("/orders", json=order("ann"), headers=key) for _ in range(5)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["order_id"] for answer in answers}) == 1
        await client.post("/orders", json=order("the end of one key"))
        seen = await read(client, "the end of one key")
        assert [event.get("customer") for event in seen].count("ann") == 1


async def test_a_key_of_another_order_is_a_conflict(service: Service) -> None:
    """The key belongs to the data it was first sent with."""
    async with client_of(service) as client:
        key = {"idempotency-key": "taken"}
        assert (await client.post("/orders", json=order("bob"), headers=key)).status_code == 201
        assert (await client.post("/orders", json=order("eve"), headers=key)).status_code == 409
        assert (await client.post("/orders", json=order("bob", total="9.51"), headers=key)).status_code == 409


async def test_an_order_moves_one_stage_at_a_time(service: Service) -> None:
    """Out of order is a conflict; the stage where it is changes nothing; each move is one event."""
    async with client_of(service) as client:
        name = (await client.post("/orders", json=order("mover"))).json()["order_id"]

        async def move(to: str) -> int:
            return (await client.post(f"/orders/{name}/moves", json={"to": to})).status_code

        said = [await move(to) for to in ("shipped", "packed", "packed", "delivered", "shipped", "packed", "delivered")]
        assert said == [409, 200, 200, 409, 200, 409, 200]
        await client.post("/orders", json=order("the end of moves"))
        seen = await read(client, "the end of moves")
        assert [event["to"] for event in seen if event["order_id"] == name and "to" in event] == [
            "packed", "shipped", "delivered",
        ]  # fmt: skip


async def test_moves_at_once_move_it_once(service: Service) -> None:
    """Ten clients that move an order at the same time make one event."""
    async with client_of(service) as client:
        name = (await client.post("/orders", json=order("hurried"))).json()["order_id"]
        moves = [client.post(f"/orders/{name}/moves", json={"to": "packed"}) for _ in range(10)]
        assert {answer.status_code for answer in await asyncio.gather(*moves)} == {200}
        await client.post("/orders", json=order("the end of hurry"))
        seen = await read(client, "the end of hurry")
        assert len([event for event in seen if event["order_id"] == name]) == 2


async def test_an_unknown_order_is_not_found(service: Service) -> None:
    """404, whatever it is called."""
    async with client_of(service) as client:
        for name in ("0" * 32, "no-such", "%3Cimg%3E"):
            assert (await client.post(f"/orders/{name}/moves", json={"to": "packed"})).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [order(""), order("x" * 81), order("ann", "moon"), order("ann", total="0"), order("ann", total="1.234"), {}],
)
async def test_what_is_no_order_is_refused(service: Service, wrong: dict[str, str]) -> None:
    """422, and nothing is published."""
    async with client_of(service) as client:
        assert (await client.post("/orders", json=wrong)).status_code == 422


async def test_a_client_narrows_by_region_and_by_nothing_else(service: Service) -> None:
    """`?where=` on the region is followed; on the customer, or nonsense, it is 400."""
    async with client_of(service) as client:
        for region in ("us", "asia", "us"):
            await client.post("/orders", json=order("someone", region))
        await client.post("/orders", json=order("the end of us", "us"))
        seen = await read(client, "the end of us", where='{"eq": ["region", "us"]}')
        assert {event["region"] for event in seen} == {"us"}
        for where in ('{"eq": ["customer", "ann"]}', "nonsense", '{"eq": ["region", "moon"]}'):
            assert (await client.get("/orders/events", params={"where": where})).status_code == 400


async def test_the_page_has_what_it_names_and_nothing_from_elsewhere(service: Service) -> None:
    """A strict policy for each file of the page, and each is there."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=100) as client:
        page = await client.get("/")
        assert "http" not in page.text
        for name in ("", "shared/base.css", "board.css", "board.js"):
            assert f'"{name}"' in page.text or not name
            answer = await client.get(f"/{name}")
            assert answer.status_code == 200
            assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("engine", EVERYWHERE)
async def test_three_processes_share_one_board_on_every_engine(engine: str, tmp_path: Path) -> None:
    """Placed by one process, moved by another, shown by the third: what changes between engines is one address."""
    with started(*SEVERAL, ORDER_BOARD=EVERYWHERE[engine](tmp_path)) as process:
        one, other, third = (Service(process, ANNOUNCED) for _ in range(3))
        async with client_of(one) as placing, client_of(other) as moving, client_of(third) as showing:
            key = {"idempotency-key": "once"}
            sent = [client.post("/orders", json=order("ann"), headers=key) for client in (placing, moving, showing)]
            answers = await asyncio.gather(*sent)
            assert {answer.status_code for answer in answers} == {201}
            [name] = {answer.json()["order_id"] for answer in answers}
            assert (await moving.post(f"/orders/{name}/moves", json={"to": "packed"})).status_code == 200
            assert (await placing.post(f"/orders/{name}/moves", json={"to": "shipped"})).status_code == 200
            await placing.post("/orders", json=order("the end"))
            seen = await read(showing, "the end")
        process.terminate()
        process.wait(30)
    assert [event.get("customer", event.get("to")) for event in seen] == ["ann", "packed", "shipped", "the end"]
