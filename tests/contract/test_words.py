"""Sections 2 and 7: statistics, reprs, errors, logs, and what importing evenflow imports."""

from __future__ import annotations

import dataclasses
import logging
import pickle
import subprocess
import sys
from typing import Any

import anyio
import pytest

import evenflow
from evenflow import (
    Deadlock,
    DecodeError,
    EvenflowError,
    LogError,
    Publisher,
    SlowSubscriber,
    Source,
    State,
    SubjectClosed,
    Unsupported,
)

from .kit import Order, Shipped, Subject, both, fill, group, publishing, read_all, settle


def test_every_error_has_one_base() -> None:
    """EvenflowError is the base of all errors that evenflow defines, and SubjectClosed is a ClosedResourceError too."""
    for error in (SubjectClosed, SlowSubscriber, Deadlock, Unsupported, LogError, DecodeError):
        assert issubclass(error, EvenflowError)
        assert error.__doc__
    assert issubclass(SubjectClosed, anyio.ClosedResourceError)
    assert not issubclass(SlowSubscriber, anyio.EndOfStream)


@pytest.mark.parametrize(
    "error", [SlowSubscriber("slow", missed=3), Deadlock("round", path=("a", "b")), SubjectClosed("x")]
)
def test_errors_keep_their_attributes_when_pickled(error: EvenflowError) -> None:
    """A pickled error has the same message and the same attributes."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__


@both
async def test_a_subjects_statistics_are_frozen_and_hold_one_for_each_subscription() -> None:
    """They are a snapshot: what happens later does not change them."""
    subject = Subject(Order, Shipped, name="shop")
    one = subject.subscribe(Order, name="one", buffer=7)
    subject.subscribe(Shipped, name="two")
    fill(subject, 3)
    statistics = subject.statistics()
    assert {s.name for s in statistics.subscriptions} == {"one", "two"}
    assert one.statistics() in statistics.subscriptions
    assert one.statistics().capacity == 7
    field: Any = dataclasses.fields(statistics)[0].name
    with pytest.raises((AttributeError, TypeError)):
        setattr(statistics, field, 1)
    await one.receive()
    assert next(s for s in statistics.subscriptions if s.name == "one").waiting == 3
    assert one.statistics().waiting == 2


@both
async def test_a_subscriptions_statistics_have_the_promised_names() -> None:
    """They are wanted, delivered, replaced, dropped, discarded, waiting and capacity."""
    subject = Subject(Order)
    statistics: Any = subject.subscribe(Order).statistics()
    for name in ("wanted", "delivered", "replaced", "dropped", "discarded", "waiting", "capacity"):
        assert isinstance(getattr(statistics, name), int)
    with pytest.raises((AttributeError, TypeError)):
        statistics.wanted = 5


@both
async def test_reprs_show_name_wants_and_fill() -> None:
    """A repr shows the name, what is wanted, and how full the buffer is."""
    subject = Subject(Order, Shipped, name="shop")
    subscription = subject.subscribe(Order, where=Order.n > 1, name="eager", buffer=9)
    for n in range(2, 6):
        subject.publish_nowait(Order(n=n))
    watcher = subject.observe(print, Shipped, name="printer")
    said = repr(subscription)
    assert "eager" in said
    assert "Order" in said
    assert "4" in said
    assert "9" in said
    said = repr(subject)
    assert "shop" in said
    assert "Order" in said
    assert "Shipped" in said
    said = repr(watcher)
    assert "printer" in said
    assert "Shipped" in said
    assert "3" in repr(State(3))


@both
async def test_reprs_of_what_has_ended_still_work() -> None:
    """A closed subject, subscription or observer can be printed."""
    subject = Subject(Order, name="shop")
    subscription = subject.subscribe(Order)
    watcher = subject.observe(print, Order)
    watcher.detach()
    await subscription.aclose()
    subject.close()
    for thing in (subject, subscription, watcher, subject.failures):
        assert repr(thing)
        assert thing.statistics() is not None


@both
async def test_a_subscription_without_a_name_is_given_one() -> None:
    """Each subscription has a name of its own, for logs and statistics."""
    subject = Subject(Order, name="shop")
    one, two = subject.subscribe(Order), subject.subscribe(Order)
    assert one.statistics().name
    assert one.statistics().name != two.statistics().name


@both
async def test_every_log_record_comes_from_a_logger_of_evenflow(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises, an observer that does not run and a stall are logged by `evenflow.*`."""
    subject = Subject(Order, stall_after=1)

    def broken(order: Order) -> None:
        raise ZeroDivisionError

    subject.observe(broken, Order)
    subscription = subject.subscribe(Order, where=Order.n == 7, buffer=1)
    with caplog.at_level(logging.DEBUG):
        await subject.publish(Order(n=0))
        async with subject:
            fill(subject, 2)
            subject.publish_nowait(Order(n=7))
            async with group() as tasks:
                await publishing(tasks, subject, Order(n=7))
                await anyio.sleep(5)
            await settle()
    names = {record.name for record in caplog.records if record.name.split(".")[0] not in ("asyncio", "trio")}
    assert names
    assert all(name.startswith("evenflow.") for name in names)
    assert len(names) >= 2
    assert subscription.statistics().waiting == 1


@both
async def test_a_subject_is_a_publisher_and_a_source() -> None:
    """It can be passed to functions that only publish or only subscribe."""
    subject = Subject(Order)

    async def fill_it(publisher: Publisher[Order]) -> None:
        for n in range(3):
            await publisher.publish(Order(n=n))

    def tap(source: Source[Order]) -> Any:
        return source.subscribe()

    subscription = tap(subject)
    await fill_it(subject)
    subject.close()
    assert [order.n for order in await read_all(subscription)] == [0, 1, 2]


def test_a_subject_can_be_subclassed() -> None:
    """`class Bus(Subject[E])` takes events of its type only."""

    class Bus(evenflow.Subject[Order]):
        """A bus of orders."""

    bus = Bus(Order, name="bus")
    assert bus.publish_nowait(Order(n=1)) == 0
    with pytest.raises(TypeError, match="bus"):
        bus.publish_nowait(Shipped(n=1))  # type: ignore[arg-type]


def test_everything_public_has_a_docstring() -> None:
    """Each public name has one, and each public method of Subject, Subscription and State."""
    for name in evenflow.__all__ if hasattr(evenflow, "__all__") else dir(evenflow):
        if name.startswith("_") or not callable(getattr(evenflow, name)) or name == "Overflow":
            continue  # The alias of a type has no docstring of its own.
        assert getattr(evenflow, name).__doc__, f"{name} has no docstring"
    for kind in (evenflow.Subject, evenflow.Subscription, evenflow.State):
        for name in dir(kind):
            if not name.startswith("_"):
                assert getattr(kind, name).__doc__, f"{kind.__name__}.{name} has no docstring"


def test_importing_evenflow_imports_nothing_of_the_extras() -> None:
    """It imports only anyio and pydantic: no back end, no trio, no extra."""
    code = (
        "import sys, evenflow\n"
        "extras = ['nats', 'redis', 'starlette', 'fastapi', 'opentelemetry', 'psutil', 'rich', 'trio', 'async_solipsism',"
        " 'pytest', 'hypothesis', 'sqlite3']\n"
        "print([name for name in extras if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout
