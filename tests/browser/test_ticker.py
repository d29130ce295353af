"""The ticker in a real browser."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from .kit import IN_A_BROWSER, PATIENCE, until, visiting
from .program import run

pytestmark = IN_A_BROWSER

INK = """() => {
  const chart = document.querySelector("#chart")
  const copy = document.createElement("canvas")
  copy.width = chart.width
  copy.height = chart.height
  const pen = copy.getContext("2d", { willReadFrequently: true }) // reading the page's own often is a warning
  pen.drawImage(chart, 0, 0)
  const dots = pen.getImageData(0, 0, chart.width, chart.height).data
  const columns = new Set()
  for (let i = 3; i < dots.length; i += 4) if (dots[i]) columns.add(((i - 3) / 4) % chart.width)
  return [columns.size / chart.width, chart.toDataURL()]
}"""
"""How much of the chart's width has a line, and the picture."""


async def chart(page: Page) -> tuple[float, str]:
    share, picture = await page.evaluate(INK)
    return share, picture


async def price(page: Page, symbol: str) -> str:
    return await page.locator(f'[data-symbol="{symbol}"] span').inner_text()


async def test_prices_move_and_the_chart_is_of_the_picked_symbol(browser: Browser) -> None:
    """All 500 symbols are there, in order; prices move; the chart follows the symbol that is picked."""
    async with run("ticker", "ticker:app") as program, visiting(browser, program.address) as page:
        await page.wait_for_selector('#connection[data-state="live"]')
        await expect(page.locator("#symbols button")).to_have_count(500, timeout=PATIENCE)
        names = await page.locator("#symbols b").all_text_contents()
        assert names == sorted(names)
        first = await price(page, "AAK")

        async def moved() -> bool:
            return await price(page, "AAK") != first

        await until(moved)
        await page.click('[data-symbol="AAF"]')
        assert await page.get_attribute('[data-symbol="AAF"]', "aria-pressed") == "true"
        assert await page.locator('[aria-pressed="true"]').count() == 1
        await expect(page.locator("#picked")).to_have_text("AAF", timeout=PATIENCE)

        async def is_drawn() -> bool:
            return (await chart(page))[0] > 0.9

        await until(is_drawn)
        _, before = await chart(page)

        async def follows() -> bool:
            return (await chart(page))[1] != before

        await until(follows)
        await page.fill("#find", "ab")
        shown = await page.locator("#symbols button:visible b").all_text_contents()
        assert len(shown) == 26
        assert all(name.startswith("AB") for name in shown)


async def test_a_page_narrows_by_its_address(browser: Browser) -> None:
    """`/?where=` of the page is that of its connection: no other symbol reaches it."""
    async with (
        run("ticker", "ticker:app") as program,
        visiting(browser, program.address + '/?where={"in":["symbol",["AAB","AAD"]]}') as page,
    ):
        await expect(page.locator("#symbols button")).to_have_count(2, timeout=PATIENCE)
        first = await price(page, "AAD")

        async def moved() -> bool:
            return await price(page, "AAD") != first

        await until(moved)
        assert await page.locator("#symbols b").all_text_contents() == ["AAB", "AAD"]
