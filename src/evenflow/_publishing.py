"""Publishing: all or none, in one order, with backpressure where it is due.

A publish goes through four steps, and only the second may wait:

    ask      which subscriptions want the event, and under which key; runs users' `where` and `conflate`, once each
    wait     for room in each full "block" subscription that wants it (`_admission` says whose turn it is)
    commit   give it to all of them; no await, no user's code, no other publish in between
    settle   what was given up is let go, who was disconnected is detached

Whatever a user's code does while it is asked (subscribe, close, publish) has happened before the commit.
A destructor that runs during a commit only leaves a note (`forget`), and a publish that one tries is refused.
"""

from __future__ import annotations

import logging
from inspect import iscoroutine
from itertools import takewhile
from threading import get_ident
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import anyio
from anyio import EndOfStream, WouldBlock
from anyio.lowlevel import checkpoint

from ._admission import Waiter
from ._deadlock import WAITING, readers, refuse_deadlock
from ._items import hashed
from ._loops import DELIVERIES_A_TURN, TURNS, current_task
from ._mailbox import all_have_room
from ._roster import Roster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._mailbox import Mailbox
    from ._routing import Interest, Route

E = TypeVar("E")
_log = logging.getLogger("evenflow.subject")

TICK = 0.5
"""Seconds after which a publish that waits looks again: for a deadlock, a stall, a subscription let go elsewhere."""


class Draft:
    """One event on its way: who was asked, and who wants it under which key."""

    __slots__ = ("chosen", "claim", "event", "history_key", "keys", "route", "seen")

    def __init__(self, event: Any, route: Route[Mailbox], seen: int) -> None:
        self.event = event
        self.route = route
        self.chosen: list[Mailbox] = []
        """Those with a condition that holds."""
        self.keys: dict[Mailbox, object] = {}
        self.history_key: object = None
        self.claim: Callable[[], None] | None = None
        """Called right before the commit; by raising it calls the publish off."""
        self.seen = seen
        """The number of the last subscription that was asked."""

    def groups(self) -> tuple[Iterable[Mailbox], ...]:
        if not self.chosen:
            return (self.route.everyone,)
        return (self.route.everyone, self.chosen) if self.route.everyone else (self.chosen,)


