"""Sections 2 and 7: statistics, reprs, errors, logs, and what importing evenflow imports."""

from __future__ import annotations

import dataclasses
import logging
import pickle
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
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
    assert repr(subscription) in repr(subscription.batches())
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


PUBLIC_MODULES = {"asyncapi", "cli", "log", "streams", "telemetry", "testing", "web"}


def test_evenflow_has_its_documented_names_and_no_others() -> None:
    """`dir(evenflow)` shows what `__all__` names, and the modules with a page of their own."""
    shown = {name for name in dir(evenflow) if name.isidentifier() and not name.startswith("_")}
    assert shown - PUBLIC_MODULES == set(evenflow.__all__) - {"__version__"}
    assert all(hasattr(evenflow, name) for name in evenflow.__all__)
    page = (Path(__file__).parents[2] / "docs" / "reference" / "names.md").read_text(encoding="utf-8")
    assert [name for name in evenflow.__all__ if f"`{name}" not in page and f"`evenflow.{name}`" not in page] == []


def test_the_version_is_that_of_the_distribution() -> None:
    """`evenflow.__version__` is what pip installed."""
    assert evenflow.__version__ == metadata.version("evenflow")


CONTRACT = {
    "Subject": "name is_closed publish publish_nowait publish_many publish_from_thread subscribe first observe observer"
    " failures explain drain close start aclose statistics",
    "Observer": "name detach statistics ended unhandled",
    "State": "value set set_from_thread update subscribe wait_for close",
    "Condition": "",
    "Gap": "count first_at last_at",
    "Explanation": "name wanted reason found_by",
    "SubscriptionStatistics": "name wanted delivered replaced dropped discarded waiting capacity lag undecodable",
    "ObserverStatistics": "name running handled failed handling cancelled subscription",
    "SubjectStatistics": "name published deliveries waiting_publishers kept closed subscriptions observers",
    "Shared": "subscribe",
    "SlowSubscriber": "missed add_note args with_traceback",
    "Deadlock": "path add_note args with_traceback",
    "ObserverFailed": "event error observer",
}


