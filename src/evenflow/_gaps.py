"""Gaps: where events were dropped, told to a subscriber that asked for it with ``gaps=True``.

A gap takes no slot in the buffer, and counts in no sum of the ledger. Between two events lies one gap at most.
Its position is how many events of the buffer come before it, counted from the first that the buffer ever held.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Gap:
    """Here ``count`` events were dropped, the first and the last of them at these times (UTC)."""

    count: int
    first_at: datetime
    last_at: datetime


class Gaps(deque[tuple[int, Gap]]):
    """The gaps of one subscription that its reader has not seen yet, each behind its position, in order."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__()
        self._now = now

    def oldest_was_dropped(self, position: int) -> None:
        """The oldest event, at this position, was dropped: a gap comes before everything that is buffered."""
        gap = self.take() if self.is_due(position + 1) else None
        self.appendleft((0, _wider(gap, self._now())))

    def newest_was_dropped(self, position: int, count: int = 1) -> None:
        """As many of the newest events were dropped: a gap comes after all that is buffered, at this position."""
        gap = self.pop()[1] if self and self[-1][0] == position else None
        self.append((position, _wider(gap, self._now(), count)))

    def is_due(self, position: int) -> bool:
        """Whether the next item is a gap, once as many events as ``position`` have left the buffer."""
        return bool(self) and self[0][0] <= position

    def take(self) -> Gap:
        """Take out the first gap."""
        return self.popleft()[1]


def _wider(gap: Gap | None, now: datetime, count: int = 1) -> Gap:
    return Gap(count, now, now) if gap is None else Gap(gap.count + count, gap.first_at, now)
