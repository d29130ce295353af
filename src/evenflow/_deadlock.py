"""Whether a publish that waits can ever go on.

A publish waits for the tasks that read a full subscription; a task that publishes waits for nothing else meanwhile.
So the tasks known to read, and the publishes they wait in, over all subjects of a loop, are a graph:

    task --waits in--> publish --needs room in--> subscription --read by--> task

Rule: a task waits for ever when, for one of the subscriptions that it needs, all tasks that will read are known,
and every one of them waits for ever too. A task that has not read yet, or has ended, is not known to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._errors import Deadlock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._backends import Backend
    from ._gate import Waiter
    from ._mailbox import Mailbox


class WaitGraph:
    """The publishes that wait in one loop, by the task that each waits in."""

    def __init__(self, waiting: Mapping[object, Waiter], backend: Backend) -> None:
        self._waiting = waiting
        self._backend = backend

    def readers(self, mailbox: Mailbox) -> list[object]:
        """The tasks known to read this subscription that still run."""
        return [task for task in mailbox.line.tasks() if not self._backend.task_has_ended(task)]

    def refuse_deadlock(self, task: object) -> None:
        """Raise ``Deadlock`` if this task's publish can never go on."""
        stuck = self._reachable(task)
        while free := [one for one in stuck if self._stuck_at(one, stuck) is None]:
            stuck.difference_update(free)
        if task in stuck and (path := self._path(task, stuck)):
            raise Deadlock(
                "this publish would wait for ever: " + ", ".join(path) + "; read from another task, give that"
                " subscription another overflow= policy, or publish from a task of its own",
                path=tuple(path),
            )

    def _reachable(self, task: object) -> set[object]:
        """The tasks that wait in a publish and that this one, step by step, waits for."""
        seen, ahead = set[object](), [task]
        while ahead:
            one = ahead.pop()
            if one not in seen and (waiter := self._waiting.get(one)) is not None:
                seen.add(one)
                for mailbox in tuple(waiter.missing):  # a copy: a destructor may read meanwhile
                    ahead.extend(self.readers(mailbox))
        return seen

    def _stuck_at(self, task: object, stuck: set[object]) -> Mailbox | None:
        """The subscription at which this task waits for ever, as far as is known."""
        waiter = self._waiting[task]
        for mailbox in () if waiter.granted else tuple(waiter.missing):
            known = self.readers(mailbox)
            if known and mailbox.line.all_known(len(known)) and stuck.issuperset(known):
                return mailbox
        return None

    def _path(self, task: object, stuck: set[object]) -> list[str]:
        """The way round, in words; empty where a destructor has ended the deadlock meanwhile."""
        path, seen, one = list[str](), set[object](), task
        while one not in seen:
            seen.add(one)
            if (mailbox := self._stuck_at(one, stuck)) is None:
                return []
            readers = self.readers(mailbox)
            reader = task if task in readers else readers[0]
            path.append(f"task {self._backend.task_name(one)!r} publishes {self._waiting[one].what}")
            path.append(f"{mailbox.name} is full and is read by task {self._backend.task_name(reader)!r}")
            one = reader
        return path
