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

from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from anyio import WouldBlock
from anyio.lowlevel import checkpoint

from ._roster import COMMITTING, FREE
from ._turns import DELIVERIES_A_TURN
from ._waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._credit import Credit
    from ._mailbox import Mailbox
    from ._placing import Draft
    from ._routing import Route

E = TypeVar("E")

NOTHING_PLACED: Final = (0, 0)


class Publishing(Waiting, Generic[E]):
    """A subject without its face: the way of an event to the mailboxes of those who want it."""

    # ------------------------------------------------------------------ publishing

    async def publish(self, event: E, /) -> int:
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
        credit = self._credit
        if (
            credit.left
            and (home := self._home) is not None
            and home.thread == get_ident()
            and home.known.cr_running
            and not home.pending()
            and not self._busy
            and not self._notes
        ):
            if credit.size > 1:
                if reached := self._give(event, credit):
                    return reached
            else:
                self._busy = COMMITTING  # before the last look: a destructor that runs from here on leaves a note
                try:
                    if type(event) is credit.cls and credit.left:
                        credit.left -= 1
                        if chunk := (box := credit.only).chunk:
                            chunk.append(event)
                        else:
                            box.add(event)
                            if not credit.left:
                                box.spent = True
                        return 1
                finally:
                    self._busy = FREE
                    if self._notes:
                        self._do_notes()
        return await self._publish(event)

    def _give(self, event: E, credit: Credit[Mailbox]) -> int:
        """Append the event to all that want it, on credit; returns how many, or 0 if there is none any more."""
        self._busy = COMMITTING  # before the last look, as above
        try:
            if not credit.left or type(event) is not credit.cls:
                return 0
            credit.left -= 1
            everyone = credit.everyone
            for box in everyone:
                if chunk := box.chunk:
                    chunk.append(event)
                else:
                    box.add(event)
            reached = credit.size
            if type(event) is not credit.cls:  # it has ended meanwhile
                credit.find_the_full(everyone)
        finally:
            self._busy = FREE
        if self._notes:
            self._do_notes()
        return reached

    async def _publish(self, event: E, *, turned: bool = False) -> int:
        """Publish where there is no credit: somebody has to be asked, or looked at, first.

        One for which the loop has ``turned`` goes on, even where others have used up the next turn before it ran.
        """
        route = self._routes.get(type(event))
        home = self._home
        if route is None or home is None or home.thread != get_ident() or not (home.known.cr_running or home.current()):
            route = self._find_route(event)
        if self._notes and not self._busy:
            self._do_notes()
        credit = self._credit
        on_credit = type(event) is credit.cls and (credit.left or credit.room) and not self._busy
        full = None if on_credit or route.conditional else self._full(route)
        if full:
            waiter = await self._give_readers_a_turn(event, route, full)
            if waiter is not None:
                return await self._publish_as_first(event, waiter)
            credit.refill()
            if credit.left and (given := self._give(event, credit)):
                return given
        else:
            if self.is_cancelled():
                await checkpoint()
            if credit.turns.given >= DELIVERIES_A_TURN and not turned:
                life = self._life
                await credit.turns.turn()
                self.check_open(life)
                return await self._publish(event, turned=True)
            if on_credit:
                credit.renew()
                return self._give(event, credit) or await self._publish(event)
            if full is None:
                draft = self._draft(event, route)
                return await self._publish_carefully(draft) if self._needs_a_look(draft) else self._commit(draft)
        reached = self._append_and_look(event, route)
        return await self._publish(event) if reached is None else reached

    def _append_and_look(self, event: E, route: Route[Mailbox]) -> int | None:
        """Append the event to all that want it, and see for how many more they have room.

        Returns how many they are, or None where somebody has to be asked or looked at after all.
        """
        everyone, credit = route.everyone, self._credit
        self._busy = COMMITTING  # before the last look, as above
        try:
            credit.end()
            if self._routes.get(type(event)) is not route or not self._is_plain(route):
                return None
            reached, room = len(everyone), DELIVERIES_A_TURN
            for box in everyone:
                if chunk := box.chunk:
                    chunk.append(event)
                else:
                    box.add(event)
                    chunk = box.chunk
                left = box.limit - len(chunk)
                if left < room:
                    room = left
            if reached:
                credit.give(type(event), everyone, room + 1)
                if self._history is not None or (self._careful and not self._is_plain(route)):
                    credit.end()
            else:
                self._published += 1
        finally:
            self._busy = FREE
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
        if self._busy == COMMITTING:
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
            event, waiter = events[at], None
            route = self._find_route(event)
            if not (route.conditional or self._busy or self.is_cancelled()):
                full = self._full(route) if self._credit.is_used_up(route.everyone) else None
                if not full:
                    placed, size = self._extend_all(route, events, at)
                    if placed:
                        total += placed * size
                        at += placed
                        continue
                    full = self._full(route)
                if full:
                    waiter = await self._give_readers_a_turn(event, route, full)
                    if waiter is None:
                        continue
            total += await (self.publish(event) if waiter is None else self._publish_as_first(event, waiter))
            at += 1
        return total

    def _extend_all(self, route: Route[Mailbox], events: tuple[object, ...], at: int) -> tuple[int, int]:
        """Place as many events from ``at`` on as can go to everyone at once; returns how many, and to how many."""
        self._credit.end()  # what was counted in advance is free for a run
        if self._busy or self._notes or self._history is not None or self._credit.turns.given >= DELIVERIES_A_TURN:
            return NOTHING_PLACED
        self._busy = COMMITTING  # before the last look, as above
        try:
            return self._extend(route, events, at)
        finally:
            self._busy = FREE
            if self._notes:
                self._do_notes()

    def _extend(self, route: Route[Mailbox], events: tuple[object, ...], at: int) -> tuple[int, int]:
        """See how many can be appended to all, and append them."""
        everyone, kind, credit = route.everyone, type(events[at]), self._credit
        if not everyone or self._routes.get(kind) is not route or not self._is_plain(route):
            return NOTHING_PLACED
        size, room = len(everyone), DELIVERIES_A_TURN
        for box in everyone:
            left = box.limit - len(box.chunk)
            if left < room:
                room = left
        most = min(room, len(events) - at, 1 + (DELIVERIES_A_TURN - credit.turns.given) // size)
        if most <= 1:
            return NOTHING_PLACED
        stop = at + 1
        while stop < at + most and type(events[stop]) is kind:
            stop += 1
        run = events[at:stop]
        for box in everyone:
            box.extend(run)
        placed = len(run)
        self._published += placed
        self._deliveries += placed * size
        credit.turns.given += placed * size
        if placed == room:
            credit.use_up(kind, everyone)  # so that whoever comes next finds those that are full at once
            if not self._is_plain(route):  # somebody must be looked at already
                credit.end()
        return placed, size

    # ------------------------------------------------------------------ the careful way

    def _draft(self, event: Any, route: Route[Mailbox]) -> Draft:
        """Ask who wants the event, where somebody has a condition, has no room, conflates, or must be told."""
        if self._busy == COMMITTING:
            raise RuntimeError("publish was called by a destructor while an event was being delivered")
        self._credit.end()
        return self._ask(event, route)

    async def _publish_carefully(self, draft: Draft) -> int:
        """Publish where an event cannot simply be appended everywhere."""
        life = self._life
        for _ in range(2):  # trio may run us before the reader in the turn that comes, not in the one after
            if not self._would_starve(draft):
                break
            await checkpoint()
            self.check_open(life)
            self._ask_newcomers(draft)
        if blocked := self._blocked(draft):
            return await self._publish_when_room(draft, blocked)
        return self._commit(draft)
