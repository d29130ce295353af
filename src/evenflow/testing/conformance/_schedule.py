"""Scheduled events: in the log at their time and not before, withdrawn or listed until then, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from evenflow.log import Log
from evenflow.testing.conformance._kit import PATIENCE, Maker, Ordered, numbers, on_every_log_that_has, take

SOON = 0.05


@on_every_log_that_has("schedule")
async def test_an_event_goes_out_at_its_time_and_not_before(make: Maker) -> None:
    """Until its time it is listed and not in the log; then it is in the log with its id, and not listed."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log, orders.records() as feed:
        wall = log._openings.open().engine.wall
        before = wall()
        name = await orders.schedule(Ordered(n=1), after=0.3, id="later", headers={"a": "b"})
        assert name == "later"
        [waiting] = await orders.scheduled().to_list()
        assert (waiting.id, waiting.event, dict(waiting.headers)) == ("later", Ordered(n=1), {"a": "b"})
        assert await orders.read().to_list() == []
        [record] = await take(feed, 1)
        assert wall() - before >= 0.299
        assert (record.event, record.id, dict(record.headers)) == (Ordered(n=1), "later", {"a": "b"})
        assert await orders.scheduled().to_list() == []
        assert not await orders.unschedule("later")


@on_every_log_that_has("schedule")
async def test_what_is_due_goes_out_in_the_order_of_the_times(make: Maker) -> None:
    """The order of the calls does not matter, the times do."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log, orders.subscribe() as feed:
        begin = datetime.fromtimestamp(log._openings.open().engine.wall() + 1, UTC)
        for n in (3, 1, 2):
            await orders.schedule(Ordered(n=n), at=begin + timedelta(seconds=SOON * n))
        assert numbers([waiting.event for waiting in await orders.scheduled().to_list()]) == [1, 2, 3]
        assert numbers(await take(feed, 3)) == [1, 2, 3]


@on_every_log_that_has("schedule")
async def test_what_was_withdrawn_never_goes_out(make: Maker) -> None:
    """``unschedule`` returns True once; its id is free again."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log, orders.subscribe() as feed:
        await orders.schedule(Ordered(n=1), after=20 * SOON, id="a")
        assert await orders.unschedule("a")
        assert not await orders.unschedule("a")
        await orders.publish(Ordered(n=2), id="a")
        await orders.schedule(Ordered(n=3), after=30 * SOON)
        assert numbers(await take(feed, 2)) == [2, 3]


