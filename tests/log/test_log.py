"""Log: its subjects, its statistics, opening and closing."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any

import anyio
import pytest

from evenflow import Event
from evenflow.log import LogError, Retain, SQLiteLog
from evenflow.testing import MemoryLog, in_memory
from tests.contract.kit import both, both_real, settle

from .events import Ordered, Shipped


def test_a_subject_is_one_object_for_one_definition() -> None:
    """Asked for again it is the same; otherwise defined it is refused."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered, Shipped)
    assert log.subject("orders", Ordered, Shipped) is orders
    assert log.subject("orders", Ordered | Shipped) is orders
    for types, options in (((Ordered,), {}), ((Ordered, Shipped), {"retain": Retain(events=5)})):
        with pytest.raises(ValueError, match="orders"):
            log.subject("orders", *types, **options)  # type: ignore[call-overload]  # told apart below
    routed = log.subject("routed", Ordered, routed_by=(Ordered.region, Ordered.n))
    assert log.subject("routed", Ordered, routed_by=(Ordered.region, Ordered.n)) is routed
    with pytest.raises(ValueError, match="routed"):
        log.subject("routed", Ordered, routed_by=Ordered.region)
    assert repr(orders) == "<DurableSubject orders of Ordered | Shipped, log memory>"


def test_nonsense_is_refused_where_it_is_written() -> None:
    """Names, classes and options."""
    log: Any = MemoryLog()
    with pytest.raises(ValueError, match="not a name"):
        log.subject("not a name", Ordered)
    with pytest.raises(TypeError, match="at least one"):
        log.subject("orders")
    with pytest.raises(ValueError, match="ignore"):
        log.subject("orders", Ordered, on_undecodable="ignore")
    with pytest.raises(TypeError, match=r"Retain\(age"):
        log.subject("orders", Ordered, retain=30)
    with pytest.raises(TypeError, match="must be a field"):
        log.subject("orders", Ordered, routed_by="region")
    with pytest.raises(TypeError, match="speed"):
        log.subject("orders", Ordered, speed=3)
    with pytest.raises(ValueError, match="a log"):
        MemoryLog(name="no spaces")
    assert log._subjects == {}


def test_the_options_of_a_subject_can_be_read_off_its_signature() -> None:
    """With their defaults: the overloads are for type checkers alone."""
    options = inspect.signature(MemoryLog().subject).parameters
    assert (options["retain"].default, options["on_undecodable"].default) == (None, "raise")


def test_two_classes_with_one_wire_name_are_refused() -> None:
    """The error names both, with their modules."""

    class Other(Event, name="Ordered"):
        pass

    with pytest.raises(ValueError, match=r"(?=.*events\.Ordered)(?=.*Other)"):
        MemoryLog().subject("orders", Ordered, Other)


def test_two_classes_of_one_log_with_one_wire_name_are_refused() -> None:
    """In one subject and in two; in two logs they may live side by side, and a class may be in several subjects."""

    class Paid(Event, name="test.log.paid"):
        a: int

    class Settled(Event, name="test.log.settled", formerly=("test.log.paid",)):
        b: int

    log = MemoryLog()
    log.subject("one", Paid)
    log.subject("again", Paid, Ordered)
    with pytest.raises(ValueError, match=r"'test.log.paid': \S+Paid of one and \S+Settled \(formerly\) of two"):
        log.subject("two", Settled)
    MemoryLog().subject("two", Settled)


def test_copies_are_refused() -> None:
    """A log and a subject run; copies would have no part in that."""
    log = MemoryLog()
    for thing in (log, log.subject("orders", Ordered)):
        for copied in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="copied or pickled"):
                copied(thing)


@both
async def test_statistics_tell_of_subjects_and_groups() -> None:
    """What is stored, and what each group has to do."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        end = await orders.publish(Ordered(n=1))
        async with orders.deliveries("g"):
            pass
        statistics = await log.statistics()
    assert (statistics.name, statistics.events) == ("memory", 1)
    [subject] = statistics.subjects
    assert (subject.name, subject.end) == ("orders", end)
    [group] = subject.groups
    assert (group.name, group.due) == ("g", 1)


@both
async def test_statistics_tell_of_a_group_whose_subject_has_no_event_yet() -> None:
    """Whoever pauses a group before its first event sees that it is paused."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        async with orders.deliveries("billing"):
            pass
        await orders.pause("billing")
        [subject] = (await log.statistics()).subjects
        assert (subject.name, subject.end.seq, subject.groups[0].paused) == ("orders", 0, True)


