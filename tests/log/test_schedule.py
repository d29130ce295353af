"""Times of scheduled events, and pauses that are never too short."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from evenflow.log import Delivery
from evenflow.log._schedule import checked_time, pause_of
from evenflow.log._stored import IdTaken
from evenflow.testing import MemoryLog
from tests.contract.kit import both

from .events import Ordered


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 1e-7, 0.0004, 0.5, 0.9999, 12.0])
def test_a_pause_is_in_milliseconds_and_never_too_short(seconds: float) -> None:
    """Rounded up, at least one millisecond, at most one too many."""
    pause = pause_of(seconds)
    assert pause >= max(seconds, 0.001)
    assert pause <= max(seconds, 0) + 0.0011
    assert round(pause * 1000) == pytest.approx(pause * 1000)


def test_a_time_is_given_in_one_way() -> None:
    """An aware datetime, or seconds from now."""
    at = datetime(2026, 11, 28, tzinfo=UTC)
    assert checked_time(at, None, 0.0) == at.timestamp() * 1e6
    assert checked_time(None, 1.5, 10.0) == 11_500_000
    wrong: Any
    for wrong in ((None, None), (at, 1.0), ("soon", None), (None, "1"), (None, True)):
        with pytest.raises(TypeError):
            checked_time(*wrong, 0.0)
    for wrong in ((at.replace(tzinfo=None), None), (None, -1), (None, float("nan")), (None, float("inf"))):
        with pytest.raises(ValueError, match=r"aware|seconds"):
            checked_time(*wrong, 0.0)


@both
async def test_what_is_later_goes_out_at_its_second() -> None:
    """In virtual time an event goes out at its second, and what is past goes out at once."""
    log = MemoryLog(start=datetime(2026, 1, 1, tzinfo=UTC))
    orders = log.subject("orders", Ordered)
    async with log, orders.records() as feed:
        await orders.schedule(Ordered(n=2), at=datetime(2026, 1, 1, 0, 10, tzinfo=UTC))
        await orders.schedule(Ordered(n=1), at=datetime(2025, 1, 1, tzinfo=UTC))
        assert (await feed.receive()).event.n == 1
        with anyio.fail_after(700):
            record = await feed.receive()
        assert record.event.n == 2
        late = record.published_at - datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
        assert timedelta(0) <= late < timedelta(seconds=1)


@both
async def test_scheduling_again_at_the_end_of_keep_ids_publishes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the id is still known is looked at once: nothing goes out because it is forgotten right after that."""
    log = MemoryLog(keep_ids=timedelta(seconds=30))
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish(Ordered(n=1), id="one")
        engine = log._openings.open().engine
        commit = engine.commit

        async def slowly(*arguments: Any, **options: Any) -> Any:
            try:
                return await commit(*arguments, **options)
            except IdTaken:
                await anyio.sleep(31)
                raise

        monkeypatch.setattr(engine, "commit", slowly)
        assert await orders.schedule(Ordered(n=1), id="one", after=60) == "one"
        assert len(await orders.read().to_list()) == 1
        assert await orders.schedule(Ordered(n=1), id="one", after=60) == "one"
        assert [scheduled.id async for scheduled in orders.scheduled()] == ["one"]
        with pytest.raises(ValueError, match="belongs to an event with other data"):
            await orders.schedule(Ordered(n=2), id="one", after=60)


@both
@pytest.mark.parametrize("after", [0.0, 3600.0])
async def test_a_handler_that_runs_twice_schedules_once(after: float) -> None:
    """Its second attempt comes before the event has gone out, or after: it is no dead letter, and nothing is twice."""
    log = MemoryLog()
    orders, reminders = log.subject("orders", Ordered), log.subject("reminders", Ordered)
    attempts: list[int] = []
    done = anyio.Event()
    async with log, reminders.subscribe() as feed:

        async def remind(delivery: Delivery[Ordered]) -> None:
            assert await reminders.schedule(Ordered(n=2), after=after, id="remind-1") == "remind-1"
            attempts.append(delivery.attempt)
            if delivery.attempt > 1:
                done.set()
                return
            if not after:
                assert await feed.receive() == Ordered(n=2)
            raise RuntimeError("the handler fails after it has scheduled")

        orders.consume("g", remind, Ordered, retry_after=0.0, max_attempts=2)
        await orders.publish(Ordered(n=1))
        with anyio.fail_after(60):
            await done.wait()
        await anyio.wait_all_tasks_blocked()
        assert attempts == [1, 2]
        assert len(await reminders.scheduled().to_list()) == (1 if after else 0)
        assert len(await reminders.read().to_list()) == (0 if after else 1)
        assert await orders.dead_letters("g").to_list() == []


@both
async def test_what_goes_out_while_it_is_scheduled_again_is_looked_at_again() -> None:
    """Neither there nor stored when it is looked for: the schedule is tried anew, and finds it stored."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log, orders.subscribe() as feed:
        engine = log._openings.open().engine
        await orders.schedule(Ordered(n=1), after=8.0, id="a")
        load, loads = engine.load, list[Any]()

        async def slow(*arguments: Any, **options: Any) -> Any:
            if not loads:
                assert await feed.receive() == Ordered(n=1)  # it goes out between the commit and the look
            loads.append(arguments)
            return await load(*arguments, **options)

        with pytest.MonkeyPatch.context() as patch, anyio.fail_after(700):
            patch.setattr(engine, "load", slow)
            assert await orders.schedule(Ordered(n=1), after=8.0, id="a") == "a"
        assert len(loads) == 1
        assert await orders.scheduled().to_list() == []
        assert len(await orders.read().to_list()) == 1
