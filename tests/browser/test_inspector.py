"""The inspector in a real browser: its numbers are the statistics' numbers, its names are text, and it stays quiet."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page
from pydantic import create_model
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from evenflow import Event, State, Subject
from evenflow.log import SQLiteLog
from evenflow.web import inspector
from tests.limits import limit
from tests.serving import serving

from .kit import DESK, IN_A_BROWSER, PHONE, until, visiting

pytestmark = IN_A_BROWSER


class Order(Event):
    region: str
    total: float


HOSTILE = [
    "<img src=x onerror=\"document.title='broken'\">",
    "</script><script>document.title='broken'</script>",
    "\"><svg onload=document.title='broken'>",
    "&lt;b&gt; ' \" ` {{7*7}} ${7*7} javascript:alert(1)",
    "\u202eright to left\u2066",
    "x" * 500,
]


def order(number: float = 1) -> Order:
    return Order(region="eu", total=number)


async def text(page: Page, selector: str) -> str:
    return (await page.locator(selector).first.inner_text()).strip()


async def number(page: Page, row: str, field: str) -> int | None:
    """An exact number of the table."""
    shown = await text(page, f'#detail tr[data-key="{row}"] [data-field="{field}"]')
    found = re.search(r"[\d,]+", shown)
    return int(found[0].replace(",", "")) if found else None


async def shows(page: Page, subjects: int) -> None:
    """Wait until the picture has this many subjects."""

    async def as_many() -> bool:
        return await page.locator(".node.subject").count() == subjects

    await until(as_many)


async def test_the_numbers_move_and_are_those_of_the_statistics(browser: Browser) -> None:
    """What the page shows of a subscription is what statistics() says, and it follows without being asked."""
    orders = Subject(Order, name="orders")
    readers = {
        "s1.1": orders.subscribe(name="slow", buffer=2_000),
        "s1.2": orders.subscribe(name="dropping", buffer=8, overflow="drop_oldest"),
        "s1.3": orders.subscribe(name="latest", conflate=Order.region, buffer=8),
    }
    async with serving(inspector(orders)) as address, visiting(browser, f"{address}/") as page:
        await page.wait_for_selector('#detail tr[data-key="s1.3"]')
        for round_ in range(3):
            for _ in range(400):
                await orders.publish(order())
            for _ in range(100):
                await readers["s1.1"].receive()

            async def equal() -> bool:
                for key, reader in readers.items():
                    said = reader.statistics()
                    for field in ("delivered", "replaced", "dropped"):
                        if await number(page, key, field) != getattr(said, field):
                            return False
                    if await text(page, f'tr[data-key="{key}"] .of') != f"{said.waiting:,} / {said.capacity:,}":
                        return False
                return f"{orders.statistics().published:,} published" in await text(page, "#detail-about")

            await until(equal)
            assert await number(page, "s1.1", "delivered") == 100 * (round_ + 1)
        assert await number(page, "s1.2", "dropped") == 1_192
        await page.click('tr[data-key="s1.1"] button.name')
        assert await text(page, 'tr[data-key="s1.1"] dd[data-field="wanted"]') == "1,200"
    for reader in readers.values():
        reader.close()


async def test_a_publisher_that_waits_can_be_seen_from_afar(browser: Browser) -> None:
    """While a subscription holds a publisher, the picture says so at both ends; a state that was not read holds nobody."""
    orders, limit = Subject(Order, name="orders"), State(1, name="limit")
    slow, unread = orders.subscribe(name="slow", buffer=1), limit.subscribe()
    await orders.publish(order())
    async with serving(inspector(orders, limit)) as address, visiting(browser, f"{address}/") as page:
        await page.wait_for_selector('.node[data-key="s1.1"]')
        waits = asyncio.create_task(orders.publish(order()))
        await page.wait_for_selector('.node[data-key="s1.1"][data-holds] >> text=holds 1')
        await page.wait_for_selector('.node[data-key="s1"] >> text=1 waits')
        assert await text(page, '#sums [data-field="publishers"] dd') == "1"
        assert (await page.title()).startswith("▲")
        assert await page.get_attribute("path.link", "data-tone") == "full"
        assert await page.get_attribute('.node[data-key="s2.1"]', "data-tone") == "ok"
        await slow.receive()
        await waits
        await page.wait_for_selector('.node[data-key="s1.1"]:not([data-holds])')
        assert (await text(page, 'tr[data-key="s1.1"] [data-field="held"]')).startswith("1 ")
    slow.close()
    unread.close()


async def test_names_are_text_and_never_html(browser: Browser) -> None:
    """A subject, a state, a subscription, a handler, a class or a field may be called anything: it is shown as it is written."""
    subjects = [Subject(Order, name=name) for name in HOSTILE]
    readers = [subject.subscribe(name=name) for subject, name in zip(subjects, HOSTILE, strict=True)]
    model = create_model(HOSTILE[0], __base__=Event, **{HOSTILE[0]: (str, ...)})
    strange = Subject(model, name="strange")
    readers.append(strange.subscribe(model, where=getattr(model, HOSTILE[0]) == HOSTILE[1], name="reader"))
    state = State(HOSTILE[2], name=HOSTILE[0])

    def fails(_: Order) -> None:
        raise ValueError(HOSTILE[0])

    fails.__qualname__ = HOSTILE[0]
    subjects[0].observe(fails, Order, name=HOSTILE[1])
    app = inspector(*subjects, state, strange, contents=True, title=HOSTILE[0])
    async with subjects[0], serving(app) as address, visiting(browser, f"{address}/") as page:
        await page.wait_for_selector(".node.subject")
        await subjects[0].publish(Order(region=HOSTILE[2], total=1))
        await page.wait_for_selector("#happened li[data-kind=failure]")
        before = len(subjects[0].statistics().subscriptions)
        await page.click("text=Show events as they come")

        async def tail_has_subscribed() -> bool:
            return len(subjects[0].statistics().subscriptions) > before

        await until(tail_has_subscribed)
        await subjects[0].publish(Order(region=HOSTILE[2], total=1))
        await page.wait_for_selector("#tail li")
        shown = [await node.text_content() for node in await page.locator(".node.subject .name").all()]
        assert shown == [*HOSTILE, state._life.name, "strange"]
        assert await page.locator("#title").text_content() == HOSTILE[0]
        assert HOSTILE[0] in (await page.locator("#happened .what").first.text_content() or "")
        assert await page.locator("img, #flow script, main script, main svg[onload]").count() == 0
        await page.click('.node.subject >> text="strange"')
        assert HOSTILE[0] in (await page.locator("#detail-about").text_content() or "")
        assert f"{HOSTILE[0]} == {HOSTILE[1]!r}" in (await page.locator("#detail .wants").text_content() or "")
        await page.click(".node.subject >> nth=6")
        assert f"now {HOSTILE[2]!r}" in (await page.locator("#detail-about").text_content() or "")
        assert await page.locator("img, #flow script, main script, main svg[onload]").count() == 0
        assert "broken" not in (await page.title()).replace(HOSTILE[0], "")
    for reader in readers:
        reader.close()


async def test_no_value_of_an_event_reaches_the_page(browser: Browser, tmp_path: Path) -> None:
    """Without contents=True the whole page, and all that was sent to it, has no value of an event."""
    orders = Subject(Order, name="orders")
    reader = orders.subscribe(Order, where=(Order.region == "hunter2") & (Order.total > 77_123), name="desk")

    @orders.observer(name="mail")
    def mail(one: Order) -> None:
        raise ValueError(one.region)

    log = SQLiteLog(tmp_path / "log.db", name="shop")
    jobs = log.subject("jobs", Order)

    @jobs.consumer("work", Order, where=Order.region == "hunter2", max_attempts=1)
    async def work(one: Order) -> None:
        raise KeyError(one.region)

    async with orders, log, serving(inspector(orders, log)) as address:
        async with visiting(browser, f"{address}/") as page:
            secret = Order(region="hunter2", total=77_124)
            await page.wait_for_selector(".node.subject")  # nothing is watched before somebody looks
            await orders.publish(secret)
            await page.wait_for_selector("#happened li[data-kind=failure]")
            assert "region == … & total > …" in await text(page, "#detail")
            assert "ValueError" in await text(page, "#happened")
            assert await page.locator("#tail").is_hidden()
            await page.click('.node[data-key="l1.1"]')
            await page.wait_for_selector("td[data-field=dead]:visible")  # what is dead before is no news
            await jobs.publish(secret)
            await page.wait_for_selector("#happened li[data-kind=dead]")
            await page.click("button.letters:visible")
            await page.wait_for_selector("dialog[open] >> text=1 attempt")
            whole = await page.content()
            assert "hunter2" not in whole and "77123" not in whole and "77124" not in whole
            assert await page.locator("dialog[open] button:has-text('Redrive')").count() == 0
    reader.close()


async def test_dead_letters_are_sent_out_again_and_discarded(browser: Browser, tmp_path: Path) -> None:
    """With actions=True a dead letter is redriven with a click, and discarded with two."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    jobs = log.subject("jobs", Order)
    async with log:
        async with jobs.deliveries("work", max_attempts=1) as deliveries:
            for _ in range(3):
                await jobs.publish(order())
                await (await deliveries.receive()).reject("no")
        async with serving(inspector(log, actions=True)) as address, visiting(browser, f"{address}/") as page:
            await page.click("button.letters:visible")
            await page.click("ol.letters li:first-child >> text=Redrive")
            await page.wait_for_selector("dialog >> text=1 sent out again.")
            (group,) = await jobs.groups()
            assert (group.dead, group.due) == (2, 1)
            await page.click(".all >> text=Discard")
            await page.click(".all >> text=Discard for good?")
            await page.wait_for_selector("dialog >> text=2 discarded.")
            (group,) = await jobs.groups()
            assert (group.dead, group.due) == (0, 1)


