"""Receiving at one's own pace: whose turn it is among several readers, the fast lane, closing, and being lost."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import ref

import anyio
import pytest

from evenflow import Event, SlowSubscriber, Subject, Subscription
from evenflow._buffer import QUICK, RATION
from evenflow._fairness import DELIVERIES_A_TURN, LOOK_TAKEN, SECONDS_A_TURN
from evenflow._loop import running_loop

from .contract.kit import both, collect, group, only_asyncio, settle
from .parts import on_both, run


class Note(Event):
    """A number."""

    n: int = 0


def publish(subject: Subject[Note], *numbers: int) -> None:
    """Publish some notes."""
    for n in numbers:
        subject.publish_nowait(Note(n=n))


WAYS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "receive": lambda subscription: subscription.receive(),
    "async for": lambda subscription: anext(subscription),
    "batches": lambda subscription: _first_of_batch(subscription),
}
every_way = pytest.mark.parametrize("way", WAYS)


async def _first_of_batch(subscription: Subscription[Note]) -> Note:
    (event,) = await anext(subscription.batches())
    return event


# ------------------------------------------------------------------ receiving


@every_way
@both
async def test_a_reader_waits_where_nothing_is_buffered(way: str) -> None:
    """And gets the next event, whichever way it reads."""
    subject = Subject(Note)
    got: list[int] = []
    async with subject.subscribe() as subscription, group() as tasks:

        async def read() -> None:
            got.append((await WAYS[way](subscription)).n)

        tasks.start_soon(read)
        await settle()
        assert got == []
        publish(subject, 1)
        await settle()
    assert got == [1]


ENDS: dict[str, tuple[Callable[[Subject[Note], Subscription[Note]], object], type[BaseException]]] = {
    "the subject is closed": (lambda subject, _: subject.close(), anyio.EndOfStream),
    "with an error": (lambda subject, _: subject.close(OSError()), OSError),
    "the subscription is closed": (lambda _, subscription: subscription.close(), anyio.ClosedResourceError),
    "it was too slow": (lambda subject, _: publish(subject, 1, 2, 3), SlowSubscriber),
}


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("end", ENDS)
@every_way
@both
async def test_at_the_end_every_reader_hears_why(way: str, end: str, waits: bool) -> None:
    """Whichever way it reads, waiting or not, and every time it asks; a loop just ends where that was no error."""
    subject = Subject(Note)
    heard: list[BaseException] = []
    async with subject.subscribe(buffer=1, overflow="disconnect") as subscription, group() as tasks:

        async def read() -> None:
            with anyio.fail_after(9):
                while True:
                    try:
                        await WAYS[way](subscription)
                    except Exception as error:
                        heard.append(error)
                        return

        if waits:
            for _ in range(2):
                tasks.start_soon(read)
            await settle()
        make_end, expected = ENDS[end]
        make_end(subject, subscription)
        await settle()
        await read()
    if way != "receive" and expected is anyio.EndOfStream:
        expected = StopAsyncIteration
    assert [type(error) for error in heard] == [expected] * (1 + 2 * waits)


@both
async def test_an_error_at_the_end_does_not_grow_by_every_read() -> None:
    """Each read raises an error of its own, chained to the one that was given, which stays as it is."""
    subject, error = Subject(Note), OSError("why")
    async with subject.subscribe() as subscription:
        subject.close(error)
        depths = []
        for _ in range(3):
            with pytest.raises(OSError) as caught:
                await subscription.receive()
            assert caught.value is not error
            assert caught.value.__cause__ is error
            depths.append(len(caught.traceback))
        assert depths[0] == depths[2]
        assert error.__traceback__ is None


@both
async def test_readers_get_events_in_the_order_in_which_they_waited() -> None:
    """One event each, on both libraries."""
    subject = Subject(Note)
    got: dict[int, int] = {}
    async with subject.subscribe() as subscription, group() as tasks:

        async def read(reader: int) -> None:
            got[reader] = (await subscription.receive()).n

        for reader in range(5):
            tasks.start_soon(read, reader)
            await settle()
        publish(subject, 0, 1, 2)
        await settle()
        publish(subject, 3, 4)
        await settle()
    assert got == {reader: reader for reader in range(5)}


@both
async def test_a_reader_that_is_cancelled_as_it_was_woken_loses_nothing() -> None:
    """The event is still there, or was returned, and the next reader gets it."""
    subject = Subject(Note)
    got: list[int] = []
    scopes: list[anyio.CancelScope] = []
    async with subject.subscribe() as subscription, group() as tasks:

        async def read() -> None:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                got.append((await subscription.receive()).n)

        for _ in range(2):
            tasks.start_soon(read)
            await settle()
        publish(subject, 1)
        scopes[0].cancel()
        await settle()
    assert got == [1]


@both
async def test_nobody_takes_without_waiting_what_another_was_woken_for() -> None:
    """The event is for the reader that waited."""
    subject = Subject(Note)
    got: list[int] = []
    async with subject.subscribe() as subscription, group() as tasks:

        async def read() -> None:
            got.append((await subscription.receive()).n)

        tasks.start_soon(read)
        await settle()
        publish(subject, 1)
        with pytest.raises(anyio.WouldBlock):
            subscription.receive_nowait()
        publish(subject, 2)
        assert subscription.receive_nowait().n in (1, 2)
        await settle()
        assert len(got) == 1


@both
async def test_a_reader_lets_the_loop_turn_after_a_number_of_events() -> None:
    """Another task runs, though there was always something to read."""
    subject = Subject(Note)
    ran: list[bool] = []
    count = 4 * DELIVERIES_A_TURN

    async def other() -> None:
        ran.append(True)

    async with subject.subscribe(buffer=count) as subscription, group() as tasks:
        publish(subject, *range(count))
        tasks.start_soon(other)
        at = 0
        while not ran:
            at += 1
            await subscription.receive()
        # trio may run the reader before the other task in the first turn
        assert DELIVERIES_A_TURN <= at <= 2 * (DELIVERIES_A_TURN + RATION + 1)


@both
async def test_only_a_reader_that_is_not_known_to_be_quick_and_finds_something_looks_at_the_clock() -> None:
    """One that finds nothing lets the loop turn by waiting; a quick one looks where more waits than its ration."""
    subject = Subject(Note)
    async with subject.subscribe(buffer=200, replay=False) as subscription, group() as tasks:
        budget, looks = running_loop().budget, list[float]()
        clock = budget.clock

        def look() -> float:
            looks.append(clock())
            return looks[-1]

        budget.clock = look
        budget.counts[LOOK_TAKEN] = 1_000
        tasks.start_soon(subscription.receive)
        await settle()
        assert looks == []
        publish(subject, *range(200))
        await settle()
        for at in range(2):
            await subscription.receive()
            assert len(looks) == at + 1
        subscription._mailbox.buffer.ration = QUICK
        clock = float  # it stands still: all that waits fits into a while
        before = len(looks)
        for _ in range(50):
            await subscription.receive()
        assert len(looks) == before + 1  # its ration grows once, and all that waits may be taken without asking


@both
async def test_a_reader_with_the_largest_ration_does_not_look_though_more_waits() -> None:
    """Its ration cannot grow, so a look at the clock would only make each read of a long buffer dearer."""
    subject = Subject(Note)
    async with subject.subscribe(buffer=2 * RATION) as subscription:
        publish(subject, *range(2 * RATION))
        await subscription.receive()
        budget, looks = running_loop().budget, list[bool]()
        clock = budget.clock

        def look() -> float:
            looks.append(True)
            return clock()

        budget.clock = look
        budget.counts[LOOK_TAKEN] = 1_000
        subscription._mailbox.buffer.ration = RATION
        for _ in range(50):
            await subscription.receive()
        assert looks == []


@both
async def test_a_reader_that_is_late_and_finds_nothing_lets_the_loop_turn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does so by waiting: with a turn before that, it would run twice for each wait on a machine that is busy."""
    subject, turns, loop = Subject(Note), list[bool](), running_loop()
    turn, time = loop.turn_when_due, loop.budget.clock()

    def counted() -> Awaitable[None]:
        turns.append(True)
        return turn()

    async def receive_late() -> None:
        nonlocal time
        loop.budget.has_turned()
        time += 2 * SECONDS_A_TURN
        loop.counts[LOOK_TAKEN] = 0
        await subscription.receive()

    monkeypatch.setattr(loop, "turn_when_due", counted)
    loop.budget.clock = lambda: time
    async with subject.subscribe() as subscription, group() as tasks:
        tasks.start_soon(receive_late)
        await settle()
        assert not turns
        publish(subject, 1)
        await settle()
        publish(subject, 2)
        await receive_late()
        assert len(turns) == 1


