"""The order board in a real browser: each event once, in order, whatever ends in between."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Browser, Page, expect

from tests.proxy import Proxy

from .kit import IN_A_BROWSER, PATIENCE, until, visiting
from .program import HERE, Program, run

pytestmark = IN_A_BROWSER

REFUSED = ("net::ERR_CONNECTION_REFUSED", "net::ERR_CONNECTION_RESET", "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
           "net::ERR_EMPTY_RESPONSE", "net::ERR_SOCKET_NOT_CONNECTED")  # fmt: skip
"""What Chromium logs of a connection that the server or the wire has ended, and of one that nobody takes meanwhile."""
HOSTILE = "<img src=x onerror=alert(1)>"
LIVE = '#connection[data-state="live"]'


CLIENT = httpx2.AsyncClient(timeout=100, verify=False, limits=httpx2.Limits(max_keepalive_connections=0))
"""One for all orders: making one takes long. Each request has a connection of its own, because servers are restarted."""


async def place(address: str, customer: str, region: str = "eu") -> str:
    answer = await CLIENT.post(f"{address}/orders", json={"customer": customer, "region": region, "total": "9.50"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["order_id"])


async def customers(page: Page, stage: str = "placed") -> list[str]:
    """The cards of a column, oldest first."""
    found = await page.locator(f'[data-stage="{stage}"] li strong').all_text_contents()
    return found[::-1]


async def shows(page: Page, expected: list[str], stage: str = "placed") -> None:
    """Wait until the last of them is there; then the column is exactly these, each once, in order."""

    async def last() -> bool:
        return expected[-1] in await customers(page, stage)

    await until(last)
    assert await customers(page, stage) == expected


async def fill_in(page: Page, customer: str) -> None:
    """Place an order as a visitor does."""
    await page.fill("#place [name=customer]", customer)
    await page.fill("#place [name=total]", "12.50")
    await page.click("#place button")


async def ended_and_started(program: Program, how: signal.Signals) -> None:
    await program.end(how)
    await program.start()


async def test_each_event_once_in_order_through_three_restarts_and_a_cut(browser: Browser, tmp_path: Path) -> None:
    """SIGKILL, SIGTERM, SIGKILL on the same port, and a cut: the page that stays open misses and doubles nothing."""
    placed: list[str] = []
    async with AsyncExitStack() as stack:
        program = await stack.enter_async_context(run("order_board", "board:app", ORDER_BOARD=str(tmp_path / "o.db")))
        proxy = await stack.enter_async_context(Proxy(program.port))
        page = await stack.enter_async_context(visiting(browser, f"http://127.0.0.1:{proxy.port}", expected=REFUSED))

        async def more(count: int = 5) -> None:
            for _ in range(count):
                placed.append(f"customer {len(placed)}")
                await place(program.address, placed[-1])

        await more()
        await shows(page, placed)
        for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            program.prepare()
            await more()
            await ended_and_started(program, how)
            await more()  # while the browser waits to come back
            await shows(page, placed)
        async with proxy.refusing():
            await proxy.cut()
            await more()
        await shows(page, placed)
        await more()
        await shows(page, placed)
        assert await page.locator('[data-stage="placed"] .count').inner_text() == str(len(placed))
        await page.wait_for_selector(LIVE)


async def test_a_visitor_places_and_moves_orders_and_names_are_text(browser: Browser, tmp_path: Path) -> None:
    """A card goes from column to column by clicks; a customer may be called anything."""
    async with (
        run("order_board", "board:app", ORDER_BOARD=str(tmp_path / "o.db")) as program,
        visiting(browser, program.address) as page,
    ):
        await page.wait_for_selector(LIVE)
        await fill_in(page, HOSTILE)
        await shows(page, [HOSTILE])
        assert await page.locator("img").count() == 0
        await expect(page.locator("#place [name=customer]")).to_have_value("", timeout=PATIENCE)
        for stage in ("packed", "shipped", "delivered"):
            await page.click(f'li button:text-is("{stage}")')
            await shows(page, [HOSTILE], stage)
        assert await page.locator("li button:visible").count() == 0
        assert await page.locator("li").count() == 1
        await place(program.address, "far away", "asia")
        await shows(page, ["far away"])
        await page.select_option("#region", "eu")
        await shows(page, [HOSTILE], "delivered")
        await place(program.address, "near", "eu")
        await shows(page, ["near"])


@pytest.mark.timeout(90)
async def test_two_workers_tell_each_others_browsers(browser: Browser, tmp_path: Path) -> None:
    """Under --workers 2 an order placed at one worker is shown by a browser of the other, both ways."""
    path = os.pathsep.join([str(HERE), str(HERE.parents[1] / "src")])
    async with (
        run("order_board", "board_worker:app", "--workers", "2", ORDER_BOARD=str(tmp_path / "o.db"), PYTHONPATH=path)
            as program,
        AsyncExitStack() as stack,
    ):  # fmt: skip
        pages: dict[str, Page] = {}

        async def both() -> bool:
            page = await stack.enter_async_context(visiting(browser, "about:blank", host=program.address))
            async with page.expect_response("**/orders/events?*") as answer:
                await page.goto(program.address)
            pages.setdefault((await (await answer.value).all_headers())["x-worker"], page)
            return len(pages) == 2

        await until(both, seconds=40)
        one, other = pages.values()
        for page in (one, other):
            await page.wait_for_selector(LIVE)
        await fill_in(one, "from one")
        await asyncio.gather(shows(one, ["from one"]), shows(other, ["from one"]))
        await fill_in(other, "from the other")
        both_orders = ["from one", "from the other"]
        await asyncio.gather(shows(one, both_orders), shows(other, both_orders))
        await one.locator("li", has_text="from one").get_by_role("button").click()
        await asyncio.gather(shows(one, ["from one"], "packed"), shows(other, ["from one"], "packed"))
