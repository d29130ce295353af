"""Ledger: what a subject in memory and its subscriptions have done, those that are gone included.

Rule 1: a number never falls: what a subscription, or a life of the subject, has done is added up before it goes.
Rule 2: subscriptions of one name are one; those that were given no name are one, too, or each client of a service would
        be a series of its own.
Rule 3: it is looked at in whatever thread collects metrics, and told in the loop; whoever adds up has the lock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.metrics import Observation

from ._words import (
    BLOCKED,
    CONSUMED,
    DROPPED,
    FILL,
    PROCESS,
    PUBLISH,
    RECEIVE,
    REPLACED,
    SENT,
    SUBSCRIPTION,
    WAITING,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenflow._life import Life
    from evenflow._mailbox import Mailbox

    from ._destination import Destination
    from ._words import Metric


_OF_A_READER: Final = {
    CONSUMED: "delivered", DROPPED: "dropped", REPLACED: "replaced", WAITING: "waiting", FILL: "fill",
}  # fmt: skip
"""Which number of a reader's totals a metric is."""


class Reader(NamedTuple):
    """Whose numbers are added up together.

    Attributes:
        name: of a subscription or an observer; empty for all that were given none.
        operation: ``process`` for an observer, ``receive`` for what the application reads.
    """

    name: str
    operation: str


@dataclass(slots=True)
class Totals:
    """What the subscriptions of one reader have done, and hold now.

    Attributes:
        delivered: events that were handed to a reader or a handler.
        dropped: events that were dropped.
        replaced: events that were replaced by newer ones.
        waiting: events that wait now.
        fill: how full the fullest is now, from 0 to 1.
    """

    delivered: int = 0
    dropped: int = 0
    replaced: int = 0
    waiting: int = 0
    fill: float = 0.0


class Ledger:
    """The numbers of one subject."""

    def __init__(self, destination: Destination, life: Life[Any]) -> None:
        self._destination = destination
        self._made_up = re.compile(re.escape(destination.name) + r"/\d+")
        self._life = life
        self._lock = RLock()
        self._totals: dict[Reader, Totals] = {}
        self._seen: dict[Mailbox, tuple[Reader, int, int, int]] = {}
        """What was added up of each subscription that was not closed."""
        self._published = 0
        """What was published in former lives."""

    def observe(self, metric: Metric) -> Iterator[Observation]:
        """What a metric is now, for each reader or for the subject."""
        if metric is SENT:
            yield Observation(self.published(), self._destination.attributes(PUBLISH))
        elif metric is BLOCKED:
            yield Observation(self._life.gate.waiting(), self._destination.attributes(PUBLISH))
        elif metric in _OF_A_READER:
            for reader, totals in self.look().items():
                attributes = self._destination.attributes(reader.operation)
                if reader.name:
                    attributes[SUBSCRIPTION] = reader.name
                yield Observation(getattr(totals, _OF_A_READER[metric]), attributes)

    def look(self) -> dict[Reader, Totals]:
        """All that is known now."""
        with self._lock:
            for totals in self._totals.values():
                totals.waiting, totals.fill = 0, 0.0
            for mailbox in {**self._seen, **dict.fromkeys([*self._life.members.active])}:
                self._add(mailbox)
            return {reader: replace(totals) for reader, totals in self._totals.items()}

    def published(self) -> int:
        """Events that were published, in this life and in those before."""
        with self._lock:
            return self._published + self._life.delivery.published

    def life_began(self, life: Life[Any]) -> None:
        """The subject begins another life."""
        with self._lock:
            self._published += self._life.delivery.published
            self._life = life

    def retire(self, mailbox: Mailbox) -> None:
        """A subscription was closed: its numbers are final."""
        with self._lock:
            self._add(mailbox)
            del self._seen[mailbox]

    def _add(self, mailbox: Mailbox) -> None:
        numbers = mailbox.ledger()
        reader, delivered, dropped, replaced = self._seen.get(mailbox) or (self._reader(mailbox), 0, 0, 0)
        totals = self._totals.setdefault(reader, Totals())
        totals.delivered += numbers.delivered - delivered
        totals.dropped += numbers.dropped - dropped
        totals.replaced += numbers.replaced - replaced
        totals.waiting += numbers.waiting
        totals.fill = max(totals.fill, numbers.waiting / numbers.capacity)
        self._seen[mailbox] = reader, numbers.delivered, numbers.dropped, numbers.replaced

    def _reader(self, mailbox: Mailbox) -> Reader:
        functions = mailbox._functions()
        handles = functions is not None and functions.report is not None
        name = "" if self._made_up.fullmatch(mailbox.name) else mailbox.name
        return Reader(name, PROCESS if handles else RECEIVE)
