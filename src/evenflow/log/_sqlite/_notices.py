"""The mark: a number that grows whenever something may have changed, and whoever waits for that.

Rule 1: what this process commits is known at once, before the committer goes on.
Rule 2: what another process commits is noticed by one thread, which asks SQLite for its data version while
        somebody waits.
Rule 3: the thread does not look while this process commits, and its connection has looked before another process can
        commit: it does not take the process's own commits for those of others.
Rule 4: whoever says what it waits for is woken for that alone: a commit that settles events would otherwise wake
        everybody in the process, three reads each. Of another process nobody knows what it has changed.
Rule 5: a glance at the write-ahead log, which costs half as much, stands for most looks of an idle process.
Rule 6: where the file is not the same one any more, whoever waits gets the error.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import nullcontext, suppress
from threading import Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Final

from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from evenflow._errors import LogError

from ._connect import connect_reader
from ._files import WalGlance
from ._process import keep_for_ever

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

    from evenflow._backends import WakeUp
    from evenflow._loop import RunningLoop

    from ._files import FileIdentity

EVERY: Final = 0.03
"""Seconds from one look to the next: as seldom as lets 50 ms be kept, for waking a thread costs more than the look."""
_GLANCES: Final = 8
"""Glances for one look, while they show nothing."""
_QUIET_LOOKS: Final = 30
"""Looks without anybody waiting after which the thread goes to sleep."""


_REMEMBERED: Final = 64
"""Changes whose topics are known: whoever has missed more looks."""


class Notices:
    """The mark of an opening. In the loop, but for ``committing``."""

    def __init__(self, loop: RunningLoop) -> None:
        self._loop = loop
        self._mark = 0
        self._recent: deque[Collection[str] | None] = deque(maxlen=_REMEMBERED)
        """The topics of the newest changes, one for each mark; None for anything."""
        self._waiting: dict[WakeUp, Collection[str]] = {}
        self._error: LogError | None = None
        self._poll: Poll | None = None

    def watch(self, path: Path, identity: FileIdentity, timeout: float) -> None:
        """Other processes may write as well."""
        self._poll = Poll(self, self._loop, path, identity, timeout)

    @property
    def mark(self) -> int:
        """The mark."""
        return self._mark

    async def wait(self, mark: int, about: Collection[str] = ()) -> int:
        """Wait until the mark is another one, because of something of these topics, or of anything."""
        if self._is_news(mark, about):
            await checkpoint()
            self.check()
            return self._mark
        await checkpoint_if_cancelled()
        self.check()
        wake_up = self._loop.backend.wake_up()
        self._waiting[wake_up] = about
        if self._poll is not None:
            self._poll.somebody_waits()
        try:
            await wake_up
        finally:
            self._waiting.pop(wake_up, None)
        self.check()
        return self._mark

    def _is_news(self, mark: int, about: Collection[str]) -> bool:
        """Whether something of these topics has changed since the mark was this."""
        since = self._mark - mark
        if since > len(self._recent):
            return True
        return any(_concerns(self._recent[-place], about) for place in range(1, since + 1))

    def is_awaited(self) -> bool:
        """Whether somebody waits. From any thread."""
        return bool(self._waiting)

    def changed(self, topics: Collection[str] | None = None) -> None:
        """Something of these topics has changed, or anything."""
        self._mark += 1
        self._recent.append(topics)
        for wake_up, about in list(self._waiting.items()):
            if _concerns(topics, about):
                del self._waiting[wake_up]
                if not wake_up.done():
                    wake_up.set_result(None)

    def fail(self, error: LogError) -> None:
        """Nothing is noticed any more."""
        self._error = error
        self.changed()

    def check(self) -> None:
        """Raise what happened to the file, if something did."""
        if self._error is not None:
            raise LogError(str(self._error)) from self._error

    def committing(self) -> AbstractContextManager[None]:
        """In the writer's thread: in this block this process commits a change, and nobody else can."""
        return _NO_POLL if self._poll is None else self._poll.own_change

    def close(self, error: LogError) -> None:
        """The log is closed."""
        if self._poll is not None:
            self._poll.stop()
        self.fail(error)

    def join(self) -> None:
        """In another thread: wait until the file is let go of."""
        if self._poll is not None:
            self._poll.join()

    def forked(self) -> None:
        """In a child process."""
        if self._poll is not None:
            self._poll.forked()


def _concerns(topics: Collection[str] | None, about: Collection[str]) -> bool:
    """Whether a change of these topics is news for whoever waits for those."""
    return topics is None or not about or any(topic in topics for topic in about)


