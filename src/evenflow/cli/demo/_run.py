"""The demo: one subject, two publishers, five readers, and the ledger at the end."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import CancelScope, Event, create_task_group, move_on_after, to_thread

from evenflow import Subject

from ._events import CoreLoad, MemoryUse, Noticed, Reading
from ._kept import KeptArchive
from ._ledger import Ledger, Row
from ._machine import Meters, Processes
from ._output import NobodyReads, Output
from ._publishers import Books, sample, watch
from ._readers import Alarm, Analyst, Archive, Census, Notes
from ._screen import Scene, keep_showing
from ._teller import AsJSON, InWords

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from types import FrameType

    from evenflow import Gap, Observer, Subscription

    from ._teller import Teller

TOO_HIGH = 90.0
"""Percent at which the alarm rings."""
ARCHIVE_BUFFER = 3
"""How many events wait for the disk before publishers do; even the smallest machine publishes more at once."""
ANALYST_BUFFER = 8

READER_GONE = 141


def run(
    *,
    seconds: float,
    rate: float,
    out: Path | None,
    log: str | None = None,
    inspect: bool = False,
    as_json: bool = False,
) -> int:
    """Run the demo and print its ledger; the archive is a log, a file of lines, or a temporary one.

    Returns:
        0, or 1 if a sum does not hold, no buffer was ever full, or the archive could not be written; 141 if whoever
        read the output has gone.
    """
    code = 1
    with tempfile.TemporaryDirectory(prefix="evenflow-") as folder:
        archive = Archive(out or Path(folder) / "archive.jsonl") if log is None else KeptArchive(log)
        demo = Demo((AsJSON if as_json else InWords)(Output()), seconds, rate, archive, inspect=inspect)
        try:
            code = asyncio.run(demo.run())
        except* NobodyReads:
            # Nobody would read a message.
            code = READER_GONE
    return code


@dataclass(frozen=True)
class Readers:
    """Everything that gets events, in the order in which it is shown."""

    table: Subscription[Reading]
    archive: Subscription[Noticed]
    analyst: Subscription[Noticed | Gap]
    alarm: Observer
    census: Observer

    def rows(self) -> list[Row]:
        """The numbers of each subscription."""
        observers = [observer.statistics().subscription for observer in (self.alarm, self.census)]
        return [
            Row("newer replaces", self.table.statistics()),
            Row("publishers wait", self.archive.statistics()),
            Row("oldest dropped", self.analyst.statistics()),
            *(Row("publishers wait", ledger) for ledger in observers if ledger is not None),
        ]


class Demo:
    """One run."""

    def __init__(
        self, teller: Teller, seconds: float, rate: float, archive: Archive | KeptArchive, *, inspect: bool = False
    ) -> None:
        self._teller = teller
        self._seconds = seconds
        self._rate = rate
        self._notes = Notes()
        self._archive = archive
        self._analyst = Analyst()
        self._publishers = (Books("sampler"), Books("watcher"))
        self._machine: Subject[Noticed] = Subject(Noticed, name="machine")
        self._inspect = inspect

    async def run(self) -> int:
        """Open the archive, run, and close it.

        Raises:
            LogError: the archive is a log, and cannot be opened.
        """
        try:
            before = await self._archive.begin()
            async with self._inspected():
                return await self._run(before)
        finally:
            await self._archive.aclose()

    @asynccontextmanager
    async def _inspected(self) -> AsyncGenerator[None]:
        """Serve the inspector of all this within the block, where that was asked for."""
        if not self._inspect:
            yield
            return
        # imported here, because it needs what the rest of the demo does not
        from evenflow.cli.inspect._served import served  # noqa: PLC0415
        from evenflow.web import inspector  # noqa: PLC0415

        app = inspector(self._machine, *self._archive.logs(), contents=True, title="evenflow demo")
        async with served(app, port=0) as server:
            self._teller.inspected(server.address)
            yield

    async def _run(self, before: list[str]) -> int:
        """Publish and read until the time is up or a signal comes; then say where every event went."""
        meters = await to_thread.run_sync(Meters)
        processes = await to_thread.run_sync(Processes)
        sources = len(await to_thread.run_sync(meters.read))
        self._teller.begins(self._rate, before)
        readers = self._subscribe(sources)
        screen = self._teller.screen(Scene(self._seconds, self._notes, self._publishers, readers.rows))
        over = Event()
        with screen.entered():
            async with create_task_group() as reading:
                reading.start_soon(keep_showing, readers.table, screen, over)
                reading.start_soon(self._archive.keep, readers.archive)
                reading.start_soon(self._analyst.study, readers.analyst)
                # Observers run inside this block.
                async with self._machine:
                    await self._publish(meters, processes)
                # The subject is closed now: each reader takes what is left in its buffer, and ends.
                over.set()
        return self._conclude(readers)

    def _subscribe(self, sources: int) -> Readers:
        machine = self._machine
        too_high = (CoreLoad.percent >= TOO_HIGH) | (MemoryUse.percent >= TOO_HIGH)
        alarm = Alarm(self._notes)
        census = Census(self._notes)
        return Readers(
            table=machine.subscribe(Reading, conflate=Noticed.source, buffer=sources, name="screen"),
            archive=machine.subscribe(Noticed, buffer=ARCHIVE_BUFFER, name="archive"),
            analyst=machine.subscribe(
                Noticed, buffer=ANALYST_BUFFER, overflow="drop_oldest", gaps=True, name="analyst"
            ),
            alarm=machine.observe(alarm.ring, where=too_high, name="alarm"),
            census=machine.observe(census.count, name="census"),
        )

    async def _publish(self, meters: Meters, processes: Processes) -> None:
        sampler, watcher = self._publishers
        with move_on_after(self._seconds) as time_is_up, stopped_by_a_signal(time_is_up):
            async with create_task_group() as publishing:
                publishing.start_soon(sample, self._machine, meters, sampler, self._rate)
                publishing.start_soon(watch, self._machine, processes, watcher, self._rate)

    def _conclude(self, readers: Readers) -> int:
        archive, analyst = readers.archive.statistics(), readers.analyst.statistics()
        ledger = Ledger(
            rows=readers.rows(),
            publishers=self._publishers,
            missed=self._analyst.missed,
            dropped=analyst.dropped,
            lines=self._archive.on_disk(),
            taken=archive.delivered,
            holds=self._archive.holds,
            historian=self._archive.told(),
        )
        wrong = self._wrong(ledger)
        self._teller.ends(ledger, self._analyst.pace, wrong)
        return 1 if wrong else 0

    def _wrong(self, ledger: Ledger) -> list[str]:
        if self._archive.failed is not None:
            return [f"The archive stopped: {self._archive.failed}. Everybody else went on."]
        if mistakes := ledger.mistakes():
            return [f"A sum does not hold: {mistake}." for mistake in mistakes]
        if not ledger.was_full():
            return [
                "All is accounted for, but no buffer was ever full, and there was little to see: run it for longer."
            ]
        return []


@contextmanager
def stopped_by_a_signal(scope: CancelScope) -> Generator[None]:
    """Ctrl-C or SIGTERM cancels the scope; a second one has its usual effect."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(_number: int, _frame: FrameType | None) -> None:
        give_back()
        loop.call_soon_threadsafe(scope.cancel)

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        give_back()
