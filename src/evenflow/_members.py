"""The subscriptions of one life of a subject: who they are, which of them want an event, and which have no room.

A subscription is a mailbox here; nothing here keeps the subscription itself, its ``where`` or its ``conflate`` alive.

Room is not measured for each event. For each class of events there is a running limit (``room_until``): as long as
fewer events were published, every mailbox that wants all events of the class has room, unless it is unready.
A mailbox that wants an event by its condition is measured each time.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, cast
from weakref import ref

from ._buffer import hashed
from ._events import Event
from ._routing import Interest, Route, Router, refused_event

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ._mailbox import Mailbox

E = TypeVar("E")
FAR: Final = 1 << 30
"""More events than any buffer holds."""
NOBODY: Final = cast("list[Any]", ())
"""As empty as a list, without one more for each publish that waits."""
FAILED: Final = object()
"""The key of an event at a mailbox whose function raised."""


class Member(NamedTuple):
    """An active subscription: what it wants, and its number; whoever comes later has a higher one."""

    interest: Interest
    number: int


class ClassTargets:
    """Who wants events of one class, kept up to date by the router."""

    __slots__ = ("_cls", "conditional", "everyone", "room_until", "route")

    def __init__(self, route: Route[Mailbox], cls: ref[type]) -> None:
        self._cls = cls  # tells when the class is gone
        self.route: Route[Mailbox] = route  # asks those that have a condition
        self.everyone: dict[Mailbox, None] = route.everyone  # those that want every event of the class
        self.conditional: dict[Any, bool] = route.conditional  # falsy while nobody else may want one
        self.room_until: int = 0  # while fewer events were published, each of `everyone` that is ready has room

    def measure(self, published: int, unready: set[Mailbox]) -> None:
        """Measure for how many more events all have room; those that are full are unready from now on."""
        room = FAR
        for mailbox in self.everyone:
            buffer = mailbox.buffer  # as `room`: of an idle hand-over that comes here, a call more would be a tenth
            left = buffer.capacity - mailbox.reserved - len(buffer.outbox) - len(buffer.inbox)
            if left < room and mailbox not in unready:
                if left > 0:
                    room = left
                elif mailbox.end is None:
                    unready.add(mailbox)
        self.room_until = published + room


class Targets:
    """The subscriptions that want one event. Made for each publish: a dataclass would take half as long again."""

    __slots__ = ("asked", "blocked", "chosen", "failed", "history_key", "keys", "of_class", "starving", "without")

    def __init__(self, of_class: ClassTargets, asked: int) -> None:
        self.of_class: ClassTargets = of_class  # who wants events of its class
        self.asked: int = asked  # the number of the last subscription that was asked
        self.chosen: list[Mailbox] = NOBODY  # those with a condition that holds
        self.keys: dict[Mailbox, object] = {}  # the event's key at each conflated mailbox
        self.history_key: object = None  # the event's key in the history
        self.blocked: list[Mailbox]  # those that have no room, and whose publisher must wait; `find_blocked` makes it
        self.starving: list[Mailbox]  # those that would drop an event before a reader that was woken has run; the same
        self.failed: list[tuple[Mailbox, BaseException]] = []  # those whose own functions raised, with what they raised
        self.without: frozenset[Mailbox] = frozenset()  # those that want every event of the class, but not this one

    def all(self) -> Collection[Mailbox]:
        """All of them, in no order."""
        everyone = self.of_class.everyone
        if self.without:
            return [mailbox for mailbox in (*everyone, *self.chosen) if mailbox not in self.without]
        if not self.chosen:
            return everyone
        return [*everyone, *self.chosen] if everyone else self.chosen

    def was_asked(self) -> bool:
        """Whether a user's function was asked, so that they must not be found anew."""
        return bool(self.of_class.conditional or self.keys) or self.history_key is not None

    def remove(self, mailbox: Mailbox) -> None:
        """It does not want this event."""
        self.without |= {mailbox}
        for mailboxes in (self.chosen, self.blocked, self.starving):
            if mailbox in mailboxes:
                mailboxes.remove(mailbox)


