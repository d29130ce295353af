"""When the loop should turn: after so many deliveries, counted over all subjects."""

from __future__ import annotations

from typing import Final

from anyio.lowlevel import checkpoint

DELIVERIES_A_TURN: Final = 8_192
"""After so many deliveries a publish or a receive lets the loop turn (about a millisecond)."""


class Turns:
    """Deliveries since the loop last turned: events given to mailboxes, and events taken out of them."""

    __slots__ = ("given", "number", "taken")

    def __init__(self) -> None:
        self.given = self.taken = 0
        self.number = 0
        """So many turns were made on this account: what was counted in advance does not outlast one."""

    def begin(self) -> None:
        """The loop is about to turn."""
        self.given = self.taken = 0
        self.number += 1

    async def turn(self) -> None:
        """Let the loop turn once. A checkpoint."""
        self.begin()
        await checkpoint()


TURNS: Final = Turns()
