"""DurableNumbers: what this process has done with a durable subject, and what its groups have in the log.

The numbers of groups are read from the log, in its loop, and whoever collects metrics is often in another thread:

    another thread      asks the loop to look, and waits for that, at most ``PATIENCE`` seconds
    the loop's own      cannot wait: it gets what was last looked at, and has the loop look for the next time
"""

from __future__ import annotations

from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from opentelemetry.metrics import Observation

from evenflow import LogError

from ._words import CONSUMED, DEAD, DUE, GROUP, IN_HAND, OLDEST_DUE, PROCESS, PUBLISH, RETRYING, SENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenflow.log import DurableSubject, GroupStatistics
    from evenflow.log._opening import Opening

    from ._destination import Destination
    from ._words import Metric

PATIENCE: Final = 1.0
"""Seconds that another thread waits for the log, at most."""

_OF_A_GROUP: Final = (DUE, OLDEST_DUE, IN_HAND, RETRYING, DEAD)


class DurableNumbers:
    """The numbers of one durable subject; it does not keep the subject alive."""

    def __init__(self, destination: Destination, subject: DurableSubject[Any]) -> None:
        self._destination = destination
        self._subject = ref(subject)
        self._handed: dict[str, int] = {}
        self._groups: tuple[GroupStatistics, ...] = ()
        self._looks: Event | None = None
        """Fires when the look that runs is over."""

    def handed(self, group: str, count: int) -> None:
        """So many events of a group were handed to a handler."""
        self._handed[group] = self._handed.get(group, 0) + count

    def observe(self, metric: Metric) -> Iterator[Observation]:
        """What a metric is now, for each group or for the subject."""
        subject = self._subject()
        if subject is None:
            return
        if metric is SENT:
            yield Observation(subject._sent, self._destination.attributes(PUBLISH))
        elif metric is CONSUMED:
            for group, count in [*self._handed.items()]:
                yield Observation(count, self._of_group(group))
        elif metric in _OF_A_GROUP:
            if metric is _OF_A_GROUP[0]:  # the first of them that is asked for in a collection
                self._look(subject)
            for statistics in self._groups:
                yield Observation(_number(statistics, metric), self._of_group(statistics.name))

    def _of_group(self, group: str) -> dict[str, str | bool | int]:
        return {**self._destination.attributes(PROCESS), GROUP: group}

    def _look(self, subject: DurableSubject[Any]) -> None:
        """Have the loop look at the groups; wait for that, if this is another thread."""
        opening = subject._openings.present()
        if opening is None or opening.running.is_closing:
            self._groups = ()
            return
        loop = opening.running.loop
        if loop.is_here():
            self._begin(opening)
            return
        looks = Event()
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon(lambda: self._begin(opening, looks))
            looks.wait(PATIENCE)

    def _begin(self, opening: Opening, over: Event | None = None) -> None:
        """In the loop: look, in a task of the log's."""
        over = over or Event()
        if opening.running.is_closing:
            over.set()
        else:
            opening.running.run(self._read, opening, over, name=f"numbers of {self._destination.name}")

    async def _read(self, opening: Opening, over: Event) -> None:
        try:
            if (subject := self._subject()) is not None:
                self._groups = await opening.groups(subject._kind).statistics()
        except LogError:  # whoever uses the log hears of it; old numbers would be wrong
            self._groups = ()
        finally:
            over.set()


def _number(statistics: GroupStatistics, metric: Metric) -> float:
    if metric is OLDEST_DUE:
        return 0.0 if statistics.oldest_due is None else statistics.oldest_due.total_seconds()
    if metric is DEAD:
        return statistics.dead
    if metric is IN_HAND:
        return statistics.in_hand
    return statistics.retrying if metric is RETRYING else statistics.due
