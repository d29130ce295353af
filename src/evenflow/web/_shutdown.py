"""Telling every stream that the process ends, so that servers do not wait for it.

A server waits for its connections when it is told to end, and the application's own shutdown comes after that. So the
streams must hear of it by themselves, at the moment the server does:

    uvicorn, granian, hypercorn without workers,     SIGTERM and SIGINT, which they handle in the main thread: a handler
    gunicorn                                         of ours goes in front of theirs while there are streams
    a worker process of hypercorn                    its parent sets an event that it polls; so do we, in a thread

Rule 1: our handler calls the one that was there before, and goes when the last stream has gone.
Rule 2: where nobody has a handler, the signal ends the process, or is ignored, as before.
Rule 3: a handler runs in the middle of anything, so it only asks each loop to tell its streams.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import current_process
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias
from weakref import WeakMethod

from evenflow._loop import running_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

    from evenflow._loop import RunningLoop

Handler: TypeAlias = "Callable[[int, FrameType | None], object]"

ENDING: Final = 10.0
"""Seconds after a signal in which a stream that begins is told at once: its server is about to end."""

POLLING: Final = 0.1
_NUMBERS: Final = tuple(
    number for name in ("SIGTERM", "SIGINT", "SIGBREAK") if (number := getattr(signal, name, None)) is not None
)


class Signaled(Protocol):
    """What a parent process sets when a worker must end."""

    def is_set(self) -> bool:
        """Whether it was set."""
        ...


class Shutdown:
    """Who must be told when the process ends, and how one hears of that."""

    def __init__(self) -> None:
        self._streams: dict[RunningLoop, dict[object, WeakMethod[Callable[[], None]]]] = {}
        self._before: dict[int, list[Handler]] = {}
        """The handlers that were there before ours; several, where others have put theirs in front of ours."""
        self._depth: dict[int, int] = {}
        """How many of them are being called: one that was put in front of ours may call ours."""
        self._at = -ENDING
        """When the process was told to end."""
        self._change = threading.RLock()
        """Held to add and remove, which a destructor may do in between; never by a handler."""
        self._polling: threading.Event | None = None

    def add(self, loop: RunningLoop, key: object, stop: Callable[[], None]) -> None:
        """Tell this one, in its loop."""
        with self._change:
            self._streams.setdefault(loop, {})[key] = WeakMethod(stop)
            if threading.current_thread() is threading.main_thread():
                self._install()
            if self._polling is None and (event := _event_of_hypercorn()) is not None:
                self._polling = done = threading.Event()
                threading.Thread(target=self._poll, args=(event, done), name="evenflow.web", daemon=True).start()
        if monotonic() - self._at < ENDING:
            stop()

    def remove(self, loop: RunningLoop, key: object) -> None:
        """This one has ended."""
        with self._change:
            streams = self._streams.get(loop, {})
            streams.pop(key, None)
            if not streams:
                self._streams.pop(loop, None)
            if self._streams:
                return
            if threading.current_thread() is threading.main_thread():
                self._restore()
            if self._polling is not None:
                self._polling.set()
                self._polling = None

    def _install(self) -> None:
        for number in _NUMBERS:
            before = signal.getsignal(number)
            # None is a handler that is not Python's, which could not be called from ours
            if callable(before) and before != self._signaled:
                with suppress(ValueError, OSError):
                    signal.signal(number, self._signaled)
                    self._before.setdefault(number, []).append(before)

    def _restore(self) -> None:
        for number, before in self._before.items():
            if before and signal.getsignal(number) == self._signaled:
                signal.signal(number, before.pop())
            # else somebody has put theirs in front of ours, and may call ours: it goes on to the one before

    def _signaled(self, number: int, frame: FrameType | None) -> None:
        depth = self._depth.get(number, 0)
        if depth == 0:
            self.tell_all()
        before = self._before.get(number, [])
        if depth < len(before):
            self._depth[number] = depth + 1
            try:
                before[-1 - depth](number, frame)
            finally:
                self._depth[number] = depth

    def tell_all(self) -> None:
        """The process ends: tell every stream."""
        self._at = monotonic()
        for loop in list(self._streams):
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon(partial(self._tell, loop))

    def _tell(self, loop: RunningLoop) -> None:
        for known in [*self._streams.get(loop, {}).values()]:
            if (stop := known()) is not None:
                stop()

    def _poll(self, event: Signaled, done: threading.Event) -> None:
        while not done.wait(POLLING):
            if event.is_set():
                self.tell_all()
                return


def _event_of_hypercorn() -> Signaled | None:
    """The event that the parent of this worker sets; None where this is no worker of hypercorn."""
    given: dict[str, Any] = getattr(current_process(), "_kwargs", {})
    is_one = type(given.get("config")).__module__.partition(".")[0] == "hypercorn"
    return given.get("shutdown_event") if is_one else None


_SHUTDOWN: Final = Shutdown()


@contextmanager
def told_of_shutdown(stop: Callable[[], None]) -> Generator[None]:
    """Call a method in this loop when the process is told to end; it does not keep the object alive."""
    loop, key = running_loop(), object()
    _SHUTDOWN.add(loop, key, stop)
    del stop
    try:
        yield
    finally:
        _SHUTDOWN.remove(loop, key)