class Members(Generic[E]):
    """The subscriptions of one life."""

    __slots__ = ("_history_key", "_last", "_name", "_router", "_types", "active", "of_classes", "unready")

    def __init__(self, name: str, types: tuple[type, ...], history_key: Callable[[Any], object] | None = None) -> None:
        self._name = name
        self._types = types or (Event,)
        self._history_key = history_key
        self._router: Router[Mailbox] = Router(types)
        self._last = 0
        self.active: dict[Mailbox, Member] = {}  # in the order in which they came
        self.unready: set[Mailbox] = set()  # those that an event cannot simply be appended to
        # by the `id` of the class: a number keeps no class alive, and costs a tenth of what a weak key does. The entry
        # goes with its class, before the number is free.
        self.of_classes: dict[int, ClassTargets] = {}

    def interest(self, wants: tuple[object, ...], where: object) -> Interest:
        """What a subscription says it wants, checked."""
        return self._router.interest(wants, where)

    def add(self, mailbox: Mailbox, interest: Interest) -> None:
        """A subscription begins."""
        self._last += 1
        self.active[mailbox] = Member(interest, self._last)
        if mailbox.conflated or mailbox.carry is not None or mailbox.room() <= 0:
            self.unready.add(mailbox)
        self._router.add(mailbox, interest)
        self._forget_room()

    def remove(self, mailbox: Mailbox) -> None:
        """A subscription ends; it may have ended already."""
        self.unready.discard(mailbox)
        if self.active.pop(mailbox, None) is not None:
            self._router.remove(mailbox)

    def close(self) -> None:
        """No more events come: their classes are not needed any more."""
        self.of_classes.clear()

    def forget_all(self) -> None:
        """The subscriptions belong to another process; what was half done there is forgotten with them."""
        self.active.clear()
        self.unready.clear()
        self.of_classes.clear()
        self._router = Router(self._types)

    def became_ready(self, mailbox: Mailbox) -> None:
        """Events can simply be appended to it again."""
        self.unready.discard(mailbox)
        self._forget_room()

    def wants_of(self, mailbox: Mailbox) -> str:
        """What a subscription wants, in words."""
        member = self.active.get(mailbox)
        return "nothing more" if member is None else str(member.interest)

    def found_by(self, mailbox: Mailbox) -> str:
        """How a publish finds this subscription, in words."""
        return self._router.found_by(mailbox)

    def check_type(self, event: object) -> None:
        """Refuse, with a ``TypeError``, what is none of the subject's classes."""
        if not isinstance(event, self._types):
            raise TypeError(refused_event(self._name, self._types, event))

    def find(self, event: object, published: int) -> Targets:
        """The subscriptions that want the event, before which ``published`` others were; asks users' functions once."""
        kind = type(event)
        of_class = self.of_classes.get(id(kind))
        if of_class is None:
            self.check_type(event)
            number, of_classes = id(kind), self.of_classes
            gone = ref(kind, lambda _: of_classes.pop(number, None))
            of_class = of_classes[number] = ClassTargets(self._router.route(kind), gone)
        targets = Targets(of_class, self._last)
        if self._history_key is not None:
            targets.history_key = hashed(self._history_key(event))
        if of_class.conditional:
            targets.chosen = of_class.route.find(event, targets.failed)
        self.find_blocked(event, targets, published)
        return targets

    def find_again(self, event: Any, targets: Targets, published: int) -> Targets:
        """After a wait: ask those that have subscribed since, forget those that have ended, measure room again."""
        targets.chosen = [mailbox for mailbox in targets.chosen if mailbox.end is None]
        if targets.asked != self._last:
            new = [*takewhile(lambda one: self.active[one].number > targets.asked, reversed(self.active))]
            targets.asked = self._last
            for mailbox in reversed(new):
                if mailbox not in targets.of_class.everyone and self._wants(mailbox, event, targets):
                    targets.chosen.append(mailbox)
        self.find_blocked(event, targets, published)
        return targets

    def find_blocked(self, event: Any, targets: Targets, published: int, held: Collection[Mailbox] = ()) -> None:
        """Find those of the targets that have no room; a slot that is ``held`` is room for this event."""
        if published >= targets.of_class.room_until:
            targets.of_class.measure(published, self.unready)
        for mailbox in targets.chosen:
            mailbox.measure()
        targets.blocked = []
        targets.starving = NOBODY
        if not self.unready:
            return
        among = targets.of_class.everyone.keys() & self.unready
        if targets.chosen:
            among |= self.unready.intersection(targets.chosen)
        among -= targets.without
        for mailbox in among:
            key = self._key(mailbox, event, targets) if mailbox.conflated else None
            if mailbox.measure() > 0 or mailbox in held or mailbox.end is not None or key is FAILED:
                continue
            if mailbox.conflated and mailbox.replaces(key):
                continue
            if mailbox.overflow == "block":
                targets.blocked.append(mailbox)
            elif mailbox.line.woken:
                targets.starving = [*targets.starving, mailbox]

    def _wants(self, mailbox: Mailbox, event: object, targets: Targets) -> bool:
        """Ask one subscription, outside the index."""
        try:
            return self._router.wanted(self.active[mailbox].interest, event, mailbox)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- whatever it is, it ends that subscription alone
            targets.failed.append((mailbox, error))
        return False

    def _key(self, mailbox: Mailbox, event: Any, targets: Targets) -> object:
        """The event's key at this mailbox, asked once; ``FAILED`` where there is none to be had."""
        keys = targets.keys
        if mailbox in keys:
            return keys[mailbox]
        keys[mailbox] = FAILED
        if (key_of := mailbox.key_of()) is None:
            return FAILED
        try:
            keys[mailbox] = hashed(key_of(event))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- whatever it is, it ends that subscription alone
            targets.failed.append((mailbox, error))
        return keys[mailbox]

    def _forget_room(self) -> None:
        """Somebody came, or became ready: nobody knows for how many events all have room."""
        for of_class in [*self.of_classes.values()]:  # a copy: the collector may remove a class that is gone
            of_class.room_until = 0
