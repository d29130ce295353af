"""The instruments of a meter provider: one set for each, however often something is instrumented."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import Any

import pytest
from opentelemetry.metrics import Meter, NoOpMeterProvider, Observation
from opentelemetry.trace import NoOpTracerProvider

from evenflow import Subject, __version__
from evenflow.telemetry import instrument
from evenflow.telemetry._reports import Reports
from evenflow.telemetry._words import DURATION, OBSERVED, Metric

from ..contract.kit import both
from .kit import Ordered, Seen


@both
async def test_two_instrumentations_of_one_provider_report_both(seen: Seen) -> None:
    """OpenTelemetry keeps the first instrument of a name, and never asks a second."""
    orders, parcels = Subject(Ordered, name="orders"), Subject(Ordered, name="parcels")
    with seen.instrument(orders):
        with seen.instrument(parcels):
            await parcels.publish(Ordered())
            reported = {has["messaging.destination.name"] for has, _ in seen.metric("messaging.client.sent.messages")}
            assert reported == {"orders", "parcels"}
        assert len(seen.metric("messaging.client.sent.messages")) == 1


@both
async def test_what_is_instrumented_again_is_reported_again(seen: Seen) -> None:
    """And nothing is reported while nothing is instrumented."""
    orders = Subject(Ordered, name="orders")
    for _ in range(2):
        with seen.instrument(orders):
            assert len(seen.metric("messaging.client.sent.messages")) == 1
        assert seen.metric("messaging.client.sent.messages") == []


def test_each_provider_has_its_own(seen: Seen) -> None:
    """One process may have several."""
    assert Reports.of(seen.meters, __version__) is Reports.of(seen.meters, __version__)
    assert Reports.of(seen.meters, __version__) is not Reports.of(Seen().meters, __version__)


@both
async def test_the_units_and_the_kinds_are_the_conventions(seen: Seen) -> None:
    """What only grows is a counter; a duration is in seconds, in the buckets of the conventions."""
    orders = Subject(Ordered, name="orders")
    orders.observe(lambda event: None, Ordered, name="bill")
    with seen.instrument(orders):
        async with orders:
            await orders.publish(Ordered())
            await orders.drain()
        data: Any = seen._reader.get_metrics_data()
    [scope] = data.resource_metrics[0].scope_metrics
    assert (scope.scope.name, scope.scope.version) == ("evenflow", __version__)
    metrics = {metric.name: metric for metric in scope.metrics}
    assert metrics[DURATION.name].unit == "s"
    if "explicit_bucket_boundaries_advisory" in signature(Meter.create_histogram).parameters:  # not before API 1.30
        assert metrics[DURATION.name].data.data_points[0].explicit_bounds[:3] == (0.005, 0.01, 0.025)
    for metric in OBSERVED:
        if metric.name in metrics:
            assert metrics[metric.name].unit == metric.unit
            assert getattr(metrics[metric.name].data, "is_monotonic", False) == metric.grows


@pytest.mark.parametrize("meters", [NoOpMeterProvider(), None])
def test_it_works_with_the_api_alone(meters: Any) -> None:
    """A library may instrument what it has, whether or not the program has an SDK."""
    orders = Subject(Ordered, name="orders")
    with instrument(orders, tracer_provider=NoOpTracerProvider(), meter_provider=meters):
        assert orders.publish_nowait(Ordered()) == 0


class One:
    """The numbers of a subject that somebody keeps."""

    def observe(self, metric: Metric, /) -> Iterator[Observation]:
        """One of everything."""
        yield Observation(1)


def test_numbers_that_were_removed_are_not_reported_although_somebody_keeps_them(seen: Seen) -> None:
    """A handler that still runs keeps what follows it."""
    reports, one, other = Reports.of(seen.meters, __version__), One(), One()
    reports.add(one)
    reports.add(other)
    reports.remove(one)
    assert len(reports._sources) == 1
    assert seen.value("messaging.client.sent.messages") == 1
    reports.remove(other)
    assert seen.value("messaging.client.sent.messages") is None


class Closed(NoOpMeterProvider):
    """A provider that takes no attributes."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


def test_a_provider_that_takes_no_attributes_works_too() -> None:
    """Nothing can be kept with it, so each instrumentation has its own instruments."""
    orders = Subject(Ordered, name="orders")
    with instrument(orders, meter_provider=Closed()):
        assert orders.publish_nowait(Ordered()) == 0
