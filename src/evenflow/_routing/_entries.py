"""What the index holds at its places: one entry, or a crowd of them.

``collect`` says which targets are at a place. Those that certainly want the event become keys of ``found``.
Entries whose condition or callable must still be asked become keys of ``asked``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ._interest import Interest
    from ._plan import Atom

T = TypeVar("T")


class Entry(Generic[T]):
    """One target, and what it wants.

    Attributes:
        exact: whether an event that leads to this entry is certainly wanted; if not, the condition is asked.
        atoms: the places where the entry is found; empty if its condition or callable is asked for every event.
    """

    __slots__ = ("atoms", "exact", "interest", "target")

    def __init__(self, target: T, interest: Interest, /) -> None:
        self.target = target
        self.interest = interest
        self.exact = False
        self.atoms: tuple[Atom, ...] = ()

    def entries(self) -> tuple[Entry[T], ...]:
        """This entry alone; a place can hold an entry instead of a crowd."""
        return (self,)

    def collect(self, _event: object, found: dict[T, object], asked: dict[Entry[T], None], /) -> None:
        """Add this entry to ``found`` or ``asked``."""
        if self.exact:
            found[self.target] = None
        else:
            asked[self] = None


class Crowd(Generic[T]):
    """Several entries at one place."""

    __slots__ = ("exact", "others")

    def __init__(self) -> None:
        self.exact: dict[T, Entry[T]] = {}
        self.others: dict[Entry[T], None] = {}

    def __len__(self) -> int:
        return len(self.exact) + len(self.others)

    def entries(self) -> list[Entry[T]]:
        """All entries."""
        return [*self.exact.values(), *self.others]

    def collect(self, _event: object, found: dict[T, object], asked: dict[Entry[T], None], /) -> None:
        """Add all entries to ``found`` or ``asked``."""
        found.update(self.exact)
        asked.update(self.others)

    def add(self, entry: Entry[T], /) -> None:
        """Add an entry; adding it again changes nothing."""
        if entry.exact:
            self.exact[entry.target] = entry
        else:
            self.others[entry] = None

    def remove(self, entry: Entry[T], /) -> None:
        """Remove an entry; removing it again changes nothing."""
        if entry.exact:
            self.exact.pop(entry.target, None)
        else:
            self.others.pop(entry, None)
