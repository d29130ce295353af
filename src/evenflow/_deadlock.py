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
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

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

    def refuse_deadlock(self, task: object) -> None:
        """Raise ``Deadlock`` if this task's publish can never go on."""
        if (found := self.find((task,))) is not None:
            raise found[1]

    def find(self, tasks: Iterable[object]) -> tuple[Waiter, Deadlock] | None:
        """The first of these tasks whose publish can never go on, and why."""
        stuck = self._stuck(tasks := list(tasks))
        if not all(self._waits(task) for task in stuck):  # a destructor has read meanwhile
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

    def _stuck(self, tasks: list[object]) -> dict[object, Mailbox]:
        """The tasks that wait for ever among these and those that they wait for, and where: rule 1."""
        held: dict[object, dict[Mailbox, None]] = {}
        needed_by: dict[Mailbox, list[object]] = {}
        read_by: dict[object, list[Mailbox]] = {}
        ahead = list(tasks)
        while ahead:
            task = ahead.pop()
            if task in held:
                continue
            held[task] = {}
            waiter = self._waiting[task]
            for mailbox in [one for one in list(waiter.missing) if self._holds(waiter, one)]:
                held[task][mailbox] = None
                if mailbox not in needed_by:
                    needed_by[mailbox] = []
                    for reader in self._all_waiting(mailbox).tasks:
                        read_by.setdefault(reader, []).append(mailbox)
                        ahead.append(reader)
                needed_by[mailbox].append(task)
        free = [task for task, mailboxes in held.items() if not mailboxes]
        while free:
            for mailbox in read_by.get(free.pop(), ()):
                for task in needed_by.pop(mailbox, ()):
                    del held[task][mailbox]
                    if not held[task]:
                        free.append(task)
        return {task: next(iter(mailboxes)) for task, mailboxes in held.items() if mailboxes}

    def _path(self, task: object, stuck: dict[object, Mailbox]) -> tuple[str, ...]:
        """The way round, in words; empty where one of those that it waits for does not wait for it: rule 3."""
        waits_for_me: dict[object, object] = {}
        needed_by: dict[Mailbox, list[object]] = {}
        read_by: dict[object, list[Mailbox]] = {}
        ahead = deque([task])
        while ahead:
            one = ahead.popleft()
            mailbox = stuck[one]
            if mailbox not in needed_by:
                needed_by[mailbox] = []
                for reader in self._all_waiting(mailbox).tasks:
                    read_by.setdefault(reader, []).append(mailbox)
                    if reader not in waits_for_me:
                        waits_for_me[reader] = one
                        if reader is not task:
                            ahead.append(reader)
            needed_by[mailbox].append(one)
        leads_back, back = {task}, [task]
        while back:
            for mailbox in read_by.get(back.pop(), ()):
                for one in needed_by.pop(mailbox, ()):
                    if one not in leads_back:
                        leads_back.add(one)
                        back.append(one)
        if task not in waits_for_me or not leads_back.issuperset(waits_for_me):
            return ()
        return self._words(task, waits_for_me, stuck)

    def _words(self, task: object, waits_for_me: dict[object, object], stuck: dict[object, Mailbox]) -> tuple[str, ...]:
        way = [task, waits_for_me[task]]
        while way[-1] is not task:
            way.append(waits_for_me[way[-1]])
        name, path = self._backend.task_name, list[str]()
        for one, reader in pairwise(reversed(way)):
            path.append(f"task {name(one)!r} publishes {self._waiting[one].what}")
            path.append(f"{stuck[one].name} is full and is read by task {name(reader)!r}")
        return tuple(path)
