"""Groups: each event to one member, at least once, in order where asked for, and nothing stuck."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
import pytest

from evenflow.log import Delivery, LeaseLost
from evenflow.testing.conformance._kit import (
    PATIENCE,
    Maker,
    Ordered,
    Shipped,
    numbers,
    on_every_log,
    on_every_log_that_has,
    until,
)


@on_every_log
async def test_a_consumer_handles_what_was_published_before_and_after(make: Maker) -> None:
    """A new group begins at the start; what was handled is not handled again after a restart."""
    log = make()
    orders = log.subject("orders", Ordered, Shipped)
    handled: list[int] = []

    @orders.consumer("billing")
    async def bill(order: Ordered) -> None:
        handled.append(order.n)

    async with log.opened(consumers=False):
        await orders.publish_many([Ordered(n=0), Shipped(n=7), Ordered(n=1)])
    async with log:
        await until(lambda: handled == [0, 1])
        await orders.publish(Ordered(n=2))
        await until(lambda: handled == [0, 1, 2])
    async with log:
        await orders.publish(Ordered(n=3))
        await until(lambda: handled == [0, 1, 2, 3])
        [group] = await orders.groups()
        assert (group.name, group.members, group.dead) == ("billing", 1, 0)


@on_every_log_that_has("several_processes")
async def test_two_processes_share_the_events_of_a_group(make: Maker) -> None:
    """Each event goes to one of the members, and all of them are handled."""
    one, other = make(), make()
    handled: list[tuple[str, int]] = []
    for name, log in (("one", one), ("other", other)):

        async def handle(order: Ordered, name: str = name) -> None:
            handled.append((name, order.n))
            await anyio.lowlevel.checkpoint()

        log.subject("orders", Ordered).consume("g", handle, Ordered, buffer=4)
    async with one, other:
        await one.subject("orders", Ordered).publish_many(Ordered(n=n) for n in range(100))
        await until(lambda: len(handled) >= 100)
        await anyio.wait_all_tasks_blocked()
    assert sorted(n for _, n in handled) == list(range(100))


@on_every_log_that_has("several_processes")
async def test_an_event_that_one_process_does_not_know_goes_to_another_that_does(make: Maker) -> None:
    """In a rolling deploy the old process leaves it alone, and goes on; the new one handles it with attempt 1."""
    old, new = make(), make()
    olds, news = old.subject("orders", Ordered), new.subject("orders", Ordered, Shipped)
    async with old, new:
        await news.publish_many([Shipped(n=1), Ordered(n=2)])
        async with olds.deliveries("g") as olds_part:
            with anyio.fail_after(PATIENCE):
                async with await olds_part.receive() as delivery:
                    assert delivery.event == Ordered(n=2)
                async with news.deliveries("g") as news_part, await news_part.receive() as delivery:
                    assert (delivery.event, delivery.attempt) == (Shipped(n=1), 1)


@on_every_log
async def test_one_that_raises_is_tried_again_and_then_a_dead_letter(make: Maker) -> None:
    """The attempt grows, the group goes on, the failure is told, and the dead letter can be sent out again."""
    log = make()
    orders = log.subject("orders", Ordered)
    attempts: list[tuple[int, int]] = []
    failing = True

    @orders.consumer("g", max_attempts=3, retry_after=0.01)
    async def handle(delivery: Delivery[Ordered]) -> None:
        attempts.append((delivery.event.n, delivery.attempt))
        if failing and delivery.event.n == 1:
            raise ValueError("no")

    async with orders.failures.subscribe() as failures, log:
        await orders.publish_many(Ordered(n=n) for n in range(3))
        await until(lambda: (1, 3) in attempts)
        assert [attempt for n, attempt in attempts if n == 1] == [1, 2, 3]
        assert (2, 1) in attempts
        failed = await failures.receive()
        assert (failed.event.n, failed.attempt, str(failed.error)) == (1, 1, "no")
        await until(lambda: orders.dead_letters("g").to_list())
        [letter] = await orders.dead_letters("g").to_list()
        assert (letter.event, letter.type, letter.attempts) == (Ordered(n=1), "Ordered", 3)
        assert "no" in letter.error
        failing = False
        attempts.clear()
        assert await orders.redrive("g", [letter.offset]) == 1
        await until(lambda: attempts == [(1, 1)])
        assert await orders.dead_letters("g").to_list() == []


@on_every_log
async def test_deliveries_are_settled_in_every_way(make: Maker) -> None:
    """Ack, retry, reject, release and extend do what they say, and settling twice is an error."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish_many(Ordered(n=n) for n in range(5))
        async with orders.deliveries("g", retry_after=0.01) as deliveries:
            first = await deliveries.receive()
            async with first:
                assert (first.event.n, first.attempt, first.group) == (0, 1, "g")
            second = await deliveries.receive()
            with suppress(KeyError):
                async with second:
                    raise KeyError
            third = await deliveries.receive()
            await third.release()
            fourth = await deliveries.receive()
            await fourth.reject("not mine")
            fifth = await deliveries.receive()
            await fifth.extend(60)
            await fifth.ack()
            with pytest.raises(RuntimeError):
                await fifth.ack()
            again = {}
            for _ in range(2):
                delivery = await deliveries.receive()
                again[delivery.event.n] = delivery.attempt
                await delivery.ack()
            assert again == {1: 2, 2: 1}
        [letter] = await orders.dead_letters("g").to_list()
        assert (letter.event, letter.error) == (Ordered(n=3), "not mine")
        assert await orders.discard("g", "all") == 1


