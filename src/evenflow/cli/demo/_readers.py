"""Who reads, each at the pace of its own work.

    alarm     an observer with a condition: hardly ever called, and done at once
    census    an observer of two classes of events
    archive   waits for the disk: nothing is taken before what came earlier is safe there
    analyst   weighs each event against the last ones: milliseconds of work for each

None of them is slowed down on purpose.
"""

from __future__ import annotations

import lzma
import os
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO

from anyio import to_thread

from evenflow import Gap

from ._events import CoreLoad, MemoryUse, ProcessEnded, ProcessStarted

if TYPE_CHECKING:
    from pathlib import Path

    from evenflow import Subscription

    from ._events import Noticed

REMEMBERED = 400
"""Events that the analyst compares with."""


@dataclass(frozen=True)
class Note:
    """The last thing that one of them had to say."""

    at: datetime
    text: str


class Notes:
    """What each of them said last, for who shows it."""

    def __init__(self) -> None:
        self.last: dict[str, Note] = {}

    def say(self, who: str, text: str) -> None:
        """Put it where it will be seen, unless something newer comes before anybody looks."""
        self.last[who] = Note(datetime.now().astimezone(), text)


class Alarm:
    """Rings for what is too high; it is never even asked about the rest."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self.rung = 0

    async def ring(self, reading: CoreLoad | MemoryUse) -> None:
        """Say it."""
        self.rung += 1
        self._notes.say("alarm", f"{reading.source} is at {reading.percent:.0f} %")


class Census:
    """Counts who comes and who goes."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self.started = 0
        self.ended = 0

    def count(self, event: ProcessStarted | ProcessEnded) -> None:
        """Count it, and say so."""
        if isinstance(event, ProcessStarted):
            self.started += 1
            said = "started"
        else:
            self.ended += 1
            said = "ended" if event.lived is None else f"ended after {event.lived:.1f} s"
        self._notes.say("census", f"process {event.pid} ({event.name}) {said}")


class Archive:
    """A file of JSON lines; what is counted as written is safe on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self.failed: OSError | None = None
        """Why it stopped; the others went on without it."""
        self._starts_at = path.stat().st_size if path.exists() else 0

    async def keep(self, subscription: Subscription[Noticed]) -> None:
        """Write what comes, until the end, or until the disk refuses."""
        try:
            async with subscription:
                with self.path.open("ab") as file:
                    async for batch in subscription.batches():
                        await to_thread.run_sync(append, file, batch)
                        self.written += len(batch)
        except OSError as error:
            self.failed = error

    def line(self) -> str:
        """What it did."""
        return f"archive  {self.written:,} events written, each safe on the disk before later ones were taken"

    def lines_on_disk(self) -> int:
        """Read back how many lines this run has added."""
        with self.path.open("rb") as file:
            file.seek(self._starts_at)
            return sum(1 for _ in file)


def append(file: BinaryIO, batch: tuple[Noticed, ...]) -> None:
    """Add a line for each event, and return when the disk has them all."""
    file.write(b"".join(as_line(event) for event in batch))
    file.flush()
    os.fsync(file.fileno())


def as_line(event: Noticed) -> bytes:
    """An event as JSON, with the name of its class, on a line."""
    return f'{{"event":"{type(event).__name__}",{event.model_dump_json()[1:]}\n'.encode()


class Analyst:
    """Weighs each event: how many bytes does it add to a compressed record of the last ones?

    Few are usual, many are news. That is slow, so it asks to be told where it missed something.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._record: deque[bytes] = deque(maxlen=REMEMBERED)
        self.weighed = 0
        self.seconds = 0.0
        """Spent on weighing."""
        self.gaps = 0
        self.missed = 0
        """Events in the gaps."""
        self.last_gap: Gap | None = None
        self.news: tuple[int, Noticed] | None = None
        """What added most, and how much."""

    async def study(self, subscription: Subscription[Noticed | Gap]) -> None:
        """Weigh what comes, until the end."""
        async with subscription:
            async for item in subscription:
                if isinstance(item, Gap):
                    self._note_gap(item)
                else:
                    await self._study_event(item)

    def line(self) -> str:
        """What it did."""
        pace = f", {1_000 * self.seconds / self.weighed:.1f} ms each" if self.weighed else ""
        news = f"; the biggest news: {self.news[1].source}, {self.news[0]} bytes" if self.news else ""
        return f"analyst  {self.weighed:,} events weighed{pace}, {self.missed:,} missed in {self.gaps:,} gaps{news}"

    def _note_gap(self, gap: Gap) -> None:
        self.gaps += 1
        self.missed += gap.count
        self.last_gap = gap
        self._notes.say("analyst", f"Gap(count={gap.count}) since {gap.first_at.astimezone():%H:%M:%S.%f}")

    async def _study_event(self, event: Noticed) -> None:
        started = time.monotonic()
        added = await to_thread.run_sync(weigh, tuple(self._record), as_line(event))
        self.seconds += time.monotonic() - started
        self.weighed += 1
        self._record.append(as_line(event))
        if len(self._record) > 1 and (self.news is None or added > self.news[0]):
            self.news = (added, event)


def weigh(record: tuple[bytes, ...], new: bytes) -> int:
    """How many bytes the new line adds to the compressed record."""
    known = b"".join(record)
    return len(_compressed(known + new)) - len(_compressed(known))


def _compressed(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)  # the one format that does not round sizes up
