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

from collections import deque
from functools import partial
from itertools import repeat, takewhile
from operator import is_
from threading import get_ident
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anyio.lowlevel import checkpoint

from ._errors import SubjectClosed, no_room
from ._fairness import GIVEN, LOOK_GIVEN
from ._gate import Gate, Waiter
from ._waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Sequence

    from anyio import Event

    from ._binding import LoopBinding
    from ._ends import End
    from ._history import History
    from ._loop import RunningLoop
    from ._mailbox import Mailbox
    from ._members import Members, Targets

E = TypeVar("E")
T = TypeVar("T")


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
        watchers: list[Event],
        changed: Callable[[], None],
        unwanted: Callable[[E], None],
        stall_after: float,
    ) -> None:
        self._name = name
        self._members = members
        self._gate = gate
        self._binding = binding
        self._history = history
        self._unready = members.unready
        self._of_classes = {} if history is not None else members.of_classes
        """Who wants events of each class; empty where each event must also be kept."""
        self._detach = detach
        self._watchers = watchers
        self._changed = changed
        self._unwanted = unwanted
        self._waiting = Waiting(name, gate, stall_after, self.run_deferred, self._blocked)
        self.closed: bool = False
        self.busy: bool = False
        self.published: int = 0
        self.deliveries: int = 0
        self.deferred: deque[Callable[[], None]] = deque()

    def publish_at_once(self, event: E, loop: RunningLoop | None = None) -> int | Targets | None:
        """Give the event out, if that needs no waiting.

        Returns how many wanted it; or the targets, where it must wait for some of them; or None, where somebody must
        look first at where this runs, or at whether it was cancelled. The last two are for ``publish_later``.
        A caller that has looked since it last waited gives the ``loop``: to look costs a third of a publish.
        """
        if loop is None:
            loop = self._binding.loop
            if (
                loop is None
                or loop.thread != get_ident()
                or not loop.known.cr_running
                or loop.is_pending()
                or (loop.counts[GIVEN] >= loop.counts[LOOK_GIVEN] and loop.budget.publisher_should_turn())
                or self.busy
                or self.deferred
            ):
                return None
        targets = self._of_classes.get(id(type(event)))  # none is known once it is closed
        if targets is None or targets.conditional:
            return self._commit_or_wait(event)
        self.busy = True  # before the measure: from here on no destructor can change what is seen
        if self.published >= targets.room_until:
            targets.measure(self.published, self._unready)
        everyone = targets.everyone
        if self._unready and not everyone.keys().isdisjoint(self._unready):
            return self._commit_or_wait(event)
        # from here on as `_commit`, which would take twice as long
        try:
            for mailbox in everyone:
                if inbox := mailbox.buffer.inbox:  # a call would cost half as much again
                    inbox.append(event)
                else:
                    mailbox.begin(event)
        finally:
            self.busy = False
        reached = len(everyone)
        self.published += 1
        self.deliveries += reached
        loop.counts[GIVEN] += reached
        if self.deferred:
            self.run_deferred()
        if not reached:
            loop.counts[LOOK_GIVEN] -= 1  # it is no delivery, and takes its time
            self._unwanted(event)
        return reached

    def _commit_or_wait(self, event: E) -> int | Targets:
        """Give the event out if there is room for it; or return the targets."""
        targets = self._find(event)
        return targets if targets.blocked or targets.starving else self._commit(event, targets)

    def publish_later(
        self, event: E, targets: Targets | None = None, claim: Callable[[], None] | None = None
    ) -> Coroutine[Any, Any, int]:
        """Give the event out when there is room, after a look at everything where ``publish_at_once`` asked for it.

        To be awaited at once. Where others wait already it is one coroutine less, of which thousands may sleep.
        """
        ticket = next(self._gate.tickets)
        if self._gate.queue:
            if targets is None and self._begin() is None:
                targets = self._find(event)
            if targets is not None and targets.blocked:
                return self._wait_and_commit(event, targets, ticket, claim, ())
        return self._publish_later(event, targets, ticket, claim)

    async def _publish_later(
        self, event: E, targets: Targets | None, ticket: int, claim: Callable[[], None] | None
    ) -> int:
        freed: Sequence[Mailbox] = ()
        # where all readers are about to run, a turn of the loop costs a quarter of what the queue costs
        if targets and targets.blocked and not self._gate.queue and await self._let_readers_run(targets.blocked):
            freed = targets.blocked
            if targets.was_asked():
                self._find(event, targets)
            elif isinstance(outcome := self.publish_at_once(event, self._binding.loop), int):
                return outcome
            else:
                targets = outcome
        try:
            if targets is None:
                await _let_loop_turn(self._begin())
                targets = self._find(event)
            if targets.starving and not targets.blocked:
                await self._let_starving_read(event, targets)
            if targets.blocked:
                return await self._wait_and_commit(event, targets, ticket, claim, freed)
            return self._commit(event, targets, claim)
        except BaseException:
            if freed:
                self.ask(lambda: [*map(self._gate.freed, freed)])  # they go to the next
            raise

    def _begin(self) -> RunningLoop | None:
        """Look where this runs, and whether it may; returns the loop, where that should turn or cancels this."""
        loop = self._binding.here()
        self.check_idle()
        self.check_open()
        return loop if loop is not None and (loop.is_cancelled() or loop.budget.publisher_should_turn()) else None

    def publish_nowait(self, event: E, claim: Callable[[], None] | None = None) -> int:
        """Give the event out now, or raise ``WouldBlock``; a ``claim`` is called right before, and may call it off."""
        self._binding.check()
        self.check_idle()
        self.check_open()
        targets = self._find(event)
        if targets.blocked:
            self._become_idle()
            raise no_room(self._name, [mailbox.name for mailbox in targets.blocked])
        return self._commit(event, targets, claim)

    async def publish_many(self, events: tuple[E, ...]) -> int:
        """Publish each in its turn; a run of events that all can be appended is given to each mailbox at once."""
        total = at = 0
        while at < len(events):
            run, deliveries = self._publish_run(events, at)
            if not run:
                run, outcome = 1, self.publish_at_once(events[at])
                deliveries = outcome if isinstance(outcome, int) else await self.publish_later(events[at], outcome)
            at += run
            total += deliveries
        return total

    async def publish_past(self, event: E) -> list[Mailbox]:
        """Give the event to all that want it, but to those that have no room: these are returned.

        For whoever can give it to them later. Waits for no room; lets the loop turn as ``publish`` does.
        """
        targets = self.publish_at_once(event)
        if isinstance(targets, int):
            return []
        if targets is None:
            await _let_loop_turn(self._begin())
            targets = self._find(event)
        passed = _take_out_blocked(targets)
        if targets.starving:
            await self._let_starving_read(event, targets)
            passed += _take_out_blocked(targets)
        self._commit(event, targets)
        return passed

    def give_first(self, mailbox: Mailbox, event: E, key: object) -> None:
        """Give a new subscription, and nobody else, an event of its own."""
        if self.closed:
            mailbox.buffer.give_replay([event])
        else:
            mailbox.offer(event, key)

    def check_idle(self) -> None:
        """Refuse, with a ``RuntimeError``, what a condition or a destructor would change while it is busy."""
        if self.busy:
            raise RuntimeError(
                f"{self._name} is asking who wants an event, or giving it out: a condition only looks, and so do a"
                " key and a destructor; publish, subscribe and receive from a task of your own, or after the publish"
            )
        if self.deferred:
            self.run_deferred()

    def run_deferred(self) -> None:
        """Do what was deferred, unless it is busy."""
        while self.deferred and not self.busy:
            self.deferred.popleft()()

    def ask(self, question: Callable[[], T]) -> T:
        """Do what must not be interrupted by a destructor, or what asks users' functions."""
        was_busy, self.busy = self.busy, True
        try:
            return question()
        finally:
            if not was_busy:
                self._become_idle()

    def _become_idle(self) -> None:
        self.busy = False
        if self.deferred:
            self.run_deferred()

    def check_open(self) -> None:
        """Refuse, with ``SubjectClosed``, to go on with a subject that was closed."""
        if self.closed:
            raise SubjectClosed(f"{self._name} is closed: it takes no more events; enter it again to open it anew")

    def close(self) -> None:
        """Take no more events; publishers that wait are refused."""
        self.closed = True
        self._members.close()
        self._gate.close()

    def forked(self) -> None:
        """A publish that was being given out goes on in another process, and not in this one."""
        self.busy = False

    def _find(self, event: E, again: Targets | None = None) -> Targets:
        """Ask who wants the event, and who has no room for it; after a wait ``again``, who has come since.

        Busy from here on, unless it raises.
        """
        self.busy = True
        try:
            self.check_open()
            if again is None:
                targets = self._members.find(event, self.published)
            else:
                targets = self._members.find_again(event, again, self.published)
            for mailbox, error in targets.failed:  # what a subscription's own function raises is its own affair
                targets.remove(mailbox)
                if not mailbox.survives(event, error):
                    self._detach(mailbox, error)
            targets.failed.clear()
        except BaseException:
            self._become_idle()
            raise
        return targets

    def _commit(self, event: E, targets: Targets, claim: Callable[[], None] | None = None) -> int:
        """Give the event to all that want it, in one instant; returns how many they are."""
        self.busy = True  # before anything is made: from here on no destructor can change what was seen
        try:
            if claim is not None:
                claim()
            wanting = targets.all()
            offered = _give(event, wanting, targets.keys, self._unready)
            reached = len(wanting)
            self.published += 1
            self.deliveries += reached
            if (loop := self._binding.loop or self._binding.here()) is not None:
                loop.counts[GIVEN] += reached
                loop.counts[LOOK_GIVEN] -= not reached  # as in `publish_at_once`
            if self._history is not None:
                self._history.add(event, targets.history_key)
            for mailbox in offered:
                if mailbox.end is not None:
                    self._detach(mailbox, mailbox.end)
            for mailbox in targets.keys if self._gate.queue else ():
                self._gate.look_again(mailbox)
            if offered and self._watchers:
                self._changed()
        finally:
            self.busy = False
            if self.deferred:
                self.run_deferred()
        if not reached:
            self._unwanted(event)
        return reached

    def _publish_run(self, events: tuple[E, ...], at: int) -> tuple[int, int]:
        """Append as many events from ``at`` on as can all be appended now to all that want them.

        Returns how many they are, none where one must look or ask first, and how many deliveries that makes.
        """
        loop = self._binding.loop
        if self.busy or self.closed or self.deferred or loop is None or not loop.is_here():
            return 0, 0
        if loop.is_cancelled() or loop.budget.publisher_should_turn():
            return 0, 0
        targets = self._of_classes.get(id(type(events[at])))
        if targets is None or not targets.everyone or targets.conditional:
            return 0, 0
        self.busy = True  # before the look: from here on no destructor can change what was seen
        try:
            if self.published >= targets.room_until:
                targets.measure(self.published, self._unready)
            if not targets.everyone.keys().isdisjoint(self._unready):
                return 0, 0
            most = min(targets.room_until - self.published, 1 + loop.budget.left() // len(targets.everyone))
            run = _run(events, at, at + most)
            for mailbox in targets.everyone:
                mailbox.extend(run)
        finally:
            self.busy = False
        deliveries = len(run) * len(targets.everyone)
        self.published += len(run)
        self.deliveries += deliveries
        loop.counts[GIVEN] += deliveries
        if self.deferred:
            self.run_deferred()
        return len(run), deliveries

    async def _let_starving_read(self, event: E, targets: Targets) -> None:
        """Let readers run that were woken, where an event would be dropped before they have run."""
        for _ in range(2):  # trio may run us before the reader in the turn that comes, not in the one after
            self._become_idle()
            for mailbox in targets.starving:
                mailbox.line.wake_now()
            await checkpoint()
            self._find(event, targets)
            if targets.blocked or not targets.starving:
                return

    async def _let_readers_run(self, blocked: list[Mailbox]) -> bool:
        """Let the loop turn until the readers that were woken have run; their slots are kept meanwhile.

        Returns whether it did: not where somebody was not woken.
        """
        if not all(mailbox.line.woken for mailbox in blocked):
            return False
        loop = self._binding.loop or self._bound()
        for mailbox in blocked:
            mailbox.reserve()
        self._become_idle()
        try:
            await loop.turn()
            if any(mailbox.line.woken and mailbox.room() < 0 for mailbox in blocked):
                await _let_all_readers_run(loop, blocked)
        except BaseException:
            if self._binding.loop is loop:  # else the loop has ended, and took the slots back
                for mailbox in blocked:
                    mailbox.release()
                self.ask(lambda: [*map(self._gate.freed, blocked)])
            raise
        for mailbox in blocked:
            mailbox.release()
        return True

    def _bound(self) -> RunningLoop:
        """The loop that a publish waits in."""
        try:
            return self._binding.bind()
        except BaseException:
            self._become_idle()
            raise

    async def _wait_and_commit(
        self, event: E, targets: Targets, ticket: int, claim: Callable[[], None] | None, freed: Sequence[Mailbox]
    ) -> int:
        """Wait until there is a slot in each mailbox that needs one, then commit. Idle only while it waits.

        What was ``freed`` while it let readers run is its own: it came before all that wait.
        """
        loop = self._binding.loop or self._bound()
        waiting = self._waiting
        waiter = Waiter(event, targets, ticket, waiting, loop.now)
        held: Sequence[Mailbox] = [mailbox for mailbox in freed if mailbox.room() > 0] if freed else ()
        try:
            while targets.blocked:
                self._gate.join(waiter, targets.blocked, held)
                self._become_idle()
                task = waiting.enter(loop, waiter)
                try:
                    while (sleep := waiting.sleep(loop, waiter)) is not None:
                        await sleep
                finally:
                    waiting.leave(loop, task, waiter)
                self.busy = True  # or a destructor could hand the slots to others before they are used
                held = self._gate.give_back(waiter)
                self._find(event, targets)
            return self._commit(event, targets, claim)
        finally:
            self.ask(partial(self._gate.leave, waiter, held))

    def _blocked(self, waiter: Waiter) -> list[Mailbox]:
        """The mailboxes that have no room for a publish that waits."""
        targets: Targets = waiter.targets
        if len(waiter.held) == len(targets.all()):  # nothing can be missing, and to look costs as much as a commit
            return []
        self._members.find_blocked(waiter.event, targets, self.published, waiter.held)
        return targets.blocked


def _give(
    event: object, wanting: Collection[Mailbox], keys: dict[Mailbox, object], unready: set[Mailbox]
) -> dict[Mailbox, object]:
    """Give the event to each; returns what the unready ones gave up, to be kept until no destructor can do harm."""
    offered: dict[Mailbox, object] = {}
    for mailbox in wanting:
        if mailbox in unready:
            offered[mailbox] = mailbox.offer(event, keys.get(mailbox))
        elif inbox := mailbox.buffer.inbox:  # as in `publish_at_once`
            inbox.append(event)
        else:
            mailbox.begin(event)
    return offered


async def _let_loop_turn(loop: RunningLoop | None) -> None:
    if loop is not None and loop.is_cancelled():
        await checkpoint()
    if loop is not None and loop.budget.publisher_should_turn():
        await loop.turn_when_due()


def _take_out_blocked(targets: Targets) -> list[Mailbox]:
    """Those that have no room are no targets any more; returns them."""
    passed = [*targets.blocked]
    for mailbox in passed:
        targets.remove(mailbox)
    return passed


def _run(events: tuple[E, ...], start: int, stop: int) -> tuple[E, ...]:
    """The events of one class between these places."""
    run, kind = events[start:stop], type(events[start])
    if all(map(is_, map(type, run), repeat(kind))):
        return run
    return tuple(takewhile(lambda event: type(event) is kind, run))


async def _let_all_readers_run(loop: RunningLoop, blocked: list[Mailbox]) -> None:
    """More turns, where many readers were woken: not all wake-ups fire in one turn."""
    for mailbox in blocked:
        while mailbox.room() < 0 and mailbox.line.is_queued() and mailbox.end is None:
            await loop.turn()
    await loop.turn()  # trio may run us before the readers in the first turn