def shown_by(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.mark.parametrize("name", CONTRACT)
@both
async def test_an_object_shows_its_contract_and_nothing_else(name: str) -> None:
    """What completion offers is what a user may rely on."""
    subject: Any = Subject(Order)
    observer = subject.observe(print, Order)
    now = datetime.now(UTC)
    things = {
        "Subject": subject,
        "Observer": observer,
        "State": State(1),
        "Condition": (Order.n > 1) & ~evenflow.one_of(Order.region, "eu"),
        "Gap": evenflow.Gap(1, now, now),
        "Explanation": evenflow.Explanation("a", True, "b", "c"),
        "SubscriptionStatistics": subject.subscribe().statistics(),
        "ObserverStatistics": observer.statistics(),
        "SubjectStatistics": subject.statistics(),
        "Shared": evenflow.share(evenflow.stream([1])),
        "SlowSubscriber": SlowSubscriber("slow"),
        "Deadlock": Deadlock("round"),
        "ObserverFailed": evenflow.ObserverFailed(Order(n=1), ValueError(), observer),
    }
    assert shown_by(things[name]) == set(CONTRACT[name].split())


def test_the_class_of_conditions_shows_how_one_is_written() -> None:
    """A condition is called, joined, printed, compared and hashed, which has underscores; and is written as JSON."""
    assert shown_by(evenflow.Condition) == {"from_json", "to_json"}


@both
async def test_a_subscription_shows_the_operators_and_its_own_methods() -> None:
    """A chain shows the operators; a subscription can be closed, counted and read without waiting as well."""
    subscription = Subject(Order).subscribe()
    chain = Subject(Order).subscribe().map(str)
    assert shown_by(chain) == shown_by(evenflow.Stream)
    own = "cancelling close ended name reason receive_nowait statistics"
    assert shown_by(subscription) - shown_by(chain) == set(own.split())


def words_of(error: BaseException, *words: str) -> None:
    assert all(word in str(error) for word in words), str(error)


@both
async def test_what_is_closed_says_what_it_was_and_the_way_out() -> None:
    """Every read of a closed subscription, its batches, or a closed chain raises an error of its own, with words."""
    subscription = Subject(Order, name="shop").subscribe(name="mine")
    batches = subscription.batches()
    subscription.close()
    errors = []
    for read in (subscription.receive, subscription.receive, batches.receive):
        with pytest.raises(anyio.ClosedResourceError) as caught:
            await read()
        errors.append(caught.value)
    with pytest.raises(anyio.ClosedResourceError) as caught:
        subscription.receive_nowait()
    for error in (*errors, caught.value):
        words_of(error, "mine was closed", "subscribe again")
    assert len(set(map(id, errors))) == 3
    chain = evenflow.stream([1, 2]).map(str)
    await chain.aclose()
    with pytest.raises(anyio.ClosedResourceError, match="this stream was closed"):
        await chain.receive()
    with pytest.raises(anyio.ClosedResourceError, match="this stream was closed"):
        async with chain:
            pass


CHAINS: dict[str, Callable[[evenflow.Stream[Any]], evenflow.Stream[Any]]] = {
    "debounce": lambda source: source.debounce(1),
    "delay": lambda source: source.delay(1),
    "merge": lambda source: source.merge(evenflow.interval(100)),
    "combine_latest": lambda source: source.combine_latest(evenflow.interval(100)),
    "zip": lambda source: source.zip(evenflow.interval(100)),
    "zip_latest": lambda source: source.zip_latest(evenflow.interval(100)),
    "race": lambda source: source.race(evenflow.interval(100)),
    "group_by": lambda source: source.group_by(str),
    "flat_map": lambda source: source.flat_map(lambda _: [1]),
}


@pytest.mark.parametrize("name", CHAINS)
@both
async def test_a_reader_of_a_chain_that_is_closed_under_it_is_told_so(name: str) -> None:
    """A chain with a task ends the read that waits for it, with words."""
    errors: list[BaseException] = []

    async def read(chain: evenflow.Stream[Any]) -> None:
        try:
            await chain.receive()
        except anyio.ClosedResourceError as error:
            errors.append(error)

    async with group() as tasks, CHAINS[name](evenflow.interval(100)) as chain:
        tasks.start_soon(read, chain)
        await settle()
        await chain.aclose()
        await settle()
    (error,) = errors
    words_of(error, "this stream was closed", "make it anew")


@both
async def test_the_end_says_what_has_ended() -> None:
    """`EndOfStream` names the subscription or the chain, or the sink that found nothing."""
    subject = Subject(Order, name="shop")
    subscription = subject.subscribe(name="mine")
    waiting = subject.first()
    chain = subject.subscribe().map(str)
    subject.close()
    for read in (subscription.receive, subscription.batches().receive):
        with pytest.raises(anyio.EndOfStream, match="mine has ended"):
            await read()
    with pytest.raises(anyio.EndOfStream, match="mine has ended"):
        subscription.receive_nowait()
    with pytest.raises(anyio.EndOfStream, match="shop/"):
        await waiting
    with pytest.raises(anyio.EndOfStream, match=r"<Stream map> has ended"):
        await chain.receive()
    for name in ("first", "last"):
        with pytest.raises(anyio.EndOfStream, match=rf"{name}\(\) found no event"):
            await getattr(evenflow.stream([]), name)()


@both
async def test_what_would_have_to_wait_says_for_whom() -> None:
    """`WouldBlock` names what is empty, or who is full, and the call that waits."""
    subject = Subject(Order, name="shop")
    subscription = subject.subscribe(name="mine", buffer=1)
    subject.subscribe(name="yours", buffer=1)
    with pytest.raises(anyio.WouldBlock, match=r"mine has nothing to read now; 'await receive\(\)'"):
        subscription.receive_nowait()
    subject.publish_nowait(Order(n=1))
    with pytest.raises(anyio.WouldBlock) as caught:
        subject.publish_nowait(Order(n=2))
    words_of(caught.value, "shop", "mine (and 1 more)", "is full", "'await publish' waits for room")


def test_a_closed_state_does_not_speak_of_entering_it_again() -> None:
    """A state is not entered: once closed, the way out is another one."""
    state = State(1)
    state.close()
    for change in (lambda: state.set(2), lambda: state.update(lambda value: value + 1)):
        with pytest.raises(SubjectClosed, match="make a new State"):
            change()


def test_importing_evenflow_imports_nothing_of_the_extras() -> None:
    """It imports only anyio and pydantic: no back end, no trio, no extra."""
    code = (
        "import sys, evenflow\n"
        "extras = ['nats', 'redis', 'starlette', 'fastapi', 'opentelemetry', 'psutil', 'rich', 'trio', 'async_solipsism',"
        " 'pytest', 'hypothesis', 'sqlite3']\n"
        "print([name for name in extras if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.strip() == "[]", done.stdout
