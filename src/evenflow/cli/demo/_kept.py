"""The archive of `--log WHERE`: a log, which a second run goes on with, wherever the first was killed.

A run is a ``RunStarted`` in the log, and a ``RunEnded`` unless it was killed. The historian is a group of the log: it
counts each event in batches, and what it had not counted when a run was killed it counts in the next one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from anyio import Event as Signal, create_task_group, move_on_after, sleep
from pydantic import Field

from evenflow import Event
from evenflow.cli._address import masked
from evenflow.cli.logs._names import log_from
from evenflow.log import LogError

from ._events import Noticed, ProcessEnded, ProcessStarted, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evenflow import Subscription
    from evenflow.log import Log, Offset, Record

HISTORIAN = "historian"
AT_ONCE = 500
"""Events that the historian counts in one commit."""
PATIENCE = 5.0
"""Seconds for what a killed run had begun to count; what is not counted then is left for the next run."""
PAUSE = 0.02
"""Seconds between two looks at whether the historian has counted everything."""
LOOKS = 2
"""Looks in a row that must find nothing."""


def _now() -> datetime:
    return datetime.now(UTC)


class RunStarted(Event, name="evenflow.demo.run_started"):
    """A run of the demo has begun."""

    at: datetime = Field(default_factory=_now)


class RunEnded(Event, name="evenflow.demo.run_ended"):
    """A run of the demo has ended by itself, and was not killed."""

    at: datetime = Field(default_factory=_now)


class KeptArchive:
    """Events count as written when their commit is safely on the disk."""

    holds = "its log has {:,} events"

    def __init__(self, where: str) -> None:
        self.shown = masked(where)
        """The log's address, without a secret."""
        self.failed: Exception | None = None
        """Why it stopped; the other readers go on."""
        self.counted = 0
        """Events that the historian has counted in this run."""
        self.counted_of_before = 0
        """Those of them that an earlier run has left."""
        self._log: Log = log_from(where, name="demo")
        self._machine = self._log.subject("machine", Noticed, RunStarted, RunEnded)
        self._counted_to_the_end = Signal()
        self._started: Offset | None = None
        self._stored = 0

    async def begin(self) -> list[str]:
        """Open the log; returns what is known of earlier runs, in sentences.

        Raises:
            LogError: it cannot be opened, or is no log.
        """
        await self._log.start()
        runs = [record async for record in self._machine.read(RunStarted, RunEnded)]
        events = (await self._log.statistics()).events or 0
        known = {group.name for group in await self._machine.groups()}
        stored = events - len(runs)
        left = await self._not_counted() if HISTORIAN in known else stored
        self._started = await self._machine.publish(RunStarted())
        return list(_told(self.shown, runs, stored, left))

    async def keep(self, subscription: Subscription[Noticed]) -> None:
        """Store events until the end, or until the log fails."""
        try:
            async with create_task_group() as tasks, subscription:
                tasks.start_soon(self._count)
                async for batch in subscription.batches():
                    await self._machine.publish_many(batch)
                await self._machine.publish(RunEnded())
                await self._counted_to_the_end.wait()
                await self._counted_what_was_left()
                tasks.cancel_scope.cancel()
            self._stored = await self._read_back()
        except* LogError as failures:
            self.failed = failures.exceptions[0]

    async def aclose(self) -> None:
        """Close the log."""
        await self._log.aclose()

    def logs(self) -> list[Log]:
        """The log."""
        return [self._log]

    def on_disk(self) -> int:
        """How many events this run has added to the log, read back from it."""
        return self._stored

    def told(self) -> str:
        """What the historian has done."""
        return (
            f"counted {self.counted:,} events out of the log, {self.counted_of_before:,} of them of an earlier run;"
            " it remembers its place in the log, so the next run goes on there."
        )

    async def _count(self) -> None:
        started = self._started
        assert started is not None
        async with self._machine.deliveries(
            HISTORIAN, Reading, ProcessStarted, ProcessEnded, RunEnded, buffer=AT_ONCE
        ) as deliveries:
            async for batch in deliveries.batches(AT_ONCE):
                async with batch:
                    events = [delivery.offset for delivery in batch if isinstance(delivery.event, Noticed)]
                if any(isinstance(delivery.event, RunEnded) and delivery.offset > started for delivery in batch):
                    self._counted_to_the_end.set()
                self.counted += len(events)
                self.counted_of_before += sum(offset < started for offset in events)

    async def _counted_what_was_left(self) -> None:
        """What a killed run had begun to count comes again a moment later than the rest."""
        # The numbers of a group are no snapshot: an event on its way from one record to another can be in neither.
        # It is somewhere at the next look, so nothing is left once two looks have found nothing.
        looks = 0
        with move_on_after(PATIENCE):
            while looks < LOOKS:
                looks = 0 if await self._not_counted() else looks + 1
                await sleep(PAUSE)

    async def _not_counted(self) -> int:
        """How many events the historian has not counted, whoever has them in hand."""
        return sum(group.due + group.in_hand + group.retrying for group in await self._machine.groups())

    async def _read_back(self) -> int:
        assert self._started is not None
        number = 0
        async for _ in self._machine.read(Noticed, since=self._started):
            number += 1
        return number


def _told(where: str, runs: Sequence[Record[RunStarted | RunEnded]], events: int, left: int) -> Iterator[str]:
    """What a user wants to know of the runs before this one."""
    if not runs:
        yield f"{where} is a new log. Kill this run (kill -9), start it again with the same one, and it goes on."
        return
    started = [record for record in runs if isinstance(record.event, RunStarted)]
    how = "ended" if isinstance(runs[-1].event, RunEnded) else "was killed"
    earlier = "one earlier run" if len(started) == 1 else f"{len(started):,} earlier runs"
    begun = f"{started[-1].event.at:%Y-%m-%d %H:%M:%S} UTC" if started else "long ago"
    yield f"{where} has {events:,} events of {earlier}; the last one began {begun} and {how}."
    if left:
        yield f"{left:,} of its events were not counted when it ended: the historian counts them now."
    else:
        yield "All of them were counted: the historian goes on with what is new."
