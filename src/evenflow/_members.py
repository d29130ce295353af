"""The subscriptions of one life of a subject: who they are, which of them want an event, and which are unready.

A subscription is a mailbox here; nothing here keeps the subscription itself, its ``where`` or its ``conflate`` alive.
"""

from __future__ import annotations

from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from ._buffer import hashed
from ._events import Event
from ._routing import Interest, Route, Router

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from ._mailbox import Mailbox

E = TypeVar("E")
FAR: Final = 1 << 30
"""More events than anybody has room for."""


class Member(NamedTuple):
    """An active subscription: what it wants, and its number; whoever comes later has a higher one."""

    interest: Interest
    number: int


class Targets:
    """The subscriptions that want an event.

    Attributes:
        everyone: those that want every event of its class, kept up to date by the router.
        conditional: falsy while nobody else may want an event of its class, kept up to date by the router.
        plain: the targets of that class about which nobody is asked; their ``room_until`` counts.
        room_until: as long as fewer events than this were published, each of ``everyone`` that is ready has room.
        chosen: those with a condition that holds.
        keys: the event's key at each conflated mailbox.
        blocked: those that have no room, and whose publisher must wait.
        starving: those that would drop an event although their reader was woken, and has not run yet.
        history_key: the event's key in the history.
        asked: the number of the last subscription that was asked.
        failed: those whose own functions raised, with what they raised; they want nothing any more.
    """

    __slots__ = (
        "asked",
        "blocked",
        "chosen",
        "conditional",
        "everyone",
        "failed",
        "history_key",
        "keys",
        "plain",
        "room_until",
        "route",
        "starving",
    )

    def __init__(self, route: Route[Mailbox], plain: Targets | None = None) -> None:
        self.route = route
        self.plain: Targets = plain or self
        self.everyone: dict[Mailbox, None] = route.everyone
        self.conditional = route.conditional
        self.room_until: int = 0
        self.chosen: list[Mailbox] = []
        self.blocked: list[Mailbox] = []
        self.starving: list[Mailbox] = []
        self.keys: dict[Mailbox, object] = {}
        self.history_key: object = None
        self.asked = 0
        self.failed: list[tuple[Mailbox, BaseException]] = []

    def __contains__(self, mailbox: Mailbox) -> bool:
        return mailbox in self.everyone or mailbox in self.chosen

    def look(self, published: int, unready: Collection[Mailbox]) -> None:
        """See how many more events each of them has room for; those that are full are unready from now on."""
        room = FAR
        for mailbox in self.everyone:
            if mailbox not in unready and 0 < (left := mailbox.look()) < room:
                room = left
        self.room_until = published + room

    def is_simple(self) -> bool:
        """Whether no user's function was asked, so that nothing is lost by finding them anew."""
        return not (self.conditional or self.keys) and self.history_key is None

    def all(self) -> Collection[Mailbox]:
        """All of them, in no order."""
        if not self.chosen:
            return self.everyone
        return [*self.everyone, *self.chosen] if self.everyone else self.chosen


