from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from evenflow.log import SQLiteLog
from evenflow.web._inspector._logs import EVERY

from .kit import Clock, Order, Shipped, frames, hub, named

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def shop(tmp_path: Path) -> AsyncGenerator[tuple[SQLiteLog, Any]]:
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    orders = log.subject("orders", Order, Shipped)
    async with log:
        yield log, orders


async def look(one: Any, clock: Clock, viewer: Any) -> dict[str, Any]:
    """The rows, after a look into the store."""
    clock.pass_(1_000)
    await one.look_into_stores()
    viewer.frames()
    rows: dict[str, Any] = one._rows
    return rows


async def test_the_numbers_of_groups_are_those_of_the_statistics(tmp_path: Path) -> None:
    """Due, in hand, retrying and dead are what groups() says, and what consumers here have done is shown beside them."""
    async with shop(tmp_path) as (log, orders):
        failed = anyio.Event()

        @orders.consumer("mail", Order, max_attempts=1, where=Order.region == "hunter2")
        async def mail(order: Order) -> None:
            if order.total > 100:
                failed.set()
                raise ValueError(order.region)

        async with orders.deliveries("archive", Order) as archive:
            one, clock = hub(log)
            with one.viewer() as viewer:
                await look(one, clock, viewer)
                for total in (1, 200, 3):
                    await orders.publish(Order(region="hunter2", total=total))
                in_hand = await archive.receive()
                await failed.wait()
                groups = {group.name: group for group in await orders.groups()}
                while groups["mail"].dead == 0 or groups["mail"].due or groups["mail"].in_hand:
                    await anyio.sleep(0.01)
                    groups = {group.name: group for group in await orders.groups()}
                rows = await look(one, clock, viewer)
                for name, group in groups.items():
                    row = named(rows, name)
                    numbers = [row[field] for field in ("due", "in_hand", "retrying", "dead", "members", "paused")]
                    assert numbers == [
                        group.due,
                        group.in_hand,
                        group.retrying,
                        group.dead,
                        group.members,
                        group.paused,
                    ]
                assert named(rows, "mail")["wants"] == "Order where region == …"
                assert named(rows, "mail")["failed"] == 1 and named(rows, "mail")["here"] == 1
                assert named(rows, "archive")["in_hand"] >= 1
                assert named(rows, "orders")["stored"] == 3
                assert named(rows, "orders")["end"] == str(await orders.end())
                assert named(rows, "shop")["events"] == 3
                assert {one["kind"] for one in one._happenings.all()} == {"failure", "dead"}
                assert "hunter2" not in str(rows) + str(one._happenings.all())
            await in_hand.ack()


async def test_subscriptions_to_a_log_are_shown_with_how_far_they_are_behind(tmp_path: Path) -> None:
    """A subscription to a durable subject is a row like any other, live or behind, with its lag."""
    async with shop(tmp_path) as (log, orders):
        one, clock = hub(log)
        with one.viewer() as viewer:
            async with (
                orders.subscribe(Order, where=Order.total > 777, name="live") as live,
                orders.subscribe(name="slow", buffer=2) as slow,
            ):
                for total in range(778, 788):
                    await orders.publish(Order(region="eu", total=total))
                for _ in range(3):
                    await live.receive()
                while (statistics := slow.statistics()).lag == 0 or statistics.waiting < 2:
                    await anyio.sleep(0.01)
                rows = await look(one, clock, viewer)
                row, statistics = named(rows, "slow"), slow.statistics()
                assert [row[name] for name in ("waiting", "capacity", "lag")] == [2, 2, statistics.lag]
                row, statistics = named(rows, "live"), live.statistics()
                assert row["delivered"] == statistics.delivered == 3
                assert row["wants"] == "Order where total > …"


async def test_a_log_that_is_not_open_is_shown_as_such(tmp_path: Path) -> None:
    """Before it is opened a log is there, and says that it is not open; opened, it shows its numbers."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    log.subject("orders", Order)
    one, clock = hub(log)
    with one.viewer() as viewer:
        rows = await look(one, clock, viewer)
        assert named(rows, "shop")["open"] is False and named(rows, "shop")["error"] == "it is not open"
        assert named(rows, "orders")["takes"] == "Order"
        async with log:
            rows = await look(one, clock, viewer)
            assert named(rows, "shop")["open"] is True and "error" not in named(rows, "shop")
        rows = await look(one, clock, viewer)
        assert named(rows, "shop")["open"] is False


async def test_the_store_is_looked_into_rarely(tmp_path: Path) -> None:
    """However often viewers ask, a store is looked into every two seconds at most, and by one of them."""
    async with shop(tmp_path) as (log, _):
        one, clock = hub(log)
        asked = 0
        opening = log._openings.open()
        statistics = opening.statistics

        async def counted() -> Any:
            nonlocal asked
            asked += 1
            await anyio.lowlevel.checkpoint()
            return await statistics()

        opening.statistics = counted  # type: ignore[method-assign]  # counts what it is asked
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(one.look_into_stores)
        assert asked == 1
        await one.look_into_stores()
        clock.pass_(EVERY)
        await one.look_into_stores()
        assert asked == 2


async def test_a_store_that_fails_is_said_to_fail(tmp_path: Path) -> None:
    """A log whose store fails shows the class of its error, and the next look tries again."""
    async with shop(tmp_path) as (log, _):
        one, clock = hub(log)
        opening = log._openings.open()
        statistics = opening.statistics

        async def fails() -> Any:
            await anyio.lowlevel.checkpoint()
            raise OSError("hunter2")

        with one.viewer() as viewer:
            opening.statistics = fails  # type: ignore[method-assign]  # a disk that is gone
            rows = await look(one, clock, viewer)
            assert named(rows, "shop")["error"] == "OSError"
            opening.statistics = statistics  # type: ignore[method-assign]  # and comes back
            rows = await look(one, clock, viewer)
            assert "error" not in named(rows, "shop")


async def test_what_was_stored_is_counted_for_each_subject(tmp_path: Path) -> None:
    """The numbers of a log are shared by its subjects: what is counted is the events of each."""
    async with shop(tmp_path) as (log, orders):
        other = log.subject("other", Order)
        one, clock = hub(log)
        with one.viewer() as viewer:
            await orders.publish(Order(region="eu", total=1))
            await other.publish(Order(region="eu", total=1))
            await look(one, clock, viewer)
            for number in range(30):
                await (orders if number % 3 else other).publish(Order(region="eu", total=1))
            rows = await look(one, clock, viewer)
            assert (named(rows, "orders")["stored"], named(rows, "other")["stored"]) == (20, 10)


async def test_nothing_is_left_after_the_last_viewer(tmp_path: Path) -> None:
    """When nobody looks any more, no consumer and no tail tells anybody, and nothing more is looked into."""
    async with shop(tmp_path) as (log, orders):
        one, clock = hub(log)
        async with orders.subscribe(name="live"):
            with one.viewer() as viewer:
                await look(one, clock, viewer)
                tail = log._openings.open().tail(orders._kind)
                assert len(orders._watchers) == len(tail.life.gate.watchers) == 1
            assert orders._watchers == tail.life.gate.watchers == ()
            assert orders._failures is None
            assert one.logs[0]._next_look == -math.inf
            assert frames(b"") == []
