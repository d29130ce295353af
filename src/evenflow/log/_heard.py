"""What this process hears of a server whose members beat: the time there, and when each member was heard of last.

Rule 1: how long a member was silent is worked out with the server's clock; and a member that this process has heard of
        since is not older than that, should somebody have set that clock.
Rule 2: while the server was away nobody could be heard: silence counts from when it is back.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ._stored import Pulse

if TYPE_CHECKING:
    from collections.abc import Iterable

B = TypeVar("B")

EVERY: Final = 1.0
"""Seconds between two beats of a member."""
HEARD: Final = 5.0
"""Seconds after which it is not known any more whether a silent member lives."""


class ServerClock:
    """The server's clock, as far as this process knows it.

    Args:
        now: the time there now, in seconds since 1970.
    """

    def __init__(self, now: float) -> None:
        self._offset = now - time.monotonic()

    def learn(self, then: float, asked: float) -> None:
        """The server said this time in answer to a question that was sent then, on the machine's monotonic clock."""
        self._offset = then - (asked + time.monotonic()) / 2

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.monotonic() + self._offset


class Heard(Generic[B]):
    """When each member was heard of; a beat of it is anything that is another one each time.

    Attributes:
        back_at: when the server was back last, on the lease clock.
    """

    def __init__(self) -> None:
        self.back_at: float = float("-inf")
        self._seen: dict[str, tuple[B, float]] = {}

    def pulse(
        self, member: str, beat: B, silent: float, now: float, *, closed: bool, begun: Iterable[tuple[str, int]]
    ) -> Pulse:
        """What is known of a member that has been silent for so long after this beat, as far as the server knows.

        One that was heard of lately lives; of a silent one that is not known; one that is closed does not.
        """
        since, seen = now - silent, self._seen.get(member)
        if seen is None:
            self._seen[member] = beat, since
        elif seen[0] != beat:
            self._seen[member] = beat, now
        at = max(self._seen[member][1], since, self.back_at)
        alive = False if closed else True if now - at < HEARD else None
        return Pulse(alive, at, frozenset(begun))

    def nobody(self, member: str) -> Pulse:
        """The server does not know such a member."""
        self._seen.pop(member, None)
        return Pulse(alive=False, at=float("-inf"), begun=frozenset())
