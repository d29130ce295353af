"""Classes of events, and who wants events of each.

Rule 1: what a class of events means is worked out once, when its first event comes, and then kept up to date in place:
        adding and removing a target touches the classes it is about, and nothing else.
Rule 2: what users wrote (callables, ``==``, ``isinstance`` hooks) may raise, and may subscribe and close meanwhile:
        it is called on a snapshot, and what it raises is put down to the target it was asked for.

                            event is an A       how it is told
    wants A, no condition   Route.everyone      by the class, once
    wants A where ...       Route.choosy        Node.index, for each event
    wants a Protocol        Route.choosy        isinstance, once for an event and each such Protocol
"""

from __future__ import annotations

import inspect
from abc import ABCMeta, get_cache_token
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from pydantic import BaseModel

from evenflow._events import Event
from evenflow._routing._entries import Entry, Matches
from evenflow._routing._index import Index
from evenflow._routing._interest import Interest, Interests, is_subclass
from evenflow._routing._plan import Atom, plan

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator


class Target(Protocol):
    """Who may want events; known by identity."""

    def ask(self, event: object, /) -> object:
        """What the subscription's own callable says of the event."""
        ...


T = TypeVar("T", bound=Target)


class Node(Generic[T]):
    """One wanted class: who wants all its events, and who only some."""

    __slots__ = ("cls", "index", "plain", "routes", "told_by_class")

    def __init__(self, cls: type, /) -> None:
        self.cls = cls
        self.told_by_class: bool = told_by_class(cls)
        self.plain: dict[T, None] = {}
        self.index: Index[T] = Index()
        self.routes: list[Route[T]] = []

    def is_choosy(self) -> bool:
        """Whether events of this class have to be looked at one by one."""
        return bool(self.index) or (bool(self.plain) and not self.told_by_class)

    def tell_routes(self) -> None:
        """Have the classes that belong to this one look here, or no longer."""
        choosy = self.is_choosy()
        for route in self.routes:
            if choosy:
                route.choosy[self] = None
            else:
                route.choosy.pop(self, None)


class Route(Generic[T]):
    """Who wants events of one class.

    Attributes:
        everyone: those that want every one of them; the same object for life, kept up to date in place.
        choosy: falsy while there is nobody else to look at; the same object for life.
    """

    __slots__ = ("choosy", "cls", "everyone")

    def __init__(self, cls: type, /) -> None:
        self.cls = cls
        self.everyone: dict[T, None] = {}
        self.choosy: dict[Node[T], None] = {}

    def __repr__(self) -> str:
        return f"<Route {self.cls.__name__}: {len(self.everyone)} want all, choosy={bool(self.choosy)}>"

    def find(self, event: object, failures: list[tuple[T, BaseException]], /) -> list[T]:
        """Those of the choosy ones that want this event, each once.

        One whose callable or whose comparison raised, or returned what must be awaited, goes to ``failures`` instead.
        """
        matches: Matches[T] = Matches()
        failed: dict[T, BaseException] = {}
        for node in tuple(self.choosy):
            if node.told_by_class:
                node.index.collect(event, matches)
            elif _is_one(event, node, failed):
                matches.found.update(node.plain)
                node.index.collect(event, matches)
        found = matches.found
        for entry in matches.asked:
            if entry.target not in found:
                _ask(entry, event, found, failed)
        everyone = self.everyone
        if failed:
            failures.extend(one for one in failed.items() if one[0] not in found and one[0] not in everyone)
        return [target for target in found if target not in everyone] if everyone else list(found)

    def connect(self, node: Node[T], /) -> None:
        """Take in a wanted class that this one belongs to, or may."""
        node.routes.append(self)
        if node.told_by_class:
            self.everyone.update(node.plain)
        if node.is_choosy():
            self.choosy[node] = None


