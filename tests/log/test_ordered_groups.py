"""Groups with an order: one event of a key after the other, over all members."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow import LogError
from evenflow.log import LeaseLost
from evenflow.log._desk import Claimed
from evenflow.log._group_records import LaneRecord
from evenflow.testing._memory_store import MemoryStore
from tests.testing.kit import both

from .kit import Placed, Shipped, ns, process, spec, taken

BY_CUSTOMER = {"ordered_by": Placed.customer}


def placed(n: int, customer: str) -> Placed:
    return Placed(n=n, customer=customer)


@both
async def test_the_next_of_a_key_comes_once_the_one_before_is_settled() -> None:
    """Of each key one event is in hand; its next comes after its acknowledgement, those of other keys at once."""
    async with process() as one:
        await one.publish(placed(1, "a"), placed(2, "a"), placed(3, "b"))
        async with one.deliveries("g", Placed, **BY_CUSTOMER) as deliveries:
            first = await taken(deliveries)
            assert ns(first) == [1, 3]
            await first[0].ack()
            assert ns(await taken(deliveries)) == [2]


@both
async def test_a_key_is_in_one_process_at_a_time() -> None:
    """What comes for a key that another process has in hand waits until that one has settled it."""
    store = MemoryStore()
    async with process(store) as one, process(store) as two:
        async with one.deliveries("g", Placed, **BY_CUSTOMER) as mine:
            await one.publish(placed(1, "a"))
            (first,) = await taken(mine)
            async with two.deliveries("g", Placed, **BY_CUSTOMER) as other:
                await one.publish(placed(2, "a"))
                assert [*await taken(mine), *await taken(other)] == []
                await first.ack()
                assert ns([*await taken(mine), *await taken(other)]) == [2]


@both
async def test_a_retry_holds_back_its_key_and_nothing_else() -> None:
    """While an event waits for its next attempt, later ones of its key wait behind it; other keys go on."""
    async with process() as one:
        await one.publish(placed(1, "a"), placed(2, "a"), placed(3, "b"))
        async with one.deliveries("g", Placed, retry_after=100, ack_wait=1_000, **BY_CUSTOMER) as deliveries:
            (first, other) = await taken(deliveries)
            await first.retry()
            await other.ack()
            await one.publish(placed(4, "b"), placed(5, "a"))
            assert ns(await taken(deliveries, 99)) == [4]
            (again,) = await taken(deliveries, 5)
            assert (again.event.n, again.attempt) == (1, 2)
            await again.ack()
            (second,) = await taken(deliveries)
            assert (second.event.n, second.attempt) == (2, 1)


@both
async def test_a_dead_letter_lets_its_key_go_on() -> None:
    """By default the events after a dead letter are delivered."""
    async with process() as one:
        await one.publish(placed(1, "a"), placed(2, "a"))
        async with one.deliveries("g", Placed, **BY_CUSTOMER) as deliveries:
            await (await deliveries.receive()).reject("bad")
            assert ns(await taken(deliveries)) == [2]


@both
@pytest.mark.parametrize("discards", [True, False])
async def test_a_dead_letter_can_hold_its_key_until_it_is_redriven_or_discarded(discards: bool) -> None:
    """With hold_key nothing of the key comes until somebody has decided; a redriven one comes first."""
    async with process() as one:
        await one.publish(placed(1, "a"), placed(2, "a"), placed(3, "b"))
        async with one.deliveries("g", Placed, on_dead="hold_key", ack_wait=1_000, **BY_CUSTOMER) as deliveries:
            first, other = await taken(deliveries)
            await first.reject("bad")
            await other.ack()
            await one.publish(placed(4, "a"), placed(5, "b"))
            assert ns(await taken(deliveries, 500)) == [5]
            if discards:
                assert await one.groups.discard("g", [1]) == 1
            else:
                assert await one.groups.redrive("g", "all") == 1
                (again,) = await taken(deliveries)
                assert (again.event.n, again.attempt) == (1, 1)
                await again.ack()
            (second,) = await taken(deliveries)
            await second.ack()
            assert ([second.event.n], ns(await taken(deliveries))) == ([2], [4])
            assert await one.dead() == []
            assert not [key for key in one.records() if key.startswith("dead/")], "the copy is kept"


@both
async def test_the_whole_group_can_be_one_key() -> None:
    """ordered_by=() delivers one event after the other, whatever it is, without reading ahead of what is held back."""
    async with process() as one:
        await one.publish(*(placed(n, str(n)) for n in range(5)))
        async with one.deliveries("g", Placed, ordered_by=(), buffer=2, retry_after=10) as deliveries:
            await (await deliveries.receive()).retry()
            assert await taken(deliveries, 9) == []
            assert (await one.statistics()).position.seq <= 2
            found = []
            with anyio.move_on_after(5):
                async for delivery in deliveries:
                    found.append(delivery.event.n)
                    await delivery.ack()
            assert found == list(range(5))


@both
async def test_several_fields_are_one_key_and_every_class_needs_them() -> None:
    """A tuple of fields is one key over all wanted classes."""
    async with process() as one:
        await one.publish(placed(1, "a"), Shipped(n=1, customer="a"), placed(2, "a"))
        async with one.deliveries("g", Placed, Shipped, ordered_by=(Placed.customer, Placed.n)) as deliveries:
            found = await taken(deliveries)
            assert [(type(each.event), each.event.n) for each in found] == [(Placed, 1), (Placed, 2)]


def test_an_order_that_cannot_be_kept_is_refused() -> None:
    """A callable is no order, nor is a field that a wanted class has not."""
    with pytest.raises(TypeError, match="callable"):
        spec("g", Placed, ordered_by=lambda event: event.customer)
    with pytest.raises(ValueError, match="Noted"):
        spec("g", ordered_by=Placed.customer)
    with pytest.raises(ValueError, match="ordered_by"):
        spec("g", Placed, on_dead="hold_key")


@both
async def test_a_batch_has_the_events_of_one_key_in_order() -> None:
    """A batch of an ordered group has several events of one key, one after the other; a retry takes all of them back."""
    async with process() as one:
        await one.publish(placed(1, "a"), placed(2, "a"), placed(3, "a"), placed(4, "b"))
        async with one.deliveries("g", Placed, retry_after=1, **BY_CUSTOMER) as deliveries:
            batches = deliveries.batches(2)
            first = await batches.receive()
            assert ns(list(first)) == [1, 2]
            await first.retry()
            second = await batches.receive()
            assert ns(list(second)) == [4]
            await second.ack()
            again = await batches.receive()
            assert [(each.event.n, each.attempt) for each in again] == [(1, 2), (2, 2)]


@both
async def test_a_key_that_dies_with_its_process_goes_on_in_another_in_order() -> None:
    """A process that dies in the middle of a key: the other begins with the event that was begun, then the next."""
    store = MemoryStore()
    async with process(store) as dying, process(store) as other:
        await dying.publish(placed(1, "a"), placed(2, "a"), placed(3, "a"))
        async with dying.deliveries("g", Placed, **BY_CUSTOMER) as mine:
            await (await mine.receive()).ack()
            await mine.receive()
            dying.engine.kill()
            async with other.deliveries("g", Placed, **BY_CUSTOMER) as deliveries:
                found = []
                with anyio.move_on_after(3):
                    async for delivery in deliveries:
                        found.append((delivery.event.n, delivery.attempt))
                        await delivery.ack()
        assert found == [(2, 2), (3, 1)]


@both
async def test_two_that_take_over_one_key_do_not_disturb_each_other() -> None:
    """One has seen a dead process's page; before it looks at the key, another has taken both and handled the events."""
    store = MemoryStore()
    async with process(store) as dying, process(store) as slow, process(store) as quick:
        await dying.publish(placed(1, "a"), placed(2, "a"))
        async with dying.deliveries("g", Placed, **BY_CUSTOMER) as mine:
            await mine.receive()
            handled = anyio.Event()
            load = slow.engine.load

            async def load_late(keys: Any = (), *, prefix: str | None = None) -> Any:
                if any(key.startswith("lane/") for key in keys):
                    await handled.wait()
                return await load(keys, prefix=prefix)

            slow.engine.load = load_late  # type: ignore[method-assign]  # as a busy machine would
            async with slow.deliveries("g", Placed, **BY_CUSTOMER) as deliveries:
                dying.engine.kill()
                async with quick.deliveries("g", Placed, **BY_CUSTOMER) as quickly:
                    for n, attempt in [(1, 2), (2, 1)]:
                        delivery = await quickly.receive()
                        assert (delivery.event.n, delivery.attempt) == (n, attempt)
                        await delivery.ack()
                handled.set()
                await quick.publish(placed(3, "a"))
                assert ns(await taken(deliveries, 5)) == [3]


