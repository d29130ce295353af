"""Whether a publish that waits can ever go on.

A publish waits for the tasks that read a full subscription. Neither a task that publishes nor one that hands on what it
has read waits for anything else. So those that are known to read, over all subjects of a loop, are a graph:

    task --waits in--> publish --needs room in--> subscription --read by--> task --hands to--> task

who                     goes on when
a task that publishes   there is room in all subscriptions that its publish needs
a subscription          one of the tasks goes on that have read it; at any time if one is yet to begin, or none is left
a task that hands on    one of those goes on that take from it: its operator's readers, or what that runs for an event
any other task          at any time, also if it waits to read, or was cancelled and is yet to hear of it

Rule 1: what goes on in no order of these waits for ever.
Rule 2: who will read is known at once where nobody but evenflow's own tasks can, up to the next publishes: where it is
        private. Else a task may come that has not read yet: it counts when all have waited longer than a stall takes.
Rule 3: a publish is refused when all that it waits for wait for this very one. Whoever waits for such goes on later.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ._errors import Deadlock
from ._mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from ._backends import Backend
    from ._gate import Waiter

HAIR: Final = 1e-9
"""Seconds by which a time may be missed: a clock that counts in steps shows 1.9999999999999998 for 2."""


def how_it_is_read(mailbox: Mailbox, backend: Backend) -> str:
    """Whether a task that is known to read this subscription still runs, in words."""
    is_read = any(not backend.task_has_ended(task) for task in mailbox.line.tasks())
    return "its readers are slow" if is_read else "nobody reads it"


class Takers(NamedTuple):
    """Whom a task waits for that has read ahead; it goes on with any of them."""

    tasks: Sequence[object] = ()
    private: bool = False  # whether nobody else can take what it has read


Own: TypeAlias = "Mapping[object, Callable[[], Callable[[], Takers] | None] | None]"
"""The tasks that evenflow runs, and what tells whom each waits for that reads ahead; it is known weakly."""


def takers_of(task: object, own: Own, backend: Backend) -> Takers:
    """Whom this task waits for, if that is no publish."""
    takers = None if (known := own.get(task)) is None else known()
    return Takers() if takers is None or backend.times_cancelled(task) else takers()


def may_be_stuck(waiter: Waiter, waiting: Collection[object], own: Own, backend: Backend) -> bool:
    """Whether it is worth a look now: nearly always the first reader of each subscription runs, or waits to read."""
    for mailbox in list(waiter.missing):
        for task in mailbox.line.tasks():
            if task in waiting or (mailbox.line.private and _leads_to_one(waiting, task, own, backend)):
                return True
            if not backend.task_has_ended(task):
                break
    return False


def _leads_to_one(waiting: Collection[object], task: object, own: Own, backend: Backend, most: int = 20) -> bool:
    """Whether the first that it waits for, or the first that this one waits for, publishes; no circle is followed."""
    first = next((one for one in takers_of(task, own, backend).tasks if not backend.task_has_ended(one)), None)
    return first in waiting or (
        first is not None and most > 0 and _leads_to_one(waiting, first, own, backend, most - 1)
    )


class Readers(NamedTuple):
    """Those who read a subscription, or take from a task, where all of them wait."""

    publishing: Collection[object]  # those at the ends of their ways, which wait in publishes
    since: float  # when the last of these began to wait
    at_once: bool  # whether nobody but evenflow's own tasks can read


Edges: TypeAlias = "Mapping[object, Sequence[object]]"
"""What each task or subscription leads to."""

NOT_ALL_WAIT: Final = Readers((), math.inf, at_once=False)
"""One of those that read, or may read, may go on."""


class WaitGraph:
    """The publishes that wait in one loop, by the task that each waits in, and whom others wait for, in one moment.

    A destructor may read in the middle of that, so what waiters miss is looked at in copies.
    """

    def __init__(self, waiting: Mapping[object, Waiter], own: Own, backend: Backend) -> None:
        self._waiting = waiting
        self._own = own
        self._backend = backend
        self._readers: dict[object, Readers] = {}

    def find(self, tasks: Iterable[object]) -> tuple[Waiter, Deadlock] | None:
        """The first of these tasks whose publish can never go on, and why."""
        stuck = self._stuck(tasks := list(tasks))
        if not all(self._waits(one) if one in self._waiting else self._known(one).tasks for one in stuck):
            return None  # a destructor has read meanwhile
        for task in tasks:
            if task in stuck and (path := self._path(task, stuck)):
                message = (
                    f"this publish would wait for ever: {', '.join(path)}; read from another task, give that"
                    " subscription another overflow= policy, or publish from a task of its own"
                )
                return self._waiting[task], Deadlock(message, path=path)
        return None

    def suspects(self, mailboxes: Iterable[Mailbox]) -> list[object]:
        """The tasks whose publishes hold up all that read one of these subscriptions."""
        found = (self._all_waiting(mailbox) for mailbox in mailboxes)
        return list(dict.fromkeys(task for readers in found for task in readers.publishing))

    def _all_waiting(self, one: object) -> Readers:
        """Who reads this subscription, or takes from this task, where all that will are known, and wait; or itself."""
        if one not in self._readers:
            self._readers[one] = NOT_ALL_WAIT  # what hands to itself is not looked into
            self._readers[one] = self._look(one)
        return self._readers[one]

    def _look(self, one: object) -> Readers:
        if (waiter := self._waiting.get(one)) is not None:
            since = max(waiter.missing.values(), default=math.inf)
            return Readers((one,), since, at_once=True) if self._waits(one) else NOT_ALL_WAIT
        tasks, private = self._known(one)
        further = [self._all_waiting(task) for task in tasks]
        if not tasks or not all(found.publishing for found in further):
            return NOT_ALL_WAIT
        publishing = dict.fromkeys(task for found in further for task in found.publishing)
        at_once = private and all(task in self._own for task in tasks) and all(found.at_once for found in further)
        return Readers(publishing, max(found.since for found in further), at_once)

    def _known(self, one: object) -> Takers:
        """The tasks that have read this subscription, or take from this task, and have not ended."""
        line = one.line if isinstance(one, Mailbox) else None
        found = Takers(tuple(line.tasks()), line.private) if line else takers_of(one, self._own, self._backend)
        tasks = [task for task in found.tasks if not self._backend.task_has_ended(task)]
        return Takers(tasks, found.private) if line is None or line.all_known(len(tasks)) else Takers()

    def _waits(self, task: object) -> bool:
        return (waiter := self._waiting.get(task)) is not None and bool(waiter.missing) and waiter.refusal is None

    def _holds(self, waiter: Waiter, mailbox: Mailbox) -> bool:
        """Whether this subscription may hold this publish for ever: rule 2."""
        readers = self._all_waiting(mailbox)
        since = waiter.missing.get(mailbox, math.inf)
        before = waiter.now() - waiter.terms.stall_after + HAIR
        return readers.at_once or max(readers.since, since) <= before

    def _needs(self, one: Any) -> Iterable[object]:
        """The subscriptions that may hold a publish for ever, or the tasks that read a subscription, or take."""
        if (waiter := self._waiting.get(one)) is None:
            return self._known(one).tasks if self._all_waiting(one).publishing else ()
        return [mailbox for mailbox in list(waiter.missing) if self._holds(waiter, mailbox)]

    def _stuck(self, tasks: list[object]) -> Edges:
        """What waits for ever among these and all that they need, and for what of that: rule 1."""
        needs: dict[object, dict[object, None]] = {}
        ahead = [*tasks]
        while ahead:
            if (one := ahead.pop()) not in needs:
                needs[one] = dict.fromkeys(self._needs(one))
                ahead += needs[one]
        needed_by = _reversed(needs)
        free = [one for one, needed in needs.items() if not needed]
        while free:
            goes_on = free.pop()
            for one in needed_by.pop(goes_on, ()):
                if one in self._waiting:
                    needs[one].pop(goes_on, None)
                else:
                    needs[one].clear()  # one is enough
                if not needs[one]:
                    free.append(one)
        # one subscription is enough to hold a task
        return {one: [*needed][: 1 if one in self._waiting else None] for one, needed in needs.items() if needed}

    def _path(self, task: object, stuck: Edges) -> tuple[str, ...]:
        """The way round, in words; empty where one of those that it waits for does not wait for it: rule 3."""
        reached_from = _reached(task, stuck)
        back = _reversed({one: stuck[one] for one in reached_from})
        if _reached(task, back).keys() != reached_from.keys():
            return ()
        way: list[Any] = [reached_from[task], task]
        while way[0] is not task:
            way.insert(0, reached_from[way[0]])
        return tuple(self._in_words(one, other) for one, other in pairwise(way))

    def _in_words(self, one: Any, other: Any) -> str:
        name = self._backend.task_name
        if one in self._waiting:
            return f"task {name(one)!r} publishes {self._waiting[one].what}"
        waits_for = "is full and is read by" if isinstance(one, Mailbox) else "hands what it has read to"
        return f"{one.name if isinstance(one, Mailbox) else f'task {name(one)!r}'} {waits_for} task {name(other)!r}"


def _reversed(edges: Mapping[object, Iterable[object]]) -> dict[object, list[object]]:
    found: dict[object, list[object]] = {}
    for one, others in edges.items():
        for other in others:
            found.setdefault(other, []).append(one)
    return found


def _reached(start: object, edges: Edges) -> dict[object, object]:
    """All that the edges lead to from here, and from where each was reached on the shortest way."""
    found: dict[object, object] = {}
    ahead = deque([start])
    while ahead:
        one = ahead.popleft()
        for other in edges.get(one, ()):
            if other not in found:
                found[other] = one
                ahead.append(other)
    return found
