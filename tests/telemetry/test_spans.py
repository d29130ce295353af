"""How spans are made and end: errors, links, the trace context of headers."""

from __future__ import annotations

from contextvars import Context
from types import MappingProxyType
from typing import Any

import anyio
import pytest
from opentelemetry.trace import StatusCode, get_current_span

from evenflow import Subject, SubjectClosed
from evenflow.telemetry._spans import created_by, error_type, stamped

from ..contract.kit import both, only_asyncio, settle
from .kit import Ordered, Seen, attributes, id_of, linked, parent_of

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class OwnError(Exception):
    """An error of the application's."""


def test_an_error_is_named_by_its_class() -> None:
    """With its module, as OpenTelemetry names exceptions; those of Python by their names alone."""
    assert error_type(ValueError("secret")) == "ValueError"
    assert error_type(OwnError("secret")) == f"{__name__}.OwnError"


@both
async def test_the_error_of_a_publish_is_its_class_alone(seen: Seen) -> None:
    """The text of an error may hold values of events, and so it is nowhere in the span."""
    orders = Subject(Ordered, name="orders")
    orders.close()
    with seen.instrument(orders), pytest.raises(SubjectClosed):
        await orders.publish(Ordered())
    span = seen.one("publish orders")
    assert attributes(span)["error.type"] == "evenflow._errors.SubjectClosed"
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert not span.events


@both
async def test_the_error_of_a_handler_is_its_class_alone(seen: Seen) -> None:
    """The same holds for a handler, and the histogram has the class, too."""
    orders = Subject(Ordered, name="orders")

    async def fails(_: Ordered) -> None:
        raise OwnError("card of Mallory")

    orders.observe(fails, Ordered)
    with seen.instrument(orders):
        async with orders:
            await orders.publish(Ordered())
            await orders.drain()
    span = seen.one("process orders")
    assert span.status.status_code is StatusCode.ERROR
    assert "Mallory" not in span.to_json()
    assert seen.value("messaging.process.duration", error__type=f"{__name__}.OwnError") == 1


@both
async def test_a_span_that_ends_well_has_no_status(seen: Seen) -> None:
    """Nobody but the application says that something is OK."""
    orders = Subject(Ordered, name="orders")
    with seen.instrument(orders):
        await orders.publish(Ordered())
    span = seen.one("publish orders")
    assert span.status.status_code is StatusCode.UNSET
    assert "error.type" not in attributes(span)


@both
async def test_a_cancelled_handler_ends_its_span(seen: Seen) -> None:
    """It ends as the handler did, with the class of the cancellation as its error."""
    orders = Subject(Ordered, name="orders")

    async def hangs(_: Ordered) -> None:
        await anyio.sleep_forever()

    orders.observe(hangs, Ordered)
    with seen.instrument(orders):
        with pytest.raises(OwnError):
            async with orders:
                await orders.publish(Ordered())
                await settle()
                raise OwnError
    assert "ancelled" in attributes(seen.one("process orders"))["error.type"]


@both
async def test_a_cancelled_publish_ends_its_span(seen: Seen) -> None:
    """And what is current afterwards is what was before."""
    orders = Subject(Ordered, name="orders")
    async with orders.subscribe(Ordered, buffer=1):
        with seen.instrument(orders), seen.span("request") as request:
            await orders.publish(Ordered())
            with anyio.move_on_after(1):
                await orders.publish(Ordered())
            assert get_current_span() is request
    assert ["error.type" in attributes(span) for span in seen.named("publish orders")] == [False, True]


@only_asyncio
async def test_a_publish_that_is_thrown_away_ends_its_span(seen: Seen) -> None:
    """Its coroutine is closed in whatever context the collector runs in, and OpenTelemetry has nothing to complain of."""
    orders = Subject(Ordered, name="orders")
    async with orders.subscribe(Ordered, buffer=1):
        await orders.publish(Ordered())
        with seen.instrument(orders):
            coroutine: Any = orders.publish(Ordered())
            Context().run(coroutine.send, None)
            coroutine.close()
    assert attributes(seen.one("publish orders"))["error.type"] == "GeneratorExit"


def test_headers_are_given_the_present_trace_context(seen: Seen) -> None:
    """Without a span there is none to give, and headers stay what they are."""
    given = MappingProxyType({"tenant": "a"})
    assert stamped(None) is None
    assert stamped(given) is given
    with seen.span("request") as span:
        headers = stamped(given)
        assert headers is not None
        assert headers["tenant"] == "a"
        assert f"{span.get_span_context().span_id:016x}" in headers["traceparent"]


def test_a_trace_context_that_a_publisher_brings_along_stays(seen: Seen) -> None:
    """A browser, or a program that passes an event on, has made the event."""
    with seen.span("request"):
        assert stamped({"traceparent": PARENT}) == {"traceparent": PARENT}


def test_baggage_does_not_travel(seen: Seen) -> None:
    """It holds values of the application, which the headers of an event would store for ever."""
    from opentelemetry import baggage, context

    token = context.attach(baggage.set_baggage("user", "eve"))
    with seen.span("request"):
        assert set(stamped(None) or {}) == {"traceparent"}
    context.detach(token)


@pytest.mark.parametrize(
    "headers",
    [None, {}, {"traceparent": "nonsense"}, {"traceparent": "00-0-0-00"}, ["traceparent"], {"tracestate": "a=b"}],
)
def test_headers_without_a_trace_context_that_can_be_read_link_to_nothing(headers: Any) -> None:
    """Whatever stands in the headers of an event, it is still handled."""
    assert created_by(headers) is None


def test_the_trace_context_of_headers_is_read() -> None:
    """With the state of vendors, which samplers look at."""
    found = created_by({"traceparent": PARENT, "tracestate": "vendor=7"})
    assert found is not None
    assert f"{found.span_id:016x}" == "b7ad6b7169203331"
    assert found.trace_state.get("vendor") == "7"


@both
async def test_a_handler_is_a_child_of_what_is_current_where_it_runs(seen: Seen) -> None:
    """That is the task that entered the subject; the publisher is linked."""
    orders = Subject(Ordered, name="orders")
    orders.observe(lambda event: None, Ordered, name="plain")
    with seen.instrument(orders):
        with seen.span("service") as service:
            async with orders:
                with seen.span("request"):
                    await orders.publish(Ordered())
                await orders.drain()
    handled = seen.one("process orders")
    assert parent_of(handled) == service.get_span_context().span_id
    assert linked(handled) == [id_of(seen.one("publish orders"))]
    assert parent_of(seen.one("publish orders")) == id_of(seen.one("request"))
