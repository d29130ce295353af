"""Who reads an operator that runs tasks: whom these tasks wait for, once they have read ahead."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import ref

from evenflow._backends import NOT_RUNNING, KnownTask
from evenflow._deadlock import Takers
from evenflow._loop import running_loop

if TYPE_CHECKING:
    from evenflow.streams._node import Run


class ReadBy:
    """The tasks that have read one operator. Each read notes its own, unless that is the one ``known``."""

    __slots__ = ("__weakref__", "_tasks", "known", "run")

    def __init__(self, run: Run | None = None) -> None:
        self.run = run
        self.known: KnownTask = NOT_RUNNING
        """The task that read last."""
        self._tasks: tuple[ref[object], ...] = ()

    def note(self) -> None:
        """The current task reads."""
        loop = running_loop()
        if (task := loop.current_task()) is not None:
            self.known = loop.backend.know(task, partial(_forget, ref(self)))
            if (known := ref(task)) not in self._tasks:
                self._tasks = (*(one for one in self._tasks if one() is not None), known)

    def takers(self) -> Takers:
        """Who may read on. Where nobody else can, that is known for good."""
        tasks = tuple(task for known in self._tasks if (task := known()) is not None)
        return Takers(tasks, private=self.run is not None and self.run.is_private)

    def takers_if(self, waits: bool, /) -> Takers:
        """The same for a task that waits for them now, or none."""
        return self.takers() if waits else Takers()


def _forget(read_by: ref[ReadBy], gone: object) -> None:
    """The task that read last is gone."""
    if (knowing := read_by()) is not None and knowing.known is gone:
        knowing.known = NOT_RUNNING
