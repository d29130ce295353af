"""Consumer: a function that handles the events of a group."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow import LogError
from evenflow.log import _consumer
from evenflow.log._consumer import Consumer
from evenflow.log._stored import Change
from evenflow.testing._memory_store import MemoryStore
from tests.testing.kit import both

from .kit import Placed, Process, process, spec


@both
async def test_a_handler_that_returns_acknowledges_and_one_that_raises_tries_again() -> None:
    """What it raises is logged and told, and the event comes again with the next attempt, up to the last."""
    handled: list[tuple[int, int]] = []

    async def handle(delivery: Any) -> None:
        handled.append((delivery.event.n, delivery.attempt))
        if delivery.event.n == 2:
            raise ZeroDivisionError("no")

    async with process() as one:
        consumer = await one.consume(handle, takes_delivery=True, max_attempts=3, retry_after=5)
        await one.publish(Placed(n=1), Placed(n=2), Placed(n=3))
        await anyio.sleep(20)
        assert handled == [(1, 1), (2, 1), (3, 1), (2, 2), (2, 3)]
        assert await one.dead() == [(2, 3, "ZeroDivisionError: no")]
        told = [(failure.event.n, str(failure.error), failure.offset.seq, failure.attempt) for failure in one.failures]
        assert told == [(2, "no", 2, 1), (2, "no", 2, 2), (2, "no", 2, 3)]
        assert one.failures[0].consumer is consumer
        numbers = consumer.statistics()
        assert (numbers.handled, numbers.failed, numbers.handling, numbers.running) == (5, 3, 0, True)


@both
async def test_several_handlers_run_at_once_and_a_sync_one_is_as_good() -> None:
    """concurrency is how many run; a plain function handles too."""
    most = running = 0
    sync: list[int] = []

    async def handle(_: Placed) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await anyio.sleep(1)
        running -= 1

    async with process() as one:
        await one.consume(handle, "a", concurrency=3)
        await one.consume(lambda event: sync.append(event.n), "b")
        await one.publish(*(Placed(n=n) for n in range(7)))
        await anyio.sleep(3.5)
        assert (most, running) == (3, 0)
        assert sync == list(range(7))


@both
async def test_a_handler_may_take_longer_than_ack_wait() -> None:
    """As long as its process lives, nobody else gets the event."""
    store = MemoryStore()
    handled: list[int] = []

    async def handle(event: Placed) -> None:
        handled.append(event.n)
        await anyio.sleep(300)

    async with process(store) as one, process(store) as two:
        await one.consume(handle, ack_wait=1)
        await two.consume(handle, ack_wait=1)
        await one.publish(Placed(n=1))
        await anyio.sleep(301)
        assert handled == [1]
        assert (await one.statistics()).in_hand == 0


@both
async def test_an_async_handler_over_its_time_is_cancelled_and_a_blocking_one_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """handle_timeout ends an async handler as a failure; one that blocks can only be reported."""
    async with process() as one:

        async def slow(_: Placed) -> None:
            await anyio.sleep(50)

        def blocking(_: Placed) -> None:
            one.engine.store._ahead += 8  # the clock goes on while it blocks

        await one.consume(slow, "slow", handle_timeout=5, max_attempts=1)
        await one.publish(Placed(n=1))
        await anyio.sleep(6)
        assert await one.dead("slow") == [
            (1, 1, "TimeoutError: the handler took more than 5 seconds, its handle_timeout")
        ]
        with caplog.at_level(logging.WARNING, "evenflow.consumers"):
            await one.consume(blocking, "blocking", handle_timeout=5)
            await anyio.sleep(1)
        assert "blocked the event loop for 8.0 seconds" in caplog.text
        assert (await one.statistics("blocking")).in_hand == 0


@both
async def test_a_handler_that_settles_its_delivery_has_the_last_word() -> None:
    """Returning, or raising, after it settled its delivery changes nothing of that."""
    seen: list[int] = []

    async def handle(delivery: Any) -> None:
        seen.append(delivery.attempt)
        if delivery.event.n == 1:
            await delivery.reject("no")
        else:
            await delivery.ack()
            raise ZeroDivisionError

    async with process() as one:
        await one.consume(handle, takes_delivery=True)
        await one.publish(Placed(n=1), Placed(n=2))
        await anyio.sleep(100)
        assert seen == [1, 1]
        assert await one.dead() == [(1, 1, "no")]


@both
async def test_shutting_down_waits_for_what_is_begun_and_gives_the_rest_back_uncounted() -> None:
    """What was fetched and not begun is given back at once; a handler has its grace, then is cancelled, uncounted."""
    store = MemoryStore()
    ended: list[int] = []

    async def handle(event: Placed) -> None:
        await anyio.sleep(5 if event.n == 1 else 100)
        ended.append(event.n)

    async with process(store, grace=10) as one:
        await one.publish(*(Placed(n=n) for n in range(1, 5)))
        await one.consume(handle, concurrency=2)
        await anyio.sleep(1)
        closing = anyio.current_time()
    assert anyio.current_time() - closing == pytest.approx(10)
    assert ended == [1]
    async with process(store) as two:
        async with two.deliveries() as deliveries:
            found = [await deliveries.receive() for _ in range(3)]
        assert sorted((each.event.n, each.attempt) for each in found) == [(2, 1), (3, 1), (4, 1)]


@both
async def test_what_is_not_begun_is_given_back_before_the_handlers_have_ended() -> None:
    """Another process goes on with it while this one still waits for its handlers."""
    store = MemoryStore()
    other: list[int] = []

    async def slow(_: Placed) -> None:
        await anyio.sleep(50)

    async with process(store) as two:
        async with process(store, grace=None) as one:
            await one.publish(Placed(n=1), Placed(n=2))
            await one.consume(slow)
            await anyio.sleep(1)
            await two.consume(lambda event: other.append(event.n))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(one.groups.close, None)
                await anyio.sleep(1)
                assert other == [2]
        assert anyio.current_time() == pytest.approx(50)
        assert other == [2]


@both
async def test_a_detached_consumer_ends_after_what_it_has_begun() -> None:
    """detach gives back what was not begun; the handler that runs goes on to its end."""
    handled: list[int] = []

    async def handle(event: Placed) -> None:
        await anyio.sleep(5)
        handled.append(event.n)

    async with process() as one:
        consumer = await one.consume(handle)
        await one.publish(Placed(n=1), Placed(n=2))
        await anyio.sleep(1)
        consumer.detach()
        assert not consumer.ended
        await anyio.sleep(10)
        assert consumer.ended
        assert handled == [1]
        numbers = await one.statistics()
        assert (numbers.due, numbers.in_hand, numbers.members) == (1, 0, 0)


@both
async def test_a_handler_that_kills_its_process_becomes_a_dead_letter_and_its_neighbours_do_not() -> None:
    """What was fetched beside the killer is handled elsewhere with attempt 1."""
    store = MemoryStore()
    seen: list[tuple[int, int]] = []

    async def round_() -> None:
        async with process(store) as dying:

            async def handle(delivery: Any) -> None:
                if delivery.event.n == 1:
                    dying.engine.kill()
                    await anyio.sleep_forever()
                seen.append((delivery.event.n, delivery.attempt))

            await dying.consume(handle, takes_delivery=True, max_attempts=3, retry_after=0)
            await anyio.sleep(5)

    async with process(store) as first:
        await first.publish(Placed(n=1), Placed(n=2), Placed(n=3))
    for _ in range(4):
        await round_()
    assert sorted(seen) == [(2, 1), (3, 1)]
    async with process(store) as last:
        assert [(seq, attempts) for seq, attempts, _ in await last.dead()] == [(1, 3)]


@both
@pytest.mark.parametrize("ordered_by", [None, Placed.n])
@pytest.mark.parametrize("killers", [(5,), (5, 6)])
async def test_what_is_handled_beside_a_killer_is_no_dead_letter(ordered_by: Any, killers: tuple[int, ...]) -> None:
    """Events whose process died go out one at a time, beside new ones: only the killers use up their attempts."""
    store = MemoryStore()
    handled: dict[int, int] = {}

    async def round_() -> None:
        async with process(store) as dying:

            async def handle(delivery: Any) -> None:
                await anyio.sleep(0.1)
                if delivery.event.n in killers:
                    dying.engine.kill()
                    await anyio.sleep_forever()
                await anyio.sleep(0.1)
                if dying.engine._heart is not None:
                    handled[delivery.event.n] = delivery.attempt

            options = {"concurrency": 3, "max_attempts": 4, "retry_after": 0, "ordered_by": ordered_by}
            await dying.consume(handle, takes_delivery=True, **options)
            await anyio.sleep(30)

    async with process(store) as first:
        await first.publish(*(Placed(n=n) for n in range(12)))
    for _ in range(4 * len(killers) + 1):
        await round_()
    async with process(store) as last:
        assert [(seq - 1, attempts) for seq, attempts, _ in await last.dead()] == [(n, 4) for n in killers]
    assert sorted(handled) == [n for n in range(12) if n not in killers]


@both
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_log_that_fails_while_an_event_is_settled_is_asked_again(
    concurrency: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler is not called again, and the failure is logged once, however often the log must be asked."""
    handled: list[int] = []
    async with process() as one:
        commit = one.engine.commit
        failing = True

        async def broken(change: Any, **options: Any) -> Any:
            if failing and handled:
                raise LogError("the disk is full")
            return await commit(change, **options)

        one.engine.commit = broken  # type: ignore[method-assign]
        await one.consume(lambda event: handled.append(event.n), ack_wait=2, concurrency=concurrency)
        await one.publish(*(Placed(n=n) for n in range(concurrency)))
        await anyio.sleep(20)
        failing = False
        await anyio.sleep(40)
        assert handled == list(range(concurrency))
        assert (await one.statistics()).in_hand == 0
    assert caplog.text.count("disk is full") < 5


