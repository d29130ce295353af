"""The ends of a bridge: what is taken from each kind of source, and what each kind of target says."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow import Event, Subject
from evenflow.log._bridge_ends import IN_ONE_GO, Item, LogTarget, MemoryOrigin, MemoryTarget
from evenflow.testing import MemoryLog
from tests.conformance.kit import numbers
from tests.testing.kit import both


class Placed(Event, name="ends.placed"):
    n: int


class Taken(Event, name="ends.taken"):
    n: int


def items(*numbers: int, headers: dict[str, str] | None = None) -> list[Item]:
    return [Item(Placed(n=n), f"id-{n}", headers or {}) for n in numbers]


@both
async def test_a_source_in_memory_gives_what_waits_at_most_so_many_at_once() -> None:
    """Once it is stopped it gives all that waits, and then the end."""
    source = Subject(Placed)
    origin = MemoryOrigin("b", "source", lambda: source.subscribe(buffer=3 * IN_ONE_GO))
    await origin.open()
    await source.publish_many(Placed(n=n) for n in range(2 * IN_ONE_GO + 1))
    found: list[int] = []
    for count in (IN_ONE_GO, IN_ONE_GO, 1):
        given, _ = await origin.take()
        assert len(given) == count
        found += numbers(item.event for item in given)
    await source.publish_many(Placed(n=n) for n in range(1, IN_ONE_GO + 10))
    origin.stop()
    given, _ = await origin.take()
    assert len(given) == IN_ONE_GO + 9
    assert found == list(range(2 * IN_ONE_GO + 1))
    with pytest.raises(anyio.EndOfStream):
        await origin.take()
    await origin.close()


@both
async def test_stopping_wakes_whoever_waits_for_a_source() -> None:
    """It gets nothing, and then the end."""
    source = Subject(Placed)
    origin = MemoryOrigin("b", "source", lambda: source.subscribe())
    await origin.open()
    ended = anyio.Event()

    async def take() -> None:
        given, _ = await origin.take()
        assert given == []
        with pytest.raises(anyio.EndOfStream):
            await origin.take()
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        origin.stop()
        with anyio.fail_after(1):
            await ended.wait()
    await origin.close()


@both
async def test_a_target_in_memory_says_which_event_it_refuses() -> None:
    """Those before it were published."""
    target = Subject(Placed)
    async with target.subscribe() as reader:
        mixed = [Item(Placed(n=1)), Item(Placed(n=2)), Item(Taken(n=3)), Item(Placed(n=4))]
        count, refusal = await MemoryTarget(target).put(mixed)
        assert count == 2
        assert isinstance(refusal, TypeError)
        assert numbers([reader.receive_nowait(), reader.receive_nowait()]) == [1, 2]
        assert await MemoryTarget(target).put(mixed[3:]) == (1, None)


@both
async def test_a_target_of_a_log_takes_all_at_once_whatever_their_headers() -> None:
    """In one commit; what is refused is found by asking for one."""
    log = MemoryLog()
    subject: Any = log.subject("target", Placed)
    async with log:
        target = LogTarget(subject)
        mixed = [*items(1, 2), *items(3, headers={"traceparent": "x"}), *items(4)]
        assert await target.put(mixed) == (4, None)
        records = [record async for record in subject.read()]
        assert numbers(record.event for record in records) == [1, 2, 3, 4]
        assert [dict(record.headers) for record in records] == [{}, {}, {"traceparent": "x"}, {}]
        assert [record.id for record in records] == ["id-1", "id-2", "id-3", "id-4"]
        wrong = [*items(5), Item(Taken(n=6), "id-6"), *items(7)]
        assert await target.put(wrong) == (1, None)
        count, refusal = await target.put(wrong[1:])
        assert (count, type(refusal)) == (0, TypeError)
        assert await target.put(wrong[2:]) == (1, None)


@both
async def test_the_same_id_with_other_data_is_refused_alone() -> None:
    """The event after it is stored."""
    log = MemoryLog()
    subject: Any = log.subject("target", Placed)
    async with log:
        target = LogTarget(subject)
        await subject.publish(Placed(n=100), id="id-1")
        count, refusal = await target.put(items(1, 2))
        assert (count, type(refusal)) == (0, ValueError)
        assert await target.put(items(2)) == (1, None)