@both
async def test_the_fast_lane_is_closed_to_whoever_does_not_own_the_subscription() -> None:
    """An operator owns it: reading it beside that operator is refused, though events lie ready."""
    subject = Subject(Note)
    async with subject.subscribe() as subscription:
        publish(subject, 1, 2, 3)
        await subscription.receive()
        assert subscription._buffer.fast
        async with subscription.map(lambda note: note.n) as numbers:
            with pytest.raises(RuntimeError):
                await anext(subscription)
            with pytest.raises(RuntimeError):
                await subscription.receive()
            assert [await numbers.receive(), await numbers.receive()] == [2, 3]


# ------------------------------------------------------------------ batches


@both
async def test_a_batch_is_all_that_waits() -> None:
    """At most as many events as the buffer holds; it is never empty."""
    subject = Subject(Note, replay=2)
    publish(subject, 1, 2)
    async with subject.subscribe(buffer=3) as subscription:
        publish(subject, 3, 4, 5)
        batches = subscription.batches()
        assert [note.n for note in await batches.receive()] == [1, 2, 3]
        assert [note.n for note in await batches.receive()] == [4, 5]
        with anyio.move_on_after(1) as waited:
            await batches.receive()
        assert waited.cancelled_caught


@pytest.mark.parametrize("way", [*WAYS, "its batches, receive", "its batches, async for"])
@both
async def test_batches_that_an_operator_owns_are_read_by_nobody_else(way: str) -> None:
    """Nor is their subscription: the operator would miss what another reader takes."""
    subject = Subject(Note)
    async with subject.subscribe() as subscription:
        batches = subscription.batches()
        source = batches if way.startswith("its batches") else subscription
        async with batches.map(len) as lengths:
            publish(subject, 1, 2)
            with pytest.raises(RuntimeError, match="the source of map"):
                await WAYS[way.removeprefix("its batches, ")](source)
            assert await lengths.receive() == 2


