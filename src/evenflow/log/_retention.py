"""Retention: removing what a subject need not keep, in slices, by whoever has the log open.

                 what goes
    age          events older than that
    events       the oldest, where there are more than that
    last_by      of what the others let go (alone: of everything) the newest event of each key stays

Rule 1: what a group has still to acknowledge stays, unless ``unacked="drop"``.
Rule 2: a reader whose next events are gone is told, by the engine's ``floor``: never silently.
Rule 3: a slice is small, and the loop turns between two.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from anyio import move_on_after, sleep

from evenflow._errors import LogError

from ._schedule import pause_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._engine import Engine
    from ._retain import Retain

_log = logging.getLogger("evenflow.log")

SLICE: Final = 1_000
PAUSE: Final = 0.1
"""Seconds between two looks, however much is published."""


class Retention:
    """Keeps one subject as short as it was asked for.

    Attributes:
        removed: how many events it has removed since the log was opened.
    """

    def __init__(
        self, engine: Engine, subject: str, retain: Retain, settled_through: Callable[[], Awaitable[int | None]]
    ) -> None:
        self._engine = engine
        self._subject = subject
        self._retain = retain
        self._settled_through = settled_through
        """Up to which number no group needs anything any more; None without a group."""
        self.removed: int = 0
        self._end = -1
        self._too_many = 0
        """Up to which number there were too many events, when that was last looked for."""
        self._done = 0
        """Up to which number everything is removed that goes."""

    async def run(self) -> None:
        """Remove what goes, until the log is closed."""
        engine, pause = self._engine, PAUSE
        while True:
            mark = engine.mark()
            try:
                await self._trim()
                seconds = await self._until_next()
                pause = PAUSE
            except LogError:
                _log.warning(
                    "retention of %s failed; trying again in %.1f s",
                    self._subject,
                    pause,
                    exc_info=True,
                    extra={"subject": self._subject},
                )
                self._end = -1
                await sleep(pause)
                pause = min(2 * pause, 60.0)
                continue
            with move_on_after(seconds):
                await engine.wait(mark)
            await sleep(PAUSE)

    async def _trim(self) -> None:
        through = await self._through()
        if self._retain.unacked == "keep" and (settled := await self._settled_through()) is not None:
            through = min(through, settled)
        while through > self._done:
            removed = await self._engine.trim(
                self._subject, through, SLICE, keep_newest_of_keys=self._retain.last_by is not None
            )
            self.removed += removed
            if removed < SLICE:
                # where the newest of each key stay, one that is not the newest any more goes later
                self._done = through if self._retain.last_by is None else 0
                return

    async def _through(self) -> int:
        """The number up to which events go."""
        engine, retain = self._engine, self._retain
        if retain.age is None and retain.events is None:
            return await engine.end(self._subject)
        through = 0
        if retain.age is not None:
            through = await engine.place(self._subject, round((engine.wall() - retain.age.total_seconds()) * 1e6))
        if retain.events is not None:
            through = max(through, await self._beyond(retain.events))
        return through

    async def _beyond(self, events: int) -> int:
        """The number up to which there are more than this many events; it is looked for once a hundredth has come."""
        end = await self._engine.end(self._subject)
        if end - self._end > events // 100:
            self._end = end
            self._too_many = await self._engine.older_than(self._subject, events)
        return self._too_many

    async def _until_next(self) -> float | None:
        """Seconds until the oldest event is too old; None where age does not matter, or nothing is there."""
        if self._retain.age is None:
            return None
        floor = await self._engine.floor(self._subject)
        page = await self._engine.read(self._subject, floor, 1)
        if not page.rows:
            return None
        return pause_of(page.rows[0].time / 1e6 + self._retain.age.total_seconds() - self._engine.wall())
