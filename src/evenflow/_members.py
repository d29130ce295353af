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
        history_key: the event's key in the history.
        asked: the number of the last subscription that was asked.
        failed: those whose own functions raised, with what they raised; they want nothing any more.
    """

    __slots__ = ("asked", "chosen", "conditional", "everyone", "failed", "history_key", "keys", "plain", "room_until")

    def __init__(self, route: Route[Mailbox], plain: Targets | None = None) -> None:
        self.plain: Targets = plain or self
        self.everyone: dict[Mailbox, None] = route.everyone
        self.conditional = route.choosy
        self.room_until: int = 0
        self.chosen: list[Mailbox] = []
        self.keys: dict[Mailbox, object] = {}
        self.history_key: object = None
        self.asked = 0
        self.failed: list[tuple[Mailbox, BaseException]] = []

    def __contains__(self, mailbox: Mailbox) -> bool:
        return mailbox in self.everyone or mailbox in self.chosen

    def look(self, published: int) -> None:
        """See how many more events each of them has room for; those that are full are unready from now on."""
        room = FAR
        for mailbox in self.everyone:
            left = mailbox.look()
            if 0 < left < room:
                room = left
        self.room_until = published + room

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
        self.plain = {}

    def wants_of(self, mailbox: Mailbox) -> str:
        """What a subscription wants, in words."""
        member = self.active.get(mailbox)
        return "nothing more" if member is None else str(member.interest)

    def found_by(self, mailbox: Mailbox) -> str:
        """How a publish finds this subscription, in words."""
        return self._router.found_by(mailbox)

    # ------------------------------------------------------------------ who wants an event

    def find(self, event: Any, published: int) -> Targets:
        """The subscriptions that want the event, of which so many were ``published``; asks users' functions, each once."""
        plain = self.plain.get(type(event))
        if plain is None:
            self.check_type(event)
            plain = self.plain[type(event)] = Targets(self._router.route(type(event)))
        if published >= plain.room_until:
            plain.look(published)
        if self.is_plain(plain, published):
            return plain
        targets = Targets(self._router.route(type(event)), plain)
        targets.asked = self._last
        if self.history_key is not None:
            targets.history_key = hashed(self.history_key(event))
        if targets.conditional:
            targets.chosen = self._router.route(type(event)).find(event, targets.failed)
        if self.unready:
            self._ask_keys(event, targets, self.unready_among(targets))
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

    def is_plain(self, targets: Targets, published: int) -> bool:
        """Whether the class alone decides, and the event can simply be appended to all that want it."""
        unready = self.unready
        return (
            published < targets.room_until
            and not targets.conditional
            and self.history_key is None
            and (not unready or targets.everyone.keys().isdisjoint(unready))
        )

    def find_newcomers(self, event: Any, targets: Targets) -> None:
        """Ask those that have subscribed since the others were asked, and forget those that have ended."""
        targets.chosen = [mailbox for mailbox in targets.chosen if mailbox.end is None]
        if targets.asked == self._last:
            return
        new: list[Mailbox] = []
        for mailbox in reversed(self.active):
            if self.active[mailbox].number <= targets.asked:
                break
            new.append(mailbox)
        targets.asked = self._last
        for mailbox in reversed(new):
            if mailbox not in targets and self._wants(mailbox, event, targets):
                targets.chosen.append(mailbox)
        self._ask_keys(event, targets, new)

    def _wants(self, mailbox: Mailbox, event: object, targets: Targets) -> bool:
        """Ask one subscription, outside the index."""
        try:
            return self._router.wanted(self.active[mailbox].interest, event, mailbox)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- whatever it is, it ends that subscription alone
            targets.failed.append((mailbox, error))
        return False

    def _ask_keys(self, event: object, targets: Targets, mailboxes: Iterable[Mailbox]) -> None:
        for mailbox in mailboxes:
            if not mailbox.is_conflated or mailbox in targets.keys or mailbox not in targets:
                continue
            key_of = mailbox.key_of()
            if key_of is None:  # the subscription is gone, and will be detached
                continue
            try:
                targets.keys[mailbox] = hashed(_plain(key_of(event), mailbox.name))
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # noqa: ASYNC103, BLE001 -- whatever it is, it ends that subscription alone
                targets.failed.append((mailbox, error))

    # ------------------------------------------------------------------ who has room

    def unready_among(self, targets: Targets) -> list[Mailbox]:
        """Those of the targets that are unready."""
        unready = self.unready
        if not unready:
            return []
        everyone = targets.everyone
        if len(unready) < len(everyone):  # the cost follows the smaller of the two
            found = [mailbox for mailbox in list(unready) if mailbox in everyone]
        else:
            found = [mailbox for mailbox in everyone if mailbox in unready]
        found += [mailbox for mailbox in targets.chosen if mailbox in unready]
        return found

    def blocked(self, targets: Targets, published: int, held: Collection[Mailbox] = ()) -> list[Mailbox]:
        """The mailboxes that have no room for this event, and whose publisher must wait; so many were ``published``.

        Subscriptions that came since and were not asked yet do not count: the publisher asks them when it runs.
        """
        if published >= targets.plain.room_until:
            targets.plain.look(published)
        if not self.unready:
            return []
        blocked: list[Mailbox] = []
        for mailbox in self.unready_among(targets):
            if mailbox.becomes_ready():
                self._look_again()
                continue
            if mailbox in held or mailbox.overflow != "block" or mailbox.end is not None:
                continue
            if not mailbox.takes(targets.keys.get(mailbox)) and self._was_asked(mailbox, targets):
                blocked.append(mailbox)
        return blocked

    def _look_again(self) -> None:
        """Others are ready now: nobody knows how many events they have room for."""
        for targets in self.plain.values():
            targets.room_until = 0

    def starving(self, targets: Targets) -> list[Mailbox]:
        """Where an event would be dropped although a reader was woken, and has not run yet."""
        keys = targets.keys
        return [
            mailbox
            for mailbox in self.unready_among(targets)
            if mailbox.overflow != "block" and mailbox.line.woken and not mailbox.takes(keys.get(mailbox))
        ]

    def _was_asked(self, mailbox: Mailbox, targets: Targets) -> bool:
        member = self.active.get(mailbox)
        return member is not None and member.number <= targets.asked


def _plain(key: object, name: str) -> object:
    if iscoroutine(key):
        key.close()
        raise TypeError(f"conflate of {name} returned a coroutine; it must be a plain function")
    return key