@both
async def test_closing_the_batches_closes_the_subscription() -> None:
    """They are one stream."""
    subject = Subject(Note)
    subscription = subject.subscribe()
    await subscription.batches().aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await subscription.receive()


# ------------------------------------------------------------------ which task reads


@on_both
def test_the_task_that_reads_is_known_and_not_kept_alive(backend: str) -> None:
    """So that a deadlock can be seen, and nothing leaks."""
    subject = Subject(Note)
    gone: list[ref[object]] = []

    async def main() -> None:
        async with subject.subscribe() as subscription:

            async def read() -> None:
                await subscription.receive()
                task = running_loop().current_task()
                assert list(subscription._mailbox.line.tasks()) == [task]
                assert subscription._known.cr_running
                gone.append(ref(task))

            async with anyio.create_task_group() as tasks:
                publish(subject, 1)
                tasks.start_soon(read)
            await anyio.lowlevel.checkpoint()
            collect()
            assert gone[0]() is None
            assert list(subscription._mailbox.line.tasks()) == []
            assert not subscription._known.cr_running

    run(main, backend)


@pytest.mark.parametrize("first, then", [("asyncio", "trio"), ("trio", "asyncio"), ("asyncio", "asyncio")])
def test_a_reader_of_the_next_loop_does_not_wait_behind_one_of_the_last(first: str, then: str) -> None:
    """Whoever waited there will never read."""
    subject = Subject(Note)
    subscription = subject.subscribe()
    waiting: list[Any] = []

    async def leave_waiting() -> None:
        with anyio.move_on_after(0):
            await subscription.receive()
        waiting.append(subscription._mailbox.line)

    async def read() -> None:
        publish(subject, 1)
        with anyio.fail_after(9):
            assert (await subscription.receive()).n == 1

    run(leave_waiting, first)
    run(read, then)
    subscription.close()


