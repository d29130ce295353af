"""Which subscriptions with a condition or a callable want an event.

Rule 1: the answer is that of ``condition(event)``, no matter how a subscription is found.
Rule 2: a condition is found by what it says about fields with ``==`` and with orderings. If it says more, it is asked
        once it has been found. A condition that cannot be found so is asked for every event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ._entries import Entry
    from ._plan import Atom, Reading
    from ._tables import Table

T = TypeVar("T")


class Index(Generic[T]):
    """The entries for events of one class.

    Attributes:
        tables: the entries that are found by values, a table for each set of fields that are compared by equality.
        asked: the entries that are asked for every event.
    """

    __slots__ = ("asked", "tables")

    def __init__(self) -> None:
        self.asked: dict[Entry[T], None] = {}
        self.tables: dict[tuple[Reading, ...], Table[T]] = {}

    def __bool__(self) -> bool:
        return bool(self.asked or self.tables)

    def entries(self) -> tuple[Entry[T], ...]:
        """All entries."""
        return (*self.asked, *(entry for table in self.tables.values() for entry in table.entries()))

    def add(self, entry: Entry[T], atom: Atom | None, /) -> None:
        """Add an entry at one of its places; None means that it is asked for every event."""
        if atom is None:
            self.asked[entry] = None
            return
        table = self.tables.get(atom.readings)
        if table is None:
            from ._tables import Table  # noqa: PLC0415 -- not every program has conditions

            table = self.tables[atom.readings] = Table(atom.readings)
        table.add(entry, atom.key, atom.interval)

    def remove(self, entry: Entry[T], atom: Atom | None, /) -> None:
        """Remove an entry from one of its places; removing it again changes nothing."""
        if atom is None:
            self.asked.pop(entry, None)
            return
        table = self.tables.get(atom.readings)
        if table is not None:
            table.remove(entry, atom.key, atom.interval)
            if not table:
                del self.tables[atom.readings]

    def count(self, atom: Atom, /) -> int:
        """How many entries an event at this place leads to; 0 for a place that is a key alone."""
        table = self.tables.get(atom.readings)
        return 0 if table is None or atom.interval is None else table.count(atom.key, atom.interval)
