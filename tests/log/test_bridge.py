"""Bridge: what is published on one subject comes to another, in order, at least once."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest

from evenflow import Event, LogError, Subject, SubjectClosed, stream
from evenflow.log import Bridge, DurableSubject, bridge
from evenflow.testing import MemoryLog
from tests.conformance.kit import numbers, take
from tests.contract.kit import settle
from tests.testing.kit import both


class Moved(Event, name="bridge.moved"):
    n: int


class Ordered(Moved, name="bridge.ordered"):
    region: str = "eu"


class Shipped(Moved, name="bridge.shipped"):
    pass


class Other(Event, name="bridge.other"):
    pass


async def stored(subject: DurableSubject[Any]) -> list[Any]:
    return [record async for record in subject.read()]


@asynccontextmanager
async def two_logs(**options: Any) -> AsyncGenerator[tuple[DurableSubject[Any], DurableSubject[Any]]]:
    here, there = MemoryLog(name="here"), MemoryLog(name="there")
    source = here.subject("orders", Ordered, Shipped)
    target = there.subject("copies", options.get("takes", Moved))
    async with here, there:
        yield source, target


async def until_all_moved(b: Any, count: int) -> None:
    with anyio.fail_after(60):
        while b.statistics().moved < count:
            await anyio.sleep(0.01)


@both
async def test_events_of_a_log_come_to_another_log_in_order_with_their_headers() -> None:
    """Those that are there first, then those that come; each with an id made of its own, and its headers."""
    async with two_logs() as (source, target):
        await source.publish(Ordered(n=1), id="one", headers={"traceparent": "00-1"})
        first, second = await source.end(), await source.publish(Shipped(n=2))
        async with bridge(source, target) as b, target.records() as records:
            found = await take(records, 2)
            await source.publish(Ordered(n=3), id="x" * 256)
            found += await take(records, 1)
            assert b.statistics().moved == 3
        assert numbers(record.event for record in found) == [1, 2, 3]
        assert [type(record.event) for record in found] == [Ordered, Shipped, Ordered]
        assert found[0].headers == {"traceparent": "00-1", "evenflowpath": str(first)}
        assert found[1].headers == {"evenflowpath": str(second)}
        assert found[0].id == "here.orders.one"
        assert found[1].id == f"here.orders.{second}"
        assert found[2].id.startswith("here.orders.")
        assert len(found[2].id) < 256


@asynccontextmanager
async def circle(*names: str) -> AsyncGenerator[tuple[list[DurableSubject[Any]], list[Bridge]]]:
    """Logs of these names, a bridge from each to the next, and from the last to the first."""
    logs = [MemoryLog(name=name) for name in names]
    subjects = [log.subject("orders", Ordered) for log in logs]
    async with AsyncExitStack() as stack:
        for log in logs:
            await stack.enter_async_context(log)
        ways = zip(subjects, [*subjects[1:], subjects[0]], strict=True)
        bridges = [await stack.enter_async_context(bridge(source, target)) for source, target in ways]
        yield subjects, bridges


@pytest.mark.parametrize("names", [("west", "east"), ("shop", "shop"), ("a", "b", "c")])
@both
async def test_in_a_circle_of_bridges_each_log_has_each_event_once(names: tuple[str, ...]) -> None:
    """Wherever it was published, with an id or without, also where the logs have one name."""
    async with circle(*names) as (subjects, bridges):
        for place, subject in enumerate(subjects):
            await subject.publish(Ordered(n=place), id=f"order-{place}")
            await subject.publish_many([Ordered(n=10 + place), Ordered(n=20 + place)])
        with anyio.fail_after(60):
            while sum(b.statistics().returning for b in bridges) < 3 * len(names):
                await anyio.sleep(0.01)
        await settle()
        for subject in subjects:
            found = sorted(numbers(record.event for record in await stored(subject)))
            assert found == sorted(n + place for place in range(len(names)) for n in (0, 10, 20))
        for b in bridges:
            assert (b.statistics().moved, b.statistics().in_hand) == (3 * (len(names) - 1), 0)


@both
async def test_an_event_from_outside_goes_once_through_a_circle() -> None:
    """It has come to the circle by a bridge, and is not one of the circle's own."""
    outside = MemoryLog(name="outside")
    async with circle("west", "east") as ([west, east], bridges), outside:
        source = outside.subject("orders", Ordered)
        await source.publish(Ordered(n=1))
        async with bridge(source, west, name="in"):
            with anyio.fail_after(60):
                while not bridges[1].statistics().returning:
                    await anyio.sleep(0.01)
        await settle()
        for subject in (west, east):
            assert numbers(record.event for record in await stored(subject)) == [1]


