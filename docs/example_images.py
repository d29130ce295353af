"""Draws the pictures of the examples: `python docs/example_images.py`. Each runs, in a real browser."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import httpx2
from PIL import Image
from playwright.async_api import expect
from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.browser.kit import PHONE, launched, visiting  # noqa: E402 -- as above
from tests.browser.program import run  # noqa: E402 -- as above

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

DESK = (1200, 640)
VIEWS = (
    ("desk-light", DESK, False),
    ("desk-dark", DESK, True),
    ("phone-light", PHONE, False),
    ("phone-dark", PHONE, True),
)
CUSTOMERS = ("Ada Lovelace", "Grace Hopper", "<img src=x onerror=alert(1)>", "Alan Turing", "Barbara Liskov",
             "Edsger Dijkstra", "Katherine Johnson", "Donald Knuth", "Radia Perlman")  # fmt: skip
MOVES = ("packed", "shipped", "delivered")
TALK = (("bob", "Does anybody see the fox?"), ("carl", "By the pond, with <b>two</b> cubs"),
        ("ann", "Quiet, or they run"),
        ("bob", "I have a photo of all three"), ("carl", "Show it tomorrow?"))  # fmt: skip


async def draw(page: Page, folder: Path, name: str) -> None:
    """Keep a picture of what the page shows, with few colours."""
    picture = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
    small = picture.quantize(128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(folder / f"{name}.png", optimize=True)


async def draw_board(browser: Browser, folder: Path) -> None:
    """Nine orders at all stages."""
    with TemporaryDirectory() as files:
        async with run("order_board", "board:app", ORDER_BOARD=f"{files}/orders.db") as program:
            async with httpx2.AsyncClient(base_url=program.address, timeout=20) as client:
                for number, customer in enumerate(CUSTOMERS):
                    order = {
                        "customer": customer,
                        "region": ("eu", "us", "asia")[number % 3],
                        "total": f"{19 + number * 7}.90",
                    }
                    placed = (await client.post("/orders", json=order)).json()
                    for to in MOVES[: (0, 2, 0, 1, 3, 0, 2, 0, 1)[number]]:
                        await client.post(f"/orders/{placed['order_id']}/moves", json={"to": to})
            for view, size, dark in VIEWS:
                async with visiting(browser, program.address, size=size, dark=dark) as page:
                    await expect(page.locator("li")).to_have_count(len(CUSTOMERS))
                    await page.wait_for_selector('#connection[data-state="live"]')
                    await draw(page, folder, f"order-board-{view}")


async def draw_ticker(browser: Browser, folder: Path) -> None:
    """A chart of some seconds."""
    async with run("ticker", "ticker:app", TICKER_RATE="8") as program:
        for view, size, dark in VIEWS:
            async with visiting(browser, program.address, size=size, dark=dark) as page:
                await page.click('[data-symbol="ABC"]')
                await asyncio.sleep(6)
                await draw(page, folder, f"ticker-{view}")


async def draw_chat(browser: Browser, folder: Path) -> None:
    """A short talk."""
    async with run("chat", "chat:app") as program:
        for view, size, dark in VIEWS:
            garden = f"ws://127.0.0.1:{program.port}/rooms/{view}"
            async with visiting(browser, f"{program.address}/?user=ann#{view}", size=size, dark=dark) as page:
                await page.wait_for_selector("#state >> text=connected")
                async with connect(f"{garden}?user=bob") as bob, connect(f"{garden}?user=carl") as carl:
                    for user, text in TALK:
                        if user == "ann":
                            await page.fill("#text", text)
                            await page.click("button")
                        else:
                            await {"bob": bob, "carl": carl}[user].send(json.dumps({"text": text}))
                        await page.wait_for_selector(f"li:last-child >> text={text}")
                    await draw(page, folder, f"chat-{view}")


async def main() -> None:
    """Draw all of them, or those whose names are given, into docs/images or a folder of your own."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    names = sys.argv[2:] or ["board", "ticker", "chat"]
    drawers = {"board": draw_board, "ticker": draw_ticker, "chat": draw_chat}
    async with launched() as browser:
        for name in names:
            await drawers[name](browser, folder)


if __name__ == "__main__":
    asyncio.run(main())
