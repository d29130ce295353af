"""The chat in real browsers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import pytest_asyncio
from playwright.async_api import Browser, Page
from websockets.asyncio.client import connect

from tests.proxy import Proxy

from .kit import IN_A_BROWSER, PHONE, until, visiting
from .program import Program, run

pytestmark = IN_A_BROWSER

HOSTILE = "<img src=x onerror=alert(1)>"


async def say(page: Page, text: str) -> None:
    """Write and send, as a visitor does."""
    await page.fill("#text", text)
    await page.click("button")


async def texts(page: Page) -> list[str]:
    """What was said, with who said it."""
    return await page.locator("#things li:not(.note)").all_inner_texts()


async def shows(page: Page, *expected: str) -> None:
    """Wait until the page has the last of them; then it has exactly these, in order."""

    async def last() -> bool:
        return any(expected[-1] in one for one in await texts(page))

    await until(last)
    found = await texts(page)
    assert len(found) == len(expected)
    assert all(text in one for one, text in zip(found, expected, strict=True)), found


async def connected(page: Page) -> None:
    await page.wait_for_selector("#state >> text=connected as")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def program() -> AsyncGenerator[Program]:
    """One chat for all tests, each in rooms of its own."""
    async with run("chat", "chat:app") as one:
        yield one


async def test_two_browsers_talk_and_a_third_gets_what_was_said(browser: Browser, program: Program) -> None:
    """Who comes later gets the history; another room gets nothing of it; a text is a text."""
    garden, cellar = f"{program.address}/?user={{}}#garden", f"{program.address}/?user=eve#cellar"
    async with (
        visiting(browser, garden.format("ann")) as ann,
        visiting(browser, garden.format("bob"), size=PHONE) as bob,
        visiting(browser, cellar) as eve,
    ):
        for page in (ann, bob, eve):
            await connected(page)
        await say(ann, HOSTILE)
        await shows(ann, HOSTILE)
        await shows(bob, HOSTILE)
        await say(bob, "hello, ann")
        await shows(ann, HOSTILE, "hello, ann")
        assert "bob" in (await texts(ann))[1]
        assert await ann.locator("img").count() == 0
        async with visiting(browser, garden.format("carl")) as carl:
            await shows(carl, HOSTILE, "hello, ann")
            await ann.wait_for_selector(".note >> text=carl has come in")
        await ann.wait_for_selector(".note >> text=carl has left")
        await say(eve, "dark here")
        await shows(eve, "dark here")


async def test_a_name_that_is_markup_never_enters_and_the_page_says_so(browser: Browser, program: Program) -> None:
    """The service refuses such a name; the page shows it as text, in the room's name too."""
    address = f"{program.address}/?user=ann#%3Cimg%20src=x%20onerror=alert(1)%3E"
    async with visiting(browser, address, expected=("WebSocket connection to",)) as page:
        await page.wait_for_selector("#state >> text=/connecting again|ended/")
        assert await page.locator("#room").text_content() == HOSTILE
        assert await page.locator("img").count() == 0


async def test_a_browser_that_was_cut_off_goes_on_where_it_was(browser: Browser, program: Program) -> None:
    """What was said meanwhile comes once, after what it had."""
    async with Proxy(program.port) as proxy:
        address = f"http://127.0.0.1:{proxy.port}/?user=ann#attic"
        async with (
            visiting(browser, address, expected=("WebSocket connection to",)) as ann,
            connect(f"ws://127.0.0.1:{program.port}/rooms/attic?user=bob") as bob,
        ):
            await connected(ann)
            await say(ann, "one")
            await shows(ann, "one")
            async with proxy.refusing():
                await proxy.cut()
                await ann.wait_for_selector("#state >> text=connecting again")
                await bob.send(json.dumps({"text": "two"}))
            await shows(ann, "one", "two")
            await connected(ann)