@both
async def test_an_event_whose_beginning_cannot_be_noted_is_begun_later() -> None:
    """A disk that is full for a while ends no consumer."""
    handled: list[int] = []
    async with process() as one:
        begin = one.engine.begin

        def broken(group: str, seq: int, /) -> Any:
            raise LogError("no room for a mark")

        one.engine.begin = broken  # type: ignore[method-assign]
        consumer = await one.consume(lambda event: handled.append(event.n))
        await one.publish(Placed(n=1))
        await anyio.sleep(12)
        assert (handled, consumer.statistics().running) == ([], True)
        one.engine.begin = begin  # type: ignore[method-assign]
        await anyio.sleep(6)
        assert handled == [1]


@both
async def test_a_consumer_of_a_deleted_group_ends(caplog: pytest.LogCaptureFixture) -> None:
    """It says so, once, and handles nothing more."""
    async with process() as one:
        consumer = await one.consume(lambda event: None, concurrency=2)
        with caplog.at_level(logging.ERROR, "evenflow"):
            await one.groups.delete("g")
            await anyio.sleep(3)
        assert not consumer.statistics().running
    assert [record.getMessage() for record in caplog.records if "has ended" in record.getMessage()] == [
        f"consumer {consumer.name} of orders has ended: group 'g' of orders was deleted while it was read"
    ]


