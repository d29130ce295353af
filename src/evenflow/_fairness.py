"""When the loop should turn: after a number of deliveries, counted over all subjects that are used in one loop."""

from __future__ import annotations

from typing import Final

DELIVERIES_A_TURN: Final = 8_192
"""After this many deliveries a publish or a receive lets the loop turn (about a millisecond)."""


GIVEN: Final = 0
TAKEN: Final = 1


class FairnessBudget:
    """The deliveries of one loop since it last turned.

    Attributes:
        counts: events that publishers gave to mailboxes (``GIVEN``), and events that readers took out (``TAKEN``). A
            list, so that a publish and a read count without a call, which would be a twentieth of what they cost.
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: list[int] = [0, 0]

    def is_used_up(self) -> bool:
        """Whether a publisher should let the loop turn."""
        return self.counts[GIVEN] >= DELIVERIES_A_TURN

    def left(self) -> int:
        """How many more deliveries a publisher may make before the loop should turn."""
        return max(0, DELIVERIES_A_TURN - self.counts[GIVEN])