class Publishing(Roster, Generic[E]):
    """A subject without its face: the way of an event to the mailboxes of those who want it."""

    # ------------------------------------------------------------------ publishing

    async def publish(self, event: E, /) -> int:  # noqa: C901, PLR0912 -- each call less is 5 % of a publish to one
        """Give the event to every subscription that wants it; returns how many did.

        Returns when the event lies in their buffers, not when it is handled.
        It reaches every subscription that is active in that instant, or none.
        Waits only while a full ``overflow="block"`` subscription wants this very event.
        Cancelled, or in a cancelled scope, it raises and nobody got it.

        Raises:
            TypeError: the event is none of the classes that this subject takes.
            SubjectClosed: the subject was closed, before or while this waited.
            Deadlock: everyone who could make room waits for this very publish.
            RuntimeError: called from another thread, or from a second live loop.
        """
        route = self._routes.get(type(event))
        home = self._home
        if route is None or home is None or home.thread != get_ident() or (task := home.current()) is None:
            route = self._find_route(event)
            cancelled = self.is_cancelled()
        else:
            cancelled = home.pending() if task is home.known() else home.is_cancelled(task)
        if cancelled:
            await checkpoint()
        if TURNS.given >= DELIVERIES_A_TURN:
            await TURNS.turn()
            route = self._find_route(event)
        if self._notes:
            self._do_notes()
        everyone = route.everyone
        careful = self._careful
        if route.choosy or self._keyed or self._inside or (careful and not everyone.keys().isdisjoint(careful)):
            reached = await self._publish_carefully(event, route)
            if reached is not None:
                return reached
        self._inside = self._committing = True
        try:
            if self._credit > 0 and self._credited is everyone:
                self._credit -= 1
                for box in everyone:
                    chunk = box.chunk
                    if chunk:
                        chunk.append(event)
                    else:
                        box.add(event)
            else:
                self._credited = everyone
                self._credit = self._append_and_look(event, everyone)
        finally:
            self._inside = self._committing = False
        reached = len(everyone)
        self._published += 1
        self._deliveries += reached
        TURNS.given += reached
        if self._history is not None:
            self._history.add(event)
        if self._notes:
            self._do_notes()
        if not reached:
            self._on_unwanted(event)
        return reached

    def publish_nowait(self, event: E, /) -> int:
        """As ``publish``, without waiting and without a checkpoint.

        Raises:
            anyio.WouldBlock: a full ``overflow="block"`` subscription wants it; nobody got it.
            TypeError, SubjectClosed, RuntimeError: as for ``publish``.
        """
        route = self._find_route(event)
        if self._committing:
            raise WouldBlock  # a destructor's doing, in the middle of a commit
        if self._notes:
            self._do_notes()
        return self._place(self._ask(event, route))

    async def publish_many(self, events: Iterable[E], /) -> int:
        """Publish each in its turn; returns the sum. Much cheaper than a loop.

        Each event is a publish of its own; others' may come between.
        The next is drawn from the iterable when the last is placed.
        Cancelled or refused half-way, what went before stays.

        Raises: as for ``publish``.
        """
        if type(events) in (list, tuple):
            return await self._publish_run(tuple(events))
        total = 0
        for event in events:
            total += await self.publish(event)
        return total

    # ------------------------------------------------------------------ the fast way

    def _append_and_look(self, event: Any, everyone: dict[Mailbox, None]) -> int:
        """Append, and see which mailboxes are full now; returns for how many events more all of them have room."""
        credit = DELIVERIES_A_TURN
        for box in everyone:
            chunk = box.chunk
            if chunk:
                chunk.append(event)
            else:
                box.add(event)
                chunk = box.chunk
            room = box.limit - len(chunk)
            if room <= 0:
                box.fill()
            if room < credit:
                credit = room
        return credit - 1

    # ------------------------------------------------------------------ for other threads

    def publish_claimed_nowait(self, event: Any, claim: Callable[[], None]) -> int:
        """As ``publish_nowait``; ``claim`` is called right before the commit, and may call it off by raising."""
        draft = self._ask(event, self._find_route(event))
        draft.claim = claim
        return self._place(draft)

    async def publish_claimed(self, event: Any, claim: Callable[[], None]) -> int:
        """As ``publish``, with a ``claim``."""
        draft = self._ask(event, self._find_route(event))
        draft.claim = claim
        if blocked := self._blocked(draft):
            return await self._publish_when_room(draft, blocked)
        return self._place(draft)

    async def _publish_run(self, events: tuple[E, ...]) -> int:
        """Publish events that lie there already: runs of one class go to each mailbox at once."""
        total = at = 0
        while at < len(events):
            placed = self._extend_all(events, at) if TURNS.given < DELIVERIES_A_TURN else 0
            if placed:
                total += placed * len(self._routes[type(events[at])].everyone)
                at += placed
                continue
            event = events[at]
            route = self._routes.get(type(event))
            full = None if route is None or self._committing else self._full(route)
            if route and full and not self.is_cancelled():
                waiter = await self._give_readers_a_turn(event, route, full)
                if waiter is None:
                    continue
                total += await self._publish_as_first(event, waiter)
            else:
                total += await self.publish(event)
            at += 1
        return total

    def _extend_all(self, events: tuple[object, ...], at: int) -> int:
        """Place as many events from ``at`` on as can go to everyone at once; returns how many, perhaps none."""
        kind = type(events[at])
        route = self._routes.get(kind)
        if route is None or route.choosy or self._inside or self._notes or self._history is not None:
            return 0
        everyone = route.everyone
        home = self._home
        if not everyone or home is None or not home.is_here() or home.is_cancelled(home.current()):
            return 0
        if not everyone.keys().isdisjoint(self._careful):
            return 0
        most = min(len(events) - at, 1 + (DELIVERIES_A_TURN - TURNS.given) // len(everyone))
        for box in everyone:
            room = box.limit - len(box.chunk)
            if room < most:
                most = room
        if most <= 1:
            return 0
        stop = at + 1
        while stop < at + most and type(events[stop]) is kind:
            stop += 1
        run = events[at:stop]
        self._credit = 0
        self._inside = self._committing = True
        try:
            for box in everyone:
                box.extend(run)
        finally:
            self._inside = self._committing = False
        self._published += len(run)
        self._deliveries += len(run) * len(everyone)
        TURNS.given += len(run) * len(everyone)
        return len(run)

    # ------------------------------------------------------------------ the careful way

    async def _publish_carefully(self, event: Any, route: Route[Mailbox]) -> int | None:
        """Publish where somebody has a condition, has no room, conflates, or must be told.

        Returns None where the event can simply be appended now, at once, to all that want events of this class.
        """
        if self._committing:
            raise RuntimeError("publish was called by a destructor while an event was being delivered")
        if (full := self._full(route)) is not None:
            if full and (waiter := await self._give_readers_a_turn(event, route, full)):
                return await self._publish_as_first(event, waiter)
            return None
        life = self._life
        draft = self._ask(event, route)
        if not self._needs_a_look(draft):
            return self._commit(draft)
        for _ in range(2):  # trio may run us before the reader in the turn that comes, not in the one after
            if not self._would_starve(draft):
                break
            await checkpoint()
            self.check_open(life)
            self._ask_newcomers(draft)
        if blocked := self._blocked(draft):
            return await self._publish_when_room(draft, blocked)
        return self._commit(draft)

    def _has_to_ask(self, route: Route[Mailbox]) -> bool:
        """Whether more than the class decides about an event, or this is no moment to place one."""
        return bool(route.choosy) or self._keyed or self._inside

    def _full(self, route: Route[Mailbox]) -> list[Mailbox] | None:
        """Those that have no room until their readers run, who were woken; None where there is more to it."""
        if self._has_to_ask(route) or self._admission.queue or self._admission.first:
            return None
        full: list[Mailbox] = []
        for box in self._among_careful(route.everyone):
            if box.is_due():
                full.append(box)
            elif not box.review():
                return None
        return full

    def _needs_a_look(self, draft: Draft) -> bool:
        """Whether the event cannot simply be appended everywhere."""
        careful = self._careful
        return bool(careful) and not all(careful.isdisjoint(group) for group in draft.groups())

    def _place(self, draft: Draft) -> int:
        """Commit now, or not at all."""
        if self._blocked(draft):
            raise WouldBlock
        return self._commit(draft)

    def _ask(self, event: Any, route: Route[Mailbox]) -> Draft:
        """Ask every subscription of the event's class whether it wants the event, and under which key."""
        draft = Draft(event, route, self._serial)
        inside, self._inside = self._inside, True
        try:
            if self._keyed:
                draft.history_key = self._find_history_key(event)
            if route.choosy:
                failures: list[tuple[Mailbox, BaseException]] = []
                draft.chosen = route.find(event, failures)
                for box, error in failures:
                    self.detach(box, error, discard=False)
            if self._careful:
                self._ask_keys(draft, [box for group in draft.groups() for box in self._among_careful(group)])
        finally:
            self._inside = inside
        self._ask_newcomers(draft)
        return draft

    def _ask_newcomers(self, draft: Draft) -> None:
        """Ask those that have subscribed since; what they are asked may bring newcomers again."""
        while draft.seen < self._serial:
            inside, self._inside = self._inside, True
            try:
                seen, draft.seen = draft.seen, self._serial
                new = list(takewhile(lambda box: box.serial > seen, reversed(self._boxes)))  # noqa: B023 -- used at once
                for box in reversed(new):
                    interest = self._boxes.get(box)
                    if interest is None or box in draft.route.everyone or box in draft.chosen:
                        continue
                    if self._wants(box, interest, draft.event):
                        draft.chosen.append(box)
                self._ask_keys(draft, new)
            finally:
                self._inside = inside
        self.check_open()

    def _ask_keys(self, draft: Draft, boxes: Iterable[Mailbox]) -> None:
        for box in boxes:
            if box.keys is None or box in draft.keys or box.end is not None:
                continue
            if box not in draft.route.everyone and box not in draft.chosen:
                continue
            try:
                key = box.key(draft.event)
                if iscoroutine(key):
                    key.close()
                    raise TypeError(f"conflate of {box.name} returned a coroutine; it must be a plain function")
                draft.keys[box] = hashed(key)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # noqa: ASYNC103, BLE001 -- whatever it is, it ends that subscription alone
                self.detach(box, error, discard=False)

    def _wants(self, box: Mailbox, interest: Interest, event: object) -> bool:
        """Ask one subscription, outside the index; what it raises is its own end."""
        try:
            return self._router.wanted(interest, event, box)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- whatever it is, it ends that subscription alone
            self.detach(box, error, discard=False)
        return False

    def _among_careful(self, group: Iterable[Mailbox]) -> list[Mailbox]:
        """Those of a group that need a look; the cost follows the smaller of the two."""
        careful = self._careful
        if isinstance(group, dict) and len(careful) < len(cast("dict[Mailbox, None]", group)):
            return [box for box in careful if box in group]
        return [box for box in group if box in careful]

    def _blocked(self, draft: Draft, held: Iterable[Mailbox] = ()) -> list[Mailbox]:
        """The mailboxes that have no room for this event, and whose publisher waits.

        Those that came since and were not asked yet do not count: the publisher asks them when it runs.
        """
        self._credit = 0
        blocked: list[Mailbox] = []
        for group in draft.groups():
            for box in self._among_careful(group):
                if box.review():
                    continue
                if box not in held and box.serial <= draft.seen and box.must_wait(draft.keys.get(box)):
                    blocked.append(box)
        return blocked

    def _would_starve(self, draft: Draft) -> bool:
        """Whether this would drop an event whose reader was woken and has not run yet; such a reader runs next."""
        starving = False
        for group in draft.groups():
            for box in self._among_careful(group):
                if box.overflow != "block" and box.rung and box.must_drop(draft.keys.get(box)):
                    box.hurry()
                    starving = True
        return starving

    def _commit(self, draft: Draft) -> int:
        """Give the event to all that want it, in one instant."""
        if draft.claim is not None:
            draft.claim()
        self._credit = 0
        given_up: list[object] = []
        ended: list[Mailbox] = []
        inside, self._inside, self._committing = self._inside, True, True
        try:
            reached = self._give_to_all(draft, given_up, ended)
        finally:
            self._committing = False
            self._inside = inside
        self._published += 1
        self._deliveries += reached
        TURNS.given += reached
        for box in ended:
            self.detach(box, box.end or EndOfStream, discard=False)
        if self._notes:
            self._do_notes()
        if draft.keys and self._admission.queue:
            for box in draft.keys:
                self._admission.look_again(box)
        if self._history is not None:
            self._history.add(draft.event, draft.history_key)
        if not reached:
            self._on_unwanted(draft.event)
        return reached

    def _give_to_all(self, draft: Draft, given_up: list[object], ended: list[Mailbox]) -> int:
        """Give the event to each; what gave way for it is kept until the end, so that no destructor runs before."""
        event, keys, careful = draft.event, draft.keys, self._careful
        reached = 0
        for group in draft.groups():
            for box in group:
                if box.end is not None:
                    continue
                reached += 1
                if box not in careful:
                    box.add(event)
                    continue
                given_up.append(box.put(event, keys.get(box)))
                if box.end is not None:  # it was disconnected; its mailbox can still be emptied
                    ended.append(box)
        return reached

    # ------------------------------------------------------------------ waiting for room

    async def _give_readers_a_turn(self, event: Any, route: Route[Mailbox], full: list[Mailbox]) -> Waiter | None:
        """The readers of all that are full were woken and have not run yet: let the loop turn, and there is room.

        So a publisher faster than its readers does without a line to stand in, which costs four times as much.
        Returns None where the event can simply be appended now, or what stands first in the line for it.
        """
        life, admission = self._life, self._admission
        admission.keep(full)
        try:
            await (self._home or self.settle()).turn()
            if not all_have_room(full):
                await self._let_readers_run(full)
            self.check_open(life)
        except BaseException:
            admission.give_up()
            raise
        simple = admission.release_first() and not self._has_to_ask(route)
        if simple and (not self._careful or route.everyone.keys().isdisjoint(self._careful)):
            return None
        waiter = Waiter(event, self._name)
        admission.stand_first(waiter, full)
        return waiter

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
        soon = not (waiter or self._admission.queue or self._admission.first) and all(box.rung for box in blocked)
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

    async def _let_readers_run(self, blocked: list[Mailbox]) -> None:
        """A turn of the loop, or as many as it takes until those that are due were woken."""
        last = blocked[-1]
        home = self._home or self.settle()
        while last.room() < 0 and self._wakes.due and not self._closed:
            await home.turn()
        for _ in range(2):  # trio may run us before the readers in the first turn
            if all_have_room(blocked):
                return
            await home.turn()

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
                self._do_notes()
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
        inside, self._inside = self._inside, True
        try:
            self._admission.freed(box)
            for watcher in tuple(self._watchers):
                watcher(box)
        finally:
            self._inside = inside
        if not self._watchers and not self._admission.misses(box):
            box.on_take = None

    # ------------------------------------------------------------------ refusing

    def _find_route(self, event: object) -> Route[Mailbox]:
        """The route of an event's class, when this subject may be used here and takes such events."""
        self.check_thread()
        self.check_open()
        kind = type(event)
        route = self._routes.get(kind)
        if route is None:
            self._check_type(event)
            route = self._routes[kind] = self._router.route(kind)
        return route

    def _check_type(self, event: object) -> None:
        """Refuse what is none of the subject's classes."""

    def _find_history_key(self, event: Any) -> object:
        """The key under which the event is kept; what it raises goes to the publisher, and nobody got the event."""
        assert self._history is not None
        assert self._history.key is not None
        return hashed(self._history.key(event))

    def _on_unwanted(self, event: Any) -> None:
        """Nobody wanted the event."""
