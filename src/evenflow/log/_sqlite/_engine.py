"""SQLiteEngine: a log in one SQLite file, which several processes of one machine may have open.

Rule 1: what the loop asks goes to a thread as a job (``_jobs``); nothing here touches the file but through one.
Rule 2: what runs between open and close is one object, ``Opening`` (``_opening``); each is a member of its own.
Rule 3: after a fork the child's copy refuses, and leaves the file alone: its connections are never closed.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio.from_thread
import anyio.to_thread

from evenflow._errors import LogError
from evenflow._fork import forget_in_child
from evenflow._loop import running_loop
from evenflow.log._engine import Engine
from evenflow.log._names import checked_keep_ids
from evenflow.log._stored import Absent, Change, Done, Lineage, Page, Pulse, Record, Size

from . import _queries
from ._changes import ChangeJob
from ._connect import Settings, connect_reader
from ._copies import back_up, vacuum
from ._faults import log_error
from ._files import MEMORY, wal_bytes
from ._jobs import Job
from ._opening import Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

KEEP_IDS: Final = timedelta(days=7)
_LONGEST_WAIT: Final = 2_000_000
"""Seconds that SQLite can count; 23 days."""


def _is_there(path: Path | None) -> bool:
    """Whether there is a file; a database in memory is never there before."""
    return path is not None and path.exists()


class SQLiteEngine(Engine):
    """A log in an SQLite file.

    Args:
        path: the file; ``":memory:"`` for a log that goes with this process.
        durability: what a stored event survives: ``"power"``, the machine's death; ``"process"``, that of the process.
        keep_ids: how long the ids that publishers gave are known.
        busy_timeout: the longest wait for the right to write, in seconds.
        unsafe_filesystem: open it on a file system on which SQLite's locks may not work, too.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Literal["power", "process"] = "power",
        keep_ids: timedelta = KEEP_IDS,
        busy_timeout: float = 10.0,
        unsafe_filesystem: bool = False,
    ) -> None:
        if durability not in {"power", "process"}:
            raise ValueError(f"durability must be 'power' or 'process', not {durability!r}")
        checked_keep_ids(keep_ids)
        if not isinstance(busy_timeout, (int, float)) or isinstance(busy_timeout, bool):
            raise TypeError(f"busy_timeout must be a number of seconds, not {busy_timeout!r}")
        if not 0 <= busy_timeout <= _LONGEST_WAIT:
            raise ValueError(f"busy_timeout must be at least 0 seconds, and finite, not {busy_timeout}")
        if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
            raise TypeError(f"path must be a str or a path, not {path!r}")
        where = None if os.fspath(path) == MEMORY else Path(os.path.realpath(path))
        self._settings = Settings(where, durability, keep_ids, busy_timeout, unsafe_filesystem)
        self._opening: Opening | None = None
        self._changes = 0
        """How many changes are waited for."""
        self.member: str = ""
        self.lineages: Sequence[Lineage] = ()
        forget_in_child(self)

    def _forked(self) -> None:
        if self._opening is not None:
            self._opening.forked()

    def _opened(self) -> Opening:
        opening = self._opening
        if opening is None:
            raise LogError(f"the log {self._settings.name} is not open; open it first")
        if opening.process != os.getpid():
            raise LogError(
                f"the log {self._settings.name} was opened in process {opening.process}, of which this one is a fork,"
                " and SQLite's files must not be used from both; open the log in the child alone, or start the process"
                " with multiprocessing's 'spawn'"
            )
        return opening

    async def _read(self, query: Callable[..., Any], *arguments: Any) -> Any:
        return await self._opened().do(lambda connection: query(connection, *arguments), reads=True)

    # ------------------------------------------------------------------ open and close

    async def open(self) -> None:
        """Open the file, and make it if there is none.

        Raises:
            LogError: it cannot be opened; the message says why, and the way out.
        """
        if sys.platform == "win32":
            raise LogError("a log in an SQLite file needs fcntl locks, which Windows does not have")
        opening = self._opening
        if opening is not None and opening.process == os.getpid() and not opening.loop.has_ended():
            raise LogError(f"the log {self._settings.name} is open already; close it first")
        if opening is not None and opening.process == os.getpid():
            opening.abandon()
        if not self.creates and not _is_there(self._settings.path):
            raise Absent(f"the log {self._settings.name}")
        opening = Opening(self._settings, running_loop())
        await opening.open()
        self.member = opening.member.member
        self.lineages = opening.writer.lineages
        self._opening = opening

    async def close(self) -> None:
        """Finish what was handed over, and let go of the file; in a forked child, and the second time, do nothing."""
        opening, self._opening = self._opening, None
        if opening is not None and opening.process == os.getpid():
            await opening.close()

    # ------------------------------------------------------------------ changes

    async def commit(self, change: Change, /, *, made: Callable[[Done], object] | None = None) -> Done:
        """Make a change; see ``Engine.commit``."""
        opening = self._opened()
        self._changes += 1
        try:
            done: Done = await opening.waiting.do(opening.writer.queue, ChangeJob(change, made))
        finally:
            self._changes -= 1
        return done

    @property
    def is_writing(self) -> bool:
        """Whether the thread that writes has a change to make; while the disk stores one, it needs nothing."""
        opening = self._opening
        return bool(self._changes) and opening is not None and not opening.writer.waits_for_disk

    def turn(self, name: str, /) -> AbstractAsyncContextManager[None]:
        """Where no other process does the same now, or has done it for long."""
        turns = self._opened().writer.turns
        return super().turn(name) if turns is None else turns.turn(name)

    async def trim(self, subject: str, through: int, limit: int, *, keep_newest_of_keys: bool = False) -> int:
        """Remove the oldest events up to a number."""
        opening = self._opened()

        def work(batch: Any) -> int:
            removed: int = batch.trim(subject, through, limit, keep_newest_of_keys=keep_newest_of_keys)
            return removed

        removed: int = await opening.waiting.do(opening.writer.queue, Job(work, weight=limit))
        return removed

    # ------------------------------------------------------------------ reading

    async def read(
        self, subject: str, after: int, limit: int, *, types: Collection[str] | None = None, until: int | None = None
    ) -> Page:
        """A page of a subject's events."""
        page: Page = await self._read(_queries.read, subject, after, limit, types, until)
        return page

    async def read_with_due(
        self,
        subject: str,
        after: int,
        limit: int,
        prefix: str,
        until: float,
        most: int,
        *,
        types: Collection[str] | None = None,
    ) -> tuple[Page, Mapping[str, Record]]:
        """A page of a subject's events, and the records that are due, with one way to a thread."""
        found: tuple[Page, Mapping[str, Record]] = await self._read(
            _queries.read_with_due, (subject, after, limit, types, None), (prefix, until, most)
        )
        return found

    async def end(self, subject: str) -> int:
        """The number of the newest event."""
        number: int = await self._read(_queries.end, subject)
        return number

    async def place(self, subject: str, time: int) -> int:
        """The number before the first event at or after a time."""
        number: int = await self._read(_queries.place, subject, time)
        return number

    async def floor(self, subject: str) -> int:
        """Up to where events may have been removed."""
        number: int = await self._read(_queries.floor, subject)
        return number

    async def older_than(self, subject: str, events: int) -> int:
        """The number of the newest event with as many newer ones."""
        number: int = await self._read(_queries.older_than, subject, events)
        return number

    async def subjects(self) -> Sequence[str]:
        """The names of the subjects, sorted."""
        found: Sequence[str] = await self._read(_queries.subjects)
        return found

    async def load(self, keys: Collection[str] = (), *, prefix: str | None = None) -> Mapping[str, Record]:
        """Records by key or prefix."""
        records: Mapping[str, Record] = await self._read(_queries.load, tuple(keys), prefix)
        return records

    async def load_some(self, prefix: str, after: str, limit: int) -> Mapping[str, Record]:
        """Some of the records with a prefix, in the order of their keys."""
        records: Mapping[str, Record] = await self._read(_queries.load_some, prefix, after, limit)
        return records

    async def due(self, prefix: str, until: float, limit: int) -> Mapping[str, Record]:
        """The records that are due until then, the earliest first."""
        records: Mapping[str, Record] = await self._read(_queries.due, prefix, until, limit)
        return records

    async def next_due(self, prefix: str) -> float | None:
        """When the next record is due."""
        when: float | None = await self._read(_queries.next_due, prefix)
        return when

    async def size(self) -> Size:
        """How much is stored; ``wal_bytes`` is how long the write-ahead log is."""
        path = self._settings.path
        events, size = await self._read(_queries.size)
        return Size(events, size, None if path is None else wal_bytes(path))

    # ------------------------------------------------------------------ waiting

    def mark(self) -> int:
        """A number that grows with each change."""
        return self._opened().notices.mark

    async def wait(self, mark: int, /, about: Collection[str] = ()) -> int:
        """Wait until the mark is another one; another process's change is noticed within 50 ms, and wakes all."""
        return await self._opened().notices.wait(mark, about)

    # ------------------------------------------------------------------ members

    def begin(self, group: str, seqs: Sequence[int], /) -> Sequence[int]:
        """Note that events are handed over: one write into the member's file, without a commit."""
        return self._opened().member.own.begin(group, seqs)

    def settled(self, marks: Sequence[int], /) -> None:
        """Take marks back; those of an opening that is over stay."""
        opening = self._opening
        if opening is not None and opening.process == os.getpid():
            opening.member.own.settled(marks)

    def beat(self) -> None:
        """Say that this member lives."""
        with suppress(LogError):  # closed meanwhile: the thread that beats need not know
            self._opened().member.own.beat()

    async def pulses(self, members: Collection[str], /) -> Mapping[str, Pulse]:
        """What is known of these members."""
        known, wanted = self._opened().member, tuple(members)
        pulses: Mapping[str, Pulse] = await self._opened().do(lambda _: known.pulses(wanted), reads=True)
        return pulses

    def clock(self) -> float:
        """The machine's monotonic clock, the same in all its processes."""
        return time.monotonic()

    def wall(self) -> float:
        """The wall clock."""
        return time.time()

    # ------------------------------------------------------------------ upkeep

    async def vacuum(self) -> None:
        """Give the room of removed events back to the disk; meanwhile nobody can write, and reading goes on."""
        await self._opened().do(vacuum)

    async def backup(self, path: str | os.PathLike[str], /) -> None:
        """Copy the log while it is in use; the copy begins a new line of history. Cancelled, there is no copy.

        Raises:
            LogError: there is something at ``path``, or it cannot be written.
        """
        opening, target = self._opened(), Path(os.path.abspath(path))  # noqa: ASYNC240, PTH100 -- it reads no file
        source = self._settings.path
        if source is None:
            await opening.do(partial(_back_up_memory, target=target), reads=True)
            return

        def work() -> None:
            try:
                with closing(connect_reader(source, self._settings.busy_timeout)) as connection:
                    back_up(connection, str(source), target, anyio.from_thread.check_cancelled)
            except sqlite3.Error as error:
                raise log_error(error, "backing up", str(source)) from error

        await anyio.to_thread.run_sync(work)


def _back_up_memory(connection: sqlite3.Connection, target: Path) -> None:
    back_up(connection, MEMORY, target, lambda: None)
