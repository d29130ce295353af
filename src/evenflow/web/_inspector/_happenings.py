"""What has happened while somebody looked: failures, stalls, deadlocks, gaps, disconnections. The newest, and no more.

The same thing at the same place within ten seconds is one happening that is counted, so that neither a handler that
fails a thousand times a second nor a buffer that always overflows fills the list.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT: Final = 100
"""How many are kept."""
TOGETHER: Final = 10.0
"""Seconds within which the same again is counted with the last."""


class Happenings:
    """The list.

    Attributes:
        changed: those that are new, or were counted again, since ``take_changed`` was called.
    """

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._number = 0
        self._kept: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._last: dict[tuple[str, ...], tuple[int, float]] = {}
        """The last happening of its kind at its place, and when it last happened."""
        self.changed: dict[int, dict[str, Any]] = {}

    def note(self, kind: str, subject: str, who: str, what: str, where: str = "", count: int = 1) -> None:
        """Something happened ``count`` times: what, to whom, at which line."""
        now, key = self._clock(), (kind, subject, who, what, where)
        number, last = self._last.get(key, (0, 0.0))
        known = self._kept.get(number)
        if known is not None and now - last < TOGETHER:
            known["count"] += count
        else:
            self._number = number = self._number + 1
            known = self._kept[number] = {
                "n": number, "kind": kind, "subject": subject, "who": who, "what": what, "where": where,
                "from": round(self._wall(), 1), "count": count,
            }  # fmt: skip
            while len(self._kept) > KEPT:
                self._forget(next(iter(self._kept)))
        known["to"] = round(self._wall(), 1)
        self._last[key] = number, now
        self.changed[number] = known

    def _forget(self, number: int) -> None:
        gone = self._kept.pop(number)
        self.changed.pop(number, None)
        key = (gone["kind"], gone["subject"], gone["who"], gone["what"], gone["where"])
        if self._last.get(key, (0, 0.0))[0] == number:
            del self._last[key]

    def all(self) -> list[dict[str, Any]]:
        """All that are kept, the oldest first."""
        return [*self._kept.values()]

    def take_changed(self) -> list[dict[str, Any]]:
        """Those that are new or were counted again since this was last called."""
        changed, self.changed = [*self.changed.values()], {}
        return changed
