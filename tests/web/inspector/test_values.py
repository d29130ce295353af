"""States and shared streams in the inspector."""

from __future__ import annotations

import threading

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from evenflow import Event, State, Subject, share
from evenflow.web import inspector

from .kit import Order, frames, hub, named, streaming

pytestmark = pytest.mark.anyio


class Settings(Event):
    limit: int


async def test_a_state_is_shown_with_its_changes_and_its_readers() -> None:
    """Each change is counted; a reader that has not read has one value waiting, and the newer one replaces it."""
    limit = State(1, name="limit")
    one, _ = hub(limit)
    with one.viewer() as viewer:
        async with limit.subscribe() as quick, limit.subscribe(), anyio.create_task_group() as tasks:
            tasks.start_soon(limit.wait_for, lambda value: value > 8)
            await quick.receive()
            limit.set(2)
            limit.set(3)
            limit.set(3)
            await quick.receive()
            await wait_all_tasks_blocked()
            (frame,) = frames(viewer.frames())
            own = named(frame["rows"], "limit")
            assert (own["is"], own["published"], own["closed"], own["k"]) == ("state", 2, False, "subject")
            readers = [row for row in frame["rows"].values() if row["k"] == "sub"]
            assert [(row["delivered"], row["replaced"], row["waiting"]) for row in readers] == [
                (2, 1, 0),
                (0, 2, 1),
                (0, 0, 0),
            ]
            limit.set(9)
    limit.close()
    assert limit._life.gate.watchers == ()


async def test_the_value_of_a_state_is_shown_only_with_contents() -> None:
    """Without contents=True no value is in a frame; with it the value is there as it is now."""
    settings = State(Settings(limit=77_123), name="settings")
    for contents in (False, True):
        one, clock = hub(settings, contents=contents)
        with one.viewer() as viewer:
            assert ("77123" in viewer.frames().decode()) is contents
            settings.set(Settings(limit=88_456))
            clock.pass_(1)
            assert ("88456" in viewer.frames().decode()) is contents
        settings.set(Settings(limit=77_123))


async def test_a_shared_stream_is_shown_as_it_is_read() -> None:
    """What was read from the stream is what is published to its readers; its end closes it."""
    orders = Subject(Order, name="orders")
    async with share(orders.subscribe().map(lambda order: order.total), replay=2) as totals:
        one, clock = hub(totals)
        with one.viewer() as viewer:
            async with totals.subscribe(name="screen") as screen:
                for total in (1, 2, 3):
                    await orders.publish(Order(region="eu", total=total))
                await wait_all_tasks_blocked()
                await screen.receive()
                (frame,) = frames(viewer.frames())
                own, reader = named(frame["rows"], "share"), named(frame["rows"], "screen")
                assert (own["is"], own["published"], own["kept"]) == ("share", 3, 2)
                assert (reader["of"], reader["delivered"], reader["waiting"]) == ("s1", 1, 2)
                orders.close()
                await wait_all_tasks_blocked()
                clock.pass_(1)
                (frame,) = frames(viewer.frames())
                assert frame["rows"]["s1"]["closed"] is True


async def test_a_state_of_another_loop_is_said_to_be_elsewhere() -> None:
    """What runs in another thread is listed, and not looked at."""
    state = State(0, name="elsewhere")
    ready, done = threading.Event(), threading.Event()

    async def hold() -> None:
        async with state.subscribe() as values:
            await values.receive()
            ready.set()
            await anyio.to_thread.run_sync(done.wait)

    thread = threading.Thread(target=anyio.run, args=(hold,))
    thread.start()
    await anyio.to_thread.run_sync(ready.wait)
    one, _ = hub(state)
    with one.viewer() as viewer:
        (frame,) = frames(viewer.frames())
    done.set()
    await anyio.to_thread.run_sync(thread.join)
    assert list(frame["rows"]) == ["s1"]
    assert "another thread" in frame["rows"]["s1"]["error"]


async def test_states_and_shared_streams_have_a_tail() -> None:
    """With contents a state's tail begins with its value, and that of a shared stream with what comes."""
    state = State("first", name="state")
    orders = Subject(Order, name="orders")
    async with share(orders.subscribe()) as shared:
        app = inspector(state, shared, contents=True)
        async with streaming(app, "/tail", query="subject=s1") as answer:
            await answer.until("'first'")
            state.set("second")
            await answer.until("'second'")
        async with streaming(app, "/tail", query="subject=s2") as answer:
            await answer.until("retry")
            await orders.publish(Order(region="north", total=1))
            await answer.until("north")
    assert [look.hidden for look in app.state.hub.memory] == [set(), set()]
