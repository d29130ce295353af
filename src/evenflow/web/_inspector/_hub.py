"""One look at everything for all who look: what is shown, and what has changed since each viewer's last frame.

Rule 1: nothing runs by itself. A viewer asks for its next frame when its own time has come, and the first to ask after
        the interval has everything looked at; the others of that interval share what it found, already encoded.
Rule 2: what needs watching is hooked when the first viewer comes, and unhooked when the last one goes.
Rule 3: a look may take a twentieth of the time: where it takes longer, the interval grows.
Rule 4: a viewer that was slow gets one frame with everything, and not what it has missed.

A frame with everything:  {"n": 7, "at": ..., "full": true, "rows": {key: row}, "history": {key: [...]}, "new": [...]}
A frame with changes:     {"n": 8, "at": ..., "rows": {key: changed fields, or null where it is gone}, "new": [...]}
``new`` are happenings: new, or counted again. ``at`` is the clock that the fields ``oldest`` and ``since`` are read by.
"""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from evenflow import State, Subject
from evenflow._share import Shared
from evenflow.log import DurableSubject, Log

from ._happenings import Happenings
from ._logs import LogLook
from ._subjects import SubjectLook
from ._values import SharedLook, StateLook

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ._sources import Source
    from ._subjects import MemoryLook, Rows

EVERY: Final = 0.5
"""Seconds between two looks."""
SHARE: Final = 20
"""A look takes a twentieth of the time at most."""
LONGEST: Final = 5.0
"""Seconds between two looks, whatever they take."""
FRAMES: Final = 16
"""Frames of changes that are kept for viewers that are a little late."""
HISTORY: Final = 240
"""Looks that the charts of a new viewer begin with."""
MOST_POINTS: Final = 6_000
"""Points of history in one frame, of all subjects together."""
RATES: Final = {"subject": ("published", "taken", "lost"), "durable": ("stored", "taken", "lost")}
"""What the charts show the rates of."""
LOOKS: Final[dict[type, type[MemoryLook]]] = {Subject: SubjectLook, State: StateLook, Shared: SharedLook}
"""How each kind of source in memory is looked at."""