@both
async def test_a_process_that_is_silent_cannot_settle_what_is_anothers_by_now() -> None:
    """Its late ack finds that the key has gone on: it gets LeaseLost, and nothing is done."""
    store = MemoryStore()
    async with process(store) as silent, process(store) as other:
        await silent.publish(placed(1, "a"), placed(2, "a"))
        async with silent.deliveries("g", Placed, ack_wait=5, **BY_CUSTOMER) as mine:
            delivery = await mine.receive()
            async with delivery:
                # a stopped process says nothing, fetches nothing, and does not look
                silent.engine.beat = lambda: None  # type: ignore[method-assign]
                member: Any = mine._member
                member._settlements.settler.reclaim = member._desk.claim = stopped
                async with other.deliveries("g", Placed, ack_wait=5, **BY_CUSTOMER) as deliveries:
                    (again,) = await taken(deliveries, 8)
                    assert (again.event.n, again.attempt) == (1, 2)
                    with pytest.raises(LeaseLost):
                        await delivery.ack()
                    await again.ack()
                    (following,) = await taken(deliveries)
                    assert (following.event.n, following.attempt) == (2, 1)
                    await following.ack()


async def stopped(_: object, **__: object) -> Claimed:
    """What a stopped process fetches."""
    return Claimed()


@both
async def test_what_is_behind_a_retry_stays_behind_it_where_the_answer_of_that_was_lost() -> None:
    """The retry may have been stored or not: the next of its key is not handed over before it."""
    async with process() as one:
        await one.publish(placed(1, "a"), placed(2, "a"), placed(3, "b"))
        async with one.deliveries("g", Placed, retry_after=50, ack_wait=1_000, **BY_CUSTOMER) as deliveries:
            first, _ = await taken(deliveries)
            commit = one.engine.commit

            async def lost(change: Any, **_: Any) -> Any:
                await commit(change)
                raise LogError("the answer was lost")

            one.engine.commit = lost  # type: ignore[method-assign]
            with pytest.raises(LogError):
                await first.retry()
            one.engine.commit = commit  # type: ignore[method-assign]
            await first.retry()
            assert await taken(deliveries, 49) == []
            (again,) = await taken(deliveries, 3)
            assert (again.event.n, again.attempt) == (1, 2)
            await again.ack()
            assert ns(await taken(deliveries)) == [2]