@both
async def test_another_event_with_the_headers_of_a_moved_one_is_moved() -> None:
    """Whoever handles an event may pass its headers on: what it publishes is news where the first came from."""
    async with circle("west", "east") as ([west, east], _):
        async with east.records() as arriving, west.records(Ordered, where=Ordered.region == "us") as back:
            await west.publish(Ordered(n=1), id="one")
            [record] = await take(arriving, 1)
            for name in ("two", None):
                await east.publish(Ordered(n=2, region="us"), id=name, headers=record.headers)
                assert numbers(found.event for found in await take(back, 1)) == [2]


@both
async def test_a_bridge_goes_on_where_it_was() -> None:
    """What was moved is not moved again by the next bridge of that name, and what came meanwhile is."""
    async with two_logs() as (source, target):
        await source.publish_many([Ordered(n=n) for n in range(5)])
        async with bridge(source, target) as b:
            await until_all_moved(b, 5)
        await source.publish(Ordered(n=5))
        async with bridge(source, target) as b:
            await until_all_moved(b, 1)
            assert b.statistics().moved == 1
        assert numbers(record.event for record in await stored(target)) == list(range(6))


@both
async def test_an_event_that_is_moved_twice_is_stored_once() -> None:
    """A bridge that did not know what it had moved stores nothing again."""
    async with two_logs() as (source, target):
        await source.publish_many([Ordered(n=n) for n in range(5)])
        for name in ("first", "second"):
            async with bridge(source, target, name=name) as b:
                await until_all_moved(b, 5)
        assert numbers(record.event for record in await stored(target)) == list(range(5))


@both
async def test_only_what_is_wanted_is_moved() -> None:
    """By class and by condition, out of a log and out of memory."""
    async with two_logs() as (source, target):
        await source.publish_many([Ordered(n=1), Shipped(n=2), Ordered(n=3, region="us"), Ordered(n=4)])
        async with bridge(source, target, Ordered, where=Ordered.region == "eu") as b:
            await until_all_moved(b, 2)
        assert numbers(record.event for record in await stored(target)) == [1, 4]
        memory = Subject(Moved)
        async with bridge(memory, target, Ordered, where=Ordered.region == "eu"):
            for event in (Ordered(n=5), Shipped(n=6), Ordered(n=7, region="us")):
                await memory.publish(event)
        assert numbers(record.event for record in await stored(target)) == [1, 4, 5]


@both
async def test_leaving_moves_what_was_published_before() -> None:
    """What lies in the buffer when a bridge out of memory is left is in the target when leaving returns."""
    async with two_logs() as (_, target):
        memory = Subject(Ordered)
        async with bridge(memory, target):
            await memory.publish_many([Ordered(n=n) for n in range(40)])
        assert numbers(record.event for record in await stored(target)) == list(range(40))
        assert memory.statistics().subscriptions == ()