class Hub:
    """What the viewers of one inspector share.

    Attributes:
        viewers: how many there are.
        logs: the logs that are looked at.
        memory: the subjects, states and shared streams that are looked at.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        contents: bool,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.viewers: int = 0
        self._clock = clock
        self._happenings = Happenings(clock, wall)
        self.memory: list[MemoryLook] = _in_memory(sources, self._happenings, clock, contents=contents)
        self.logs: list[LogLook] = _logs(sources, self._happenings, clock, contents=contents)
        self._looks: list[MemoryLook | LogLook] = [*self.memory, *self.logs]
        self._forget()

    def _forget(self) -> None:
        self._number = 0
        self._rows: Rows = {}
        self._frames: deque[tuple[int, bytes]] = deque(maxlen=FRAMES)
        self._history: deque[dict[str, tuple[float, ...]]] = deque(maxlen=HISTORY)
        self._full: bytes | None = None
        self._looked_at = 0.0
        self._next_look = 0.0

    @contextmanager
    def viewer(self) -> Generator[Viewer]:
        """Somebody looks, within this block."""
        self.viewers += 1
        try:
            yield Viewer(self)
        finally:
            self.viewers -= 1
            if not self.viewers:
                for look in self._looks:
                    look.end()
                self._forget()

    def pause(self) -> float:
        """Seconds until the next look is due."""
        return max(0.0, self._next_look - self._clock())

    def look(self) -> None:
        """Look at everything, if it is time."""
        began = self._clock()
        if self._number and began < self._next_look:
            return
        rows: Rows = {}
        for look in self._looks:
            rows.update(look.rows())
        changes: dict[str, Any] = {
            key: changed for key, row in rows.items() if (changed := _changes(self._rows.get(key), row))
        }
        changes.update((key, None) for key in self._rows if key not in rows)
        self._number += 1
        self._looked_at, self._rows, self._full = began, rows, None
        frame = {"n": self._number, "at": round(began, 2), "rows": changes, "new": self._happenings.take_changed()}
        self._frames.append((self._number, encoded(frame)))
        self._history.append(_points(rows, round(began, 2)))
        self._next_look = began + min(LONGEST, max(EVERY, SHARE * (self._clock() - began)))

    async def look_into_stores(self) -> None:
        """Count what is in the stores of the logs, if it is time."""
        for log in self.logs:
            await log.look()

    def since(self, number: int) -> tuple[int, bytes]:
        """What a viewer needs that has had the frame of this number, with the number of what it has then."""
        missing = [frame for at, frame in self._frames if at > number]
        if number and len(missing) == self._number - number:
            return self._number, b"".join(missing)
        if self._full is None:
            self._full = encoded({
                "n": self._number,
                "at": round(self._looked_at, 2),
                "full": True,
                "rows": self._rows,
                "history": self._points_of_charts(),
                "new": self._happenings.all(),
            })  # fmt: skip
        return self._number, self._full

    def _points_of_charts(self) -> dict[str, list[tuple[float, ...]]]:
        """For each subject its points, each a time and the counters of ``RATES``; the newest, if they are too many."""
        keys = [key for key, row in self._rows.items() if row["k"] in RATES]
        looks = [*self._history][-max(2, MOST_POINTS // max(1, len(keys))) :]
        return {key: [*dict.fromkeys(points[key] for points in looks if key in points)] for key in keys}


class Viewer:
    """One who looks."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._number = 0

    def pause(self) -> float:
        """Seconds until it should ask again."""
        return self._hub.pause()

    def frames(self) -> bytes:
        """What is new to it, as server-sent events; empty where nothing is."""
        self._hub.look()
        self._number, frames = self._hub.since(self._number)
        return frames


def _in_memory(
    sources: Sequence[Any], happenings: Happenings, clock: Callable[[], float], *, contents: bool
) -> list[MemoryLook]:
    kinds = {one: kind for one in sources for cls, kind in LOOKS.items() if isinstance(one, cls)}
    return [
        kind(f"s{number}", one, happenings, clock, contents=contents)
        for number, (one, kind) in enumerate(kinds.items(), 1)
    ]


def _logs(
    sources: Sequence[Any], happenings: Happenings, clock: Callable[[], float], *, contents: bool
) -> list[LogLook]:
    whole = {one._openings: one for one in sources if isinstance(one, Log)}
    parts: dict[Any, dict[DurableSubject[Any], None]] = {}
    for one in sources:
        if isinstance(one, DurableSubject):
            parts.setdefault(one._openings, {})[one] = None
    found: list[LogLook] = []
    for number, openings in enumerate(dict.fromkeys([*whole, *parts]), 1):
        log = whole.get(openings)
        subjects = partial(list[DurableSubject[Any]], parts.get(openings, {})) if log is None else partial(_all, log)
        look = LogLook(
            f"l{number}",
            openings,
            subjects,
            happenings,
            clock,
            whole=log is not None,
            contents=contents,
        )
        found.append(look)
    return found


def _all(log: Log) -> list[DurableSubject[Any]]:
    return [*log._subjects.values()]


def encoded(frame: object) -> bytes:
    """A frame as a server-sent event."""
    return b"data: " + json.dumps(frame, separators=(",", ":"), allow_nan=False).encode() + b"\n\n"


def _changes(before: dict[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    if before is None or before is row:
        return {} if before is row else row
    changed = {name: value for name, value in row.items() if before.get(name) != value}
    changed.update((name, None) for name in before if name not in row)
    return changed


def _points(rows: Rows, at: float) -> dict[str, tuple[float, ...]]:
    return {
        key: (row.get("counted_at", at), *(row.get(name, 0) for name in names))
        for key, row in rows.items()
        if (names := RATES.get(row["k"]))
    }
