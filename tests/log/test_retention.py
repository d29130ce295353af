"""Retention: in small slices, as far as groups allow, and after a fault again."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from evenflow.log import LogError, Retain
from evenflow.log._retention import SLICE
from evenflow.testing import MemoryLog, run_virtual
from tests.contract.kit import BACKENDS, Backend, both

from .events import Ordered


@both
async def test_what_a_group_has_to_acknowledge_stays() -> None:
    """The oldest event that a group has in hand or has not claimed is kept, unless unacked="drop"."""
    for unacked, left in (("keep", [1, 2, 3, 4, 5, 6, 7, 8, 9]), ("drop", [8, 9])):
        log = MemoryLog()
        orders = log.subject("orders", Ordered, retain=Retain(events=2, unacked=unacked))  # type: ignore[arg-type]  # both words
        async with log, orders.deliveries("g", buffer=2) as deliveries:
            await orders.publish_many(Ordered(n=n) for n in range(10))
            async with await deliveries.receive():
                pass
            second = await deliveries.receive()
            await anyio.sleep(1)
            assert [record.event.n for record in await orders.read().to_list()] == left
            if unacked == "keep":
                await second.ack()


@both
async def test_what_waits_behind_its_key_and_was_removed_is_not_handled(caplog: pytest.LogCaptureFixture) -> None:
    """With unacked="drop" it is told as removed, although the reader had read it before, and the rest goes on."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered, retain=Retain(events=2, unacked="drop"))
    async with log, orders.deliveries("g", ordered_by=(), buffer=2) as deliveries:
        await orders.publish_many(Ordered(n=n) for n in range(10))
        first = await deliveries.receive()
        await anyio.sleep(2)
        await first.ack()
        found: list[int] = []
        for _ in range(3):
            with anyio.move_on_after(5):
                async with await deliveries.receive() as delivery:
                    found.append(delivery.event.n)
    assert found == [1, 8, 9]
    assert "retention has removed" in caplog.text


@both
async def test_what_a_group_lets_go_of_goes_without_a_further_event() -> None:
    """Events that are too many go as soon as the group has acknowledged them, although nothing is published any more."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered, retain=Retain(events=2))
    async with log, orders.deliveries("g", buffer=2) as deliveries:
        await orders.publish_many(Ordered(n=n) for n in range(10))
        first = await deliveries.receive()
        await anyio.sleep(1)
        assert len(await orders.read().to_list()) == 10
        await first.ack()
        for _ in range(9):
            await (await deliveries.receive()).ack()
        await anyio.sleep(2)
        assert [record.event.n for record in await orders.read().to_list()] == [8, 9]


@both
async def test_more_than_one_slice_goes_at_once() -> None:
    """Slices follow each other until everything has gone."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered, retain=Retain(events=1))
    async with log:
        await orders.publish_many(Ordered(n=n) for n in range(2 * SLICE + 10))
        await anyio.sleep(1)
        assert len(await orders.read().to_list()) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_age_is_looked_at_when_it_is_due_and_not_before(backend: Backend) -> None:
    """Virtual hours pass without a look in between, and each event goes at its age."""

    async def main() -> None:
        log = MemoryLog()
        orders = log.subject("orders", Ordered, retain=Retain(age=timedelta(hours=5)))
        async with log:
            await orders.publish(Ordered(n=1))
            await anyio.sleep(20)
            await orders.publish(Ordered(n=2))
            await anyio.sleep(5 * 3_600 - 10)
            assert [record.event.n for record in await orders.read().to_list()] == [2]
            await anyio.sleep(20)
            assert await orders.read().to_list() == []

    run_virtual(main, backend=backend)


@both
async def test_it_goes_on_after_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A failing engine is logged, and asked again."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered, retain=Retain(events=1))
    async with log:
        engine = log._openings.open().engine
        trim, failures = engine.trim, [LogError("disk full"), LogError("disk full")]

        async def failing(*args: object, **options: object) -> int:
            if failures:
                raise failures.pop()
            return await trim(*args, **options)  # type: ignore[arg-type]  # handed on as they are

        engine.trim = failing  # type: ignore[method-assign]  # a fault
        await orders.publish_many(Ordered(n=n) for n in range(5))
        await anyio.sleep(5)
        assert len(await orders.read().to_list()) == 1
    assert caplog.text.count("retention of orders failed") == 2
