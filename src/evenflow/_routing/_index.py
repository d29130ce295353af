"""Who of those with a condition wants this very event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from evenflow._routing._interest import Interest

T = TypeVar("T")


class Entry(Generic[T]):
    """One target and what it wants, as the index keeps it."""

    __slots__ = ("interest", "target")

    def __init__(self, target: T, interest: Interest, /) -> None:
        self.target = target
        self.interest = interest


class Index(Generic[T]):
    """Entries by what they want; those that fit nowhere are asked one by one."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        self._asked: dict[Entry[T], None] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, entry: Entry[T], /) -> None:
        """Take an entry in."""
        self._asked[entry] = None

    def remove(self, entry: Entry[T], /) -> None:
        """Let an entry go."""
        self._asked.pop(entry, None)

    def entries(self) -> tuple[Entry[T], ...]:
        """All of them, as they are now."""
        return tuple(self._asked)

    def collect(self, event: object, found: dict[T, None], asked: dict[Entry[T], None], /) -> None:  # noqa: ARG002 -- all are left to ask so far
        """Who wants this event for certain, and who is left to ask."""
        asked.update(self._asked)
