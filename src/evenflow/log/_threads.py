"""Publishing to a log from another thread: the work is done in the log's loop, the thread waits."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from evenflow._errors import LogError, Uncertain

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ._running import Running

    Work = Callable[[], Coroutine[object, object, Sequence[int]]]
    """Stores events; returns their numbers."""

LOOK: Final = 0.5
"""Seconds after which a waiting thread looks whether the loop still lives."""


class _Request:
    """One event on its way: it is withdrawn, or it is begun; never both."""

    def __init__(self, work: Work) -> None:
        self.done: threading.Event = threading.Event()
        self._work = work
        self._lock = threading.Lock()
        self._state = "waiting"
        self._seqs: Sequence[int] = ()
        self._error: BaseException | None = None

    def _move(self, state: str) -> bool:
        """Begin it or withdraw it, whoever is first; returns whether that was this call."""
        with self._lock:
            if self._state != "waiting":
                return False
            self._state = state
            return True

    def withdraw(self) -> bool:
        """In the thread: whether it was not begun, and will not be."""
        return self._move("withdrawn")

    async def run(self) -> None:
        """In the loop, as a task of the log's own."""
        if not self._move("begun"):
            return
        try:
            self._seqs = await self._work()
        except Exception as error:  # noqa: BLE001 -- it belongs to the thread
            self._error = error

    def end(self) -> None:
        """In the loop: it is over, in whatever way."""
        if not self._seqs and self._error is None:
            self._error = _lost("the log was closed while this publish was on its way", was_begun=not self.withdraw())
        self.done.set()

    def result(self) -> Sequence[int]:
        """In the thread, once it is done."""
        if self._error is not None:
            raise self._error
        return self._seqs


def _lost(why: str, *, was_begun: bool) -> LogError:
    """What the thread gets where its event was not stored, or where it is not known whether it was."""
    if was_begun:
        return Uncertain(f"{why}; it is not known whether it is stored: published again with its id, it is there once")
    return LogError(f"{why}; it is not stored", stored=False)


def publish_from_thread(running: Running, work: Work, timeout: float | None) -> Sequence[int]:
    """Do ``work`` in the log's loop, and wait here until it is done; returns what it returns."""
    if timeout is not None and (not isinstance(timeout, (int, float)) or isinstance(timeout, bool)):
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}")
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout must be at least 0 seconds, not {timeout}; to wait without end leave it out")
    if running.loop.is_here():
        raise RuntimeError(
            f"publish_from_thread was called in the loop of log {running.name}; there use 'await publish'"
        )
    request = _Request(work)
    until = None if timeout is None else monotonic() + timeout
    try:
        running.loop.call_soon(partial(_begin, running, request))
    except RuntimeError:
        raise LogError(f"log {running.name} is closed: its loop has ended", stored=False) from None
    try:
        _wait(running, request, until)
    except BaseException:
        request.withdraw()
        raise
    return request.result()


def _begin(running: Running, request: _Request) -> None:
    if running.is_closing:
        request.end()
    else:
        running.crew.start(request.run, name=f"publish_from_thread {running.name}", ended=request.end)


def _wait(running: Running, request: _Request, until: float | None) -> None:
    while not request.done.wait(LOOK if until is None else min(LOOK, max(0.0, until - monotonic()))):
        if running.loop.has_ended() and not request.done.is_set():
            raise _lost(f"log {running.name} is closed: its loop has ended", was_begun=not request.withdraw())
        if until is not None and monotonic() >= until:
            if request.withdraw():
                raise TimeoutError(f"log {running.name} had no time for this publish; it is not stored; raise timeout=")
            raise Uncertain(
                f"log {running.name} was given this event, and its outcome was not known in time; publish it again with"
                " the same id, and it is there once"
            )
