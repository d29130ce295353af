"""Reports: the instruments of one meter provider, and whose numbers they report.

OpenTelemetry keeps an instrument for ever, and one of each name. So there is one set for each meter provider, kept with
it, however often something is instrumented; and it knows whose numbers it reports weakly.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import ref

from ._words import BOUNDARIES, DURATION, OBSERVED, SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation

    from ._words import Metric

_KEPT: Final = "_evenflow_reports"


class Numbers(Protocol):
    """The numbers of one subject."""

    def observe(self, metric: Metric, /) -> Iterator[Observation]:
        """What a metric is now; called in whatever thread collects."""
        ...


class Reports:
    """The instruments of one meter provider.

    Attributes:
        durations: how long handlers take.
    """

    def __init__(self, meter: Meter) -> None:
        self._sources: tuple[ref[Numbers], ...] = ()
        for metric in OBSERVED:
            create: Any = meter.create_observable_counter if metric.grows else meter.create_observable_gauge
            create(metric.name, callbacks=[partial(self._observe, metric)], unit=metric.unit, description=metric.about)
        self.durations: Histogram = _histogram(meter)

    @classmethod
    def of(cls, provider: MeterProvider, version: str) -> Reports:
        """Those of this provider."""
        kept = getattr(provider, _KEPT, None)
        if not isinstance(kept, cls):
            kept = cls(provider.get_meter(SCOPE, version))
            with suppress(AttributeError):  # one that takes no attributes has a set for each instrumentation
                setattr(provider, _KEPT, kept)
        return kept

    def add(self, numbers: Numbers) -> None:
        """Report these too, as long as they live and until they are removed."""
        self._sources = (*(source for source in self._sources if source() is not None), ref(numbers))

    def remove(self, numbers: Numbers) -> None:
        """Report these no more."""
        self._sources = tuple(source for source in self._sources if source() not in (None, numbers))

    def _observe(self, metric: Metric, _: CallbackOptions) -> Iterator[Observation]:
        for source in self._sources:
            if (numbers := source()) is not None:
                yield from numbers.observe(metric)


def _histogram(meter: Meter) -> Histogram:
    try:
        return meter.create_histogram(
            DURATION.name, DURATION.unit, DURATION.about, explicit_bucket_boundaries_advisory=BOUNDARIES
        )
    except TypeError:  # an API before 1.30 knows no advice
        return meter.create_histogram(DURATION.name, DURATION.unit, DURATION.about)
