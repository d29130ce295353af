"""Who follows the events of a subject: what the seams of the core and of the log ask for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from evenflow._mailbox import Carried

from ._spans import created_by, publishing_now, stamped
from ._words import ATTEMPT, BATCH, GROUP, MESSAGE_ID, PROCESS, SUBSCRIPTION

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from contextvars import Context

    from opentelemetry.trace import SpanContext

    from evenflow._handling import Handled
    from evenflow._life import Life
    from evenflow._mailbox import Mailbox
    from evenflow._observers import Observer
    from evenflow.log import Consumer, Delivery

    from ._durable_numbers import DurableNumbers
    from ._ledger import Ledger
    from ._spans import Attributes, Spans


class SubjectFollower:
    """Follows the observers of a subject in memory."""

    def __init__(self, spans: Spans, ledger: Ledger) -> None:
        self._spans = spans
        self._ledger = ledger

    def carry(self, event: Any, /) -> Carried:
        """The event with the span that publishes it."""
        return Carried(event, None, publishing_now())

    def handle(self, observer: Observer, item: Any, context: Context, call: Callable[[Context], Handled], /) -> Handled:
        """Handle an item in a span of its own."""
        attributes = self._spans.destination.attributes(PROCESS)
        attributes[SUBSCRIPTION] = f"{observer._host.name}/{observer.name}"
        return self._spans.process(attributes, _created(item), context, call, {})

    def retired(self, mailbox: Mailbox, /) -> None:
        """A subscription was closed: its numbers are final."""
        self._ledger.retire(mailbox)

    def life_began(self, life: Life[Any], /) -> None:
        """The subject begins another life."""
        self._ledger.life_began(life)


def _created(item: Any) -> SpanContext | None:
    if type(item) is not Carried:
        return None
    if item.context is not None:
        return item.context.run(publishing_now)
    return cast("SpanContext | None", item.link)


class DurableFollower:
    """Follows what is published to a durable subject, and its consumers."""

    def __init__(self, spans: Spans, numbers: DurableNumbers) -> None:
        self._spans = spans
        self._numbers = numbers

    def stamp(self, headers: Mapping[str, str] | None, /) -> Mapping[str, str] | None:
        """The headers of an event with the trace context of its publish."""
        return stamped(headers)

    def handle(
        self, consumer: Consumer, delivery: Delivery[Any], context: Context, call: Callable[[Context], Handled], /
    ) -> Handled:
        """Handle a delivery in a span of its own."""
        attributes = self._of_group(consumer._spec.group, 1)
        created = created_by(delivery.headers)
        return self._spans.process(attributes, created, context, call, _of_one(delivery))

    @contextmanager
    def inside(self, deliveries: Sequence[Delivery[Any]], /, *, batch: bool) -> Generator[None]:
        """The span of the block in which deliveries are handled."""
        attributes = self._of_group(deliveries[0].group, len(deliveries))
        single: Attributes = {BATCH: len(deliveries)} if batch else _of_one(deliveries[0])
        with self._spans.processing(attributes, [created_by(each.headers) for each in deliveries], single):
            yield

    def _of_group(self, group: str, count: int) -> Attributes:
        self._numbers.handed(group, count)
        return {**self._spans.destination.attributes(PROCESS), GROUP: group}


def _of_one(delivery: Delivery[Any]) -> Attributes:
    return {MESSAGE_ID: str(delivery.offset), ATTEMPT: delivery.attempt}
