"""What a mailbox holds beside plain events: gaps, the cells of conflated events, and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections import deque


class Nothing:
    """Stands for no item, because None can be an event."""


NOTHING: Final = Nothing()

EMPTY: Final = cast("deque[Any]", ())
"""A queue that has never been used. An empty deque takes 600 bytes, and this takes none."""


@dataclass(frozen=True, slots=True)
class Gap:
    """At this position, ``count`` events were dropped, the first and the last of them at these times (UTC)."""

    count: int
    first_at: datetime
    last_at: datetime


class Hashed:
    """A key whose hash is computed once, and whose comparison never raises."""

    __slots__ = ("hash", "key")

    def __init__(self, key: object) -> None:
        self.key = key
        self.hash = hash(key)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        theirs = other.key if isinstance(other, Hashed) else other
        try:
            return self.key is theirs or bool(self.key == theirs)
        except Exception:  # noqa: BLE001 -- keys that cannot be compared are different keys
            return False


_PLAIN_KEYS: Final = frozenset({str, int, bytes})


def hashed(key: object) -> object:
    """The key in a form whose look-up never computes its hash again and never raises.

    Raises:
        TypeError: it cannot be hashed. What its ``__hash__`` raises is not caught.
    """
    return key if type(key) in _PLAIN_KEYS else Hashed(key)


class Cell:
    """One event of a conflated buffer; a later event of the same key replaces it at its position."""

    __slots__ = ("event", "key", "stamp")

    def __init__(self, key: object, event: object, stamp: int) -> None:
        self.key = key
        self.event = event
        self.stamp = stamp


def wider(gap: Gap | None) -> Gap:
    """The gap with one more event."""
    now = datetime.now(UTC)
    return Gap(1, now, now) if gap is None else Gap(gap.count + 1, gap.first_at, now)
