"""Opening and closing a log: what a block that raises or is cancelled does to handlers, and consumers that are added."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import anyio
import pytest

from evenflow import Deadlock, Stream
from evenflow.log import DurableSubject, Log
from evenflow.testing.conformance._kit import (
    PATIENCE,
    Maker,
    Ordered,
    Shipped,
    numbers,
    on_every_log,
    on_every_log_that_has,
    take,
    until,
)


def _with_stuck_handler(log: Log) -> tuple[DurableSubject[Ordered], anyio.Event]:
    """A subject whose consumer never ends, and what says that it has begun."""
    orders, begun = log.subject("orders", Ordered), anyio.Event()

    @orders.consumer("g")
    async def handle(_: Ordered) -> None:
        begun.set()
        await anyio.sleep_forever()

    return orders, begun


async def _attempt(log: Log, orders: DurableSubject[Ordered]) -> int:
    """Which attempt the event of the stuck handler is at now."""
    async with log.opened(consumers=False), orders.deliveries("g", Ordered) as deliveries:
        [delivery] = await take(deliveries, 1)
        return int(delivery.attempt)


@on_every_log
async def test_a_block_of_opened_that_raises_waits_for_no_handler(make: Maker) -> None:
    """As that of ``async with log``: handlers are cancelled at once, and their events given back, uncounted."""
    log = make()
    orders, begun = _with_stuck_handler(log)
    with anyio.fail_after(PATIENCE), pytest.raises(KeyError):
        async with log.opened():
            await orders.publish(Ordered(n=1))
            await begun.wait()
            raise KeyError
    assert await _attempt(log, orders) == 1


@pytest.mark.parametrize("how", ["with", "opened", "aclose"])
@on_every_log
async def test_a_cancelled_close_gives_back_uncounted(make: Maker, how: str) -> None:
    """Whatever closes the log, a handler that its cancellation cuts off was no attempt."""
    log = make()
    orders, begun = _with_stuck_handler(log)
    with anyio.fail_after(PATIENCE), anyio.CancelScope() as scope:
        if how == "aclose":
            await log.start()
            await orders.publish(Ordered(n=1))
            await begun.wait()
            scope.cancel()
            await log.aclose()
        else:
            async with log if how == "with" else log.opened(grace=1000):
                await orders.publish(Ordered(n=1))
                await begun.wait()
                scope.cancel()
    assert scope.cancelled_caught
    assert await _attempt(log, orders) == 1


@pytest.mark.parametrize("how", ["with", "opened", "start"])
@on_every_log
async def test_aclose_ends_it_however_it_was_opened(make: Maker, how: str) -> None:
    """Also inside a block: what runs has ended when it returns, leaving the block does nothing more, nor to another."""
    log = make()
    orders, begun = _with_stuck_handler(log)
    with anyio.fail_after(PATIENCE):
        async with AsyncExitStack() as stack:
            if how == "start":
                await log.start()
            else:
                await stack.enter_async_context(log if how == "with" else log.opened())
            await orders.publish(Ordered(n=1))
            await begun.wait()
            await log.aclose(grace=0)
            with pytest.raises(RuntimeError, match="is not open"):
                await orders.publish(Ordered(n=2))
            assert await _attempt(log, orders) == 1
            await log.aclose()
    async with log.opened(consumers=False):
        assert numbers([record.event for record in await orders.read().to_list()]) == [1]


@on_every_log
async def test_closing_a_log_in_its_own_handler_is_refused(make: Maker) -> None:
    """It would wait for that very handler: whoever does it is told, and the log goes on."""
    log = make()
    orders, other = log.subject("orders", Ordered), log.subject("other", Shipped)
    refused, handled = list[Deadlock](), anyio.Event()

    @orders.consumer("g", name="billing")
    async def handle(_: Ordered) -> None:
        try:
            await log.aclose(grace=0)
        except Deadlock as error:
            refused.append(error)
            await other.publish(Shipped(n=1))

    @other.consumer("g")
    async def handle_other(_: Shipped) -> None:
        handled.set()

    with anyio.fail_after(PATIENCE):
        async with log:
            await orders.publish(Ordered(n=1))
            await handled.wait()
    [error] = refused
    assert error.path == ("billing",)
    assert "closed from inside a handler of its consumer billing" in str(error)


@on_every_log
async def test_a_consumer_that_is_wrong_harms_nobody(make: Maker, caplog: pytest.LogCaptureFixture) -> None:
    """Added while the log is open to a group that is another, it does not run, which is logged; the others go on."""
    log = make()
    orders = log.subject("orders", Ordered, Shipped)
    got, came = list[Ordered](), anyio.Event()
    with anyio.fail_after(PATIENCE), caplog.at_level(logging.ERROR, "evenflow"):
        async with log:

            @orders.consumer("good")
            async def handle(order: Ordered) -> None:
                got.append(order)
                came.set()

            async with orders.deliveries("g", Ordered):
                pass
            wrong = orders.consume("g", lambda _: None, Shipped)
            await until(lambda: caplog.records)
            await orders.publish(Ordered(n=1))
            await came.wait()
            assert not wrong.statistics().running
    assert numbers(got) == [1]
    assert "does not run: group 'g' of orders wants Ordered" in caplog.text


@on_every_log
async def test_a_wrong_option_is_named_as_the_user_wrote_it(make: Maker) -> None:
    """With the function that was called, and the options that it has: no private name."""
    log = make()
    orders = log.subject("orders", Ordered)
    wrong: Any = {"colour": "red"}
    with pytest.raises(TypeError, match=r"subject\(\) has no option colour; it has retain, on_undecodable"):
        log.subject("more", Ordered, **wrong)
    with pytest.raises(TypeError, match=r"consume\(\) has no option colour; it has .*concurrency"):
        orders.consume("g", print, Ordered, **wrong)
    async with log:
        with pytest.raises(TypeError, match=r"deliveries\(\) has no option colour; it has ack_wait"):
            orders.deliveries("g", **wrong)
        with pytest.raises(ValueError, match="undecodable_after must not be negative"):
            orders.deliveries("g", undecodable_after=timedelta(seconds=-1))


@on_every_log_that_has("transactions")
async def test_each_public_object_shows_its_contract_and_nothing_else(make: Maker) -> None:
    """``dir`` without underscores is what is documented; ``repr`` shows name, wants and fill."""
    log = make()
    orders = log.subject("orders", Ordered)
    consumer = orders.consume("other", print, Ordered)
    async with log.opened(consumers=False):
        await orders.publish(Ordered(n=1))
        async with orders.deliveries("g", Ordered, name="reader") as deliveries, log.transaction() as tx:
            delivery = await deliveries.receive()
            stream = {name for name in dir(Stream) if not name.startswith("_")}
            assert public(consumer) == {"detach", "ended", "name", "statistics"}
            assert public(deliveries) - stream == set()
            assert public(delivery) == {
                *("ack", "attempt", "event", "extend", "group", "headers", "id", "offset", "published_at", "reject"),
                *("release", "retry"),
            }
            assert public(tx) - {"execute"} == {"ack", "committed", "offsets", "publish"}
            for shown, words in (
                (log, (log.name, "1 subjects", "open")),
                (orders, ("orders", "Ordered", log.name)),
                (consumer, ("group other", "wants Ordered", "not running")),
                (deliveries, ("reader", "group g", "wants Ordered", "/64")),
                (delivery, (str(delivery.offset), "attempt 1")),
                (tx, (log.name, "0 events", "open")),
            ):
                assert all(word in repr(shown) for word in words), shown


def public(thing: object) -> set[str]:
    """What of an object is for everyone."""
    return {name for name in dir(thing) if not name.startswith("_")}
