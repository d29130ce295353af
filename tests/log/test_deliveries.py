"""Deliveries: the events of a group, received and settled."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow import LogError
from evenflow._errors import LeaseLost
from evenflow.testing._memory_store import MemoryStore
from tests.testing.kit import both

from .kit import Noted, Placed, Process, Shipped, ns, process, taken


@both
async def test_what_is_acknowledged_never_comes_again() -> None:
    """Each wanted event is delivered with attempt 1, and once acknowledged it is gone, also for a later process."""
    store = MemoryStore()
    async with process(store) as one:
        await one.publish(Placed(n=1), Noted(n=2), Placed(n=3))
        async with one.deliveries("g", Placed) as deliveries:
            found = await taken(deliveries)
            assert [(delivery.event.n, delivery.attempt, delivery.group) for delivery in found] == [
                (1, 1, "g"),
                (3, 1, "g"),
            ]
            begun = (await one.engine.pulses([one.engine.member]))[one.engine.member].begun
            assert begun == {("orders/g", 1), ("orders/g", 3)}
            for delivery in found:
                await delivery.ack()
            assert not (await one.engine.pulses([one.engine.member]))[one.engine.member].begun
        assert not [key for key in one.records() if not key.startswith("group/")]
    async with process(store) as two:
        async with two.deliveries("g", Placed) as deliveries:
            assert await taken(deliveries) == []


@both
async def test_a_block_settles_by_how_it_is_left() -> None:
    """Left normally an event is acknowledged, by an error it is tried again later, cancelled it comes at once, uncounted."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2), Placed(n=3))
        async with one.deliveries("g", Placed, retry_after=10) as deliveries:
            async with await deliveries.receive():
                pass
            with pytest.raises(ZeroDivisionError):
                async with await deliveries.receive():
                    raise ZeroDivisionError
            with anyio.CancelScope() as scope:
                async with await deliveries.receive():
                    scope.cancel()
                    await anyio.sleep(1)
            again = await taken(deliveries)
            assert [(delivery.event.n, delivery.attempt) for delivery in again] == [(3, 1)]
            await again[0].ack()
            later = await taken(deliveries, 10)
            assert [(delivery.event.n, delivery.attempt) for delivery in later] == [(2, 2)]


@both
async def test_settling_twice_is_refused_and_leaving_a_settled_block_does_nothing() -> None:
    """A delivery is settled once; a block in which it was settled is left without a word."""
    async with process() as one:
        await one.publish(Placed(n=1))
        async with one.deliveries() as deliveries:
            async with await deliveries.receive() as delivery:
                await delivery.ack()
                with pytest.raises(RuntimeError, match="settled once"):
                    await delivery.release()
            assert await taken(deliveries, 100) == []


@both
async def test_what_is_not_settled_in_time_goes_out_again_and_its_late_ack_is_refused() -> None:
    """A delivery that nobody handles nor settles goes out again after ack_wait, counted; whoever settles it then is told."""
    async with process() as one:
        await one.publish(Placed(n=1))
        async with one.deliveries(ack_wait=30) as deliveries:
            late = await deliveries.receive()
            assert await taken(deliveries, 29) == []
            (again,) = await taken(deliveries, 5)
            assert again.attempt == 2
            for settle in (late.ack, late.release, late.retry, lambda: late.extend(5), late.__aenter__):
                with pytest.raises(LeaseLost):
                    await settle()
            await again.ack()
            assert await taken(deliveries, 100) == []


