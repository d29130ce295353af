"""What the index holds at its places: one entry, or a crowd of them.

Asked about an event, each says who is here: ``found`` are the targets that want it for certain, as keys;
``asked`` the entries whose condition or callable is still to be asked.
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
        exact: to be found is to be wanted; otherwise the condition is asked then.
        atoms: the places where it is found; empty where it is asked one by one.
    """

    __slots__ = ("atoms", "exact", "interest", "target")

    def __init__(self, target: T, interest: Interest, /) -> None:
        self.target = target
        self.interest = interest
        self.exact = False
        self.atoms: tuple[Atom, ...] = ()

    def entries(self) -> tuple[Entry[T], ...]:
        """This one, as if it were a crowd."""
        return (self,)

    def collect(
        self,
        event: object,  # noqa: ARG002 -- as if it were a crowd
        found: dict[T, object],
        asked: dict[Entry[T], None],
        /,
    ) -> None:
        """Say that this one is here."""
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
        """All of them, as they are now."""
        return [*self.exact.values(), *self.others]

    def collect(
        self,
        event: object,  # noqa: ARG002 -- a place may look closer
        found: dict[T, object],
        asked: dict[Entry[T], None],
        /,
    ) -> None:
        """Say who is here."""
        found.update(self.exact)
        asked.update(self.others)

    def add(self, entry: Entry[T], /) -> None:
        """Take an entry in; twice is once."""
        if entry.exact:
            self.exact[entry.target] = entry
        else:
            self.others[entry] = None

    def remove(self, entry: Entry[T], /) -> None:
        """Let an entry go; it may be gone already."""
        if entry.exact:
            self.exact.pop(entry.target, None)
        else:
            self.others.pop(entry, None)
