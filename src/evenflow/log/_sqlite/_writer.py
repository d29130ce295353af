"""The one thread that writes: group commit, and going on after a fault.

Rule 1: whatever has queued is one transaction; a sole job is committed at once.
Rule 2: a job that is refused touches nothing, and its neighbours are committed.
Rule 3: where a transaction fails as a whole, each of its jobs is tried alone, if that can help.
Rule 4: after a fault the connection is opened anew, before the next jobs and after a pause that grows; the first fault
        and the end of it are logged, once each.
Rule 5: everything that writes or checkpoints holds the write lock, the close of the connection too.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import nullcontext, suppress
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Final

from evenflow._errors import LogError

from ._changes import Batch, ChangeJob, Kept
from ._connect import BEGIN, COMMIT, ROLLBACK, Guard, connect_writer
from ._faults import is_fault, log_error, says_full, stored_after_commit
from ._files import FileIdentity, check_directory, check_file_system, sync_directory, wal_bytes
from ._jobs import Job, JobQueue
from ._lock import WriteLock
from ._process import keep_for_ever
from ._schema import prepare
from ._turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager

    from evenflow.log._stored import Lineage

    from ._connect import Settings
    from ._jobs import Waiting

IDLE: Final = 1.0
"""Seconds without a job after which the write-ahead log is emptied."""
_LOOK: Final = 5.0
"""Seconds after which an idle thread looks whether its loop still lives."""
WAL_IS_LONG: Final = 64 * 2**20
MEASURE_EVERY: Final = 4
"""Commits from one look at how long it is to the next: a look takes a twentieth of a small commit."""
_SHORT_WAIT: Final = 0.2
_FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
_MOST_FAILURES: Final = 3
"""In a row, of jobs that are tried alone: then the others fail as well."""
_logger: Final = logging.getLogger("evenflow.log")


class Writer:
    """The thread that writes.

    Args:
        committing: is entered in this thread around the commit of a change.
        on_change: is called in the loop before callers learn that something has changed, with the topics of what has;
            None for anything.

    Attributes:
        queue: takes jobs: ``work`` is called with the ``Batch``, or if it is ``alone`` with the connection.
        opened: is done once the file is open, or cannot be opened.
        lineages: the lines of the log's history, once it is open.
        identity: the file that is open.
        turns: those of all processes, once it is open; None for a log in memory.
        waits_for_disk: whether it commits, and so needs nothing of the interpreter.
    """

    def __init__(
        self,
        settings: Settings,
        waiting: Waiting,
        loop_has_ended: Callable[[], bool],
        *,
        committing: Callable[[], AbstractContextManager[None]],
        on_change: Callable[[Collection[str] | None], object],
    ) -> None:
        self.queue = JobQueue()
        self.opened = Job(lambda _: self._open())
        self.lineages: Sequence[Lineage] = ()
        self.identity: FileIdentity | None = None
        self.waits_for_disk: bool = False
        self._committing = committing
        self._on_change = on_change
        self._settings = settings
        self._waiting = waiting
        self._loop_has_ended = loop_has_ended
        self._lock: WriteLock | None = None
        self.turns: Turns | None = None
        self._kept: Kept | None = None
        self._failures = 0
        self._pause = 0.0
        self._wal_is_long = WAL_IS_LONG
        self._unmeasured = 0
        self._is_dirty = False
        self._thread = Thread(target=self._run, name=f"evenflow.log writer {settings.name}", daemon=True)

    def start(self) -> None:
        """Begin; ``opened`` says how that went."""
        self._thread.start()

    def join(self) -> None:
        """In another thread: wait until it has let go of the file, or is known to hang."""
        self._thread.join(self._settings.busy_timeout + _LOOK)

    def forked(self) -> None:
        """In a child process: the connection is the parent's."""
        if self._kept is not None:
            keep_for_ever(self._kept.connection)

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        self.opened.run(None)
        is_open = self.opened.error is None
        self._waiting.deliver([self.opened])
        if is_open:
            while True:
                if self._pause:
                    self.queue.pause(self._pause)
                    self._pause = 0.0
                jobs = self.queue.take(IDLE if self._is_dirty else _LOOK)
                if jobs is None or (not jobs and self._loop_has_ended()):
                    break
                self._do(jobs) if jobs else self._when_idle()
        self.queue.close(f"the log {self._settings.name} is closed")
        self._close()

    def _open(self) -> None:
        path = self._settings.path
        try:
            if path is not None:
                check_directory(path)
                if not self._settings.unsafe_filesystem:
                    check_file_system(path)
                self._lock = WriteLock(path, self._settings.busy_timeout)
                self.turns = Turns(self._lock)
            with self._held():
                is_new = path is not None and not path.exists()
                self._connect()
                if is_new and path is not None:
                    sync_directory(path.parent)
        except (sqlite3.Error, OSError) as error:
            raise log_error(error, "opening", self._settings.name) from error

    def _connect(self) -> Kept:
        """Open the connection, and see that the tables are there."""
        settings = self._settings
        if self.identity is not None:
            self.identity.check()
        connection = connect_writer(settings)
        try:
            guard = Guard(connection)
            if settings.path is not None and self.identity is None:
                self.identity = FileIdentity(settings.path)
            connection.execute(BEGIN)
            self.lineages = prepare(
                connection, settings.name, survives_power_cut=settings.durability == "power" or settings.path is None
            )
            connection.execute(COMMIT)
        except BaseException:
            connection.close()
            raise
        self._kept = Kept(connection, guard, round(settings.keep_ids.total_seconds() * 1e6))
        return self._kept

    def _close(self) -> None:
        self._close_connection()
        if self._lock is not None:
            self._lock.close()

    def _close_connection(self) -> None:
        if self._kept is None:
            return
        connection, self._kept = self._kept.connection, None
        with suppress(sqlite3.Error):
            try:
                # the last connection of a file checkpoints when it is closed
                with self._held(_SHORT_WAIT):
                    connection.close()
            except LogError:  # somebody else writes: this is not the last one
                connection.close()

    def _held(self, timeout: float | None = None) -> AbstractContextManager[None]:
        return nullcontext() if self._lock is None else self._lock.held(timeout)

    # ------------------------------------------------------------------ jobs

    def _do(self, jobs: list[Job]) -> None:
        together = [job for job in jobs if not job.alone]
        if together and self._write_together(together):
            self._works_again()
        for job in jobs:
            if job.alone:
                self._do_alone(job)
                self._deliver([job])

    def _deliver(self, jobs: Sequence[Job]) -> None:
        topics: set[str] | None = set()
        changed = False
        for job in jobs:
            if job.changes and job.error is None:
                changed = True
                if topics is None or not isinstance(job, ChangeJob):
                    topics = None
                else:
                    topics |= job.change.topics()
        self._waiting.deliver(jobs, partial(self._on_change, topics) if changed else None)

    def _do_alone(self, job: Job) -> None:
        try:
            with self._held():
                job.succeed(job.work((self._kept or self._connect()).connection))
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- it belongs to the caller
            job.fail(self._failed(error))

    def _write_together(self, jobs: list[Job]) -> bool:
        """Write and deliver them; whether that went well at the first try."""
        try:
            self._write(jobs)
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- it belongs to the callers
            if len(jobs) == 1:
                jobs[0].fail(self._failed(error))
                self._deliver(jobs)
            elif _may_work_alone(error):
                self._write_each(jobs)
            else:
                self._fail(jobs, error)
            return False  # noqa: ASYNC104 -- no task runs in a thread
        return True

    def _write_each(self, jobs: list[Job]) -> None:
        failures = 0
        for place, job in enumerate(jobs):
            if failures == _MOST_FAILURES:
                self._fail(jobs[place:], jobs[place - 1].error)
                return
            self._write_together([job])
            failures = failures + 1 if isinstance(job.error, LogError) else 0

    def _fail(self, jobs: Sequence[Job], error: BaseException | None) -> None:
        assert error is not None, "jobs fail for a reason"
        told = self._failed(error)
        for job in jobs:
            # a task of its own raises each of them
            own = type(told)(*told.args) if isinstance(told, LogError) else told
            own.__cause__ = told.__cause__
            job.fail(own)
        self._deliver(jobs)

    def _write(self, jobs: list[Job]) -> None:
        """Write all of them in one transaction, and deliver them; or none, and raise.

        They are delivered before the lock is let go of: Python's own lock is given up three times for that, and while
        the loop is busy each of them costs the callers a turn of it.
        """
        if self.identity is not None:
            self.identity.check()
        with self._held():
            kept = self._kept or self._connect()
            connection = kept.connection
            connection.execute(BEGIN)
            try:
                batch = Batch(kept)
                for job in jobs:
                    self._apply(job, batch)
                batch.finish()
            except BaseException:
                kept.forget()
                if connection.in_transaction:
                    connection.execute(ROLLBACK)
                raise
            with self._committing() if any(job.error is None for job in jobs) else nullcontext():
                self._commit(kept)
            batch.committed()
            self._deliver(jobs)
        self._is_dirty = True
        self._keep_wal_short(connection)

    def _apply(self, job: Job, batch: Batch) -> None:
        job.run(batch)
        error = job.error
        if error is not None and (is_fault(error) or not batch.is_sound):
            raise error

    def _commit(self, kept: Kept) -> None:
        self.waits_for_disk = True
        try:
            kept.connection.execute(COMMIT)
        except sqlite3.Error as error:
            kept.forget()
            stored = stored_after_commit(error)
            if kept.connection.in_transaction:
                with suppress(sqlite3.Error):
                    kept.connection.execute(ROLLBACK)
                    stored = False
            raise log_error(error, "writing to", self._settings.name, stored=stored) from error
        finally:
            self.waits_for_disk = False

    # ------------------------------------------------------------------ faults

    def _failed(self, error: BaseException) -> BaseException:
        """What a caller gets; a fault is logged once, the connection is dropped, and the next jobs wait a little."""
        if not is_fault(error) and not isinstance(error, LogError):
            return error
        told = log_error(error, "writing to", self._settings.name)
        if not is_fault(told.__cause__ or error):
            return told
        if self._settings.path is not None:  # a log in memory is nothing but its connection
            self._close_connection()
        if not self._failures:
            _logger.error("%s; what was confirmed is stored, and the log tries again", told)
        self._pause = min(LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures, 10))
        self._failures += 1
        return told

    def _works_again(self) -> None:
        if self._failures:
            _logger.warning("%s can be written again, after %d failures", self._settings.name, self._failures)
            self._failures = 0

    # ------------------------------------------------------------------ the write-ahead log

    def _keep_wal_short(self, connection: sqlite3.Connection) -> None:
        """Begin the write-ahead log anew if readers have kept it from that for long."""
        self._unmeasured += 1
        if self._unmeasured < MEASURE_EVERY:
            return
        self._unmeasured = 0
        path = self._settings.path
        if path is not None and wal_bytes(path) > self._wal_is_long:
            self._checkpoint(connection, _SHORT_WAIT)
            grown = wal_bytes(path) > self._wal_is_long
            self._wal_is_long = self._wal_is_long * 2 if grown else WAL_IS_LONG

    def _when_idle(self) -> None:
        """Empty the write-ahead log."""
        path = self._settings.path
        if self._kept is not None and path is not None and self._is_dirty:
            self._checkpoint(self._kept.connection, 0.0)
            # a reader may be in the way: then later
            self._is_dirty = wal_bytes(path) > 0
            self._wal_is_long = WAL_IS_LONG

    def _checkpoint(self, connection: sqlite3.Connection, wait: float) -> None:
        """Checkpoint, if nobody else writes, and wait for readers this long; whatever fails here loses nothing."""
        with suppress(sqlite3.Error, LogError), self._held(wait):
            connection.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}").fetchone()
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {int(self._settings.busy_timeout * 1000)}").fetchone()


def _may_work_alone(error: BaseException) -> bool:
    """Whether some jobs of a transaction that has failed may succeed in one of their own."""
    if isinstance(error, LogError):
        # where it is not known whether they are stored, they must not be stored again
        return error.stored is False and error.__cause__ is not None and says_full(error.__cause__)
    return says_full(error) or not is_fault(error)