@both
async def test_a_group_that_goes_back_delivers_what_waited_behind_a_key_once() -> None:
    """What waits in its lane comes again from the subject, and not a second time from there."""
    async with process() as one:
        await one.publish(placed(1, "a"), placed(2, "a"), placed(3, "a"))
        async with one.deliveries("g", Placed, retry_after=10, ack_wait=1_000, **BY_CUSTOMER) as deliveries:
            await (await deliveries.receive()).retry()
            await anyio.sleep(1)
            await one.groups.seek("g", 1)
            found = []
            with anyio.move_on_after(20):
                async for delivery in deliveries:
                    found.append(delivery.event.n)
                    await delivery.ack()
            assert found == [1, 2, 3]


@both
async def test_what_waits_in_lanes_does_not_follow_the_backlog() -> None:
    """Or each settlement would write more the longer the backlog is; another key is found nevertheless, once wanted."""
    async with process() as one:
        await one.publish(*(placed(n, "ab"[n % 2]) for n in range(1_000)), placed(1_000, "c"))
        async with one.deliveries("g", Placed, buffer=4, ack_wait=1_000, **BY_CUSTOMER) as deliveries:
            held = [await deliveries.receive(), await deliveries.receive()]
            assert [each.event.customer for each in held] == ["a", "b"]
            await anyio.sleep(10)
            waiting = sum(LaneRecord.parse(each.value).counted for each in one.engine.store.load((), "lane/").values())
            assert 0 < waiting < 300
            with anyio.fail_after(10):
                other = await deliveries.receive()
            assert other.event.customer == "c"
            await held[0].ack()
            (following,) = await taken(deliveries, 1)
            assert following.event.n == 2