class Members(Generic[E]):
    """The subscriptions of one life.

    Attributes:
        active: all of them, in the order in which they came.
        unready: the mailboxes that an event cannot simply be appended to.
        plain: for each class of events seen so far, the targets of an event about which nobody is asked.
    """

    __slots__ = ("_last", "_name", "_router", "_types", "active", "history_key", "plain", "unready")

    def __init__(
        self, name: str, types: tuple[type, ...], history_key: Callable[[Any], object] | None = None
    ) -> None:
        self._name = name
        self._types = types or (Event,)
        self._router: Router[Mailbox] = Router(types)
        self._last = 0
        self.active: dict[Mailbox, Member] = {}
        self.unready: set[Mailbox] = set()
        self.plain: dict[type, Targets] = {}
        self.history_key: Final = history_key
        """What gives the key under which the history keeps an event, where it is kept by key."""

    # ------------------------------------------------------------------ coming and going

    def interest(self, wants: tuple[object, ...], where: object) -> Interest:
        """What a subscription says it wants, checked."""
        return self._router.interest(wants, where)

    def add(self, mailbox: Mailbox, interest: Interest) -> None:
        """A subscription begins."""
        self._last += 1
        self.active[mailbox] = Member(interest, self._last)
        self._router.add(mailbox, interest)
        self._look_again()

    def remove(self, mailbox: Mailbox) -> None:
        """A subscription ends; it may have ended already."""
        self.unready.discard(mailbox)
        if self.active.pop(mailbox, None) is not None:
            self._router.remove(mailbox)

    def close(self) -> None:
        """No more events come: let go of their classes."""
        self.plain.clear()

    def wants_of(self, mailbox: Mailbox) -> str:
        """What a subscription wants, in words."""
        member = self.active.get(mailbox)
        return "nothing more" if member is None else str(member.interest)

    def found_by(self, mailbox: Mailbox) -> str:
        """How a publish finds this subscription, in words."""
        return self._router.found_by(mailbox)

    # ------------------------------------------------------------------ who wants an event

    def find(self, event: Any, published: int) -> Targets:
        """The subscriptions that want the event, before which ``published`` others were; asks users' functions once."""
        kind = type(event)
        plain = self.plain.get(kind)
        if plain is None:
            self.check_type(event)
            plain = self.plain[kind] = Targets(self._router.route(kind))
        if published >= plain.room_until:
            plain.look(published, self.unready)
        targets = Targets(plain.route, plain)
        targets.asked = self._last
        if self.history_key is not None:
            targets.history_key = hashed(self.history_key(event))
        if targets.conditional:
            targets.chosen = plain.route.find(event, targets.failed)
        if self.unready:
            self.look_at_unready(event, targets)
        return targets

    def check_type(self, event: object) -> None:
        """Refuse what the subject does not carry.

        Raises:
            TypeError: the event is none of the subject's classes.
        """
        if not isinstance(event, self._types):
            names = " | ".join(cls.__name__ for cls in self._types)
            raise TypeError(
                f"{self._name} takes {names}, not {event!r}, which is a {type(event).__name__}; nobody got it"
            )

    def find_again(self, event: Any, targets: Targets, published: int, held: Collection[Mailbox] = ()) -> None:
        """After a wait: ask those that have subscribed since, forget those that have ended, look at room again."""
        targets.chosen = [mailbox for mailbox in targets.chosen if mailbox.end is None]
        if targets.asked != self._last:
            new: list[Mailbox] = []
            for mailbox in reversed(self.active):
                if self.active[mailbox].number <= targets.asked:
                    break
                new.append(mailbox)
            targets.asked = self._last
            for mailbox in reversed(new):
                if mailbox not in targets and self._wants(mailbox, event, targets):
                    targets.chosen.append(mailbox)
        self.look_for_room(event, targets, published, held)

    def _wants(self, mailbox: Mailbox, event: object, targets: Targets) -> bool:
        """Ask one subscription, outside the index."""
        try:
            return self._router.wanted(self.active[mailbox].interest, event, mailbox)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- whatever it is, it ends that subscription alone
            targets.failed.append((mailbox, error))
        return False

    def look_for_room(self, event: Any, targets: Targets, published: int, held: Collection[Mailbox] = ()) -> None:
        """See which of the targets have no room; a slot that is ``held`` is room for this publish."""
        if published >= targets.plain.room_until:
            targets.plain.look(published, self.unready)
        self.look_at_unready(event, targets, held)

    def look_at_unready(self, event: Any, targets: Targets, held: Collection[Mailbox] = ()) -> None:
        """See which of the unready mailboxes among the targets have no room for this event."""
        targets.blocked = []
        targets.starving = []
        for mailbox in self._unready_among(targets):
            key = self._key(mailbox, event, targets) if mailbox.conflated else None
            if mailbox.look() > 0 or mailbox in held or mailbox.end is not None or (key is not None and mailbox.replaces(key)):
                continue
            if mailbox.overflow == "block":
                targets.blocked.append(mailbox)
            elif mailbox.line.woken:
                targets.starving.append(mailbox)

    def became_ready(self, mailbox: Mailbox) -> None:
        """Events can simply be appended to it again; nobody knows yet how many."""
        self.unready.discard(mailbox)
        self._look_again()

    def _look_again(self) -> None:
        for targets in self.plain.values():
            targets.room_until = 0

    def _key(self, mailbox: Mailbox, event: Any, targets: Targets) -> object:
        """The event's key at this mailbox, asked once; what it raises ends that subscription alone."""
        keys = targets.keys
        if mailbox in keys:
            return keys[mailbox]
        if (key_of := mailbox.key_of()) is None:
            return None
        try:
            key = key_of(event)
            if iscoroutine(key):
                key.close()
                raise TypeError(f"conflate of {mailbox.name} returned a coroutine; it must be a plain function")
            keys[mailbox] = key = hashed(key)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- whatever it is, it ends that subscription alone
            targets.failed.append((mailbox, error))
            return None
        return key

    def _unready_among(self, targets: Targets) -> list[Mailbox]:
        unready, everyone = self.unready, targets.everyone
        if len(unready) < len(everyone):  # the cost follows the smaller of the two
            found = [mailbox for mailbox in list(unready) if mailbox in everyone]
        else:
            found = [mailbox for mailbox in everyone if mailbox in unready]
        if targets.chosen:
            found += [mailbox for mailbox in targets.chosen if mailbox in unready]
        return found