# ------------------------------------------------------------------ closing, and being lost


@both
async def test_leaving_the_block_closes_it() -> None:
    """What is buffered is discarded, and the publisher sees nobody."""
    subject = Subject(Note)
    async with subject.subscribe() as subscription:
        publish(subject, 1)
    assert subscription.statistics().discarded == 1
    assert subject.publish_nowait(Note()) == 0
    subscription.close()
    await subscription.aclose()


def test_a_subscription_that_is_dropped_warns_and_detaches() -> None:
    """The warning says where it was made."""
    subject = Subject(Note)
    subscription = subject.subscribe(name="lost")
    with pytest.warns(ResourceWarning, match=r"lost, made at .*test_subscription.py:\d+, was dropped"):
        del subscription
        gc.collect()
    assert subject.publish_nowait(Note()) == 0


@pytest.mark.parametrize("how", ["closed", "ended"])
def test_a_subscription_that_has_ended_is_dropped_in_silence(how: str) -> None:
    """Nobody forgot anything."""
    subject = Subject(Note)
    subscription = subject.subscribe()
    if how == "closed":
        subscription.close()
    else:
        subject.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del subscription
        gc.collect()


def test_a_subscription_that_is_dropped_lets_its_functions_go() -> None:
    """The subject keeps neither its condition nor its key."""
    subject = Subject(Note)

    def where(_: Note) -> bool:
        return True

    gone = ref(where)
    subscription = subject.subscribe(where=where)
    subscription.close()
    del where, subscription
    gc.collect()
    assert gone() is None


@only_asyncio
async def test_a_cancelled_task_gets_no_event_that_is_then_lost() -> None:
    """`task.cancel()` in the very turn in which the event came: the reader behind it is woken instead."""
    subject = Subject(Note)
    async with subject.subscribe() as subscription:
        tasks = [asyncio.create_task(subscription.receive()) for _ in range(2)]
        await settle()
        publish(subject, 1)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert (await tasks[1]).n == 1


# ------------------------------------------------------------------ what it says of itself


def test_it_says_what_it_wants_and_how_full_it_is() -> None:
    """Active, ended, or closed."""
    subject = Subject(Note, name="notes")
    subscription = subject.subscribe(Note, buffer=3, overflow="drop_newest")
    publish(subject, 1, 2)
    assert subscription.name == "notes/1"
    assert repr(subscription) == "<Subscription notes/1 wants Note, 2/3 drop_newest>"
    subject.close()
    assert "2/3 ended" in repr(subscription)
    subscription.close()
    assert "0/3 closed" in repr(subscription)


def test_its_statistics_are_its_ledger() -> None:
    """Under its own name."""
    subject = Subject(Note)
    subscription = subject.subscribe(name="mine", buffer=1, overflow="drop_oldest")
    publish(subject, 1, 2)
    statistics = subscription.statistics()
    assert (statistics.name, statistics.wanted, statistics.dropped, statistics.waiting) == ("mine", 2, 1, 1)
    subscription.close()
