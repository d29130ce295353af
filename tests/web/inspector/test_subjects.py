from __future__ import annotations

import dataclasses
import gc
import threading
from weakref import ref

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from evenflow import Subject

from .kit import Order, Shipped, frames, hub, named

pytestmark = pytest.mark.anyio
ORDER = Order(region="eu", total=200)


async def test_the_numbers_are_those_of_the_statistics() -> None:
    """Each number of a row is the number that statistics() gives, after all that can happen to an event."""
    subject = Subject(Order, Shipped, name="orders", replay=3)

    @subject.observer(name="mail")
    async def mail(order: Order) -> None:
        if order.total > 500:
            raise ValueError

    kinds = [
        subject.subscribe(name="slow", buffer=5),
        subject.subscribe(name="dropping", buffer=2, overflow="drop_oldest"),
        subject.subscribe(name="newest", buffer=2, overflow="drop_newest"),
        subject.subscribe(Order, name="conflated", conflate=Order.region, buffer=8),
        subject.subscribe(Shipped, name="shipped"),
    ]
    one, _ = hub(subject)
    async with subject:
        for number in range(4):
            await subject.publish(Order(region="eu", total=300 * number))
        await subject.publish(Shipped(order=1))
        await kinds[0].receive()
        await wait_all_tasks_blocked()
        with one.viewer() as viewer:
            (frame,) = frames(viewer.frames())
        statistics = subject.statistics()
        rows = frame["rows"]
        row = named(rows, "orders")
        assert (row["published"], row["deliveries"], row["kept"]) == (statistics.published, statistics.deliveries, 3)
        assert (row["publishers"], row["closed"], row["entered"]) == (0, False, True)
        compared = 0
        for numbers in statistics.subscriptions:
            row = named(rows, numbers.name.removeprefix("orders/"))
            for field in dataclasses.fields(numbers):
                if field.name != "name":
                    assert row[field.name] == getattr(numbers, field.name), (numbers.name, field.name)
            compared += 1
        assert compared == 6
        (observer,) = statistics.observers
        row = named(rows, "mail")
        assert [row[name] for name in ("handled", "failed", "handling", "cancelled", "running")] == [
            observer.handled, observer.failed, observer.handling, observer.cancelled, True,
        ]  # fmt: skip
        assert observer.failed == 2
    for subscription in kinds:
        subscription.close()


async def test_a_row_says_who_where_and_what() -> None:
    """A subscription is shown with its name, the line that made it, its wants, and how a publish finds it."""
    subject = Subject(Order, Shipped, name="orders")
    subscription = subject.subscribe(Order, where=(Order.region == "hunter2") & (Order.total > 777), name="desk")
    one, _ = hub(subject)
    with one.viewer() as viewer:
        text = viewer.frames()
    row = named(frames(text)[0]["rows"], "desk")
    assert row["wants"] == "Order where region == … & total > …"
    assert row["made"].startswith("inspector/test_subjects.py:")
    assert row["overflow"] == "block" and "region" in row["found"]
    assert b"hunter2" not in text and b"777" not in text
    subscription.close()


async def test_a_publish_that_waits_is_shown_with_who_holds_it() -> None:
    """Who holds a publisher right now is shown, with how many and since when."""
    subject = Subject(Order, name="orders", stall_after=5)
    one, clock = hub(subject)
    async with subject.subscribe(name="slow", buffer=1) as slow, anyio.create_task_group() as tasks:
        await subject.publish(ORDER)
        with one.viewer() as viewer:
            viewer.frames()
            tasks.start_soon(subject.publish, ORDER)
            await wait_all_tasks_blocked()
            clock.pass_(1)
            (frame,) = frames(viewer.frames())
            row = frame["rows"]["s1.1"]
            assert (row["holding"], row["held"], row["since"]) == (1, 1, clock.time - 1)
            assert frame["rows"]["s1"]["publishers"] == 1
            assert frame["new"] == []
            clock.pass_(5)
            (frame,) = frames(viewer.frames())
            assert [one["kind"] for one in frame["new"]] == ["stall"]
            clock.pass_(5)
            assert frames(viewer.frames())[0]["new"] == []
            await slow.receive()
            await wait_all_tasks_blocked()
            clock.pass_(1)
            (frame,) = frames(viewer.frames())
            row = frame["rows"]["s1.1"]
            assert (row["holding"], row["since"], row["held_for"]) == (0, None, 11.0)


async def test_drops_and_disconnections_are_told() -> None:
    """A buffer that overflows is a gap, with the number of events; a subscriber that was too slow is told of once."""
    subject = Subject(Order, name="orders")
    dropping = subject.subscribe(name="dropping", buffer=1, overflow="drop_oldest")
    slow = subject.subscribe(name="slow", buffer=1, overflow="disconnect")
    one, clock = hub(subject)
    with one.viewer() as viewer:
        viewer.frames()
        for _ in range(4):
            await subject.publish(ORDER)
        clock.pass_(1)
        (frame,) = frames(viewer.frames())
        told = {(one["kind"], one["who"]): one["count"] for one in frame["new"]}
        assert told == {("gap", "dropping"): 3, ("disconnect", "slow"): 1}
        assert frame["rows"]["s1.2"] is None
    dropping.close()
    slow.close()


