"""What the tests of telemetry share: events, and providers whose spans and metrics stay in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from evenflow import Event
from evenflow.log import DurableSubject
from evenflow.telemetry import Instrumentation, instrument
from evenflow.testing import MemoryLog

if TYPE_CHECKING:
    from evenflow.telemetry._instrument import Instrumented

T = TypeVar("T")


class Ordered(Event):
    """The event most tests publish."""

    n: int = 0


class Shipped(Event):
    """An event that follows from another."""

    n: int = 0


class Seen:
    """Two providers, and what came to them."""

    def __init__(self) -> None:
        self.tracers = TracerProvider()
        self._exporter = InMemorySpanExporter()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])

    def instrument(self, *things: Instrumented) -> Instrumentation:
        """Instrument them with these providers."""
        return instrument(*things, tracer_provider=self.tracers, meter_provider=self.meters)

    def span(self, name: str) -> Any:
        """A span of the application's own, current inside its block."""
        return self.tracers.get_tracer("app").start_as_current_span(name)

    @property
    def spans(self) -> list[ReadableSpan]:
        """All spans that have ended, in that order."""
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of a name."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only one of a name."""
        [span] = self.named(name)
        return span

    @property
    def names(self) -> list[str]:
        """The names of all spans."""
        return [span.name for span in self.spans]

    def clear(self) -> None:
        """Forget the spans."""
        self._exporter.clear()

    def metric(self, name: str) -> list[tuple[dict[str, Any], float]]:
        """The points of a metric: their attributes, and their values or counts."""
        data = self._reader.get_metrics_data()
        found = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return [
            (dict(point.attributes or {}), getattr(point, "value", getattr(point, "count", None)))  # type: ignore[misc]  # of three classes
            for metric in found
            for point in metric.data.data_points
        ]

    def value(self, name: str, **attributes: Any) -> float | None:
        """The value of the only point of a metric that has these attributes; None where there is none."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        found = [value for has, value in self.metric(name) if wanted.items() <= has.items()]
        assert len(found) <= 1, found
        return found[0] if found else None


@asynccontextmanager
async def open_orders(seen: Seen) -> AsyncIterator[DurableSubject[Ordered]]:
    """A subject of a log that is instrumented, and open within this block."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    with seen.instrument(log):
        async with log:
            yield orders


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> Iterator[Seen]:
    """Two providers of this test's own; OpenTelemetry must have had nothing to complain of."""
    yield Seen()
    assert [record for record in caplog.get_records("call") if record.name.startswith("opentelemetry")] == []


def linked(span: ReadableSpan) -> list[int]:
    """The spans that a span is linked to, by their ids."""
    return [link.context.span_id for link in span.links]


def id_of(span: ReadableSpan) -> int:
    """The id of a span."""
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def parent_of(span: ReadableSpan) -> int | None:
    """The id of the span that a span is a child of."""
    return None if span.parent is None else span.parent.span_id


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span."""
    return dict(span.attributes or {})