def stalled(one: Process) -> anyio.Event:
    """Commits of pages that are in hand wait for the event."""
    may, commit = anyio.Event(), one.engine.commit

    async def waiting(change: Any, **options: Any) -> Any:
        if any(version for key, version in change.expect.items() if key.startswith("page/")):
            await may.wait()
        return await commit(change, **options)

    one.engine.commit = waiting  # type: ignore[method-assign]
    return may


@both
async def test_no_more_events_are_begun_and_not_settled_than_handlers_may_run() -> None:
    """Handlers go on while their events are acknowledged, but a process that dies has never handled more in vain."""
    handled: list[int] = []
    async with process() as one:
        may = stalled(one)
        await one.consume(lambda event: handled.append(event.n), concurrency=3)
        await one.publish(*(Placed(n=n) for n in range(8)))
        await anyio.sleep(5)
        assert handled == [0, 1, 2]
        may.set()
        await anyio.sleep(1)
        assert handled == list(range(8))
        assert (await one.statistics()).due == 0


@both
async def test_shutting_down_waits_for_acknowledgements_that_are_on_their_way() -> None:
    """The handlers have returned: their events never go out again."""
    store = MemoryStore()
    async with process(store, grace=100) as one:
        may = stalled(one)
        await one.publish(Placed(n=1), Placed(n=2))
        await one.consume(lambda _: None, concurrency=2)
        await anyio.sleep(1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.groups.close, 100)
            await anyio.sleep(5)
            may.set()
    assert anyio.current_time() < 50
    async with process(store) as two:
        assert (await two.statistics()).due == 0