@on_every_log_that_has("schedule")
async def test_its_id_is_taken_meanwhile(make: Maker) -> None:
    """Publishing or scheduling another event with the id is refused; the very same schedule is none twice."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        at = (await _in_an_hour(log)).replace(microsecond=0)
        await orders.schedule(Ordered(n=1), at=at, id="a")
        assert await orders.schedule(Ordered(n=1), at=at, id="a") == "a"
        with pytest.raises(ValueError, match="scheduled"):
            await orders.publish(Ordered(n=1), id="a")
        with pytest.raises(ValueError, match="'a'"):
            await orders.schedule(Ordered(n=2), at=at, id="a")
        with pytest.raises(ValueError, match="'a'"):
            await orders.schedule(Ordered(n=1), at=at + timedelta(seconds=1), id="a")
        assert len(await orders.scheduled().to_list()) == 1


@on_every_log_that_has("schedule")
async def test_the_same_event_scheduled_again_is_the_first_one(make: Maker) -> None:
    """What the id belongs to, and what the second call does: nothing, or it is refused, and nothing is done.

    | the id belongs to | the same event, at the same time | at another | after some seconds | another event |
    |---|---|---|---|---|
    | an event that waits for its time | nothing | refused | nothing | refused |
    | one that has gone out | nothing | nothing | nothing | refused |
    | one that was published | nothing | nothing | nothing | refused |
    """
    log = make()
    orders = log.subject("orders", Ordered)
    event, other = Ordered(n=1), Ordered(n=2)
    async with log, orders.subscribe() as feed:
        at = await _in_an_hour(log)
        await orders.schedule(event, at=at, id="waits")
        await orders.schedule(event, at=at - timedelta(hours=2), id="gone")
        await orders.publish(event, id="published")
        assert numbers(await take(feed, 3))[0] == 0
        for name in ("waits", "gone", "published"):
            later: dict[str, Any]
            for later in ({"at": at}, {"at": at + timedelta(hours=1)}, {"after": 5.0}, {"after": 0.0}):
                if name == "waits" and later == {"at": at + timedelta(hours=1)}:
                    with pytest.raises(ValueError, match=f"'{name}'.*another time"):
                        await orders.schedule(event, **later, id=name)
                else:
                    assert await orders.schedule(event, **later, id=name) == name
                with pytest.raises(ValueError, match=f"'{name}'.*other data"):
                    await orders.schedule(other, **later, id=name)
        assert [(waiting.id, waiting.at) for waiting in await orders.scheduled().to_list()] == [("waits", at)]
        assert len(await orders.read().to_list()) == 3
        await orders.unschedule("waits")
        await orders.schedule(other, after=SOON, id="waits")
        assert numbers(await take(feed, 1)) == [2]


@on_every_log_that_has("schedule")
async def test_it_goes_out_at_the_next_opening(make: Maker) -> None:
    """A log that was closed at the time sends what is due when it is opened again, once."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.schedule(Ordered(n=1), after=SOON)
    await anyio.sleep(2 * SOON)  # its time passes while the log is closed: only a clock can tell
    async with log:
        with anyio.fail_after(PATIENCE):
            assert (await orders.first(since="start")).n == 1
    async with log:
        await anyio.wait_all_tasks_blocked()
        assert numbers([record.event for record in await orders.read().to_list()]) == [1]


@on_every_log_that_has("schedule", "several_processes")
async def test_two_processes_send_it_once(make: Maker) -> None:
    """Whoever is open sends; nothing goes out twice."""
    one, other = make(), make()
    orders = one.subject("orders", Ordered)
    async with one, other, orders.subscribe() as feed:
        for n in range(20):
            await orders.schedule(Ordered(n=n), after=SOON + n / 1000)
        assert sorted(numbers(await take(feed, 20))) == list(range(20))  # two that send have no order among them
        await anyio.wait_all_tasks_blocked()
        assert len(await orders.read().to_list()) == 20


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({}, TypeError, "either"),
        ({"after": -1}, ValueError, "from 0"),
        ({"after": "1"}, TypeError, "seconds"),
        ({"at": "tomorrow"}, TypeError, "datetime"),
    ],
)
@on_every_log_that_has("schedule")
async def test_nonsense_is_refused(make: Maker, options: dict[str, Any], error: type[Exception], words: str) -> None:
    """A time that is none is refused, and nothing is scheduled."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(error, match=words):
            await orders.schedule(Ordered(n=1), **options)
        assert await orders.scheduled().to_list() == []


@on_every_log_that_has("schedule")
async def test_headers_do_not_count_when_it_is_scheduled_again(make: Maker) -> None:
    """One id, one event, one time, other headers: it is the same, and keeps the headers that it has."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        at = await _in_an_hour(log)
        assert await orders.schedule(Ordered(n=1), at=at, id="a", headers={"x": "1"}) == "a"
        assert await orders.schedule(Ordered(n=1), at=at, id="a") == "a"
        [waiting] = await orders.scheduled().to_list()
        assert dict(waiting.headers) == {"x": "1"}
        with pytest.raises(ValueError, match="another time"):
            await orders.schedule(Ordered(n=1), at=at + timedelta(seconds=1), id="a")


async def _in_an_hour(log: Log) -> datetime:
    """An hour from now, by the log's clock."""
    orders = log.subject("orders", Ordered)
    offset = await orders.publish(Ordered(n=0))
    [now] = [record.published_at async for record in orders.read() if record.offset == offset]
    return now + timedelta(hours=1)
