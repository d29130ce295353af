"""Instrumenting, and undoing it: who is followed, what is refused, what is left behind."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import metrics, trace

from evenflow import Subject
from evenflow._handling import Handling
from evenflow.telemetry import Instrumentation, instrument
from evenflow.testing import MemoryLog

from ..contract.kit import both, collect, settle
from .kit import Ordered, Seen


def state(thing: Any) -> dict[str, Any]:
    """Everything that an object has of its own, and its class."""
    return {**vars(thing), "__class__": type(thing)}


@both
async def test_leaving_the_block_restores_everything(seen: Seen) -> None:
    """Classes, attributes, observers, mailboxes, encoders and consumers are what they were."""
    orders, log = Subject(Ordered, name="orders"), MemoryLog()
    kept = log.subject("kept", Ordered)
    observer = orders.observe(lambda event: None, Ordered, name="bill")
    consumer = kept.consume("billing", lambda event: None, name="bill")
    async with log, orders:
        things: list[Any] = [
            orders,
            log,
            kept,
            kept._encoder,
            orders._supervisor,
            observer,
            observer._handling,
            consumer,
        ]
        before = [state(thing) for thing in things]
        options, subscription = dict(observer._options), observer._subscription
        assert subscription is not None
        unready = set(orders._life.members.unready)
        with seen.instrument(orders, log):
            await orders.publish(Ordered())
            await kept.publish(Ordered())
            await settle()
        changes = {"_sent", "_handled", "handled", "_number", "in_hand"}
        for thing, was in zip(things, before, strict=True):
            now = state(thing)
            assert {key: now[key] for key in now if key not in changes} == {
                key: was[key] for key in was if key not in changes
            }
        assert {**options, "carry": None} == observer._options
        assert subscription._mailbox.carry is None
        await orders.publish(Ordered())
        await orders.drain()
        assert orders._life.members.unready == unready
    assert len(seen.named("process orders")) == 1


@both
async def test_an_instrumentation_need_not_be_kept(seen: Seen) -> None:
    """`instrument(orders)` at the start of a program is enough."""
    orders, log = Subject(Ordered, name="orders"), MemoryLog()
    seen.instrument(orders, log)
    kept = log.subject("kept", Ordered)
    orders.observe(lambda event: None, Ordered, name="later")
    kept.consume("billing", lambda event: None, name="later")
    async with log, orders:
        await orders.publish(Ordered())
        await kept.publish(Ordered())
        await settle()
        assert seen.value("messaging.client.sent.messages", messaging__destination__name="kept") == 1
    assert sorted(seen.names) == ["process kept", "process orders", "publish kept", "publish orders"]


@both
async def test_what_is_instrumented_already_is_refused(seen: Seen) -> None:
    """Two spans for one publish help nobody; and then nothing has changed."""
    orders, parcels, log = Subject(Ordered, name="orders"), Subject(Ordered, name="parcels"), MemoryLog()
    kept = log.subject("kept", Ordered)
    with seen.instrument(orders):
        with pytest.raises(ValueError, match="instrumented already"):
            seen.instrument(parcels, orders)
        assert type(parcels) is Subject
    with pytest.raises(ValueError, match="instrumented already"):
        seen.instrument(orders, orders)
    with pytest.raises(ValueError, match="a log or its subjects, not both"):
        seen.instrument(log, kept)
    assert type(orders) is Subject
    with seen.instrument(kept), pytest.raises(ValueError, match="instrumented already"):
        seen.instrument(log)


@pytest.mark.parametrize("things", [(), ("orders",), (Subject,), (Ordered(),)])
def test_nonsense_is_refused_where_it_is_written(things: tuple[Any, ...]) -> None:
    """The message says what can be instrumented."""
    with pytest.raises(TypeError, match="subjects and logs"):
        instrument(*things)


@both
async def test_undoing_twice_does_nothing(seen: Seen) -> None:
    """Also after somebody else has instrumented the subject."""
    orders = Subject(Ordered, name="orders")
    first = seen.instrument(orders)
    first.uninstrument()
    with seen.instrument(orders):
        first.uninstrument()
        await orders.publish(Ordered())
    assert len(seen.spans) == 1


def test_it_says_what_it_follows(seen: Seen) -> None:
    """As long as it does."""
    instrumentation = seen.instrument(orders := Subject(Ordered, name="orders"), MemoryLog(name="shop"))
    collect()
    assert repr(instrumentation) == "<Instrumentation of orders>"  # the log is gone: nobody else has it
    instrumentation.uninstrument()
    assert repr(instrumentation) == "<Instrumentation of nothing>"
    assert orders.name == "orders"


def test_without_providers_the_global_ones_are_used(monkeypatch: pytest.MonkeyPatch, seen: Seen) -> None:
    """Those that the program has set when it instruments."""
    monkeypatch.setattr("evenflow.telemetry._instrument.get_tracer_provider", lambda: seen.tracers)
    monkeypatch.setattr("evenflow.telemetry._instrument.get_meter_provider", lambda: seen.meters)
    orders = Subject(Ordered, name="orders")
    with instrument(orders) as instrumentation:
        assert isinstance(instrumentation, Instrumentation)
        orders.publish_nowait(Ordered())
        assert seen.value("messaging.client.sent.messages") == 1
    assert seen.names == ["publish orders"]
    assert trace.get_tracer_provider() is not seen.tracers
    assert metrics.get_meter_provider() is not seen.meters


@both
async def test_an_observer_that_runs_is_followed_from_the_next_event_on(seen: Seen) -> None:
    """It keeps its tasks and its events in hand."""
    orders = Subject(Ordered, name="orders")
    observer = orders.observe(lambda event: None, Ordered, name="bill")
    async with orders:
        await orders.publish(Ordered())
        await orders.drain()
        handling: Handling = observer._handling
        with seen.instrument(orders):
            await orders.publish(Ordered())
            await orders.drain()
        assert observer._handling is handling
    assert (len(seen.named("process orders")), observer.statistics().handled) == (1, 2)


@both
async def test_the_subject_of_failures_can_be_followed_like_any_other(seen: Seen) -> None:
    """Evenflow itself publishes to it, without a span; its observers have theirs."""
    orders = Subject(Ordered, name="orders")

    def fails(_: Ordered) -> None:
        raise ValueError

    orders.observe(fails, Ordered)
    orders.failures.observe(lambda failed: None, name="tell")
    with seen.instrument(orders, orders.failures):
        async with orders:
            await orders.publish(Ordered())
            await settle()
    assert sorted(seen.names) == ["process orders", "process orders.failures", "publish orders"]


def test_without_opentelemetry_the_import_says_what_to_install() -> None:
    """And evenflow itself needs none of it."""
    program = """
import sys
sys.modules["opentelemetry"] = None
import evenflow, evenflow.log
try:
    import evenflow.telemetry
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100)
    assert "pip install 'evenflow[otel]'" in done.stdout
