"""The way of an event to the mailboxes of those who want it: all or none, in one order, backpressure where it is due.

    find      which subscriptions want the event, and under which key; asks users' ``where`` and ``conflate``, once each
    wait      for room in each full "block" mailbox that wants it; ``_gate`` says whose turn it is
    commit    give it to all of them; no await, no user's code, no other publish in between

This is the only file that gives an event to a mailbox.

The guard: a delivery is idle, asking (a user's function runs) or committing. While it is not idle, whoever calls is a
user's function or a destructor: closing and detaching are deferred until it is idle again, everything else is refused.
Our own destructors and other threads always defer.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet

import anyio
from anyio import WouldBlock
from anyio.lowlevel import checkpoint

from ._deadlock import WaitGraph
from ._errors import SubjectClosed
from ._fairness import DELIVERIES_A_TURN
from ._gate import Gate, Waiter
from ._mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ._binding import LoopBinding
    from ._history import History
    from ._loop import RunningLoop
    from ._mailbox import End
    from ._members import Members, Targets

E = TypeVar("E")
T = TypeVar("T")
_log = logging.getLogger("evenflow.subject")

TICK = 0.5
"""Seconds after which a publish that waits looks again: for a deadlock, and for a stall."""


class Delivery(Generic[E]):
    """Publishing to one life of a subject.

    Attributes:
        closed: whether it takes no more events.
        busy: whether users are asked, or an event is being given out.
        published: events that were published, wanted or not.
        deliveries: how often an event went to a subscription.
        deferred: what could not be done at once, in order.
    """

    def __init__(
        self,
        name: str,
        *,
        members: Members[E],
        gate: Gate,
        binding: LoopBinding,
        history: History | None,
        detach: Callable[[Mailbox, End], None],
        unwanted: Callable[[E], None],
        stall_after: float,
    ) -> None:
        self._name = name
        self._members = members
        self._gate = gate
        self._binding = binding
        self._history = history
        self._detach = detach
        self._unwanted = unwanted
        self._stall_after = stall_after
        self._stalled: WeakSet[Mailbox] = WeakSet()
        self.closed = False
        self.busy = False
        self.published: int = 0
        self.deliveries: int = 0
        self.deferred: deque[Callable[[], None]] = deque()

    # ------------------------------------------------------------------ publishing

    async def publish(self, event: E) -> int:
        """Give the event to every subscription that wants it, when there is room; see ``Subject.publish``."""
        loop = self._binding.loop
        # `_begin`, as far as it usually goes, written out: it would cost 300 ns more
        if (
            loop is None
            or not loop.runs(loop.known_task)
            or loop.is_pending()
            or loop.budget.given >= DELIVERIES_A_TURN
            or self.busy
            or self.closed
            or self.deferred
        ):
            await self._begin()
        # what is plain needs no look at anything else: `find` would say the same, for 60 ns more
        targets = self._members.plain.get(type(event))
        if targets is not None and self._members.is_plain(targets):
            return self._commit(event, targets)
        return await self._publish_asked(event)

    def publish_nowait(self, event: E, claim: Callable[[], None] | None = None) -> int:
        """Give the event out now or not at all; a ``claim`` is called right before, and may call it off by raising.

        Raises:
            anyio.WouldBlock: there is no room; nobody got it.
        """
        self.check_idle()
        self._binding.check()
        self.check_open()
        targets, blocked = self._find(event)
        if blocked:
            self._become_idle()
            raise WouldBlock
        return self._commit(event, targets, claim)

    def give_first(self, mailbox: Mailbox, event: E, key: object) -> None:
        """Give a new subscription, and nobody else, an event of its own."""
        if self.closed:
            mailbox.buffer.give_replay([event])
        else:
            mailbox.offer(event, key)

    async def publish_claimed(self, event: E, claim: Callable[[], None]) -> int:
        """As ``publish``, with a ``claim``."""
        self.check_open()
        targets, blocked = self._find(event)
        if not blocked:
            return self._commit(event, targets, claim)
        self._become_idle()
        return await self._wait_and_commit(event, targets, blocked, claim)

    async def publish_many(self, events: tuple[E, ...]) -> int:
        """Publish each in its turn; a run of events that all can be appended is given to each mailbox at once."""
        total = at = 0
        while at < len(events):
            run = self._appendable(events, at)
            if len(run) > 1:
                total += self._commit_run(run)
                at += len(run)
            else:
                total += await self.publish(events[at])
                at += 1
        return total

    # ------------------------------------------------------------------ the guard

    def check_idle(self) -> None:
        """Refuse what would change the subject while it is busy.

        Raises:
            RuntimeError: a condition or a destructor tries it.
        """
        if self.busy:
            raise RuntimeError(
                f"{self._name} is just asking its subscriptions, or giving an event to them: a condition (where=,"
                " conflate=) and a destructor only look; publish, subscribe and receive from somewhere else"
            )
        if self.deferred:
            self.run_deferred()

    def defer(self, function: Callable[[], None]) -> None:
        """Do this when it is idle, and somebody looks."""
        self.deferred.append(function)

    def run_deferred(self) -> None:
        """Do what was deferred, unless it is busy."""
        while self.deferred and not self.busy:
            self.deferred.popleft()()

    def ask(self, question: Callable[[], T]) -> T:
        """Ask users' functions something, who may only look meanwhile."""
        self.busy = True
        try:
            return question()
        finally:
            self._become_idle()

    def _become_idle(self) -> None:
        self.busy = False
        if self.deferred:
            self.run_deferred()

    def check_open(self) -> None:
        """Refuse to go on with a subject that was closed.

        Raises:
            SubjectClosed: it takes no more events.
        """
        if self.closed:
            raise SubjectClosed(f"{self._name} is closed: it takes no more events; enter it again to open it anew")

    def close(self) -> None:
        """Take no more events; publishers that wait are refused."""
        self.closed = True
        self._members.close()
        self._gate.wake_all()

    # ------------------------------------------------------------------ before a publish

    async def _begin(self) -> None:
        """Look at all that a publish must look at: where it runs, whether it is cancelled, and whose turn it is."""
        self.check_idle()
        loop = self._binding.here()
        self.check_open()
        if loop is None:
            return
        if loop.is_cancelled():
            await checkpoint()
        if loop.budget.left() <= 0:
            await loop.turn()
            self.check_open()

    def _find(self, event: E) -> tuple[Targets, list[Mailbox]]:
        """Ask who wants the event, and who has no room for it. Busy from here on, unless it raises."""
        self.busy = True
        try:
            targets = self._members.find(event)
            self._end_failed(targets)
            return targets, self._members.blocked(targets)
        except BaseException:
            self._become_idle()
            raise

    def _end_failed(self, targets: Targets) -> None:
        """What a subscription's own function raises is its end, and nobody else's."""
        for mailbox, error in targets.failed:
            if mailbox in targets.chosen:
                targets.chosen.remove(mailbox)
            self._detach(mailbox, error)
        targets.failed.clear()

    # ------------------------------------------------------------------ the instant

    def _commit(self, event: E, targets: Targets, claim: Callable[[], None] | None = None) -> int:
        """Give the event to all that want it, in one instant; returns how many they are."""
        unready, keys = self._members.unready, targets.keys
        given_up: list[object] = []  # kept until the end, so that no destructor of theirs runs before
        disconnected: list[Mailbox] = []
        self.busy = True
        try:
            if claim is not None:
                claim()
            for mailbox in targets.all():
                if unready and mailbox in unready:
                    given_up.append(mailbox.offer(event, keys.get(mailbox)))
                    if mailbox.end is not None:
                        disconnected.append(mailbox)
                # `append`, written out: a call for each mailbox would cost half as much again
                elif inbox := mailbox.buffer.inbox:
                    inbox.append(event)
                    if len(inbox) >= mailbox.buffer.limit:
                        mailbox.look_at_limit()
                else:
                    mailbox.begin(event)
        finally:
            self.busy = False
        reached = len(targets.everyone) + len(targets.chosen)
        self._count(1, reached)
        for mailbox in disconnected:
            self._detach(mailbox, mailbox.end or SubjectClosed)
        if self._history is not None:
            self._history.add(event, targets.history_key)
        if keys and self._gate.queue:
            for mailbox in keys:
                self._gate.look_again(mailbox)
        if self.deferred:
            self.run_deferred()
        if not reached:
            self._unwanted(event)
        return reached

    def _count(self, events: int, deliveries: int) -> None:
        self.published += events
        self.deliveries += deliveries
        loop = self._binding.loop or self._binding.here()
        if loop is not None:
            loop.budget.count_given(deliveries)

    # ------------------------------------------------------------------ a run of events

    def _appendable(self, events: tuple[E, ...], at: int) -> Sequence[E]:
        """The events from ``at`` on that can all be appended now to all that want them; empty where one must look."""
        loop = self._binding.loop
        if self.busy or self.closed or self.deferred or self._history is not None or loop is None or not loop.is_here():
            return ()
        targets = self._members.plain.get(type(events[at]))
        if targets is None or not targets.everyone or not self._members.is_plain(targets) or loop.is_cancelled():
            return ()
        room = min([mailbox.buffer.limit - len(mailbox.buffer.inbox) for mailbox in targets.everyone])
        most = min(room, 1 + loop.budget.left() // len(targets.everyone))
        kind = type(events[at])
        stop = at
        while stop < at + most and stop < len(events) and type(events[stop]) is kind:
            stop += 1
        return events[at:stop]

    def _commit_run(self, run: Sequence[E]) -> int:
        """Append all of these to each mailbox that wants them; returns how many deliveries that makes."""
        everyone = self._members.plain[type(run[0])].everyone
        self.busy = True
        try:
            for mailbox in everyone:
                mailbox.extend(run)
        finally:
            self.busy = False
        deliveries = len(run) * len(everyone)
        self._count(len(run), deliveries)
        if self.deferred:
            self.run_deferred()
        return deliveries

    # ------------------------------------------------------------------ waiting

    async def _publish_asked(self, event: E) -> int:
        """Publish where somebody must be asked, or looked at, first."""
        targets, blocked = self._find(event)
        if blocked:
            self._become_idle()
            return await self._wait_and_commit(event, targets, blocked)
        starving = self._members.starving(targets)
        if not starving:
            return self._commit(event, targets)
        self._become_idle()
        for _ in range(2):  # trio may run us before the reader in the turn that comes, not in the one after
            for mailbox in starving:
                mailbox.line.wake_now()
            await checkpoint()
            self.check_open()
            self._find_newcomers(event, targets)
            starving = self._members.starving(targets)
            if not starving:
                break
        if blocked := self._members.blocked(targets):
            return await self._wait_and_commit(event, targets, blocked)
        return self._commit(event, targets)

    def _find_newcomers(self, event: E, targets: Targets) -> None:
        """Ask those that have come while this publish waited."""
        self.busy = True
        try:
            self._members.find_newcomers(event, targets)
            self._end_failed(targets)
        finally:
            self._become_idle()
        self.check_open()

    async def _wait_and_commit(
        self, event: E, targets: Targets, blocked: list[Mailbox], claim: Callable[[], None] | None = None
    ) -> int:
        """Wait until there is a slot in each mailbox that needs one, then commit."""
        loop, gate, members = self._binding.bind(), self._gate, self._members
        waiter = Waiter(
            f"{type(event).__name__} to {self._name}", lambda waiter: members.blocked(targets, waiter.held)
        )
        soon = not gate.queue and all(mailbox.line.woken for mailbox in blocked)
        task = loop.current_task()
        try:
            while blocked:
                if soon:  # a turn of the loop costs a quarter of what the queue costs
                    soon = False
                    gate.reserve(waiter, blocked)
                    await _let_readers_run(loop, blocked)
                    gate.give_back(waiter)
                else:
                    gate.join(waiter, blocked)
                    loop.waiting[task] = waiter
                    await self._wait_for_turn(loop, task, waiter)
                self.check_open()
                self._find_newcomers(event, targets)
                held = waiter.let_go_of_all()
                if blocked := members.blocked(targets):
                    gate.take_back(waiter, held)
            return self._commit(event, targets, claim)
        finally:
            loop.waiting.pop(task, None)
            gate.leave(waiter)

    async def _wait_for_turn(self, loop: RunningLoop, task: object, waiter: Waiter) -> None:
        """Sleep until the gate lets this publish go, looking up every now and then."""
        graph = WaitGraph(loop.waiting, loop.backend)
        graph.refuse_deadlock(task)
        while not waiter.granted or self._gate.comes_before(waiter):
            if waiter.granted:
                await checkpoint()
                continue
            if self.closed:
                return
            waiter.note_time(anyio.current_time())
            wake_up = waiter.wake_up
            assert wake_up is not None  # it has joined
            with anyio.move_on_after(min(TICK, self._stall_after)):
                await wake_up.wait()
            if not wake_up.is_set():
                graph.refuse_deadlock(task)
                self._log_stalls(waiter, graph, anyio.current_time() - self._stall_after)

    def _log_stalls(self, waiter: Waiter, graph: WaitGraph, long_ago: float) -> None:
        """Log, once each, the mailboxes that this publish has waited for since ``long_ago``."""
        for mailbox, since in waiter.since.items():
            if since > long_ago or mailbox in self._stalled or mailbox not in waiter.missing:
                continue
            self._stalled.add(mailbox)
            _log.warning(
                "%s, made at %s:%s, has held a publisher of %s for more than %s s: its buffer of %s is full and %s",
                mailbox.name,
                *mailbox.created_at,
                self._name,
                self._stall_after,
                mailbox.buffer.capacity,
                "its readers are slow" if graph.readers(mailbox) else "nobody reads it",
            )


async def _let_readers_run(loop: RunningLoop, blocked: Iterable[Mailbox]) -> None:
    """A turn of the loop, or as many as it takes until the readers that were woken have run."""
    for mailbox in blocked:
        while mailbox.room() < 0 and mailbox.line.is_queued() and mailbox.end is None:
            await loop.turn()
    for _ in range(2):  # trio may run us before the readers in the first turn
        if all(mailbox.room() >= 0 for mailbox in blocked):
            return
        await loop.turn()
