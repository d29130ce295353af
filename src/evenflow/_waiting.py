"""Waiting for room, where an event is wanted by full "block" subscriptions.

a turn     their readers were woken and have not run yet: the loop turns once, and most likely there is room
the line   otherwise a publish waits until it has a slot in each of them; `_admission` says whose turn it is
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import checkpoint

from ._admission import Waiter
from ._deadlock import WAITING, readers, refuse_deadlock
from ._loops import current_task
from ._mailbox import Mailbox, all_have_room
from ._placing import Placing
from ._roster import ASKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._placing import Draft
    from ._routing import Route

_log = logging.getLogger("evenflow.subject")

TICK = 0.5
"""Seconds after which a publish that waits looks again: for a deadlock, and for a stall."""


class Waiting(Placing):
    """A subject whose publishers wait for room."""

    # ------------------------------------------------------------------ a turn

    def _full(self, route: Route[Mailbox]) -> Sequence[Mailbox] | None:
        """Those that have no room until their readers run, who were woken; None where there is more to it.

        For a route on which nobody has a condition.
        """
        everyone, careful = route.everyone, self._careful
        if self._keyed or self._busy:
            return None
        credit, waits = self._credit, self._admission.queue or self._admission.first
        filled = credit.everyone is everyone
        if filled and (only := credit.only) is not None and not (credit.left or credit.room or waits) and only.is_due():
            return (only,)  # its credit is used up and stays: it is given anew when the reader has run
        full = credit.end()
        # those that are full are among the careful: where they are as many, they are all, and all want this event
        if not filled or len(full) < len(careful):
            full = [box for box in self._among_careful(everyone) if not box.review()] if careful else []
        if full and waits:
            return None
        for box in full:
            if not box.is_due():
                return None
        return full

    async def _give_readers_a_turn(self, event: Any, route: Route[Mailbox], full: Sequence[Mailbox]) -> Waiter | None:
        """The readers of all that are full were woken and have not run yet: let the loop turn, and there is room.

        So a publisher faster than its readers does without a line to stand in, which costs four times as much.
        Returns None where the event can simply be appended now, or what stands first in the line for it.
        """
        life, admission = self._life, self._admission
        admission.keep(full)
        try:
            await (self._home or self.settle()).turn()
            if self._closed or life != self._life:
                self.check_open(life)
            if admission.release_first() and not self._busy and self._is_plain(route):
                return None
            admission.keep(full)
            await self._let_readers_run(full)
            self.check_open(life)
        except BaseException:
            admission.give_up()
            raise
        if admission.release_first() and not self._busy and self._is_plain(route):
            return None
        waiter = Waiter(event, self._name)
        admission.stand_first(waiter, full)
        return waiter

    async def _let_readers_run(self, blocked: Sequence[Mailbox]) -> None:
        """A turn of the loop, or as many as it takes until those that are due were woken."""
        home = self._home or self.settle()
        for box in blocked:
            while box.room() < 0 and box.woken and self._wakes.due and not self._closed:
                await home.turn()
        for _ in range(2):  # trio may run us before the readers in the first turn
            if all_have_room(blocked):
                return
            await home.turn()

    # ------------------------------------------------------------------ the line

    async def _publish_as_first(self, event: Any, waiter: Waiter) -> int:
        """Publish what stands first in the line."""
        try:
            draft = self._ask(event, self._find_route(event))
        except BaseException:
            self._admission.leave(waiter)
            raise
        return await self._publish_when_room(draft, self._blocked(draft, waiter.held), waiter)

    async def _publish_when_room(self, draft: Draft, blocked: list[Mailbox], waiter: Waiter | None = None) -> int:
        """Wait until there is a slot in each mailbox that needs one, then commit."""
        self.settle()
        life = self._life
        soon = not (waiter or self._admission.queue or self._admission.first) and all(box.woken for box in blocked)
        waiter = waiter or Waiter(draft.event, self._name)
        waiter.blocked = lambda: self._blocked(draft, waiter.held)
        task = current_task()
        try:
            while blocked:
                if soon:
                    soon = False
                    self._admission.reserve(waiter, blocked)
                    await self._let_readers_run(blocked)
                    self._admission.give_back(waiter)
                else:
                    self._admission.join(waiter, blocked)
                    WAITING[task] = waiter
                    refuse_deadlock(task)
                    await self._wait_for_turn(waiter, task, life)
                self.check_open(life)
                self._ask_newcomers(draft)
                held = self._admission.release(waiter)
                if blocked := self._blocked(draft):
                    self._admission.take_back(waiter, held)
            self._admission.release(waiter)
            return self._commit(draft)
        finally:
            WAITING.pop(task, None)
            self._admission.leave(waiter)

    async def _wait_for_turn(self, waiter: Waiter, task: object, life: int) -> None:
        """Sleep until the admission lets this publish go, looking up every now and then."""
        while not waiter.granted or self._admission.comes_before(waiter):
            if waiter.granted:
                await checkpoint()
                continue
            if self._closed or life != self._life:
                return
            waiter.note_since(anyio.current_time())
            wake = waiter.wake
            assert wake is not None  # it has joined
            with anyio.move_on_after(min(TICK, self._stall_after)):
                await wake.wait()
            if not wake.is_set():
                refuse_deadlock(task)
                self._log_stalls(waiter, anyio.current_time() - self._stall_after)

    def _log_stalls(self, waiter: Waiter, long_ago: float) -> None:
        """Tell, once each, of the mailboxes that this publish has waited for since ``long_ago``."""
        for box, since in waiter.since.items():
            if since > long_ago or box.stalled or box not in waiter.missing:
                continue
            box.stalled = True
            why = "nobody reads it" if not readers(box) else "its readers are slow"
            _log.warning(
                "%s, made at %s:%s, has held a publisher of %s for more than %s s: its buffer of %s is full and %s",
                box.name,
                *box.place,
                self._name,
                self._stall_after,
                box.capacity,
                why,
            )

    def _on_take(self, box: Mailbox) -> None:
        """A reader has taken an event from a mailbox that somebody waits for."""
        busy, self._busy = self._busy, ASKING
        try:
            self._admission.freed(box)
            for watcher in tuple(self._watchers):
                watcher(box)
        finally:
            self._busy = busy
        if not self._watchers and not self._admission.misses(box):
            box.on_take = None