@both
async def test_a_block_has_all_the_time_and_extend_moves_the_end() -> None:
    """Inside its block a delivery may take long; outside, extend gives it more time."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2))
        async with one.deliveries(ack_wait=1) as deliveries:
            async with await deliveries.receive():
                await anyio.sleep(100)
                held = await deliveries.receive()
                await held.extend(50)
                assert await taken(deliveries, 49) == []
            assert [delivery.attempt for delivery in await taken(deliveries, 1.9)] == [2]


@both
async def test_what_a_dead_process_had_goes_out_again_within_two_seconds() -> None:
    """What it had begun counts as an attempt, what it had only fetched does not."""
    store = MemoryStore()
    async with process(store) as dying, process(store) as other:
        await dying.publish(*(Placed(n=n) for n in range(4)))
        mine = dying.deliveries(buffer=4)
        async with mine:
            await mine.receive()
            dying.engine.kill()
            async with other.deliveries() as deliveries:
                found = await taken(deliveries, 2)
                assert (await other.statistics()).members == 1, "the dead one is a member no more"
        assert sorted((delivery.event.n, delivery.attempt) for delivery in found) == [(0, 2), (1, 1), (2, 1), (3, 1)]


@both
async def test_several_members_share_and_nobody_gets_anothers() -> None:
    """Two processes read one group: every event goes to one of them."""
    store = MemoryStore()
    async with process(store) as one, process(store) as two:
        async with one.deliveries(buffer=2) as first, two.deliveries(buffer=2) as second:
            await one.publish(*(Placed(n=n) for n in range(20)))
            found: list[int] = []

            async def read(deliveries: object) -> None:
                async for delivery in deliveries:  # type: ignore[attr-defined]  # Deliveries
                    async with delivery:
                        found.append(delivery.event.n)
                        await anyio.sleep(0.1)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read, first)
                tasks.start_soon(read, second)
                await anyio.sleep(10)
                tasks.cancel_scope.cancel()
        assert sorted(found) == list(range(20))


@both
async def test_a_batch_is_settled_together() -> None:
    """A batch has up to its size; left by an error, all of it is tried again, an attempt for all."""
    async with process() as one:
        await one.publish(*(Placed(n=n) for n in range(5)))
        async with one.deliveries(buffer=2, retry_after=1) as deliveries:
            batches = deliveries.batches(3, within=0.2)
            first = await batches.receive()
            assert ns(list(first)) == [0, 1, 2]
            with pytest.raises(ZeroDivisionError):
                async with first:
                    raise ZeroDivisionError
            second = await batches.receive()
            assert ns(list(second)) == [3, 4]
            async with second:
                pass
            third = await batches.receive()
            assert [(delivery.event.n, delivery.attempt) for delivery in third] == [(0, 2), (1, 2), (2, 2)]
            await third[1].reject("bad")
            await third.ack()
        assert await one.dead() == [(2, 2, "bad")]


@both
async def test_a_block_that_cannot_be_settled_is_told_and_its_event_goes_out_again() -> None:
    """An ack that fails is raised where the block is left; the event is not lost, nor held for ever."""
    async with process() as one:
        await one.publish(Placed(n=1))
        async with one.deliveries(ack_wait=10) as deliveries:
            commit = one.engine.commit

            async def broken(change: Any, **options: Any) -> Any:
                if any(key.startswith("page/") for key in change.deletes):
                    raise LogError("no disk")
                return await commit(change, **options)

            delivery = await deliveries.receive()
            one.engine.commit = broken  # type: ignore[method-assign]
            with pytest.raises(LogError, match="no disk"):
                async with delivery:
                    pass
            one.engine.commit = commit  # type: ignore[method-assign]
            (again,) = await taken(deliveries, 13)
            assert again.attempt == 2


@both
async def test_a_wanted_class_is_all_that_is_read_and_a_condition_chooses() -> None:
    """Unwanted classes are never decoded; events for which the condition is false are passed."""
    async with process() as one:
        await one.publish(Shipped(n=1), Placed(n=2), Placed(n=30), Shipped(n=40))
        async with one.deliveries("g", Placed, where=Placed.n > 10) as deliveries:
            assert ns(await taken(deliveries)) == [30]
            assert one.decoded == [2, 3]


@both
@pytest.mark.parametrize("stays", [True, False])
async def test_a_claim_whose_answer_was_lost_is_taken_back(stays: bool) -> None:
    """It is not known who has these events: the reader takes them again, or, if it has left, another process does."""
    store = MemoryStore()
    async with process(store) as one, process(store) as other:
        await one.publish(Placed(n=1), Placed(n=2))
        commit = one.engine.commit
        answers_lost = 0

        async def lost(change: Any, **options: Any) -> Any:
            nonlocal answers_lost
            done = await commit(change, **options)
            if not answers_lost and any(key.startswith("page/") for key in change.puts):
                answers_lost += 1
                raise LogError("the answer was lost")
            return done

        one.engine.commit = lost  # type: ignore[method-assign]
        async with one.deliveries() as mine:
            await anyio.sleep(0.05)
            assert answers_lost == 1
            if stays:
                found = await taken(mine, 3)
        if not stays:
            async with other.deliveries() as deliveries:
                found = await taken(deliveries, 3)
        assert sorted((each.event.n, each.attempt) for each in found) == [(1, 1), (2, 1)]


@both
async def test_an_ack_whose_answer_was_lost_can_be_asked_for_again() -> None:
    """If the page still says something it is asked; what cannot be known is told, and never acknowledged twice."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2))
        async with one.deliveries(ack_wait=1_000) as deliveries:
            first, second = await taken(deliveries)
            commit = one.engine.commit

            async def lost(change: Any, **_: Any) -> Any:
                await commit(change)
                raise LogError("the answer was lost")

            one.engine.commit = lost  # type: ignore[method-assign]
            with pytest.raises(LogError, match="answer"):
                await first.ack()
            one.engine.commit = commit  # type: ignore[method-assign]
            await first.ack()
            one.engine.commit = lost  # type: ignore[method-assign]
            with pytest.raises(LogError, match="answer"):
                await second.ack()
            one.engine.commit = commit  # type: ignore[method-assign]
            with pytest.raises(LogError, match="answer"):
                await second.ack()
            with pytest.raises(LeaseLost):
                await second.ack()
            assert await taken(deliveries, 10) == []
        assert [key for key in one.records() if not key.startswith("group/")] == []


