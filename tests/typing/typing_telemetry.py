"""What type checkers know of telemetry."""

from __future__ import annotations

from typing import assert_type

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from evenflow import Event, Subject
from evenflow.log import DurableSubject, SQLiteLog
from evenflow.telemetry import Instrumentation, instrument


class OrderPlaced(Event):
    order_id: int


def follow(
    orders: Subject[OrderPlaced],
    everything: Subject[Event],
    kept: DurableSubject[OrderPlaced],
    log: SQLiteLog,
    tracers: TracerProvider,
    meters: MeterProvider,
) -> None:
    assert_type(instrument(orders), Instrumentation)
    assert_type(instrument(orders, everything, kept, log), Instrumentation)
    with instrument(orders, tracer_provider=tracers, meter_provider=meters) as instrumentation:
        assert_type(instrumentation, Instrumentation)
    assert_type(instrumentation.uninstrument(), None)

    instrument("orders")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    instrument(OrderPlaced(order_id=1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    instrument(orders, tracer_provider=meters)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    instrument(orders, tracers)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