class _OwnChange:
    """A block in which the poll does not look, and after which what has changed is no news, if it ends well.

    (A class, and one object for all blocks: a generator for each commit took twice as long as the look.)
    """

    def __init__(self, poll: Poll) -> None:
        self._poll = poll

    def __enter__(self) -> None:
        self._poll.looking.acquire()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._poll.note_own_change()
        finally:
            self._poll.looking.release()


_NO_POLL: Final = nullcontext()


class Poll:
    """The thread that looks.

    Attributes:
        looking: whoever has it may look.
        own_change: a block in which this process commits.
    """

    def __init__(self, notices: Notices, loop: RunningLoop, path: Path, identity: FileIdentity, timeout: float) -> None:
        self._notices = notices
        self._loop = loop
        self._path = path
        self._identity = identity
        self._timeout = timeout
        self.looking: Lock = Lock()
        self.own_change: AbstractContextManager[None] = _OwnChange(self)
        self._connection: sqlite3.Connection | None = None
        self._seen = -1
        self._glance = WalGlance(path)
        self._glances = 0
        self._state = Lock()
        self._bell = Lock()
        """The thread sleeps until somebody lets go of it. (A condition takes half as long again, 33 times a second.)"""
        self._bell.acquire()
        self._is_awake = False
        self._is_stopped = False
        self._thread: Thread | None = None

    def somebody_waits(self) -> None:
        """Look from now on."""
        if self._is_awake:
            return
        with self._state:
            if self._is_stopped:
                return
            self._is_awake = True
            if self._thread is None:
                self._thread = Thread(target=self._run, name=f"evenflow.log poll {self._path}", daemon=True)
                self._thread.start()
        self._ring()

    def _ring(self) -> None:
        """Wake the thread, or have it not fall asleep."""
        with suppress(RuntimeError):  # it is awake
            self._bell.release()

    def note_own_change(self) -> None:
        """In the writer's thread: what has changed until now is no news.

        While the thread sleeps nobody asks: its first look will find that something has changed, and once that is own.
        """
        # without a connection the thread has ended, or its next look finds everything changed
        if self._is_awake and self._connection is not None:
            with suppress(sqlite3.Error):
                self._look()

    def stop(self) -> None:
        """Look no more."""
        with self._state:
            self._is_stopped = True
        self._ring()

    def join(self) -> None:
        """In another thread: wait until it has let go of the file."""
        if self._thread is not None:
            self._thread.join(self._timeout)

    def forked(self) -> None:
        """In a child process: the connection is the parent's."""
        if self._connection is not None:
            keep_for_ever(self._connection)

    def _look(self) -> bool:
        """Whether somebody has committed since the last look."""
        if self._connection is None:
            self._connection = connect_reader(self._path, self._timeout)
        (found,) = self._connection.execute("PRAGMA data_version").fetchone()
        changed: bool = found != self._seen
        self._seen = found
        return changed

    def _run(self) -> None:
        quiet = 0
        try:
            while not self._is_stopped:
                if self._is_time_to_look():
                    self._look_and_tell()
                quiet = 0 if self._notices.is_awaited() else quiet + 1
                if quiet < _QUIET_LOOKS:
                    self._bell.acquire(timeout=EVERY)
                else:
                    self._sleep()
                    quiet = 0
        except LogError as error:
            told = error
            with suppress(RuntimeError):
                self._loop.call_soon(lambda: self._notices.fail(told))
        except RuntimeError:  # the loop has ended
            pass
        finally:
            with self.looking:
                self._is_stopped = True
                self._drop()

    def _sleep(self) -> None:
        """Sleep until somebody waits."""
        with self._state:
            self._is_awake = False
            # a waiter that came in between has seen it awake
            self._is_awake = self._notices.is_awaited()
        while not self._is_awake and not self._is_stopped:
            self._bell.acquire()
        self._is_awake = True
        self._glances = 0

    def _is_time_to_look(self) -> bool:
        """Whether somebody may have committed, or none has looked for a while."""
        self._glances = (self._glances + 1) % _GLANCES
        return self._glance.may_be_news(monotonic()) or self._glances == 1

    def _look_and_tell(self) -> None:
        self._identity.check()
        with self.looking:
            try:
                changed = self._look()
            except sqlite3.Error:
                # whoever reads or writes is told; once a look succeeds again, something may have changed
                self._drop()
                return
        if changed:
            self._loop.call_soon(self._notices.changed)

    def _drop(self) -> None:
        self._seen = -1
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(sqlite3.Error):
                connection.close()
