"""What an instrumented subject does in place of publishing: the same, in a span.

A subject that is instrumented is given a class of its own, below the one that it had, with these as its methods. So a
subject that is not instrumented has not even one more look to do, what somebody has bound to a subject stays bound to
it, and undoing gives the subject back the class that it had.
"""

from __future__ import annotations

from types import new_class
from typing import TYPE_CHECKING, Any, Final

from ._spans import created_by
from ._words import BATCH, MESSAGE_ID, SCHEDULE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from evenflow import Subject
    from evenflow.log import DurableSubject, Log, Offset

    from ._spans import Spans

_NEEDS: Final = "_telemetry"
"""Where an instrumented object keeps what its methods need."""


def _as_methods(of: str, **functions: Any) -> dict[str, Any]:
    """These functions by their names, called what an error message must call them."""
    for name, function in functions.items():
        function.__name__, function.__qualname__ = name, f"{of}.{name}"
    return functions


# ---------------------------------------------------------------------- subjects in memory


async def _publish(subject: Subject[Any], event: Any, /) -> int:
    with _spans(subject).publishing():
        return await _own(subject).publish(subject, event)


def _publish_nowait(subject: Subject[Any], event: Any, /) -> int:
    with _spans(subject).publishing():
        return _own(subject).publish_nowait(subject, event)


async def _publish_many(subject: Subject[Any], events: Iterable[Any], /) -> int:
    own, counted = _own(subject), Counted(events)
    with _spans(subject).publishing(count=counted.known) as span:
        if counted.known is not None:
            return await own.publish_many(subject, events)
        total = 0
        try:
            for event in counted:  # as the original, whose `publish` would be a span of its own
                total += await own.publish(subject, event)
        finally:
            span.set_attributes(counted.attributes())
        return total


def _publish_from_thread(subject: Subject[Any], event: Any, /, *, timeout: float | None = None) -> int:
    with _spans(subject).publishing():
        return _own(subject).publish_from_thread(subject, event, timeout=timeout)


OF_SUBJECT: Final = _as_methods(
    "Subject",
    publish=_publish,
    publish_nowait=_publish_nowait,
    publish_many=_publish_many,
    publish_from_thread=_publish_from_thread,
)
"""How a subject in memory publishes."""


# ---------------------------------------------------------------------- durable subjects


async def _store(
    subject: DurableSubject[Any], event: Any, /, *, headers: Mapping[str, str] | None = None, **options: Any
) -> Offset:
    with _spans(subject).publishing(created=created_by(headers)) as span:
        offset = await _durable(subject).publish(subject, event, headers=headers, **options)
        span.set_attribute(MESSAGE_ID, str(offset))
        return offset


async def _store_many(
    subject: DurableSubject[Any],
    events: Iterable[Any],
    /,
    *,
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> list[Offset]:
    counted = Counted(events)
    with _spans(subject).publishing(count=counted.known, created=created_by(headers)) as span:
        try:
            return await _durable(subject).publish_many(subject, counted, headers=headers, **options)
        finally:
            span.set_attributes(counted.attributes())


def _store_from_thread(
    subject: DurableSubject[Any], event: Any, /, *, headers: Mapping[str, str] | None = None, **options: Any
) -> Offset:
    with _spans(subject).publishing(created=created_by(headers)) as span:
        offset = _durable(subject).publish_from_thread(subject, event, headers=headers, **options)
        span.set_attribute(MESSAGE_ID, str(offset))
        return offset


async def _schedule(
    subject: DurableSubject[Any], event: Any, /, *, headers: Mapping[str, str] | None = None, **options: Any
) -> str:
    with _spans(subject).publishing(SCHEDULE, created=created_by(headers)):
        return await _durable(subject).schedule(subject, event, headers=headers, **options)


OF_DURABLE: Final = _as_methods(
    "DurableSubject",
    publish=_store,
    publish_many=_store_many,
    publish_from_thread=_store_from_thread,
    schedule=_schedule,
)
"""How a durable subject publishes."""


# ---------------------------------------------------------------------- logs


def _subject(log: Log, name: str, /, *types: Any, **options: Any) -> DurableSubject[Any]:
    base: Any = type(log).__base__
    made: DurableSubject[Any] = base.subject(log, name, *types, **options)
    vars(log)[_NEEDS]["follow"](made)
    return made


OF_LOG: Final = _as_methods("Log", subject=_subject)
"""How a log makes subjects: what it is asked for is instrumented, too."""


# ---------------------------------------------------------------------- how an object gets these methods


class Counted:
    """Events on their way into a publish of many.

    Attributes:
        known: how many they are, if that is known before they are drawn.
    """

    def __init__(self, events: Iterable[Any]) -> None:
        self._events = events
        self._drawn = 0
        self.known: int | None = len(events) if isinstance(events, (list, tuple)) else None

    def __iter__(self) -> Iterator[Any]:
        for event in self._events:
            self._drawn += 1
            yield event

    def attributes(self) -> dict[str, int]:
        """How many were drawn, where that was not known before."""
        return {} if self.known is not None else {BATCH: self._drawn}


def give_methods(thing: object, methods: Mapping[str, Any], **needs: object) -> None:
    """Have an object use these methods in place of its class's own, and keep what they need."""
    own = type(thing)
    namespace = {**methods, "__module__": own.__module__, "__doc__": own.__doc__}
    made = new_class(own.__name__, (own,), exec_body=lambda body: body.update(namespace))
    vars(thing)[_NEEDS] = needs
    thing.__class__ = made


def take_methods(thing: object) -> None:
    """Have it use those of its class again."""
    thing.__class__ = type(thing).__bases__[0]
    del vars(thing)[_NEEDS]


def has_methods(thing: object) -> bool:
    """Whether it was given methods."""
    return _NEEDS in vars(thing)


def _spans(thing: object) -> Spans:
    spans: Spans = vars(thing)[_NEEDS]["spans"]
    return spans


def _own(subject: Subject[Any]) -> type[Subject[Any]]:
    own: type[Subject[Any]] = type(subject).__bases__[0]
    return own


def _durable(subject: DurableSubject[Any]) -> type[DurableSubject[Any]]:
    own: type[DurableSubject[Any]] = type(subject).__bases__[0]
    return own
