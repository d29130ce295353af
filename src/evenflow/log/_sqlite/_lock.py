"""One writer over all processes: a lock file around each write transaction and checkpoint, which says who holds it.

Rule 1: SQLite before 3.51.3 can damage the file where two connections write or checkpoint at one moment; this
        prevents it.
Rule 2: waiting is bounded, and the error names the holder: host, process, since when.
Rule 3: whoever has waited gets its turn: a holder that lets go and sees that somebody waits stands back for a moment.
Rule 4: a process opens the file once (see ``_process``); its engines take turns with a lock of threads.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from threading import Lock
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Final

from evenflow._errors import LogError

from ._faults import log_error
from ._process import OncePerProcess, try_lock, unlock

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

_NONE: Final = -1
_WRITING: Final = 0
"""The byte that whoever writes has locked; others are those of turns (see ``_turns``)."""
_HOLDER: Final = 128
"""Bytes for the holder; behind them the process that waits."""
_STEP: Final = 0.0002
_LONGEST_STEP: Final = 0.001
_STAND_BACK: Final = 0.0005


class _LockFile:
    """The file, as this process has it open."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.threads = Lock()
        self.descriptor = self.open()
        self._turns: set[int] = set()
        """The bytes that this process has locked for turns."""
        self._in_use = Lock()
        """Whoever has it uses the descriptor for a turn: it stays open."""

    def open(self) -> int:
        """Open it, and make it if need be."""
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise LogError(
                f"{self.path} cannot be opened ({error.strerror}), and nobody writes to a log without it; allow this"
                " user to write to the directory"
            ) from error

    def close(self) -> None:
        """Close it, and drop what this process locked with it."""
        with self._in_use:
            descriptor, self.descriptor = self.descriptor, _NONE
            if descriptor != _NONE:
                os.close(descriptor)

    def lock(self) -> bool:
        """Lock it, if nobody else has.

        Raises:
            OSError: the system cannot lock it.
            LogError: it cannot be opened any more.
        """
        if self.descriptor == _NONE:
            self.descriptor = self.open()
        if not try_lock(self.descriptor, _WRITING):
            return False
        if os.fstat(self.descriptor).st_nlink:
            return True
        # somebody deleted the file: others lock the new one
        self.close()
        return False

    def unlock(self) -> None:
        """Unlock it, in one way or the other."""
        try:
            unlock(self.descriptor, _WRITING)
        except OSError:
            self.close()

    def begin_turn(self, place: int) -> bool:
        """Lock a byte for a turn; whether nobody has. Where that cannot be said, nobody has."""
        with self._in_use:
            if place in self._turns:
                return False
            try:
                is_free = self.descriptor == _NONE or try_lock(self.descriptor, place)
            except OSError:
                is_free = True
            if is_free:
                self._turns.add(place)
            return is_free

    def end_turn(self, place: int) -> None:
        """Unlock it."""
        with self._in_use:
            self._turns.discard(place)
            if self.descriptor != _NONE:
                with suppress(OSError):
                    unlock(self.descriptor, place)


_OPEN: Final = OncePerProcess[_LockFile]()


class _Held:
    """A block in which the lock is held; a generator takes three times as long, and each commit has one."""

    __slots__ = ("_file", "_lock", "_timeout")

    def __init__(self, lock: WriteLock, timeout: float) -> None:
        self._lock = lock
        self._timeout = timeout

    def __enter__(self) -> None:
        self._file = self._lock.acquire(self._timeout)

    def __exit__(self, *_: object) -> None:
        self._lock.release(self._file)


class WriteLock:
    """The right to write to one log.

    Args:
        path: of the log.
        timeout: the longest wait, in seconds.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = os.path.realpath(f"{path}-evenflow-lock")
        self._timeout = timeout
        self._name = f"{socket.gethostname()} {os.getpid()}"
        if _OPEN.is_inherited(self._path):
            # SQLite's own list of files says that they are locked, and the kernel has locked nothing for this process
            raise LogError(
                f"{path} was open when this process was forked, and SQLite cannot open it here any more; open the log"
                " after forking alone, or start the process with multiprocessing's 'spawn'"
            )
        self._file: _LockFile | None = _OPEN.acquire(self._path, lambda: _LockFile(self._path))

    def close(self) -> None:
        """Use it no more."""
        if self._file is not None:
            self._file = None
            _OPEN.release(self._path, _LockFile.close)

    def held(self, timeout: float | None = None) -> AbstractContextManager[None]:
        """Hold it in this block.

        Raises:
            LogError: somebody else held it for longer than the time limit, or the system cannot lock. What happens
                once the block is done is no error.
        """
        return _Held(self, self._timeout if timeout is None else timeout)

    def begin_turn(self, place: int) -> bool:
        """Have the turn of this byte of the file, if nobody of any process has it. Does not wait."""
        return self._file is None or self._file.begin_turn(place)

    def end_turn(self, place: int) -> None:
        """Let others have it."""
        if self._file is not None:
            self._file.end_turn(place)

    def acquire(self, timeout: float) -> _LockFile:
        """Wait for it, no longer than this; whoever gets it must ``release`` it. Raises: as for ``held``."""
        file = self._file
        assert file is not None, "it is open as long as somebody writes"
        until = monotonic() + timeout
        if not file.threads.acquire(timeout=max(0.0, timeout)):
            raise self._too_long(file)
        try:
            self._lock(file, until)
        except BaseException:
            file.threads.release()
            raise
        with suppress(OSError):  # it is only for those who wait
            os.pwrite(file.descriptor, b"%-128b" % f"{self._name} {time():.3f}".encode(), 0)
        return file

    def release(self, file: _LockFile) -> None:
        """Let others have it."""
        try:
            waits = self._somebody_waits(file)
            file.unlock()
            if waits:
                sleep(_STAND_BACK)
        finally:
            file.threads.release()

    def _lock(self, file: _LockFile, until: float) -> None:
        step = _STEP
        while not self._try(file):
            if monotonic() >= until:
                raise self._too_long(file)
            with suppress(OSError):
                os.pwrite(file.descriptor, b"%-16d" % os.getpid(), _HOLDER)
            sleep(step)
            step = min(_LONGEST_STEP, step * 1.2)

    def _try(self, file: _LockFile) -> bool:
        try:
            return file.lock()
        except OSError as error:
            raise log_error(error, "locking", self._path) from error

    def _somebody_waits(self, file: _LockFile) -> bool:
        """Whether another process has said that it waits; it says so again as long as it does."""
        try:
            if not os.pread(file.descriptor, 16, _HOLDER).strip(b" \0"):
                return False
            os.pwrite(file.descriptor, b" " * 16, _HOLDER)
        except OSError:  # what was done in the block is done
            return False
        return True

    def _too_long(self, file: _LockFile) -> LogError:
        return LogError(
            f"{self._path} was held for longer than {self._timeout:g} s by {_holder(file)}; nothing was stored. Wait"
            " until that process is done, or end it; busy_timeout= is how long a log waits"
        )


def _holder(file: _LockFile) -> str:
    """Who holds it, in words."""
    with suppress(ValueError, OSError):
        host, process, since = os.pread(file.descriptor, _HOLDER, 0).decode("utf-8", "replace").split()
        when = datetime.fromtimestamp(float(since), UTC).isoformat(timespec="seconds")
        return f"process {process} on {host}, since {when}"
    return "a process that did not say who it is"