@both
async def test_a_slow_target_slows_the_publishers_of_a_source_in_memory() -> None:
    """The bridge holds a bounded number of events, and then the publisher waits."""
    source, target = Subject(Ordered), Subject(Ordered)
    published = 0

    async def publish() -> None:
        nonlocal published
        for n in range(5_000):
            await source.publish(Ordered(n=n))
            published += 1

    async with target.subscribe(buffer=1) as reader, bridge(source, target), anyio.create_task_group() as tasks:
        tasks.start_soon(publish)
        await anyio.wait_all_tasks_blocked()
        assert published < 1_100
        assert numbers(await take(reader, 5_000)) == list(range(5_000))


@both
async def test_a_target_that_fails_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost, nothing is there twice, and it is said once."""
    async with two_logs() as (source, target):
        engine, failures = target._openings.open().engine, 0
        real = engine.commit

        async def failing(*arguments: Any, **options: Any) -> Any:
            nonlocal failures
            if failures < 4:
                failures += 1
                if failures % 2:
                    await real(*arguments, **options)  # it was stored, and nobody knows
                raise LogError("the disk is full")
            return await real(*arguments, **options)

        monkeypatch.setattr(engine, "commit", failing)
        await source.publish_many([Ordered(n=n) for n in range(5)])
        async with bridge(source, target) as b:
            while failures < 2:
                await anyio.sleep(0.01)
            assert b.statistics().failing is LogError
            assert b.statistics().in_hand == 5
            await until_all_moved(b, 5)
            assert b.statistics().failing is None
        assert numbers(record.event for record in await stored(target)) == list(range(5))
        assert [record.message for record in caplog.records if "cannot reach" in record.message] == [
            "bridge bridge-to-copies cannot reach its target, and tries again: the disk is full"
        ]


@both
async def test_an_event_that_the_target_refuses_is_a_dead_letter_and_holds_up_nothing() -> None:
    """The events before it and after it are moved, and it can be redriven."""
    async with two_logs(takes=Ordered) as (source, target):
        await source.publish_many([Ordered(n=1), Shipped(n=2), Ordered(n=3), Shipped(n=4), Ordered(n=5)])
        async with bridge(source, target, name="copying") as b:
            await until_all_moved(b, 3)
            while b.statistics().refused < 2:
                await anyio.sleep(0.01)
        assert numbers(record.event for record in await stored(target)) == [1, 3, 5]
        dead = await source.dead_letters("copying").to_list()
        assert [letter.event.n for letter in dead] == [2, 4]
        assert "TypeError" in dead[0].error


@both
async def test_an_event_out_of_memory_that_the_target_refuses_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """There is no place to keep it, so it is said with its traceback, and the next one goes on."""
    source, target = Subject(Moved), Subject(Ordered)
    async with target.subscribe() as reader:
        async with bridge(source, target) as b:
            await source.publish_many([Ordered(n=1), Shipped(n=2), Ordered(n=3)])
            assert numbers(await take(reader, 2)) == [1, 3]
            assert b.statistics().refused == 1
    (said,) = [record for record in caplog.records if "refuses" in record.message]
    assert said.exc_info


@both
async def test_a_closed_target_ends_the_bridge_and_leaving_raises_what_it_said() -> None:
    """The source keeps what was not moved."""
    here = MemoryLog(name="here")
    source = here.subject("orders", Ordered)
    target = Subject(Ordered, name="copies")
    async with here:
        await source.publish(Ordered(n=1))
        target.close()
        with pytest.raises(SubjectClosed):
            async with bridge(source, target) as b:
                while b.statistics().running:
                    await anyio.sleep(0.01)
                assert "has ended" in repr(b)
        (group,) = await source.groups()
        assert (group.name, group.due) == ("bridge-to-copies", 1)


@both
async def test_a_source_that_is_closed_ends_the_bridge() -> None:
    """After the last event has been moved; leaving raises nothing."""
    source, target = Subject(Ordered), Subject(Ordered)
    async with target.subscribe() as reader, bridge(source, target) as b:
        await source.publish(Ordered(n=1))
        source.close()
        assert numbers(await take(reader, 1)) == [1]
        while b.statistics().running:
            await anyio.sleep(0.01)


@both
async def test_a_cancelled_block_ends_the_bridge_at_once() -> None:
    """What it had in hand is given back, also while the target does not answer."""
    async with two_logs() as (source, _):
        target = Subject(Ordered)
        await source.publish_many([Ordered(n=n) for n in range(5)])
        async with target.subscribe(buffer=1) as reader:
            with anyio.move_on_after(5) as scope:
                async with bridge(source, target, Ordered) as b:
                    await anyio.sleep_forever()
            assert scope.cancelled_caught
            assert not b.statistics().running
            assert numbers(await take(reader, 1)) == [0]
            (group,) = await source.groups()
            assert (group.due, group.in_hand) == (5, 0)


@both
async def test_an_error_of_the_block_goes_out_as_it_is() -> None:
    """And ends the bridge."""
    source, target = Subject(Ordered), Subject(Ordered)
    with pytest.raises(ZeroDivisionError):
        async with bridge(source, target):
            raise ZeroDivisionError
    assert source.statistics().subscriptions == ()


@both
async def test_two_bridges_of_one_name_move_each_event_once_in_order() -> None:
    """As in two processes: when one is left, the other goes on."""
    async with two_logs() as (source, _):
        target = Subject(Ordered)
        async with target.subscribe(buffer=500) as reader, bridge(source, target, Ordered):
            async with bridge(source, target, Ordered):
                for n in range(100):
                    await source.publish(Ordered(n=n))
                first = numbers(await take(reader, 100))
            await source.publish(Ordered(n=100))
            assert [*first, *numbers(await take(reader, 1))] == list(range(101))


@both
async def test_a_bridge_is_entered_again_after_it_was_left() -> None:
    """It counts anew; entering it while it moves is refused."""
    async with two_logs() as (source, target):
        b = bridge(source, target)
        assert "not entered" in repr(b)
        for n in range(2):
            async with b:
                await source.publish(Ordered(n=n))
                await until_all_moved(b, 1)
                with pytest.raises(RuntimeError, match="moves already"):
                    await b.__aenter__()
                assert "moving, 1 moved" in repr(b)
        assert numbers(record.event for record in await stored(target)) == [0, 1]


@both
async def test_a_group_of_that_name_that_is_another_refuses_the_bridge() -> None:
    """Nothing is left of it, and it may be entered later."""
    async with two_logs() as (source, target):
        async with source.deliveries("bridge-to-copies", Shipped):
            pass
        b = bridge(source, target)
        with pytest.raises(ValueError, match="bridge-to-copies"):
            await b.__aenter__()
        await source.delete_group("bridge-to-copies")
        async with b:
            await source.publish(Ordered(n=1))
            await until_all_moved(b, 1)


def test_nonsense_is_refused_where_it_is_written() -> None:
    """A stream, a subject to itself, a callable on a log, a name that is none; a bridge cannot be copied."""
    log = MemoryLog()
    durable, memory = log.subject("orders", Ordered), Subject(Moved, name="the copies")
    with pytest.raises(TypeError, match="publish_to"):
        bridge(stream([Ordered(n=1)]), durable)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="to itself"):
        bridge(memory, memory)
    with pytest.raises(TypeError, match="where"):
        bridge(durable, memory, where=lambda event: True, name="copies")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="bridge-to-the copies"):
        bridge(durable, memory)
    with pytest.raises(ValueError, match="Other"):
        bridge(memory, durable, Other)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="copied"):
        copy.copy(bridge(memory, durable))


@both
async def test_a_log_that_is_not_open_refuses_the_bridge() -> None:
    """As it refuses everything."""
    log = MemoryLog()
    with pytest.raises(RuntimeError, match="not open"):
        await bridge(log.subject("orders", Ordered), Subject(Ordered)).__aenter__()
