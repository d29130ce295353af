"""Gaps: where events were dropped, told to a subscriber that asked for it with ``gaps=True``.

Rule 1: a gap takes no slot in the buffer, and counts in no sum of the ledger.
Rule 2: neighbouring gaps merge: between two events lies one gap at most.

Gaps lie beside the buffer. Each has a position: how many events of the buffer come before it, counted from the
first event that the buffer ever held. A gap is due when that many events have left the buffer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Here ``count`` events were dropped, the first and the last of them at these times (UTC)."""

    count: int
    first_at: datetime
    last_at: datetime


class Gaps:
    """The gaps of one subscription that its reader has not seen yet, in order."""

    __slots__ = ("_gaps",)

    def __init__(self) -> None:
        self._gaps: deque[tuple[int, Gap]] = deque()

    def __len__(self) -> int:
        return len(self._gaps)

    def oldest_was_dropped(self) -> None:
        """The oldest event was dropped: a gap comes before everything that is buffered."""
        gap = self._gaps.popleft()[1] if self._gaps else None
        self._gaps.appendleft((0, wider(gap)))

    def newest_was_dropped(self, position: int) -> None:
        """The newest event was dropped: a gap comes after everything that is buffered, at this position."""
        last = self._gaps.pop() if self._gaps and self._gaps[-1][0] == position else None
        self._gaps.append((position, wider(last[1] if last else None)))

    def is_due(self, position: int) -> bool:
        """Whether the next item is a gap, once as many events as ``position`` have left the buffer."""
        return bool(self._gaps) and self._gaps[0][0] <= position

    def take(self) -> Gap:
        """Take out the first gap."""
        return self._gaps.popleft()[1]

    def clear(self) -> None:
        """Forget all of them: nobody will read on."""
        self._gaps.clear()


def wider(gap: Gap | None) -> Gap:
    """The gap with one more event in it."""
    now = datetime.now(UTC)
    return Gap(1, now, now) if gap is None else Gap(gap.count + 1, gap.first_at, now)
