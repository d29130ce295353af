from __future__ import annotations

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from evenflow import Deadlock, Subject
from evenflow.web._inspector._happenings import Happenings
from evenflow.web._inspector._holds import Holds

from .kit import Clock, Order

pytestmark = pytest.mark.anyio
ORDER = Order(region="eu", total=1)


def watching(subject: Subject[Order]) -> tuple[Holds, Happenings, Clock]:
    clock = Clock()
    happenings = Happenings(clock, clock)
    holds = Holds("s1", subject.name, happenings, clock, contents=False)
    subject._life.gate.watch(holds)
    return holds, happenings, clock


async def test_how_often_and_how_long_a_subscription_holds_publishers() -> None:
    """Each publish that waits is counted once, and the time during which at least one waited."""
    subject = Subject(Order)
    holds, _, clock = watching(subject)
    async with subject.subscribe(buffer=1) as slow, anyio.create_task_group() as tasks:
        await subject.publish(ORDER)
        assert holds.of(slow._mailbox) is None
        tasks.start_soon(subject.publish, ORDER)
        tasks.start_soon(subject.publish, ORDER)
        await wait_all_tasks_blocked()
        held = holds.of(slow._mailbox)
        assert held is not None and held.since == clock.time
        clock.pass_(3)
        await slow.receive()
        await wait_all_tasks_blocked()
        assert (held.publishes, held.seconds, held.since) == (2, 0.0, clock.time - 3)
        clock.pass_(1)
        await slow.receive()
        await wait_all_tasks_blocked()
        assert (held.publishes, held.seconds, held.since) == (2, 4.0, None)


async def test_a_publish_that_waits_for_two_is_held_by_both() -> None:
    """A publish that misses room in two subscriptions is held by each of them until it has room there."""
    subject = Subject(Order)
    holds, _, clock = watching(subject)
    async with (
        subject.subscribe(buffer=1) as one,
        subject.subscribe(buffer=1) as two,
        anyio.create_task_group() as tasks,
    ):
        await subject.publish(ORDER)
        tasks.start_soon(subject.publish, ORDER)
        await wait_all_tasks_blocked()
        clock.pass_(1)
        await one.receive()
        await wait_all_tasks_blocked()
        clock.pass_(1)
        await two.receive()
        await wait_all_tasks_blocked()
        held = [holds.of(one._mailbox), holds.of(two._mailbox)]
        assert [(each.publishes, each.seconds, each.since) for each in held if each] == [(1, 1.0, None), (1, 2.0, None)]


@pytest.mark.parametrize("how", ["the publish is cancelled", "the subscription is closed", "the subject is closed"])
async def test_whatever_ends_the_wait_ends_the_hold(how: str) -> None:
    """A hold ends with the wait, whoever ends that."""
    subject = Subject(Order)
    holds, _, clock = watching(subject)
    slow = subject.subscribe(buffer=1)
    await subject.publish(ORDER)

    async def publish() -> None:
        try:
            await subject.publish(ORDER)
        except anyio.ClosedResourceError:
            pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publish)
        await wait_all_tasks_blocked()
        held = holds.of(slow._mailbox)
        assert held is not None and held.since is not None
        clock.pass_(2)
        if how == "the publish is cancelled":
            tasks.cancel_scope.cancel()
        elif how == "the subscription is closed":
            slow.close()
        else:
            subject.close()
    assert (held.seconds, held.since) == (2.0, None)
    slow.close()


async def test_who_holds_already_when_somebody_comes_to_look_is_known() -> None:
    """A hold that began before somebody looked is seen, from then on."""
    subject = Subject(Order)
    async with subject.subscribe(buffer=1) as slow, anyio.create_task_group() as tasks:
        await subject.publish(ORDER)
        tasks.start_soon(subject.publish, ORDER)
        await wait_all_tasks_blocked()
        clock = Clock()
        holds = Holds("s1", "subject", Happenings(clock, clock), clock, contents=False)
        holds.begin(subject._life.gate.missed)
        subject._life.gate.watch(holds)
        held = holds.of(slow._mailbox)
        assert held is not None and (held.publishes, held.since) == (0, clock.time)
        await slow.receive()
        await wait_all_tasks_blocked()
        assert held.since is None
        subject._life.gate.unwatch(holds)
        assert subject._life.gate.watchers == ()


async def test_a_deadlock_is_told_with_its_path() -> None:
    """A publish that is refused is told, with who waits for whom, and without a value."""
    subject = Subject(Order, name="orders")
    _, happenings, _ = watching(subject)

    refused = anyio.Event()

    async def again(order: Order) -> None:
        if not refused.is_set():
            with pytest.raises(Deadlock):
                while True:
                    await subject.publish(order)
            refused.set()

    subject.observe(again, Order, buffer=1, name="again")
    async with subject:
        await subject.publish(Order(region="hunter2", total=1))
        await refused.wait()
    told = [one for one in happenings.all() if one["kind"] == "deadlock"]
    assert told and "is full and is read by task" in told[0]["what"]
    assert "hunter2" not in str(happenings.all())


async def test_what_an_observer_raises_is_told_as_class_and_line() -> None:
    """A failure is told with the class of the error and the line that raised it, and no value."""
    subject = Subject(Order, name="orders")
    _, happenings, _ = watching(subject)

    @subject.observer(name="mail")
    async def mail(order: Order) -> None:
        raise ValueError(order.region)

    async with subject:
        await subject.publish(Order(region="hunter2", total=1))
    (one,) = happenings.all()
    assert (one["kind"], one["subject"], one["who"], one["what"]) == ("failure", "s1", "mail", "ValueError")
    assert "test_holds.py:" in one["where"] and "hunter2" not in str(one)