class Router(Generic[T]):
    """Who wants which events of a subject that carries these classes; none means any ``Event``."""

    def __init__(self, types: tuple[type, ...], /) -> None:
        self._interests: Final = Interests(types or (Event,))
        self._nodes: dict[type, Node[T]] = {}
        self._routes: dict[type, Route[T]] = {}
        self._entries: dict[T, Entry[T]] = {}
        self._token: Hashable = get_cache_token()

    def __len__(self) -> int:
        return len(self._entries)

    def interest(self, wants: tuple[object, ...], where: object, /) -> Interest:
        """What a subscription wants, checked and taken apart; see ``Interests`` for what is refused."""
        return self._interests.of(wants, where)

    def add(self, target: T, interest: Interest, /) -> None:
        """From now on this target wants this."""
        entry = self._entries[target] = Entry(target, interest)
        if wants_all(interest):
            for cls in interest.wants or (object,):
                _add_plain(self._node(cls), target)
            return
        self._plan(entry)
        for cls, atom in _places(entry):
            node = self._node(cls)
            was_choosy = node.is_choosy()
            node.index.add(entry, atom)
            if not was_choosy:
                node.tell_routes()

    def remove(self, target: T, /) -> None:
        """From now on this target wants nothing; unknown ones are nobody's mistake."""
        entry = self._entries.pop(target, None)
        if entry is None:
            return
        if wants_all(entry.interest):
            for cls in entry.interest.wants or (object,):
                _remove_plain(self._node(cls), target)
            return
        for cls, atom in _places(entry):
            node = self._node(cls)
            node.index.remove(entry, atom)
            if not node.is_choosy():
                node.tell_routes()

    def route(self, cls: type, /) -> Route[T]:
        """Who wants events of this class."""
        if self._token != get_cache_token():
            self._look_again()
        route = self._routes.get(cls)
        return self._new_route(cls) if route is None else route

    def wanted(self, interest: Interest, event: object, target: T, /) -> bool:
        """The plain answer for one target, without the index; what it raises goes out."""
        return wanted(interest, event, target)

    def found_by(self, target: T, /) -> str:
        """How a publish finds this target, in words; see ``Explanation``."""
        entry = self._entries.get(target)
        if entry is None:
            return "by nothing: it is not subscribed"
        if wants_all(entry.interest):
            return "by the class alone"
        if not entry.atoms:
            return "one by one: each such event is asked about"
        return " and ".join(dict.fromkeys(f"by {atom.spoken()}" for atom in entry.atoms))

    def _node(self, cls: type) -> Node[T]:
        node = self._nodes.get(cls)
        if node is None:
            node = self._nodes[cls] = Node(cls)
            for route in self._routes.values():
                if not node.told_by_class or is_subclass(route.cls, cls):
                    route.connect(node)
        return node

    def _plan(self, entry: Entry[T]) -> None:
        """Decide where this entry is found."""
        condition = entry.interest.condition
        found = None if condition is None else plan(condition, lambda atom: self._crowd(entry, atom))
        if found is not None:
            entry.atoms = found.atoms
            entry.exact = found.exact and _wants_no_less(entry.interest.wants, found.atoms[0].owner)

    def _crowd(self, entry: Entry[T], atom: Atom) -> int:
        """How many would be found along with this entry there."""
        nodes = map(self._nodes.get, narrowed(entry.interest.wants, (atom.owner,)))
        return sum(node.index.crowd(atom) for node in nodes if node is not None)

    def _new_route(self, cls: type) -> Route[T]:
        route = self._routes[cls] = Route[T](cls)
        for node in self._nodes.values():
            if not node.told_by_class or is_subclass(cls, node.cls):
                route.connect(node)
        return route

    def _look_again(self) -> None:
        """Somebody registered a class with an ABC: a route may belong to more wanted classes than before."""
        self._token = get_cache_token()
        for node in self._nodes.values():
            for route in self._routes.values():
                if route not in node.routes and is_subclass(route.cls, node.cls):
                    route.connect(node)