FROM_ELSEWHERE = """async (inspector) => {
  const tried = {}
  const attempt = async (name, action) => {
    try { tried[name] = await action() } catch (error) { tried[name] = error.name }
  }
  const action = JSON.stringify({ subject: "l1.1", group: "work", offsets: "all" })
  await attempt("read", async () => (await fetch(inspector + "about")).text())
  await attempt("read without asking", async () => (await fetch(inspector + "about", { mode: "no-cors" })).type)
  await attempt("act", async () => (await fetch(inspector + "discard", {
    method: "POST", body: action, headers: { "content-type": "application/json" } })).text())
  await attempt("act without asking", async () => (await fetch(inspector + "discard", { method: "POST", body: action, mode: "no-cors" })).type)
  await attempt("listen", () => new Promise((resolve) => {
    const source = new EventSource(inspector + "live")
    source.onmessage = () => { source.close(); resolve("a message") }
    source.onerror = () => { source.close(); resolve("an error") }
  }))
  await attempt("run", () => new Promise((resolve) => {
    const script = document.createElement("script")
    script.src = inspector + "static/main.js"
    script.onload = () => resolve("loaded")
    script.onerror = () => resolve("an error")
    document.head.append(script)
  }))
  return tried
}"""
"""What a page of another origin may try."""


