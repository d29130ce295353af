"""Who wants an event, and giving it to all of them in one instant.

    ask      which subscriptions want the event, and under which key; runs users' `where` and `conflate`, once each
    commit   give it to all of them; no await, no user's code, no other publish in between

What was asked of may change anything: newcomers are asked before the commit, and who has left is passed over.
"""

from __future__ import annotations

from inspect import iscoroutine
from itertools import takewhile
from typing import TYPE_CHECKING, Any, cast

from anyio import EndOfStream, WouldBlock

from ._items import hashed
from ._roster import ASKING, COMMITTING, Roster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._mailbox import Mailbox
    from ._routing import Interest, Route


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


class Placing(Roster):
    """A subject that can place an event, now or not at all."""

    # ------------------------------------------------------------------ asking

    def _is_plain(self, route: Route[Mailbox]) -> bool:
        """Whether the class alone decides about an event, and it can simply be appended to all that want it."""
        if route.conditional or self._keyed:
            return False
        return not self._careful or route.everyone.keys().isdisjoint(self._careful)

    def _needs_a_look(self, draft: Draft) -> bool:
        """Whether the event cannot simply be appended everywhere."""
        careful = self._careful
        return bool(careful) and not all(careful.isdisjoint(group) for group in draft.groups())

    def _ask(self, event: Any, route: Route[Mailbox]) -> Draft:
        """Ask every subscription of the event's class whether it wants the event, and under which key."""
        draft = Draft(event, route, self._serial)
        busy, self._busy = self._busy, ASKING
        try:
            if self._keyed:
                draft.history_key = self._find_history_key(event)
            if route.conditional:
                failures: list[tuple[Mailbox, BaseException]] = []
                draft.chosen = route.find(event, failures)
                for box, error in failures:
                    self.detach(box, error, discard=False)
            if self._careful:
                self._ask_keys(draft, [box for group in draft.groups() for box in self._among_careful(group)])
        finally:
            self._busy = busy
        if self._closed or draft.seen < self._serial:
            self._ask_newcomers(draft)
        return draft

    def _ask_newcomers(self, draft: Draft) -> None:
        """Ask those that have subscribed since; what they are asked may bring newcomers again."""
        while draft.seen < self._serial:
            busy, self._busy = self._busy, ASKING
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
                self._busy = busy
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
        """Those of a group that need a look; the cost follows the smaller of the two.

        Each is copied first, as a list, which makes nothing on its way: a destructor may subscribe and close.
        """
        careful, boxes = self._careful, group
        if isinstance(group, dict) and len(careful) < len(cast("dict[Mailbox, None]", group)):
            return [box for box in list(careful) if box in group]
        return [box for box in list(boxes) if box in careful]

    def _blocked(self, draft: Draft, held: Iterable[Mailbox] = ()) -> list[Mailbox]:
        """The mailboxes that have no room for this event, and whose publisher waits.

        Those that came since and were not asked yet do not count: the publisher asks them when it runs.
        """
        self._credit.end()
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
        self._credit.end()  # others may have published on it since
        starving = False
        for group in draft.groups():
            for box in self._among_careful(group):
                if box.overflow != "block" and box.woken and box.must_drop(draft.keys.get(box)):
                    box.hurry()
                    starving = True
        return starving

    # ------------------------------------------------------------------ the instant

    def _place(self, draft: Draft) -> int:
        """Commit now, or not at all."""
        if self._blocked(draft):
            raise WouldBlock
        return self._commit(draft)

    def _commit(self, draft: Draft) -> int:
        """Give the event to all that want it, in one instant."""
        self._credit.end()
        given_up: list[object] = []
        ended: list[Mailbox] = []
        busy, self._busy = self._busy, COMMITTING  # before the last look: a destructor leaves a note from here on
        try:
            if self._closed:
                self.check_open()
            if draft.claim is not None:
                draft.claim()
            reached = self._give_to_all(draft, given_up, ended)
        finally:
            self._busy = busy
        self._published += 1
        self._deliveries += reached
        self._credit.turns.given += reached
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
                if not careful or box not in careful:
                    if chunk := box.chunk:
                        chunk.append(event)
                    else:
                        box.add(event)
                        chunk = box.chunk
                    if len(chunk) >= box.limit:
                        box.has_room()
                    continue
                given_up.append(box.put(event, keys.get(box)))
                if box.end is not None:  # it was disconnected; its mailbox can still be emptied
                    ended.append(box)
        return reached

    # ------------------------------------------------------------------ refusing

    def _find_route(self, event: object) -> Route[Mailbox]:
        """The route of an event's class, when this subject may be used here and takes such events."""
        self.check_thread()
        self.check_open()
        kind = type(event)
        route = self._routes.get(kind)
        if route is None:
            self._check_type(event)
            busy, self._busy = self._busy, COMMITTING  # a destructor's event would reach nobody by half a route
            try:
                route = self._routes[kind] = self._router.route(kind)
            finally:
                self._busy = busy
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
