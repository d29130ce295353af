"""Instrumentation: what follows some subjects and logs, from ``instrument`` to ``uninstrument``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

from opentelemetry.metrics import get_meter_provider
from opentelemetry.trace import get_tracer_provider

from evenflow import Subject, __version__
from evenflow.log import DurableSubject, Log

from ._destination import Destination
from ._durable_numbers import DurableNumbers
from ._following import DurableFollower, SubjectFollower
from ._ledger import Ledger
from ._publishing import (
    OF_DURABLE,
    OF_LOG,
    OF_SUBJECT,
    give_methods,
    has_methods,
    take_methods,
)
from ._reports import Reports
from ._spans import Spans
from ._words import SCOPE

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ._reports import Numbers

Instrumented: TypeAlias = Subject[Any] | DurableSubject[Any] | Log
"""What can be instrumented."""


def instrument(
    *subjects_or_logs: Instrumented,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Instrumentation:
    """Follow what is published to these subjects, and handled by their observers and consumers, from now on.

    A log stands for all of its subjects, those included that it is asked for later. A subject that is left and entered
    anew goes on being followed. Nothing is kept alive.

    Args:
        subjects_or_logs: at least one.
        tracer_provider: makes the spans; the global one without it.
        meter_provider: makes the metrics; the global one without it.

    Raises:
        TypeError: something is neither a subject nor a log, or nothing was given.
        ValueError: something is instrumented already, or given twice; then nothing has changed.
    """
    if not subjects_or_logs:
        raise TypeError("instrument takes the subjects and logs that it is to follow; it was given none")
    made = Instrumentation(tracer_provider or get_tracer_provider(), meter_provider or get_meter_provider())
    made._begin(subjects_or_logs)
    return made


class Instrumentation:
    """What ``instrument`` has begun; as a context manager it ends with its block.

    It need not be kept: what it follows keeps what it needs.
    """

    def __init__(self, tracer_provider: TracerProvider, meter_provider: MeterProvider) -> None:
        self._tracer = tracer_provider.get_tracer(SCOPE, __version__)
        self._reports = Reports.of(meter_provider, __version__)
        self._followed: list[ref[Instrumented]] = []
        self._numbers: list[ref[Numbers]] = []

    def uninstrument(self) -> None:
        """Restore everything as it was before; the second time it does nothing.

        A publish and a handler that run end their spans. What lies in buffers is handled without one.
        """
        while self._numbers:
            if (numbers := self._numbers.pop()()) is not None:
                self._reports.remove(numbers)
        while self._followed:
            if (thing := self._followed.pop()()) is not None:
                _leave(thing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.uninstrument()

    def __repr__(self) -> str:
        names = [thing.name for reference in self._followed if (thing := reference()) is not None]
        return f"<Instrumentation of {', '.join(names) or 'nothing'}>"

    def _begin(self, things: tuple[Instrumented, ...]) -> None:
        """Follow all of these, or none."""
        found: list[Instrumented] = []
        for thing in things:
            if not isinstance(thing, (Subject, DurableSubject, Log)):
                raise TypeError(f"instrument takes subjects and logs, not {thing!r}")
            found += [thing, *thing._subjects.values()] if isinstance(thing, Log) else [thing]
        for place, thing in enumerate(found):
            if has_methods(thing) or any(other is thing for other in found[:place]):
                raise ValueError(
                    f"{thing!r} is instrumented already: call uninstrument() of that Instrumentation first; and name a"
                    " log or its subjects, not both"
                )
        for thing in found:
            self._follow(thing)

    def _follow(self, thing: Instrumented) -> None:
        if has_methods(thing):  # a log was asked for a subject that it has
            return
        self._followed.append(ref(thing))
        if isinstance(thing, Log):
            give_methods(thing, OF_LOG, follow=self._follow)
        elif isinstance(thing, Subject):
            spans = self._spans(thing.name)
            ledger = Ledger(spans.destination, thing._life)
            thing._supervisor.trace(SubjectFollower(spans, ledger))
            self._report(ledger)
            give_methods(thing, OF_SUBJECT, spans=spans)
        else:
            spans = self._spans(thing.name)
            numbers = DurableNumbers(spans.destination, thing)
            thing._trace(DurableFollower(spans, numbers))
            self._report(numbers)
            give_methods(thing, OF_DURABLE, spans=spans)

    def _spans(self, name: str) -> Spans:
        return Spans(self._tracer, self._reports.durations, Destination(name))

    def _report(self, numbers: Numbers) -> None:
        self._reports.add(numbers)
        self._numbers.append(ref(numbers))


def _leave(thing: Instrumented) -> None:
    take_methods(thing)
    if isinstance(thing, Subject):
        thing._supervisor.trace(None)
    elif isinstance(thing, DurableSubject):
        thing._trace(None)
