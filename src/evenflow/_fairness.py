"""When the loop should turn: after a number of deliveries, counted over all subjects that are used in one loop."""

from __future__ import annotations

from typing import Final

DELIVERIES_A_TURN: Final = 8_192
"""After this many deliveries a publish or a receive lets the loop turn (about a millisecond)."""


class FairnessBudget:
    """The deliveries of one loop since it last turned.

    Attributes:
        given: events that publishers gave to mailboxes.
        taken: events that readers took out of them.
    """

    __slots__ = ("given", "taken")

    def __init__(self) -> None:
        self.given: int = 0
        self.taken: int = 0

    def count_taken(self, events: int) -> None:
        """Count events that a reader may take before anybody asks again."""
        self.taken += events

    def count_given(self, deliveries: int) -> None:
        """Count deliveries of a publish."""
        self.given += deliveries

    def begin_turn(self) -> None:
        """The loop is about to turn: count from zero."""
        self.given = self.taken = 0

    def left(self) -> int:
        """How many more deliveries may be given before the loop should turn."""
        return DELIVERIES_A_TURN - self.given
