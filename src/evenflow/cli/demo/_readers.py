"""The readers, each as fast as its own work.

    alarm     an observer with a condition: rarely called, and quick
    census    an observer of two classes of events
    archive   waits for the disk: it takes events only when all earlier ones are safely on the disk
    analyst   compares each event with the last ones: milliseconds of work for each event

None of them is slowed down on purpose.
"""

from __future__ import annotations

import lzma
import os
import time
from collections import deque
from typing import TYPE_CHECKING, BinaryIO

from anyio import to_thread

from evenflow import Gap

from ._events import CoreLoad, MemoryUse, ProcessEnded, ProcessStarted

if TYPE_CHECKING:
    from pathlib import Path

    from evenflow import Subscription
    from evenflow.log import Log

    from ._events import Noticed

REMEMBERED = 400
"""With how many events the analyst compares a new one."""


class Notes:
    """The last message of each reader, for the screen."""

    def __init__(self) -> None:
        self.last: dict[str, str] = {}

    def say(self, who: str, text: str) -> None:
        """Replace the last message of this reader."""
        self.last[who] = text


class Alarm:
    """Rings for what is too high; other events never come here."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self.rung = 0

    async def ring(self, reading: CoreLoad | MemoryUse) -> None:
        """Say what is too high."""
        self.rung += 1
        self._notes.say("alarm", f"{reading.source} is at {reading.percent:.0f} %")


class Census:
    """Counts processes that start and end."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self.started = 0
        self.ended = 0

    def count(self, event: ProcessStarted | ProcessEnded) -> None:
        """Count a process, and say so."""
        if isinstance(event, ProcessStarted):
            self.started += 1
            said = "started"
        else:
            self.ended += 1
            said = "ended" if event.lived is None else f"ended after {event.lived:.1f} s"
        self._notes.say("census", f"process {event.pid} ({event.name}) {said}")


class Archive:
    """A file of JSON lines. Events count as written when they are safely on the disk."""

    holds = "its file has {:,} lines"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failed: Exception | None = None
        """Why it stopped; the other readers go on."""
        self._starts_at = path.stat().st_size if path.exists() else 0

    async def begin(self) -> list[str]:
        """Nothing is to be said before it begins."""
        return []

    async def keep(self, subscription: Subscription[Noticed]) -> None:
        """Write events until the end, or until the disk refuses."""
        try:
            async with subscription:
                with self.path.open("ab") as file:
                    async for batch in subscription.batches():
                        await to_thread.run_sync(append, file, batch)
        except OSError as error:
            self.failed = error

    async def aclose(self) -> None:
        """The file is closed already."""

    def logs(self) -> list[Log]:
        """It has no log."""
        return []

    def told(self) -> str:
        """Nothing more than the ledger says."""
        return ""

    def on_disk(self) -> int:
        """Read back how many lines this run has added to the file."""
        with self.path.open("rb") as file:
            file.seek(self._starts_at)
            return sum(1 for _ in file)


def append(file: BinaryIO, batch: tuple[Noticed, ...]) -> None:
    """Add a line for each event, and return when all are on the disk."""
    file.write(b"".join(as_line(event) for event in batch))
    file.flush()
    os.fsync(file.fileno())


def as_line(event: Noticed) -> bytes:
    """An event as a line of JSON, with the name of its class."""
    return f'{{"event":"{type(event).__name__}",{event.model_dump_json()[1:]}\n'.encode()


class Analyst:
    """Weighs each event: how many bytes does it add to a compressed record of the last ones?

    A usual event adds few bytes, news add many. This is slow, so it asks for gaps where it misses something.
    """

    def __init__(self) -> None:
        self._record: deque[bytes] = deque(maxlen=REMEMBERED)
        self.weighed = 0
        self.seconds = 0.0
        """How long weighing took."""
        self.missed = 0
        """Events in the gaps."""

    async def study(self, subscription: Subscription[Noticed | Gap]) -> None:
        """Weigh events until the end."""
        async with subscription:
            async for item in subscription:
                if isinstance(item, Gap):
                    self._note_gap(item)
                else:
                    await self._study_event(item)

    @property
    def pace(self) -> float:
        """Seconds for one event."""
        return self.seconds / self.weighed if self.weighed else 0.0

    def _note_gap(self, gap: Gap) -> None:
        self.missed += gap.count

    async def _study_event(self, event: Noticed) -> None:
        started = time.monotonic()
        await to_thread.run_sync(weigh, tuple(self._record), as_line(event))
        self.seconds += time.monotonic() - started
        self.weighed += 1
        self._record.append(as_line(event))


def weigh(record: tuple[bytes, ...], new: bytes) -> int:
    """How many bytes the new line adds to the compressed record."""
    known = b"".join(record)
    return len(_compressed(known + new)) - len(_compressed(known))


def _compressed(data: bytes) -> bytes:
    # The other formats round sizes up.
    return lzma.compress(data, format=lzma.FORMAT_ALONE)