@both
async def test_a_reader_that_joins_while_the_log_closes_gets_the_end_and_leaves_no_member() -> None:
    """One that has begun to join gets the end, which says why, and one that comes later is refused; nothing hangs."""
    store, found = MemoryStore(), list[BaseException]()

    async def read(one: Process) -> None:
        try:
            async with one.deliveries() as deliveries:
                await deliveries.receive()
        except (anyio.EndOfStream, RuntimeError) as error:
            found.append(error)

    async with anyio.create_task_group() as tasks:
        async with process(store) as one:
            commit = one.engine.commit

            async def slow(change: Any, **options: Any) -> Any:
                await anyio.sleep(1)
                return await commit(change, **options)

            one.engine.commit = slow  # type: ignore[method-assign]
            tasks.start_soon(read, one)
            await anyio.sleep(0.5)
            tasks.start_soon(one.groups.close)
            await anyio.sleep(0.1)
            tasks.start_soon(read, one)
            await anyio.sleep(0.1)
    assert sorted(type(error).__name__ for error in found) == ["EndOfStream", "RuntimeError"]
    assert all(str(error) for error in found)
    async with process(store) as two:
        assert [group.members for group in await two.groups.statistics()] == [0]


@both
async def test_a_reader_is_entered_once_even_while_it_joins() -> None:
    """Two tasks that enter the same one would be two members."""
    async with process() as one:
        deliveries = one.deliveries()
        refused: list[RuntimeError] = []

        async def enter() -> None:
            try:
                async with deliveries:
                    await anyio.sleep(1)
            except RuntimeError as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(enter)
            tasks.start_soon(enter)
            await anyio.sleep(0.5)
            assert (await one.statistics()).members == 1
        assert len(refused) == 1
