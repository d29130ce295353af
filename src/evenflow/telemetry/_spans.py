"""The spans of publishing and of handling. Nothing here knows who publishes or handles.

Rule 1: the span of a publish is current while it goes on; what is placed meanwhile is linked to it.
Rule 2: the span of a handler is current in its body, links to the creation context of each event, and its parent is
        whatever is current in the context that the handler runs in.
Rule 3: an error is its class alone: its text may hold values of events.
Rule 4: trace context travels as W3C trace context, without baggage, which holds values of the application.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel
from opentelemetry.trace import (
    Link,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ._words import BATCH, ERROR_TYPE, PROCESS, PUBLISH

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from contextvars import Context

    from opentelemetry.context import Context as Current
    from opentelemetry.metrics import Histogram
    from opentelemetry.trace import Span, SpanContext, Tracer

    from evenflow._handling import Handled

    from ._destination import Destination

    Attributes = dict[str, str | bool | int]

WIRE: Final = TraceContextTextMapPropagator()
TRACEPARENT: Final = "traceparent"


class Spans:
    """Makes the spans of one subject."""

    def __init__(self, tracer: Tracer, durations: Histogram, destination: Destination) -> None:
        self._tracer = tracer
        self._durations = durations
        self.destination = destination

    @contextmanager
    def publishing(
        self, operation: str = PUBLISH, *, count: int | None = None, created: SpanContext | None = None
    ) -> Generator[Span]:
        """The span of a publish, current inside the block.

        Args:
            operation: its name.
            count: of how many events, if it is a publish of many.
            created: the creation context that the publisher brought along.
        """
        attributes = self.destination.attributes(operation)
        if count is not None:
            attributes[BATCH] = count
        span = self._tracer.start_span(
            self.destination.span_name(operation),
            kind=SpanKind.PRODUCER,
            attributes=attributes,
            links=links_to([created]),
        )
        with _current(span):
            yield span

    @contextmanager
    def processing(
        self, attributes: Attributes, created: Iterable[SpanContext | None], single: Attributes
    ) -> Generator[Span]:
        """The span of a block in which events are handled, current inside it; arguments as for ``process``."""
        span = self._processing({**attributes, **single}, created, None)
        began = perf_counter()
        error: BaseException | None = None
        try:
            with _current(span):
                yield span
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._measure(began, attributes, error)

    async def process(
        self,
        attributes: Attributes,
        created: SpanContext | None,
        context: Context,
        call: Callable[[Context], Handled],
        single: Attributes,
    ) -> Exception | None:
        """Call a handler with its span current; returns what it raised.

        Args:
            attributes: of spans and metrics.
            created: the creation context of the event.
            context: what the handler runs in; it is used for nothing else.
            call: calls it.
            single: attributes that only the span has.
        """
        parent: Current = context.run(otel.get_current)
        span = self._processing({**attributes, **single}, [created], parent)
        context.run(otel.attach, set_span_in_context(span, parent))
        began = perf_counter()
        error: BaseException | None = None
        try:
            error = await call(context)
        except BaseException as cut_off:
            error = cut_off
            raise
        else:
            return error
        finally:
            _fail(span, error)
            span.end()
            self._measure(began, attributes, error)

    def _processing(
        self, attributes: Attributes, created: Iterable[SpanContext | None], parent: Current | None
    ) -> Span:
        return self._tracer.start_span(
            self.destination.span_name(PROCESS),
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=links_to(created),
        )

    def _measure(self, began: float, attributes: Attributes, error: BaseException | None) -> None:
        seconds = perf_counter() - began
        self._durations.record(seconds, attributes if error is None else {**attributes, ERROR_TYPE: error_type(error)})


@contextmanager
def _current(span: Span) -> Generator[None]:
    """The span is current inside the block, and ends with it."""
    token = otel.attach(set_span_in_context(span))
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        _fail(span, error)
        span.end()
        if not isinstance(error, GeneratorExit):  # a coroutine that is thrown away ends in somebody else's context
            otel.detach(token)


def _fail(span: Span, error: BaseException | None) -> None:
    if error is not None:
        span.set_attribute(ERROR_TYPE, error_type(error))
        span.set_status(Status(StatusCode.ERROR))


def error_type(error: BaseException) -> str:
    """The class of an error, as ``error.type`` has it."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def links_to(created: Iterable[SpanContext | None]) -> list[Link]:
    """A link to each creation context that is one."""
    return [Link(context) for context in created if context is not None and context.is_valid]


def publishing_now() -> SpanContext | None:
    """The creation context of what is published here and now."""
    context = get_current_span().get_span_context()
    return context if context.is_valid else None


def stamped(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """These headers with the present trace context; a publisher that brings one along keeps its own."""
    if headers is not None and (not isinstance(headers, Mapping) or TRACEPARENT in headers):
        return headers
    carrier: dict[str, str] = {}
    WIRE.inject(carrier)
    return {**(headers or {}), **carrier} if carrier else headers


def created_by(headers: Any) -> SpanContext | None:
    """The creation context in the headers of an event; None where there is none that can be read."""
    try:
        found = headers[TRACEPARENT]
    except (KeyError, TypeError, IndexError):
        return None
    carrier = {TRACEPARENT: found, "tracestate": headers.get("tracestate", "")}
    context = get_current_span(WIRE.extract(carrier, context=otel.Context())).get_span_context()
    return context if context.is_valid else None
