"""The browser's own EventSource: what it is told of a gap, and that it does not come back after the end."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from evenflow import Event, Subject
from evenflow.web import sse
from tests.proxy import Proxy
from tests.serving import serving

from .kit import IN_A_BROWSER, until, visiting

pytestmark = IN_A_BROWSER


class Order(Event):
    number: int


LISTEN = """() => {
  window.got = []
  window.source = new EventSource("/events")
  for (const type of ["Order", "evenflow.gap", "evenflow.end"])
    window.source.addEventListener(type, (event) => window.got.push([type, event.data]))
}"""
CLOSED = 2
"""The `readyState` of an EventSource that does not connect again."""
CUT = ("net::ERR_INCOMPLETE_CHUNKED_ENCODING", "net::ERR_EMPTY_RESPONSE", "net::ERR_CONNECTION_RESET")
"""What Chromium logs of a connection that was cut, and of one that is closed before an answer."""


async def got(page: Page, count: int) -> list[list[str]]:
    """Wait until the page has been told this many things."""

    async def as_many() -> bool:
        return bool(await page.evaluate("window.got.length") >= count)

    await until(as_many)
    found: list[list[str]] = await page.evaluate("window.got")
    return found


async def test_it_is_told_of_a_gap_and_stays_away_after_the_end(browser: Browser) -> None:
    """A cut shorter than what is kept loses nothing, a longer one gives evenflow.gap, and 204 ends it for good."""
    orders = Subject(Order, name="orders", replay=3)
    answers: list[tuple[str | None, int]] = []

    async def events(request: Request) -> Response:
        response = sse(request, orders, Order, since="start", retry=0.02)
        answers.append((request.headers.get("last-event-id"), response.status_code))
        return response

    async def page(_: Request) -> Response:
        return HTMLResponse('<!doctype html><link rel="icon" href="data:,"><title>events</title>')

    async def publish(first: int, last: int) -> None:
        for number in range(first, last + 1):
            await orders.publish(Order(number=number))

    def shown(*numbers: int) -> list[list[Any]]:
        return [["Order", Order(number=number).model_dump_json()] for number in numbers]

    app = Starlette(routes=[Route("/", page), Route("/events", events)])
    async with (
        serving(app) as address,
        Proxy(int(address.rpartition(":")[2])) as proxy,
        visiting(browser, f"http://127.0.0.1:{proxy.port}", expected=CUT) as visitor,
    ):
        await publish(1, 2)
        await visitor.evaluate(LISTEN)
        assert await got(visitor, 2) == shown(1, 2)
        async with proxy.refusing():
            await proxy.cut()
            await publish(3, 5)
        assert await got(visitor, 5) == shown(1, 2, 3, 4, 5)
        async with proxy.refusing():
            await proxy.cut()
            await publish(6, 9)
        found = await got(visitor, 9)
        assert found[5][0] == "evenflow.gap"
        assert found[6:] == shown(7, 8, 9)
        orders.close()
        assert (await got(visitor, 10))[9][0] == "evenflow.end"
        await visitor.wait_for_function(f"window.source.readyState === {CLOSED}")
        assert answers[-1] == ("evenflow.end", 204)
        assert [status for _, status in answers] == [200, 200, 200, 204]