@both
async def test_a_log_that_fails_for_longer_than_the_grace_holds_up_no_shutdown() -> None:
    """What could not be acknowledged goes out again; nobody waits for the log any longer."""
    async with process(grace=3) as one:
        commit = one.engine.commit
        handled: list[int] = []

        async def broken(change: Any, **options: Any) -> Any:
            if handled:
                await anyio.sleep(2)
                raise LogError("the disk is full")
            return await commit(change, **options)

        one.engine.commit = broken  # type: ignore[method-assign]
        await one.consume(lambda event: handled.append(event.n), concurrency=2)
        await one.publish(Placed(n=1), Placed(n=2))
        await anyio.sleep(1)
    assert handled == [1, 2]
    assert anyio.current_time() < 60


@both
async def test_a_handler_whose_event_was_taken_meanwhile_is_told_so_and_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its place is free again, however many of them are lost."""
    handled: list[int] = []
    async with process() as one:
        commit, taken = one.engine.commit, list[str]()

        async def stolen(change: Any, **options: Any) -> Any:
            pages = [key for key, version in change.expect.items() if key.startswith("page/") and version]
            if pages and not taken:
                taken.extend(pages)
                await commit(Change(deletes=pages))
            return await commit(change, **options)

        one.engine.commit = stolen  # type: ignore[method-assign]
        await one.consume(lambda event: handled.append(event.n), concurrency=2, buffer=2)
        await one.publish(*(Placed(n=n) for n in range(6)))
        await anyio.sleep(10)
        assert handled == list(range(6))
        assert caplog.text.count("was too late") == 2


@both
async def test_handlers_that_never_wait_let_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some milliseconds the loop turns, also where nothing has to be waited for."""
    seen: list[int] = []

    async def look() -> None:
        while len(handled) < 40:  # more than the eight tasks handle before they wait the first time
            seen.append(len(handled))
            await checkpoint()

    handled: list[int] = []
    monkeypatch.setattr(_consumer, "SECONDS_A_TURN", -1.0)
    async with process() as one, anyio.create_task_group() as tasks:
        await one.publish(*(Placed(n=n) for n in range(40)))
        await one.consume(lambda event: handled.append(event.n), concurrency=8)
        tasks.start_soon(look)
    assert any(seen)


@both
@pytest.mark.parametrize("how", ["detached", "closed", "closed at once"])
async def test_a_consumer_that_is_ended_while_it_joins_its_group_leaves_it_again(how: str) -> None:
    """Whether it is detached or its log is closed: nothing hangs, nothing is handled, and no member is left behind."""
    store, handled = MemoryStore(), list[int]()
    consumer = Consumer(spec(), lambda event: handled.append(event.n))
    async with process(store) as one:
        await one.publish(Placed(n=1))
        commit = one.engine.commit

        async def slow(change: Any, **options: Any) -> Any:
            await anyio.sleep(1)
            return await commit(change, **options)

        one.engine.commit = slow  # type: ignore[method-assign]
        one.crew.start(one.groups.start_later, consumer, name="start")
        if how != "closed at once":
            await anyio.sleep(0.5)
        if how == "detached":
            consumer.detach()
            await anyio.sleep(10)
            assert consumer.ended
    assert handled == []
    assert not consumer.statistics().running
    async with process(store) as two:
        assert [group.members for group in await two.groups.statistics()] in ([], [0])