@on_every_log
async def test_batches_are_settled_together(make: Maker) -> None:
    """A batch is acknowledged as a whole, or tried again as a whole."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish_many(Ordered(n=n) for n in range(6))
        async with orders.deliveries("g", retry_after=0.01) as deliveries:
            batches = aiter(deliveries.batches(3, within=0.05))
            batch = await anext(batches)
            async with batch:
                assert numbers([delivery.event for delivery in batch]) == [0, 1, 2]
            batch = await anext(batches)
            with suppress(KeyError):
                async with batch:
                    raise KeyError
            batch = await anext(batches)
            async with batch:
                assert [(d.event.n, d.attempt) for d in batch] == [(3, 2), (4, 2), (5, 2)]


@on_every_log_that_has("ordered_by", "several_processes")
async def test_events_of_one_key_are_handled_in_order_over_processes(make: Maker) -> None:
    """With ``ordered_by`` no event of a key is handled before or beside an earlier one."""
    one, other = make(), make()
    handled: dict[str, list[int]] = {}
    running: set[str] = set()

    async def handle(order: Ordered) -> None:
        assert order.region not in running
        running.add(order.region)
        for _ in range(order.n % 3):
            await anyio.lowlevel.checkpoint()
        running.discard(order.region)
        handled.setdefault(order.region, []).append(order.n)

    for log in (one, other):
        log.subject("orders", Ordered).consume("g", handle, Ordered, ordered_by=Ordered.region, concurrency=4, buffer=8)
    async with one, other:
        await one.subject("orders", Ordered).publish_many(Ordered(n=n, region="abc"[n % 3]) for n in range(90))
        await until(lambda: sum(map(len, handled.values())) >= 90)
    assert all(found == sorted(found) for found in handled.values())
    assert sum(map(len, handled.values())) == 90


@on_every_log
async def test_what_is_not_settled_in_time_goes_out_again(make: Maker) -> None:
    """Outside of its block a delivery has ``ack_wait`` seconds; who settles later gets ``LeaseLost``."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish(Ordered(n=1))
        async with orders.deliveries("g", ack_wait=0.2, retry_after=0.0) as deliveries:
            late = await deliveries.receive()
            with anyio.fail_after(PATIENCE):
                again = await deliveries.receive()
            assert (again.event.n, again.attempt) == (1, 2)
            with pytest.raises(LeaseLost):
                await late.ack()
            await again.ack()


