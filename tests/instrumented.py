"""Every subject and log that a test makes is followed by `evenflow.telemetry`: `pytest --instrumented tests/contract`.

What the contract says must hold for them as well. The spans and the numbers go nowhere, but are made.

On Python 3.11 leave out what publishes in a destructor (`-k "not destructor"`): a span sets a context variable, and the
interpreter may crash if that happens while another one is being set (docs/how-to/observe.md).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from evenflow import Subject
from evenflow.log import Log
from evenflow.telemetry import instrument


def _following(init: Callable[..., None], tracers: TracerProvider, meters: MeterProvider) -> Callable[..., None]:
    @functools.wraps(init)
    def begin(thing: Any, *args: Any, **options: Any) -> None:
        init(thing, *args, **options)
        instrument(thing, tracer_provider=tracers, meter_provider=meters)

    return begin


@contextmanager
def all_followed() -> Generator[None]:
    """Within this block each subject and log that is made is instrumented."""
    tracers, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    with pytest.MonkeyPatch.context() as patch:
        for cls in (Subject, Log):
            patch.setattr(cls, "__init__", _following(cls.__init__, tracers, meters))
        yield
