"""Sleeping until the gate lets a publish go, and looking up meanwhile: for a deadlock, and for a stall.

However many wait, one of them has a timer: the watch. It looks for all of them, and hands the watch on when it leaves,
to the one that will go last, so that the watch does not change hands with each publish that goes.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from anyio import CancelScope
from anyio.lowlevel import checkpoint

from ._deadlock import HAIR, WaitGraph, how_it_is_read, may_be_stuck

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from ._backends import WakeUp
    from ._gate import Gate, Waiter
    from ._loop import RunningLoop
    from ._mailbox import Mailbox

_log = logging.getLogger("evenflow.subject")

TICK: Final = 0.5
"""Seconds after which the watch looks again: for a deadlock, and for a stall."""


@dataclass(eq=False, repr=False)
class Waiting:
    """The publishes of one life that sleep."""

    name: str
    _gate: Gate
    stall_after: float  # seconds after which a subscription that holds a publisher is logged
    _run_deferred: Callable[[], None]
    blocked: Callable[[Waiter], Collection[Mailbox]]
    _watch: Waiter | None = None  # whoever looks for all that wait
    _look_at: float = 0.0  # when it looks next
    _logged: WeakSet[Mailbox] = field(default_factory=WeakSet)

    def enter(self, loop: RunningLoop, waiter: Waiter) -> object:
        """A publish begins to wait; returns its task, and ``leave`` must follow. Refuses it if it can never go on."""
        task = loop.backend.current_task()
        loop.waiting[task] = waiter
        try:
            if may_be_stuck(waiter, loop.waiting, loop.own, loop.backend):
                self._refuse_one(WaitGraph(loop.waiting, loop.own, loop.backend), (task,))
        except BaseException:
            self.leave(loop, task, waiter)
            raise
        return task

    def sleep(self, loop: RunningLoop, waiter: Waiter) -> Awaitable[object] | None:
        """What the publish must await, and then ask again; None once it may go, or the subject was closed.

        It is no coroutine around all of that: of thousands that wait each would hold one more frame.
        Raises ``Deadlock`` where it can never go on.
        """
        if waiter.granted:
            return checkpoint() if self._gate.comes_before(waiter) else None
        # before the look: a destructor may let it go while this is made
        waiter.sleep_on(wake_up := loop.backend.wake_up())
        if waiter.granted:
            return self.sleep(loop, waiter)
        if self._gate.closed:
            return None
        if waiter.refusal is not None:
            raise waiter.refusal
        if self._watch is waiter or self._watch not in self._gate.queue:
            return self._sleep_and_look(loop, waiter, wake_up)
        return wake_up

    def leave(self, loop: RunningLoop, task: object, waiter: Waiter) -> None:
        """A publish waits no longer, for whatever reason; if it has the watch, another gets that."""
        loop.waiting.pop(task, None)
        if self._watch is waiter:
            self._watch = self._gate.latest_but(waiter)
            if self._watch is not None:
                self._watch.wake()

    async def _sleep_and_look(self, loop: RunningLoop, waiter: Waiter, wake_up: WakeUp) -> None:
        """Have the watch until this publish is woken, or until it is time to look."""
        if self._watch is not waiter:
            self._watch, self._look_at = waiter, loop.now() + min(TICK, self.stall_after)
        with CancelScope(deadline=self._look_at - HAIR / 2) as scope:
            await wake_up
        if scope.cancelled_caught:
            self._look_at = max(self._look_at, loop.now()) + min(TICK, self.stall_after)
            self._run_deferred()
            self._refuse_deadlocks(loop)
            self._log_stalls(loop)

    def _refuse_deadlocks(self, loop: RunningLoop) -> None:
        """Look for publishes that can never go on, among all that those of this gate wait for."""
        graph = WaitGraph(loop.waiting, loop.own, loop.backend)
        while self._refuse_one(graph, graph.suspects(list(self._gate.missed))):
            graph = WaitGraph(loop.waiting, loop.own, loop.backend)

    def _refuse_one(self, graph: WaitGraph, tasks: Iterable[object]) -> bool:
        """Refuse the first of these tasks' publishes that can never go on; returns whether there is one."""
        if (found := graph.find(tasks)) is None:
            return False
        waiter, refusal = found
        waiter.refuse(refusal)
        for watcher in self._gate.watchers:
            watcher.refused(refusal)
        return True

    def _log_stalls(self, loop: RunningLoop) -> None:
        """Log each subscription that has held a publisher for too long, once."""
        before = loop.now() - self.stall_after + HAIR
        for mailbox in list(self._gate.missed):
            line = list(self._gate.missed.get(mailbox, ()))  # copies: a destructor may read meanwhile
            if mailbox in self._logged or all(waiter.missing.get(mailbox, math.inf) > before for waiter in line):
                continue
            self._logged.add(mailbox)
            _log.warning(
                "%s, made at %s:%s, has held a publisher of %s for more than %s s: its buffer of %s is full and %s",
                mailbox.name,
                *mailbox.created_at,
                self.name,
                self.stall_after,
                mailbox.buffer.capacity,
                how_it_is_read(mailbox, loop.backend),
                extra={"subject": self.name, "subscription": mailbox.name},
            )