def wants_all(interest: Interest, /) -> bool:
    """Whether nothing but its class decides whether an event is wanted."""
    return interest.condition is None and not interest.asks


def _places(entry: Entry[T]) -> Iterator[tuple[type, Atom | None]]:
    """The classes, and the places in their indexes, where an entry is found; None where it is asked one by one."""
    wants, condition = entry.interest.wants, entry.interest.condition
    for atom in entry.atoms:
        for cls in narrowed(wants, (atom.owner,)):
            yield cls, atom
    if not entry.atoms:
        for cls in narrowed(wants, () if condition is None else condition.owners):
            yield cls, None


def narrowed(wants: tuple[type, ...], owners: tuple[type, ...], /) -> tuple[type, ...]:
    """The classes to look under: of each that is wanted and each that is spoken of, the narrower."""
    if not wants or not owners:
        return wants or owners or (object,)
    return tuple(dict.fromkeys(cls if is_subclass(cls, owner) else owner for cls in wants for owner in owners))


def _wants_no_less(wants: tuple[type, ...], owner: type) -> bool:
    """Whether each place of this class lies within what is wanted."""
    return all(is_subclass(cls, owner) or (is_subclass(owner, cls) and told_by_class(cls)) for cls in wants)


def _add_plain(node: Node[T], target: T) -> None:
    node.plain[target] = None
    if not node.told_by_class:
        node.tell_routes()
        return
    for route in node.routes:
        route.everyone[target] = None


def _remove_plain(node: Node[T], target: T) -> None:
    node.plain.pop(target, None)
    if not node.told_by_class:
        node.tell_routes()
        return
    for route in node.routes:
        route.everyone.pop(target, None)


def wanted(interest: Interest, event: object, target: Target, /) -> bool:
    """Whether this target wants this event.

    Raises:
        TypeError: its callable returned what must be awaited.
    """
    if interest.wants and not isinstance(event, interest.wants):
        return False
    if interest.condition is not None:
        return interest.condition(event)
    return not interest.asks or _plain_answer(target.ask(event))


def _plain_answer(answer: object) -> bool:
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError(f"where returned {answer!r}, which must be awaited; it has to answer True or False at once")
    return bool(answer)


def _ask(entry: Entry[T], event: object, found: dict[T, object], failed: dict[T, BaseException]) -> None:
    target = entry.target
    try:
        if wanted(entry.interest, event, target):
            found[target] = None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 -- whatever it is, it is that one's own
        failed[target] = error


def _is_one(event: object, node: Node[T], failed: dict[T, BaseException]) -> bool:
    """Whether the event belongs to a class that only ``isinstance`` can tell."""
    try:
        return isinstance(event, node.cls)
    except Exception as error:  # noqa: BLE001 -- a hook of the user's; everybody who wants that class has it
        failed.update(dict.fromkeys(node.plain, error))
        failed.update((entry.target, error) for entry in node.index.entries())
        return False


_PLAIN_CHECKS: Final = tuple(meta.__instancecheck__ for meta in (type, ABCMeta, type(BaseModel), type(Protocol)))


def told_by_class(cls: type, /) -> bool:
    """Whether the class of an event says whether it is one of these, for all events alike.

    Not so for Protocols, whose attributes may lie on the instance, and for classes with hooks of their own.
    """
    if getattr(cls, "_is_protocol", False) or any(_hooks(base, cls) for base in cls.__mro__):
        return False
    return type(cls).__instancecheck__ in _PLAIN_CHECKS


def _hooks(base: type, cls: type) -> bool:
    """Whether a class in the family tells subclasses by a function of its own.

    Those of Protocols and of the standard ABCs speak for themselves alone, not for what derives from them.
    """
    if base is object or "__subclasshook__" not in base.__dict__:
        return False
    for_itself = getattr(base, "_is_protocol", False) or base.__module__ == "collections.abc"
    return base is cls or not for_itself
