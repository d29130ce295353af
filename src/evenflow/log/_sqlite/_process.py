"""What belongs to a process, and not to an engine: files that may be opened once only, and connections after a fork.

The kernel keeps ``fcntl`` locks for a process and a file, and drops them when the process closes any descriptor of the
file. So two engines of one process share one descriptor of each lock file. A forked child has no locks of its parent.
"""

from __future__ import annotations

import ctypes
import os
import sys
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from evenflow._fork import forget_in_child

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

if sys.platform == "win32":

    def try_lock(descriptor: int, place: int | None = None) -> bool:
        """Nobody can."""
        raise NotImplementedError

    def unlock(descriptor: int, place: int | None = None) -> None:
        """Nobody can."""
        raise NotImplementedError

else:
    import errno
    import fcntl

    def try_lock(descriptor: int, place: int | None = None) -> bool:
        """Lock a file for this process, or one byte of it; whether no other process has locked it.

        Raises:
            OSError: the system cannot lock it.
        """
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, *_part(place))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        return True

    def unlock(descriptor: int, place: int | None = None) -> None:
        """Unlock a file that this process has locked, or one byte of it."""
        fcntl.lockf(descriptor, fcntl.LOCK_UN, *_part(place))

    def _part(place: int | None) -> tuple[int, int]:
        """The length and the begin of what is locked; no length is the whole file."""
        return (0, 0) if place is None else (1, place)


class OncePerProcess(Generic[T]):
    """Things by path, of which a process has one each, with the number of those who use it."""

    def __init__(self) -> None:
        self._guard = Lock()
        forget_in_child(self)
        self._found: dict[tuple[int, str], tuple[T, int]] = {}

    def acquire(self, path: str, make: Callable[[], T]) -> T:
        """The thing of this path, made if this process has none."""
        key = (os.getpid(), path)
        with self._guard:
            thing, users = self._found.get(key) or (make(), 0)
            self._found[key] = (thing, users + 1)
        return thing

    def release(self, path: str, close: Callable[[T], object]) -> None:
        """Use it no more; the last user closes it."""
        key = (os.getpid(), path)
        with self._guard:
            thing, users = self._found[key]
            if users > 1:
                self._found[key] = (thing, users - 1)
            else:
                del self._found[key]
                close(thing)

    def find(self, path: str) -> T | None:
        """The thing of this path, if this process has one."""
        with self._guard:
            found = self._found.get((os.getpid(), path))
        return None if found is None else found[0]

    def is_inherited(self, path: str) -> bool:
        """Whether a process of which this one is a fork had it when it forked."""
        with self._guard:
            return any(found == path and process != os.getpid() for process, found in self._found)

    def _forked(self) -> None:
        # it may have been held by a thread that is not here
        self._guard = Lock()


def keep_for_ever(thing: object) -> None:
    """Never destroy it, not at exit either: closing a connection that a fork has copied could harm the file."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