async def test_a_page_of_another_origin_learns_and_changes_nothing(browser: Browser, tmp_path: Path) -> None:
    """A page that the same browser has open elsewhere can neither read, listen to, run nor act on anything of it."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    jobs = log.subject("jobs", Order)

    async def elsewhere(_: Request) -> Response:
        return HTMLResponse('<!doctype html><link rel="icon" href="data:,"><title>elsewhere</title>')

    async with log, jobs.deliveries("work", max_attempts=1) as deliveries:
        await jobs.publish(order())
        await (await deliveries.receive()).reject("no")
        async with (
            serving(inspector(log, actions=True)) as address,
            serving(Starlette(routes=[Route("/", elsewhere)])) as other,
            visiting(browser, other, expected=("CORS policy", "net::ERR_", f"a request to {address}")) as page,
        ):
            tried = await page.evaluate(FROM_ELSEWHERE, f"{address}/")
        assert tried == {
            "read": "TypeError",
            "read without asking": "TypeError",
            "act": "TypeError",
            "act without asking": "TypeError",
            "listen": "an error",
            "run": "an error",
        }
        (group,) = await jobs.groups()
        assert group.dead == 1


async def test_the_keyboard_is_enough(browser: Browser) -> None:
    """Subjects are walked through, filtered, held still and explained without a mouse, and everything can be tabbed to."""
    subjects = [Subject(Order, name=name) for name in ("orders", "prices", "mail")]
    readers = [subject.subscribe(name=f"reader of {subject.name}") for subject in subjects]
    async with serving(inspector(*subjects)) as address, visiting(browser, f"{address}/") as page:
        await page.wait_for_selector(".node.subject[aria-pressed=true]")
        press = page.keyboard.press
        for key, expected in (("j", "prices"), ("j", "mail"), ("j", "mail"), ("k", "prices")):
            await press(key)
            assert await text(page, "#detail-head") == expected
        await press("/")
        await page.keyboard.type("MAIL")
        await shows(page, 1)
        assert await text(page, "#detail-head") == "mail"
        await press("Escape")
        await shows(page, 3)
        await press("?")
        assert await page.locator("#keys").is_visible()
        await press("j")
        await press("Escape")
        assert await page.locator("#keys").is_hidden()
        await press("p")
        assert await page.get_attribute("#pause", "aria-pressed") == "true"
        await subjects[2].publish(order())
        await asyncio.sleep(1.2)  # two looks: that a page does not move has no event to wait for
        assert "0 published" in await text(page, "#detail-about")
        await press("p")
        await page.wait_for_selector("#detail-about:has-text('1 published')")
        seen = set()
        for _ in range(40):
            await press("Tab")
            seen.add(await page.evaluate("document.activeElement.dataset.key ?? document.activeElement.id"))
        assert {"filter", "pause", "theme", "help", "s1", "s1.1", "s3"} <= seen
        await page.focus('.node[data-key="s1"]')
        await press("Enter")
        assert await text(page, "#detail-head") == "orders"
    for reader in readers:
        reader.close()


async def test_light_and_dark(browser: Browser) -> None:
    """The page is as the system says, until it is told otherwise; that is remembered."""
    orders = Subject(Order, name="orders")

    async def brightness(page: Page) -> float:
        said = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", said)[:3])) / 3

    async with serving(inspector(orders)) as address:
        for dark in (False, True):
            async with visiting(browser, f"{address}/", dark=dark) as page:
                assert (await brightness(page) < 100) is dark
                await page.keyboard.press("t")
                assert await brightness(page) > 200
                await page.keyboard.press("t")
                assert await brightness(page) < 100
                await page.reload()
                assert await text(page, "#theme") == "Dark"
                assert await brightness(page) < 100


@pytest.mark.parametrize("size", [PHONE, (320, 640), (768, 1024), DESK, (2560, 1440)])
async def test_nothing_is_wider_than_the_screen(browser: Browser, size: tuple[int, int]) -> None:
    """On every width from a phone to a desk, with long names, nothing must be scrolled sideways."""
    orders = Subject(Order, name="o" * 200)
    reader = orders.subscribe(Order, where=Order.region == "eu", name="r" * 300, buffer=1)
    await orders.publish(order())
    waits = asyncio.create_task(orders.publish(order()))
    async with serving(inspector(orders, title="t" * 200)) as address:
        async with visiting(browser, f"{address}/", size=size) as page:
            await page.wait_for_selector("tr[data-key]")
            await page.wait_for_selector(".node[data-holds]")
            assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            await page.keyboard.press("?")
            assert await page.evaluate(
                "document.querySelector('dialog[open]').getBoundingClientRect().right <= innerWidth"
            )
    await reader.receive()
    await waits
    reader.close()


async def test_reduced_motion_stops_what_moves(browser: Browser) -> None:
    """Whoever asks for less motion gets none; others get short transitions."""
    orders = Subject(Order, name="orders")
    reader = orders.subscribe(name="reader")
    async with serving(inspector(orders)) as address:
        for still in (True, False):
            async with visiting(browser, f"{address}/", still=still) as page:
                await page.wait_for_selector("path.link", state="attached")
                moved = await page.evaluate("getComputedStyle(document.querySelector('path.link')).transitionDuration")
                assert (moved == "0s") is still
    reader.close()


async def test_a_lost_connection_comes_back_by_itself(browser: Browser) -> None:
    """When the stream breaks the page says so; it comes back with everything, and goes on."""
    orders = Subject(Order, name="orders")
    reader = orders.subscribe(name="reader")
    broken = asyncio.Event()
    app = inspector(orders)

    async def breaking(scope: Any, receive: Any, send: Any) -> None:
        """Ends every stream at once while it is broken."""

        async def receive_or_break() -> Any:
            one, other = asyncio.ensure_future(receive()), asyncio.ensure_future(broken.wait())
            done, left = await asyncio.wait([one, other], return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            return one.result() if one in done else {"type": "http.disconnect"}

        await app(scope, receive_or_break if scope["path"] == "/live" else receive, send)

    async with serving(breaking) as address, visiting(browser, f"{address}/", expected=("ERR_INCOMPLETE",)) as page:
        await page.wait_for_selector("#state[data-state=live]")
        broken.set()
        await page.wait_for_selector("#state[data-state=lost], #state[data-state=connecting]")
        await orders.publish(order())
        broken.clear()
        await page.wait_for_selector("#state[data-state=live]")
        await until(lambda: page.locator("#detail-about:has-text('1 published')").count())
    reader.close()


async def test_the_stream_is_let_go_with_the_page(browser: Browser) -> None:
    """When the page is closed nobody looks any more, and nothing is hooked."""
    orders = Subject(Order, name="orders")
    app = inspector(orders)
    async with serving(app) as address:
        async with visiting(browser, f"{address}/") as page:
            await page.wait_for_selector("#state[data-state=live]")
            assert app.state.hub.viewers == 1 and len(orders._life.gate.watchers) == 1

        async def gone() -> bool:
            return not app.state.hub.viewers

        await until(gone)
        assert orders._life.gate.watchers == ()


@pytest.mark.timed
async def test_a_thousand_subscriptions_stay_readable_and_quick(browser: Browser) -> None:
    """A hundred subjects with ten subscriptions each: the page draws a frame in a moment, and can be filtered."""
    subjects = [Subject(Order, name=f"subject {number:03}") for number in range(100)]
    readers = [
        subject.subscribe(name=f"reader {number} of {subject.name}", buffer=64, overflow="drop_oldest")
        for subject in subjects
        for number in range(10)
    ]
    async with serving(inspector(*subjects)) as address, visiting(browser, f"{address}/") as page:
        await page.wait_for_selector('.node[data-key="s100"]')
        for subject in subjects:
            await subject.publish(order())
        await page.wait_for_selector("#sums [data-field=waiting] dd:has-text('1,000')")
        nodes = await page.locator(".node").count()
        assert nodes <= 260
        took = await page.evaluate(
            """async () => {
                const times = [];
                let last = performance.now();
                for (let at = 0; at < 120; at += 1) {
                    const now = await new Promise(requestAnimationFrame);
                    times.push(now - last);
                    last = now;
                }
                return times.sort((a, b) => a - b)[114];
            }"""
        )
        assert took < limit(0.4) * 1_000, f"19 of 20 pictures within {took} ms"
        await page.fill("#filter", "reader 7 of subject 042")
        await shows(page, 1)
        assert await text(page, "#detail-head") == "subject 042"
    for reader in readers:
        reader.close()
