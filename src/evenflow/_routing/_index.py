"""Who of those with a condition or a callable wants this very event.

Rule 1: the answer is that of ``condition(event)``, wherever it is found.
Rule 2: a condition is looked up by what it says of fields by ``==`` and by order; what else it says is asked
        of those that were found so. What cannot be looked up is asked one by one, last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ._tables import Table

if TYPE_CHECKING:
    from ._entries import Entry
    from ._plan import Atom, Reading

T = TypeVar("T")


class Index(Generic[T]):
    """Entries about events of one class."""

    __slots__ = ("_asked", "_tables")

    def __init__(self) -> None:
        self._asked: dict[Entry[T], None] = {}
        self._tables: dict[tuple[Reading, ...], Table[T]] = {}

    def __bool__(self) -> bool:
        return bool(self._asked or self._tables)

    def entries(self) -> tuple[Entry[T], ...]:
        """All of them, as they are now."""
        return (*self._asked, *(entry for table in self._tables.values() for entry in table.entries()))

    def collect(self, event: object, found: dict[T, object], asked: dict[Entry[T], None], /) -> None:
        """Who wants this event for certain, and who is left to ask."""
        for table in tuple(self._tables.values()):
            table.collect(event, found, asked)
        if self._asked:
            asked.update(self._asked)

    def add(self, entry: Entry[T], atom: Atom | None, /) -> None:
        """Take an entry in at one of its places; None among those to ask."""
        if atom is None:
            self._asked[entry] = None
            return
        table = self._tables.get(atom.readings)
        if table is None:
            table = self._tables[atom.readings] = Table(atom.readings)
        table.add(entry, atom.key, atom.interval)

    def remove(self, entry: Entry[T], atom: Atom | None, /) -> None:
        """Let an entry go from one of its places; it may be gone already."""
        if atom is None:
            self._asked.pop(entry, None)
            return
        table = self._tables.get(atom.readings)
        if table is not None:
            table.remove(entry, atom.key, atom.interval)
            if not table:
                del self._tables[atom.readings]

    def crowd(self, atom: Atom, /) -> int:
        """How many would be found along with this."""
        table = self._tables.get(atom.readings)
        return 0 if table is None or atom.interval is None else table.crowd(atom.key, atom.interval)
