"""When the loop should turn: after so many deliveries, counted over all subjects that are used in one thread."""

from __future__ import annotations

from threading import local
from typing import TYPE_CHECKING, Final, Protocol

from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from weakref import ref

DELIVERIES_A_TURN: Final = 8_192
"""After so many deliveries a publish or a receive lets the loop turn (about a millisecond)."""


class Advance(Protocol):
    """Who has counted deliveries that are still to come."""

    def take_back(self, turns: Turns, /) -> None:
        """The count begins anew: what was counted and has not come has to be counted again."""
        ...


class Turns:
    """Deliveries since the loop last turned: events given to mailboxes, and events taken out of them.

    One for each thread, in which one loop runs at a time.
    """

    __slots__ = ("advances", "given", "taken")

    def __init__(self) -> None:
        self.given: int = 0
        self.taken: int = 0
        self.advances: list[ref[Advance]] = []
        """Who has counted in advance since the loop last turned; nobody is kept alive for it."""

    def begin(self) -> None:
        """The loop is about to turn."""
        while self.advances:
            if (advance := self.advances.pop()()) is not None:
                advance.take_back(self)
        self.given = self.taken = 0

    async def turn(self) -> None:
        """Let the loop turn once. A checkpoint."""
        self.begin()
        await checkpoint()


class _Here(local):
    def __init__(self) -> None:
        self.turns: Turns = Turns()


_HERE: Final = _Here()


def turns_here() -> Turns:
    """The account of the calling thread."""
    return _HERE.turns
