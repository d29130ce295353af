"""What runs between opening and closing a log in an SQLite file: its threads, and in which order they end.

Rule 1: opening that fails, or is cancelled, leaves nothing open.
Rule 2: the readers close before the writer does, and closing is bounded.
"""

from __future__ import annotations

import os
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from evenflow._errors import LogError

from ._jobs import Job, Waiting
from ._members import Members
from ._notices import Notices
from ._reads import Readers
from ._writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evenflow._loop import RunningLoop

    from ._connect import Settings

_GRACE: Final = 5.0
"""Seconds beyond the time limits of everything that a close waits for."""


class Opening:
    """What runs between open and close."""

    def __init__(self, settings: Settings, loop: RunningLoop) -> None:
        self.loop = loop
        self.settings = settings
        self.process = os.getpid()
        self.waiting = Waiting(loop)
        self.notices = Notices(loop)
        self.writer = Writer(
            settings,
            self.waiting,
            loop.has_ended,
            committing=self.notices.committing,
            on_change=self.notices.changed,
        )
        self._members: Members | None = None
        self.readers: Readers | None = None

    async def open(self) -> None:
        """Open the file; cancelled or failed, nothing is left open."""
        self.writer.start()
        try:
            await self.waiting.outlast(self.writer.opened)
            self.writer.opened.outcome()
            identity, path = self.writer.identity, self.settings.path
            if path is not None and identity is not None:
                self.notices.watch(path, identity, self.settings.busy_timeout)
                self.readers = Readers(path, identity, self.settings.busy_timeout, self.waiting, self.loop.has_ended)
            self._members = await self.do(lambda _: _become_member(path), reads=True)
        except BaseException:
            await self.close()
            raise

    @property
    def member(self) -> Members:
        """This opening as a member of the log."""
        assert self._members is not None, "an opening that has not failed is a member"
        return self._members

    async def close(self) -> None:
        """Finish what was handed over, and let go of the file."""
        closed = LogError(f"the log {self.settings.name} is closed; open it first")
        self.notices.close(closed)
        stopped = Job(lambda _: None)
        Thread(target=self._stop, args=(stopped,), name="evenflow.log close", daemon=True).start()
        await self.waiting.outlast(stopped, 2 * self.settings.busy_timeout + _GRACE)

    def abandon(self) -> None:
        """Its loop has ended without closing it: let go of the file, and tell nobody."""
        Thread(target=self._stop, args=(Job(lambda _: None),), name="evenflow.log close", daemon=True).start()

    def _stop(self, stopped: Job) -> None:
        """In a thread: the readers close first, for the last one to close must be the writer."""
        why = f"the log {self.settings.name} is closed; open it first"
        if self.readers is not None:
            self.readers.queue.close(why)
            self.readers.join()
        self.notices.join()
        if self._members is not None:
            self._members.close()
        self.writer.queue.close(why)
        self.writer.join()
        self.waiting.deliver([stopped])

    async def do(self, work: Callable[[Any], Any], *, reads: bool = False) -> Any:
        """Have a thread do something with a connection: one that reads, or the one that writes."""
        job = Job(work, alone=True, changes=not reads)
        if reads and self.readers is not None:
            self.readers.start()
            return await self.waiting.do(self.readers.queue, job)
        return await self.waiting.do(self.writer.queue, job)

    def forked(self) -> None:
        """In a child process: keep what must not be closed there."""
        for part in (self.writer, self.readers, self.notices):
            if part is not None:
                part.forked()


def _become_member(path: Path | None) -> Members:
    members = Members(path)
    members.remove_old()
    return members
