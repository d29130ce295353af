"""Classes of events, and who wants events of each.

Rule 1: what a class of events means is worked out once, when its first event comes, and then kept up to date in place:
        adding and removing a target touches the classes it is about, and nothing else.
Rule 2: a condition is looked for under the narrower of what is wanted and what it speaks of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from evenflow._events import Event

from ._classes import always_one, is_subclass
from ._entries import Entry
from ._interest import Interest, Interests
from ._plan import Atom, plan
from ._routes import Node, Route, T, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator


class Router(Generic[T]):
    """Who wants which events of a subject that carries these classes; none means any ``Event``."""

    def __init__(self, types: tuple[type, ...], /) -> None:
        self._interests: Final = Interests(types or (Event,))
        self._nodes: dict[type, Node[T]] = {}
        self._routes: dict[type, Route[T]] = {}
        self._entries: dict[T, Entry[T]] = {}

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
                self._node(cls).add_plain(target)
            return
        self._plan(entry)
        for cls, atom in _places(entry):
            node = self._node(cls)
            was_empty = not node.index
            node.index.add(entry, atom)
            if was_empty:
                node.tell_routes()

    def remove(self, target: T, /) -> None:
        """From now on this target wants nothing; unknown ones are nobody's mistake."""
        entry = self._entries.pop(target, None)
        if entry is None:
            return
        if wants_all(entry.interest):
            for cls in entry.interest.wants or (object,):
                self._node(cls).remove_plain(target)
            return
        for cls, atom in _places(entry):
            node = self._node(cls)
            node.index.remove(entry, atom)
            if not node.index:
                node.tell_routes()

    def route(self, cls: type, /) -> Route[T]:
        """Who wants events of this class; always the same object."""
        route = self._routes.get(cls)
        if route is None:
            route = self._routes.setdefault(cls, Route(cls))  # a destructor may have made it while this was made
            for node in list(self._nodes.values()):
                node.connect(route)
        return route

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
            node = self._nodes.setdefault(cls, Node(cls))  # as above
            for route in list(self._routes.values()):
                node.connect(route)
        return node

    def _plan(self, entry: Entry[T]) -> None:
        """Decide where this entry is found, and whether that is all there is to ask."""
        condition, wants = entry.interest.condition, entry.interest.wants
        found = None if condition is None else plan(condition, lambda atom: self._crowd(wants, atom))
        if found is not None:
            owner = found.atoms[0].owner
            entry.atoms = found.atoms
            entry.exact = found.exact and all(is_subclass(cls, owner) or always_one(owner, cls) for cls in wants)

    def _crowd(self, wants: tuple[type, ...], atom: Atom) -> int:
        """How many would be found along with it there."""
        nodes = map(self._nodes.get, narrowed(wants, (atom.owner,)))
        return sum(node.index.crowd(atom) for node in nodes if node is not None)


def wants_all(interest: Interest, /) -> bool:
    """Whether nothing but its class decides whether an event is wanted."""
    return interest.condition is None and not interest.asks


def narrowed(wants: tuple[type, ...], owners: tuple[type, ...], /) -> tuple[type, ...]:
    """The classes to look under: of each that is wanted and each that is spoken of, the narrower."""
    if not wants or not owners:
        return wants or owners or (object,)
    return tuple(dict.fromkeys(cls if is_subclass(cls, owner) else owner for cls in wants for owner in owners))


def _places(entry: Entry[T]) -> Iterator[tuple[type, Atom | None]]:
    """The classes, and the places in their indexes, where an entry is found; None where it is asked one by one."""
    wants, condition = entry.interest.wants, entry.interest.condition
    for atom in entry.atoms:
        for cls in narrowed(wants, (atom.owner,)):
            yield cls, atom
    if not entry.atoms:
        for cls in narrowed(wants, () if condition is None else condition.owners):
            yield cls, None
