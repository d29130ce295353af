"""MemoryLog: a whole log without a file and without a thread, in virtual time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from evenflow import Event, Gap
from evenflow.log import Delivery, SQLiteLog, Unsupported
from evenflow.testing import MemoryLog, in_memory, run_virtual


class Ordered(Event):
    """What is published here."""

    n: int


def test_its_clock_begins_where_it_is_told() -> None:
    """``published_at`` is virtual, and an ``ack_wait`` of thirty seconds takes none."""

    async def main() -> None:
        log = MemoryLog(start=datetime(2030, 1, 1, tzinfo=UTC))
        orders = log.subject("orders", Ordered)
        attempts: list[int] = []
        async with log:
            await orders.publish(Ordered(n=1))
            [record] = await orders.read().to_list()
            assert record.published_at - datetime(2030, 1, 1, tzinfo=UTC) < timedelta(seconds=1)
            async with orders.deliveries("g", ack_wait=30.0, retry_after=0.0) as deliveries:
                for _ in range(2):
                    attempts.append((await deliveries.receive()).attempt)
            assert attempts == [1, 2]
            assert anyio.current_time() >= 30

    run_virtual(main)
    with pytest.raises(ValueError, match="time zone"):
        MemoryLog(start=datetime(2030, 1, 1))  # noqa: DTZ001 -- on purpose


def test_an_offset_of_another_log_in_memory_is_refused() -> None:
    """Two logs have two lines of history: an offset of one is never another place in the other."""

    async def main() -> None:
        one, other = MemoryLog(), MemoryLog()
        orders, others = one.subject("orders", Ordered), other.subject("orders", Ordered)
        async with one, other:
            offset = await orders.publish(Ordered(n=1))
            await others.publish(Ordered(n=2))
            with pytest.raises(ValueError, match="another log"):
                await others.read(since=offset).to_list()

    run_virtual(main)


def test_it_starts_no_thread() -> None:
    """Consumers, schedules and heartbeats are tasks."""

    async def main() -> None:
        log = MemoryLog()
        orders = log.subject("orders", Ordered)
        before = threading.active_count()
        orders.consume("g", lambda _: None, Ordered)
        async with log:
            await orders.publish(Ordered(n=1))
            await anyio.sleep(60)
            assert threading.active_count() == before

    run_virtual(main)


def test_an_applications_own_log_is_tested_in_memory() -> None:
    """Its consumers run, its subjects are used as they are, and afterwards it is as it was."""
    log = MemoryLog(name="shop")
    orders = log.subject("orders", Ordered)
    handled: list[tuple[int, int]] = []

    @orders.consumer("g", retry_after=60.0)
    async def handle(delivery: Delivery[Ordered]) -> None:
        handled.append((delivery.event.n, delivery.attempt))
        if delivery.attempt == 1:
            raise ValueError("not yet")

    async def main() -> None:
        for _ in range(2):
            handled.clear()
            async with in_memory(log):
                await orders.publish(Ordered(n=1))
                await anyio.sleep(61)
                assert handled == [(1, 1), (1, 2)]

    run_virtual(main)


def test_a_log_put_in_memory_says_what_it_can_do_there(tmp_path: Path) -> None:
    """It has no tables of the application's, and says so where they are asked for, and not at the commit."""
    log = SQLiteLog(tmp_path / "shop.db")

    async def main() -> None:
        async with in_memory(log):
            assert log.capabilities == MemoryLog.capabilities
            with pytest.raises(Unsupported, match="own_rows"):
                log.require("own_rows")
            async with log.transaction() as tx:
                with pytest.raises(Unsupported, match="own_rows"):
                    tx.execute("DELETE FROM invoices")

    run_virtual(main)
    log.require("own_rows", "durable_on_power_cut")
    assert not (tmp_path / "shop.db").exists()


def test_a_gap_is_dated_by_its_clock() -> None:
    """In virtual time, as the events are."""
    log = MemoryLog(start=datetime(2030, 5, 1, tzinfo=UTC))
    orders = log.subject("orders", Ordered)

    async def main() -> None:
        async with log, orders.subscribe(buffer=1, overflow="drop_oldest", gaps=True) as feed:
            await anyio.sleep(60)
            await orders.publish_many(Ordered(n=n) for n in range(3))
            await anyio.wait_all_tasks_blocked()
            gap = await feed.receive()
            assert isinstance(gap, Gap)
            [*_, last] = await orders.read().to_list()
            assert gap.first_at == gap.last_at == last.published_at

    run_virtual(main)


@pytest.mark.parametrize(
    "options, error, word",
    [
        ({"start": datetime(2030, 1, 1)}, ValueError, "time zone"),  # noqa: DTZ001 -- what is tested
        ({"start": "now"}, TypeError, "aware datetime"),
        ({"keep_ids": 7}, TypeError, "timedelta"),
        ({"keep_ids": timedelta(-1)}, ValueError, "negative"),
        ({"max_event_bytes": 0}, ValueError, "max_event_bytes"),
        ({"max_event_bytes": "1"}, TypeError, "max_event_bytes"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], error: type[Exception], word: str) -> None:
    """Where it is written, with the value."""
    with pytest.raises(error, match=word):
        MemoryLog(**options)


def test_only_a_log_is_put_in_memory() -> None:
    """Anything else, such as a subject, is refused with what is taken."""
    subject: Any = MemoryLog().subject("orders", Ordered)

    async def main() -> None:
        with pytest.raises(TypeError, match="in_memory takes a log"):
            async with in_memory(subject):
                pass

    run_virtual(main)
