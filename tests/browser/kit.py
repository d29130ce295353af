"""A real browser for tests; `tests.serving` serves an application to it in the loop of the test.

    pytestmark = IN_A_BROWSER

    async def test_...(browser: Browser) -> None:
        async with serving(app) as address, visiting(browser, address) as page:
            ...

A visit fails when the page has logged an error, raised one, or asked another host for anything.
One browser is started for all tests of a worker; each visit has a context of its own, with no cookies or storage.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip

IN_A_BROWSER = [
    pytest.mark.asyncio(loop_scope="session"),  # the browser lives in one loop, and the tests with it
    pytest.mark.skipif(CHROMIUM is None, reason="unavoidable: there is no chromium on this machine"),
]
"""The marks of a file of such tests."""

PHONE = (390, 844)
DESK = (1440, 900)
PATIENCE = 60_000
"""Milliseconds that the browser waits for what must come: on a busy machine nothing comes at once."""


@asynccontextmanager
async def launched() -> AsyncGenerator[Browser]:
    """A browser without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser,
    address: str,
    *,
    size: tuple[int, int] = DESK,
    dark: bool = False,
    still: bool = True,
    expected: tuple[str, ...] = (),
    host: str | None = None,
) -> AsyncGenerator[Page]:
    """Open a page; at the end it must have logged no error, but for ``expected`` ones, and asked no other host.

    ``host`` is the address that it may ask, if that is not ``address``.
    """
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce" if still else "no-preference",
        locale="en-GB",
        timezone_id="UTC",
    )
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    wrong: list[str] = []
    watch(page, urlsplit(host or address).netloc, wrong)
    try:
        await page.goto(address)
        yield page
    finally:
        await context.close()
    wrong = [one for one in wrong if not any(word in one for word in expected)]
    assert not wrong, wrong


def watch(page: Page, host: str, wrong: list[str]) -> None:
    """Write down what a page must not do."""

    def logged(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(f"console {message.type}: {message.text}")

    def asked(request: Request) -> None:
        to = urlsplit(request.url)
        if to.scheme not in ("data", "blob", "about") and to.netloc != host:
            wrong.append(f"a request to {request.url}")

    page.on("console", logged)
    page.on("pageerror", lambda error: wrong.append(f"raised: {error}"))
    page.on("request", asked)


async def until(look: Callable[[], Awaitable[object]], *, seconds: float = PATIENCE / 1000) -> None:
    """Ask again and again, until the answer is true."""
    async with asyncio.timeout(seconds):
        while not await look():
            await asyncio.sleep(0.05)  # no event says that a page looks different
