"""What lies in a mailbox beside plain events: gaps, the cells of conflated ones, and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections import deque


class Nothing:
    """There is no item: not an event, so that None can be one."""


NOTHING: Final = Nothing()

EMPTY: Final = cast("deque[Any]", ())
"""A lane that was never used: as empty as a deque, and for nothing, where an empty deque takes 600 bytes."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Here ``count`` events were dropped, the first and the last of them at these times (UTC)."""

    count: int
    first_at: datetime
    last_at: datetime


class Hashed:
    """A key whose hash was asked for once, and whose comparison raises nothing."""

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
    """The key, so that a look-up runs none of its code.

    Raises:
        TypeError: it cannot be hashed; or whatever else its ``__hash__`` raises.
    """
    return key if type(key) in _PLAIN_KEYS else Hashed(key)


class Cell:
    """One event of a conflated buffer, which a later one of the same key replaces in its place."""

    __slots__ = ("event", "key", "stamp")

    def __init__(self, key: object, event: object, stamp: int) -> None:
        self.key = key
        self.event = event
        self.stamp = stamp


def wider(gap: Gap | None) -> Gap:
    """The gap with one event more in it."""
    now = datetime.now(UTC)
    return Gap(1, now, now) if gap is None else Gap(gap.count + 1, gap.first_at, now)