@both
async def test_only_the_named_consumers_run() -> None:
    """``consumers=False`` runs none, names run those of these groups."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    handled: list[str] = []
    for group in ("a", "b"):
        orders.consume(group, lambda _, group=group: handled.append(group), Ordered)
    async with log.opened(consumers=False):
        await orders.publish(Ordered(n=1))
    assert handled == []
    async with log.opened(consumers=["b"]):
        await settle()
    assert handled == ["b"]


@both
async def test_the_name_of_a_group_that_no_consumer_has_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """With the names that there are, and nothing is opened; where there is no consumer yet, that is logged."""
    log = MemoryLog(name="shop")
    orders = log.subject("orders", Ordered)
    with caplog.at_level("WARNING", "evenflow.log"):
        async with log.opened(consumers=["billing"]):
            handled: list[Ordered] = []
            orders.consume("billing", handled.append, Ordered)
            orders.consume("audit", lambda _: None, Ordered)
            await orders.publish(Ordered(n=1))
            await settle()
            assert handled == [Ordered(n=1)]
    assert "log shop has no consumers yet: of 'billing' nothing runs until they are added" in caplog.text
    says = "log shop has no consumer of 'biling', 'x', .* it has consumers of 'audit', 'billing'"
    with pytest.raises(ValueError, match=says):
        await log.opened(consumers=["x", "biling", "audit"]).__aenter__()
    with pytest.raises(ValueError, match=says):
        await log.start(consumers=["x", "biling"])
    assert "not open" in repr(log)


@both
@pytest.mark.parametrize(
    "options, error, says",
    [
        ({"consumers": "billing"}, TypeError, r"\['billing'\]"),
        ({"consumers": 3}, TypeError, "names of groups"),
        ({"consumers": [3]}, TypeError, "a group"),
        ({"consumers": ["no spaces"]}, ValueError, "a group"),
        ({"grace": -1.0}, ValueError, "grace"),
        ({"grace": "x"}, TypeError, "grace"),
        ({"grace": float("nan")}, ValueError, "grace"),
    ],
)
async def test_a_wrong_option_of_opening_is_refused_before_anything_is_opened(
    options: dict[str, Any], error: type[Exception], says: str
) -> None:
    """One name instead of several ran no consumer at all, and a wrong grace was an error in the middle of closing."""
    log = MemoryLog()
    with pytest.raises(error, match=says):
        async with log.opened(**options):
            raise AssertionError("it was opened")
    assert "not open" in repr(log)
    if "grace" in options:
        async with log:
            with pytest.raises(error, match=says):
                await log.aclose(**options)
            assert "not open" not in repr(log)
    async with log.opened(grace=0):
        pass


@both
async def test_a_log_is_closed_by_start_and_aclose() -> None:
    """Hosts with two hooks; closing a closed log does nothing."""
    log = MemoryLog()
    await log.start(consumers=False)
    assert "open" in repr(log)
    await log.aclose()
    await log.aclose()
    assert "not open" in repr(log)


@both
async def test_in_memory_stands_in_for_a_modules_own_log() -> None:
    """Consumers included; its events are forgotten at the end, and the log is as it was."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    handled: list[int] = []
    orders.consume("g", lambda order: handled.append(order.n), Ordered)
    async with log.opened(consumers=False):
        await orders.publish(Ordered(n=1))
    async with in_memory(log):
        await orders.publish(Ordered(n=2))
        assert [record.event.n for record in await orders.read().to_list()] == [2]
    async with log.opened(consumers=False):
        assert [record.event.n for record in await orders.read().to_list()] == [1]
    assert 1 not in handled


@both_real
async def test_of_two_that_open_it_at_once_one_is_refused(tmp_path: Path) -> None:
    """It lives once at a time, also while it is being opened; one that could not be opened may be opened again."""
    folder = tmp_path / "later"
    log = SQLiteLog(folder / "shop.db", durability="process")

    async def at_once() -> list[str]:
        outcomes: list[str] = []
        both_tried = anyio.Event()

        def note(outcome: str) -> None:
            outcomes.append(outcome)
            if len(outcomes) == 2:
                both_tried.set()

        async def use() -> None:
            try:
                async with log:
                    note("opened")
                    await both_tried.wait()
            except (RuntimeError, LogError) as error:
                note(type(error).__name__)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(use)
            tasks.start_soon(use)
        return sorted(outcomes)

    assert await at_once() == ["LogError", "RuntimeError"]
    folder.mkdir()
    assert await at_once() == ["RuntimeError", "opened"]
    assert await at_once() == ["RuntimeError", "opened"]