async def test_what_a_condition_raises_is_told() -> None:
    """A subscription that its own where has ended is told of, without the value that it raised on."""
    subject = Subject(Order, name="orders")

    def bad(order: Order) -> bool:
        raise ValueError(order.region)

    subscription = subject.subscribe(Order, where=bad, name="odd")
    one, clock = hub(subject)
    with one.viewer() as viewer:
        viewer.frames()
        await subject.publish(Order(region="hunter2", total=1))
        clock.pass_(1)
        text = viewer.frames()
    (told,) = frames(text)[0]["new"]
    assert (told["kind"], told["who"], told["what"]) == ("failure", "odd", "ended with ValueError")
    assert b"hunter2" not in text
    subscription.close()


async def test_observers_that_do_not_run_are_shown_as_such() -> None:
    """Before a subject is entered, and after it was left, its observers are there and do not run."""
    subject = Subject(Order, name="orders")
    subject.observe(lambda order: None, Order, name="mail")
    one, clock = hub(subject)
    with one.viewer() as viewer:
        (frame,) = frames(viewer.frames())
        assert named(frame["rows"], "mail")["running"] is False
        async with subject:
            clock.pass_(1)
            (frame,) = frames(viewer.frames())
            assert named(frame["rows"], "mail")["running"] is True
        clock.pass_(1)
        (frame,) = frames(viewer.frames())
        assert named(frame["rows"], "mail")["running"] is False
        assert frame["rows"]["s1"]["closed"] is True


async def test_a_subject_that_lives_anew_is_watched_anew() -> None:
    """Entering a subject again makes a new life: its numbers are the new ones, and the old life is left alone."""
    subject = Subject(Order, name="orders")
    one, clock = hub(subject)
    with one.viewer() as viewer:
        async with subject:
            await subject.publish(ORDER)
            viewer.frames()
        former = subject._life
        async with subject:
            clock.pass_(1)
            (frame,) = frames(viewer.frames())
            assert frame["rows"]["s1"]["published"] == 0
            assert former.gate.watchers == () and len(subject._life.gate.watchers) == 1


async def test_a_subject_of_another_thread_is_said_to_be_there() -> None:
    """A subject that runs in another thread cannot be looked at: the page says so, and shows the rest."""
    subject, here = Subject(Order, name="elsewhere"), Subject(Order, name="here")
    entered, leave = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        async with subject:
            entered.set()
            await anyio.to_thread.run_sync(leave.wait)

    thread = threading.Thread(target=anyio.run, args=(elsewhere,))
    thread.start()
    try:
        assert entered.wait(10)
        one, _ = hub(subject, here)
        with one.viewer() as viewer:
            (frame,) = frames(viewer.frames())
        assert "another thread" in named(frame["rows"], "elsewhere")["error"]
        assert named(frame["rows"], "here")["published"] == 0
    finally:
        leave.set()
        thread.join()


async def test_nothing_is_hooked_before_the_first_viewer_nor_after_the_last() -> None:
    """It costs a subject nothing while nobody looks: nobody is told of anything, and nothing of it is kept."""
    subject = Subject(Order, name="orders")
    subscription = subject.subscribe(name="slow", buffer=4)
    one, clock = hub(subject)

    def hooks() -> object:
        life = subject._life
        return (
            life.gate.watchers,
            life._watchers,
            subject._failures,
            list(life.members.active),
            subject._supervisor.observers,
        )

    before = hooks()
    assert before == ((), [], None, [subscription._mailbox], {})
    with one.viewer() as first:
        first.frames()
        assert len(subject._life.gate.watchers) == 1
        with one.viewer() as second:
            second.frames()
            assert len(subject._life.gate.watchers) == 1
        assert len(subject._life.gate.watchers) == 1
        await subject.publish(ORDER)
        clock.pass_(1)
        first.frames()
    assert hooks() == before
    kept = ref(subscription._mailbox)
    subscription.close()
    del subscription, before, first, second
    gc.collect()
    assert kept() is None


async def test_looking_keeps_no_event_and_no_subscription_alive() -> None:
    """A viewer holds no event, and a subscription that nobody holds ends as ever."""
    subject = Subject(Order, name="orders")
    one, clock = hub(subject, contents=True)
    with one.viewer() as viewer:
        async with subject.subscribe(name="reader") as reader:
            event = Order(region="eu", total=1)
            gone = ref(event)
            await subject.publish(event)
            clock.pass_(1)
            viewer.frames()
            del event
            await reader.receive()
            clock.pass_(1)
            viewer.frames()
            gc.collect()
            assert gone() is None