@on_every_log_that_has("several_processes")
async def test_what_another_process_has_taken_away_cannot_be_settled(make: Maker) -> None:
    """The group was deleted and made anew meanwhile: the late ack gets ``LeaseLost``, and the new group has the event."""
    one, other = make(), make()
    ones, others = one.subject("orders", Ordered), other.subject("orders", Ordered)
    async with one, other:
        await ones.publish(Ordered(n=1))
        async with ones.deliveries("g") as ones_part:
            late = await ones_part.receive()
            await others.delete_group("g")
            with pytest.raises(LeaseLost):
                await late.ack()
        async with others.deliveries("g") as others_part:
            with anyio.fail_after(PATIENCE):
                async with await others_part.receive() as delivery:
                    assert (delivery.event.n, delivery.attempt) == (1, 1)


@on_every_log
async def test_a_group_is_what_it_was_made_as(make: Maker) -> None:
    """A member that asks otherwise is refused with both, unless it redefines the group."""
    no_condition: Any = bool  # a callable cannot be kept with the group
    log = make()
    orders = log.subject("orders", Ordered, Shipped)
    async with log:
        async with orders.deliveries("g", Ordered, where=Ordered.n > 1):
            pass
        with pytest.raises(ValueError, match=r"(?s)n > 1.*n > 2|n > 2.*n > 1"):
            async with orders.deliveries("g", Ordered, where=Ordered.n > 2):
                pass
        async with orders.deliveries("g", Ordered, where=Ordered.n > 2, redefine=True) as deliveries:
            await orders.publish_many(Ordered(n=n) for n in range(5))
            assert (await deliveries.receive()).event.n == 3
        with pytest.raises(TypeError, match="callable"):
            orders.deliveries("h", Ordered, where=no_condition)


@on_every_log
async def test_pause_seek_and_delete(make: Maker) -> None:
    """A paused group fetches nothing, a sought one goes on from there, a deleted one is gone."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        offsets = await orders.publish_many(Ordered(n=n) for n in range(5))
        async with orders.deliveries("g", buffer=1) as deliveries, await deliveries.receive():
            pass
        await orders.pause("g")
        await orders.seek("g", offsets[3])
        async with orders.deliveries("g", buffer=1) as deliveries:
            with anyio.move_on_after(0.2) as scope:
                await deliveries.receive()
            assert scope.cancelled_caught
            await orders.resume("g")
            found: list[int] = []
            with anyio.fail_after(PATIENCE):
                while 4 not in found:
                    async with await deliveries.receive() as delivery:
                        found.append(delivery.event.n)
            assert found in ([4], [1, 4])  # 1 was fetched before, and given back
        await orders.delete_group("g")
        assert await orders.groups() == ()
        with pytest.raises(ValueError, match="g"):
            await orders.pause("g")


@on_every_log
async def test_shutting_down_is_no_failure(make: Maker) -> None:
    """What was fetched and not begun is given back uncounted; what runs ends within its grace, or is given back."""
    log = make()
    orders = log.subject("orders", Ordered)
    begun: list[tuple[int, int]] = []
    blocked = anyio.Event()

    @orders.consumer("g")
    async def handle(delivery: Delivery[Ordered]) -> None:
        begun.append((delivery.event.n, delivery.attempt))
        if delivery.event.n == 1 and len(begun) == 2:
            await blocked.wait()

    async with log.opened(grace=0.1):
        await orders.publish_many(Ordered(n=n) for n in range(4))
        await until(lambda: len(begun) == 2)
    assert begun == [(0, 1), (1, 1)]
    async with log:
        await until(lambda: len(begun) == 5)
    assert sorted(begun[2:]) == [(1, 1), (2, 1), (3, 1)]


@on_every_log
async def test_limits_of_redrive_that_make_no_sense_are_refused(make: Maker) -> None:
    """A limit is a whole number of at least 0."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        nonsense: list[tuple[Any, type[Exception]]] = [(-1, ValueError), (1.5, TypeError), (True, TypeError)]
        for limit, error in nonsense:
            with pytest.raises(error, match="limit must be"):
                await orders.redrive("g", "all", limit=limit)
        assert await orders.redrive("g", "all", limit=0) == 0
