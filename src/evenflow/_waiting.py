"""Sleeping until the gate lets a publish go, and looking up meanwhile: for a deadlock, and for a stall."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

import anyio
from anyio.lowlevel import checkpoint

from ._deadlock import WaitGraph

if TYPE_CHECKING:
    from ._gate import Gate, Waiter
    from ._loop import RunningLoop
    from ._mailbox import Mailbox

_log = logging.getLogger("evenflow.subject")

TICK: Final = 0.5
"""Seconds after which a publish that waits looks again: for a deadlock, and for a stall."""


class Waiting:
    """The publishes of one life that sleep."""

    def __init__(self, name: str, gate: Gate, stall_after: float) -> None:
        self._name = name
        self._gate = gate
        self._stall_after = stall_after
        self._logged: WeakSet[Mailbox] = WeakSet()

    async def until_granted(self, loop: RunningLoop, waiter: Waiter) -> None:
        """Sleep until the gate lets this publish go, or the subject was closed; ``Deadlock`` if neither can happen."""
        task = loop.current_task()
        graph = WaitGraph(loop.waiting, loop.backend)
        loop.waiting[task] = waiter
        try:
            graph.refuse_deadlock(task)
            while not waiter.granted or self._gate.comes_before(waiter):
                if waiter.granted:
                    await checkpoint()
                elif self._gate.closed or await self._sleep(graph, task, waiter):
                    return
        finally:
            loop.waiting.pop(task, None)

    async def _sleep(self, graph: WaitGraph, task: object, waiter: Waiter) -> bool:
        """Sleep for one tick at most; returns whether the gate was closed."""
        waiter.note_time(anyio.current_time())
        wake_up = waiter.wake_up
        with anyio.move_on_after(min(TICK, self._stall_after)):
            await wake_up.wait()
        if wake_up.is_set():
            return self._gate.closed
        graph.refuse_deadlock(task)
        for mailbox, since in waiter.since.items():
            long = since <= anyio.current_time() - self._stall_after
            if long and mailbox in waiter.missing and mailbox not in self._logged:
                self._logged.add(mailbox)
                _log.warning(
                    "%s, made at %s:%s, has held a publisher of %s for more than %s s: its buffer of %s is full and %s",
                    mailbox.name,
                    *mailbox.created_at,
                    self._name,
                    self._stall_after,
                    mailbox.buffer.capacity,
                    "its readers are slow" if graph.readers(mailbox) else "nobody reads it",
                )
        return self._gate.closed
