from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from evenflow import Subject
from evenflow.log import SQLiteLog
from evenflow.web import inspector

from .kit import Order, get, streaming

pytestmark = pytest.mark.anyio


async def test_without_contents_there_is_no_tail() -> None:
    """Events are shown only where contents=True says so."""
    answer = await get(inspector(Subject(Order, name="orders")), "/tail", query="subject=s1")
    assert answer.status == 403


async def test_a_tail_shows_events_as_they_come() -> None:
    """With contents the last events of a subject are shown, as text, by a subscription that ends with its viewer."""
    subject = Subject(Order, name="orders")
    app = inspector(subject, contents=True)
    async with streaming(app, "/tail", query="subject=s1") as answer:
        await answer.until("retry")
        await subject.publish(Order(region="<b>eu</b>", total=1))
        await answer.until("events")
        assert '"class":"Order"' in answer.text and "<b>eu</b>" in answer.text
        (statistics,) = subject.statistics().subscriptions
        assert statistics.name == "inspector"
        async with streaming(app, "/live") as live:
            await live.until('"full":true')
            assert '"name":"inspector"' not in live.text
    assert subject.statistics().subscriptions == ()
    assert app.state.hub.memory[0].hidden == set()


async def test_a_tail_holds_nobody() -> None:
    """Events that come faster than they are shown are left out: no publisher waits for a viewer."""
    subject = Subject(Order, name="orders")
    async with streaming(inspector(subject, contents=True), "/tail", query="subject=s1") as answer:
        await answer.until("retry")
        with anyio.fail_after(30):
            for number in range(1_000):
                await subject.publish(Order(region="eu", total=number))
        await answer.until("999.0")
    assert answer.text.count('"class"') < 1_000


async def test_a_tail_ends_with_its_subject() -> None:
    """When a subject is closed, its tail ends."""
    subject = Subject(Order, name="orders")
    async with streaming(inspector(subject, contents=True), "/tail", query="subject=s1") as answer:
        await answer.until("retry")
        subject.close()
        with anyio.fail_after(30):
            while not answer.ended:
                await answer.came.wait()


async def test_a_tail_of_nothing_is_refused(tmp_path: Path) -> None:
    """A subject that is not there, and one of a log that is not open, have no tail."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    log.subject("orders", Order)
    app = inspector(log, contents=True)
    assert (await get(app, "/tail", query="subject=s1")).status == 404
    assert (await get(app, "/tail")).status == 404
    async with streaming(app, "/live") as live:
        await live.until('"full":true')
        assert (await get(app, "/tail", query="subject=l1.1")).status == 409


async def test_a_durable_subject_has_a_tail(tmp_path: Path) -> None:
    """The tail of a durable subject begins with what is new."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    orders = log.subject("orders", Order)
    app = inspector(log, contents=True)
    async with log:
        await orders.publish(Order(region="before", total=1))
        async with streaming(app, "/live") as live:
            await live.until('"name":"orders"')
            async with streaming(app, "/tail", query="subject=l1.1") as answer:
                await answer.until("retry")
                await orders.publish(Order(region="after", total=1))
                await answer.until("after")
                assert "before" not in answer.text
