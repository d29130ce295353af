"""Classes of events, and the targets that want events of each.

Rule 1: the route of a class is worked out once, at its first event, and then kept up to date in place.
        Adding or removing a target touches only the classes that it wants.
Rule 2: a condition is looked up under the narrower of two classes: the wanted one, and the one whose fields it reads.
Rule 3: a class is known weakly, and with it goes all that is known of it; an entry keeps the classes that it wants.
Rule 4: nothing is added or removed while ``Route.find`` runs: the subject refuses or defers that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic
from weakref import WeakKeyDictionary

from evenflow._events import Event

from ._classes import always_one, is_subclass
from ._entries import Entry
from ._interest import Interest, Interests
from ._routes import Node, Route, T, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._plan import Atom


class Router(Generic[T]):
    """Which targets want which events of a subject that carries these classes; no classes mean any ``Event``."""

    def __init__(self, types: tuple[type, ...], /) -> None:
        self._interests: Final = Interests(types or (Event,))
        self._nodes: WeakKeyDictionary[type, Node[T]] = WeakKeyDictionary()
        self._routes: WeakKeyDictionary[type, Route[T]] = WeakKeyDictionary()
        self._entries: dict[T, Entry[T]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def interest(self, wants: tuple[object, ...], where: object, /) -> Interest:
        """What a subscription wants, checked and taken apart; see ``Interests.of`` for what is refused."""
        return self._interests.of(wants, where)

    def add(self, target: T, interest: Interest, /) -> None:
        """Add a target that wants this from now on."""
        entry = self._entries[target] = Entry(target, interest)
        if wants_all(interest):
            for cls in interest.wants or (object,):
                self._node(cls).add_unconditional(target)
            return
        self._plan(entry)
        for cls, atom in _places(entry):
            node = self._node(cls)
            was_empty = not node.index
            node.index.add(entry, atom)
            if was_empty:
                node.tell_routes()

    def remove(self, target: T, /) -> None:
        """Remove a target; removing it again, or an unknown one, changes nothing."""
        entry = self._entries.pop(target, None)
        if entry is None:
            return
        if wants_all(entry.interest):
            for cls in entry.interest.wants or (object,):
                self._node(cls).remove_unconditional(target)
            return
        for cls, atom in _places(entry):
            node = self._node(cls)
            node.index.remove(entry, atom)
            if not node.index:
                node.tell_routes()

    def route(self, cls: type, /) -> Route[T]:
        """Which targets want events of this class; always the same object for a class."""
        route = self._routes.get(cls)
        if route is None:
            route = self._routes[cls] = Route(cls)
            for wanted_class, node in list(self._nodes.items()):
                node.connect(route, cls, wanted_class)
        return route

    def wanted(self, interest: Interest, event: object, target: T, /) -> bool:
        """The answer for one target without the index; what users' code raises is not caught."""
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
            for published, route in list(self._routes.items()):
                node.connect(route, published, cls)
        return node

    def _plan(self, entry: Entry[T]) -> None:
        """Decide where this entry is found, and whether an event that leads there is certainly wanted."""
        condition, wants = entry.interest.condition, entry.interest.wants
        if condition is None:
            return
        from ._plan import plan  # noqa: PLC0415 -- not every program has conditions

        if found := plan(condition, lambda atom: self._count(wants, atom)):
            owner = found.atoms[0].owner
            entry.atoms = found.atoms
            entry.exact = found.exact and all(is_subclass(cls, owner) or always_one(owner, cls) for cls in wants)

    def _count(self, wants: tuple[type, ...], atom: Atom) -> int:
        """How many entries an event at this place leads to already."""
        nodes = map(self._nodes.get, narrowed(wants, (atom.owner,)))
        return sum(node.index.count(atom) for node in nodes if node is not None)


def wants_all(interest: Interest, /) -> bool:
    """Whether the class of an event alone decides whether it is wanted."""
    return interest.condition is None and not interest.asks


def narrowed(wants: tuple[type, ...], owners: tuple[type, ...], /) -> tuple[type, ...]:
    """The narrower class of every pair of a wanted class and a class whose fields the condition reads."""
    if not wants or not owners:
        return wants or owners or (object,)
    return tuple(dict.fromkeys(cls if is_subclass(cls, owner) else owner for cls in wants for owner in owners))


def _places(entry: Entry[T]) -> Iterator[tuple[type, Atom | None]]:
    """The classes, and the places in their indexes, where an entry is found; None if it is asked for every event."""
    wants, condition = entry.interest.wants, entry.interest.condition
    for atom in entry.atoms:
        for cls in narrowed(wants, (atom.owner,)):
            yield cls, atom
    if not entry.atoms:
        for cls in narrowed(wants, () if condition is None else condition._owners):
            yield cls, None
