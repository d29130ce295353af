"""Whether a publish that waits can ever go on.

A publish waits for the tasks that read a full subscription; a task that publishes waits for nothing else meanwhile.
So the tasks known to read, and the publishes they wait in, over all subjects of a loop, are a graph:

    task --waits in--> publish --needs room in--> subscription --read by--> task

Rule 1: a task waits for ever when, for one of the subscriptions that it needs, all tasks that will read are known,
        and every one of them waits for ever too. A task that has not read yet, or has ended, is not known to read.
Rule 2: who will read is known at once where nobody but evenflow's own tasks can: the subscription is private. Any other
        may be handed to a task that has not read yet, so it counts only when all have waited longer than a stall takes.
Rule 3: a publish is refused when all that it waits for wait for this very publish. One that waits for others that are
        refused goes on after them.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ._errors import Deadlock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ._backends import Backend
    from ._gate import Waiter
    from ._mailbox import Mailbox

HAIR: Final = 1e-9
"""Seconds by which a time may be missed: a clock that counts in steps shows 1.9999999999999998 for 2."""


def how_it_is_read(mailbox: Mailbox, backend: Backend) -> str:
    """Whether a task that is known to read this subscription still runs, in words."""
    is_read = any(not backend.task_has_ended(task) for task in mailbox.line.tasks())
    return "its readers are slow" if is_read else "nobody reads it"


def may_be_stuck(waiter: Waiter, waiting: Mapping[object, Waiter], backend: Backend) -> bool:
    """Whether it is worth a look: nearly always the first reader of each subscription runs, or waits to read."""
    for mailbox in list(waiter.missing):
        for known in mailbox.line.known:
            task = known()
            if task in waiting:
                return True
            if task is not None and not backend.task_has_ended(task):
                break
    return False


class Readers(NamedTuple):
    """The tasks that read a subscription, where all of them wait in publishes."""

    tasks: Sequence[object]
    since: float | None  # when the last of them began to wait; None where only evenflow's own tasks can read


Edges: TypeAlias = "Mapping[object, Sequence[object]]"
"""What each task or subscription leads to: tasks to subscriptions, and these to tasks."""

NOT_ALL_WAIT: Final = Readers((), math.inf)
"""One of those that read, or may read, does not wait in a publish."""


class WaitGraph:
    """The publishes that wait in one loop, by the task that each waits in, as they are in one moment.

    A destructor may read in the middle of that, so what waiters miss is looked at in copies.
    """

    def __init__(self, waiting: Mapping[object, Waiter], own: Collection[object], backend: Backend) -> None:
        self._waiting = waiting
        self._own = own
        self._backend = backend
        self._readers: dict[Mailbox, Readers] = {}

    def find(self, tasks: Iterable[object]) -> tuple[Waiter, Deadlock] | None:
        """The first of these tasks whose publish can never go on, and why."""
        stuck = self._stuck(tasks := list(tasks))
        if not all(self._waits(one) for one in stuck if one in self._waiting):  # a destructor has read meanwhile
            return None
        for task in tasks:
            if task in stuck and (path := self._path(task, stuck)):
                message = (
                    f"this publish would wait for ever: {', '.join(path)}; read from another task, give that"
                    " subscription another overflow= policy, or publish from a task of its own"
                )
                return self._waiting[task], Deadlock(message, path=path)
        return None

    def suspects(self, mailboxes: Iterable[Mailbox]) -> list[object]:
        """The tasks that read one of these subscriptions, where all that do wait in publishes."""
        found = (self._all_waiting(mailbox) for mailbox in mailboxes)
        return list(dict.fromkeys(task for readers in found for task in readers.tasks))

    def _all_waiting(self, mailbox: Mailbox) -> Readers:
        """Who reads this subscription, where all that will are known, and wait in publishes that may not go."""
        if mailbox not in self._readers:
            self._readers[mailbox] = self._look(mailbox)
        return self._readers[mailbox]

    def _look(self, mailbox: Mailbox) -> Readers:
        tasks: list[object] = []
        for task in mailbox.line.tasks():
            if self._waits(task):
                tasks.append(task)
            elif not self._backend.task_has_ended(task):
                return NOT_ALL_WAIT
        if not tasks or not mailbox.line.all_known(len(tasks)):
            return NOT_ALL_WAIT
        if mailbox.line.private and all(task in self._own for task in tasks):
            return Readers(tasks, None)
        return Readers(tasks, max(max(self._waiting[task].missing.values(), default=math.inf) for task in tasks))

    def _waits(self, task: object) -> bool:
        waiter = self._waiting.get(task)
        return waiter is not None and bool(waiter.missing) and waiter.refusal is None

    def _holds(self, waiter: Waiter, mailbox: Mailbox) -> bool:
        """Whether this subscription may hold this publish for ever: rule 2."""
        all_wait_since = self._all_waiting(mailbox).since
        since = waiter.missing.get(mailbox, math.inf)
        before = waiter.now() - waiter.terms.stall_after + HAIR
        return all_wait_since is None or max(all_wait_since, since) <= before

    def _needs(self, one: Any) -> Iterable[object]:
        """The subscriptions that may hold a task for ever, or the tasks that read a subscription."""
        if (waiter := self._waiting.get(one)) is None:
            return self._all_waiting(one).tasks
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
                    needs[one].clear()  # one reader makes room
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
        name, path = self._backend.task_name, list[str]()
        for publisher, mailbox, reader in zip(way[:-1:2], way[1::2], way[2::2], strict=True):
            path.append(f"task {name(publisher)!r} publishes {self._waiting[publisher].what}")
            path.append(f"{mailbox.name} is full and is read by task {name(reader)!r}")
        return tuple(path)


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
