"""Publishing from another thread: the event goes to the subject's loop, the thread waits.

Rule 1: the thread's own wait decides about time: it withdraws the event, or it is too late to withdraw.
Rule 2: the loop claims the event right before the commit: what was withdrawn reaches nobody.
Rule 3: the thread never hangs on a loop that has ended: it looks every half second.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope, Semaphore, WouldBlock

from ._errors import SubjectClosed

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from ._delivery import Delivery
    from ._loop import RunningLoop

LOOK: Final = 0.5
"""Seconds after which a waiting thread looks whether the loop still lives."""


class _Withdrawn(Exception):
    """The thread no longer waits."""


class Request:
    """One event on its way from a thread."""

    def __init__(self, event: Any, *, patient: bool) -> None:
        self.event: Any = event
        self.patient: bool = patient
        self.done: threading.Event = threading.Event()
        self._scope: CancelScope | None = None
        self._lock = threading.Lock()
        self._state = "waiting"
        self._count = 0
        self._error: BaseException | None = None

    def claim(self) -> None:
        """In the loop, right before the commit.

        Raises:
            _Withdrawn: the thread has given up.
        """
        with self._lock:
            if self._state == "withdrawn":
                raise _Withdrawn
            self._state = "claimed"

    def withdraw(self) -> bool:
        """In the thread: whether nobody has got the event, and nobody will."""
        with self._lock:
            if self._state != "waiting":
                return False
            self._state = "withdrawn"
            return True

    @property
    def is_withdrawn(self) -> bool:
        """In the loop: whether the thread has given up."""
        return self._state == "withdrawn"

    def succeed(self, count: int) -> None:
        """In the loop: the event was published."""
        self._count = count
        self.done.set()

    def fail(self, error: BaseException) -> None:
        """In the loop: the event was not published."""
        self._error = error
        self.done.set()

    def result(self) -> int:
        """In the thread, once it is done."""
        if self._error is not None:
            raise self._error
        return self._count

    def cancel(self) -> None:
        """In the loop: the thread has given up; no need to wait any more."""
        if self._scope is not None:
            self._scope.cancel()

    def waiting(self) -> CancelScope:
        """In the loop: the scope to wait in, which `cancel` cancels."""
        self._scope = CancelScope()
        return self._scope


class Courier:
    """Publishes in the loop of an entered subject what other threads give it.

    It is a task that starts a task for each event that has to wait for room: it is there from the start because a
    callback of the loop, where the request of a thread arrives, cannot start a task.

    Attributes:
        is_stopped: whether the subject was left.
    """

    def __init__(self, name: str, delivery: Delivery[Any], loop: RunningLoop, group: TaskGroup) -> None:
        self._name = name
        self._delivery = delivery
        self._loop = loop
        self._group = group
        self._requests: deque[Request] = deque()
        self._wake_up = Semaphore(0)
        self._scope = CancelScope()
        self.is_stopped = False

    def publish(self, event: Any, timeout: float | None) -> int:
        """Publish in the subject's loop, and wait here until that is done; see ``Subject.publish_from_thread``."""
        request = Request(event, patient=timeout != 0)
        until = None if timeout is None else monotonic() + timeout
        try:
            self._loop.call_soon(partial(self._begin, request))
        except RuntimeError:
            raise self._loop_has_ended() from None
        try:
            self._wait(request, until)
        except BaseException:  # an interrupt of this thread as well: what has raised here reaches nobody
            if request.withdraw():
                self._call_off(request)
            raise
        return request.result()

    def _wait(self, request: Request, until: float | None) -> None:
        """Wait until the loop has an answer, or there is no time left, or no loop."""
        while not request.done.wait(
            LOOK if until is None or not request.patient else min(LOOK, max(0.0, until - monotonic()))
        ):
            if self._loop.has_ended() and not request.done.is_set():
                raise self._loop_has_ended()
            if self.is_stopped and request.withdraw():
                raise SubjectClosed(f"{self._name} is closed: it was left while this publish was on its way")
            if until is not None and request.patient and monotonic() >= until and request.withdraw():
                self._call_off(request)
                raise TimeoutError(
                    f"{self._name} had no room for {type(request.event).__name__} in time; nobody got it;"
                    " raise timeout=, or have somebody take events faster"
                )

    def _call_off(self, request: Request) -> None:
        with suppress(RuntimeError):  # the loop has ended, and the wait with it
            self._loop.call_soon(request.cancel)

    def _loop_has_ended(self) -> SubjectClosed:
        return SubjectClosed(f"{self._name} is closed: its loop has ended")

    def _begin(self, request: Request) -> None:
        """In a callback: publish at once, or begin to wait for room. Raises nothing."""
        if request.is_withdrawn:
            return
        try:
            request.succeed(self._delivery.publish_nowait(request.event, request.claim))
        except WouldBlock:
            if not request.patient:
                what = type(request.event).__name__
                request.fail(TimeoutError(f"{self._name} has no room for {what}; nobody got it"))
            elif self.is_stopped:
                request.fail(self._closed())
            else:
                self._requests.append(request)
                self._wake_up.release()
        except _Withdrawn:
            request.done.set()
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- it belongs to the thread; no task runs here
            request.fail(error)

    def stop(self) -> None:
        """The subject was closed: no more requests come, and those that have no task yet get none."""
        self.is_stopped = True
        self._scope.cancel()
        while self._requests:
            self._requests.popleft().fail(self._closed())

    async def run(self) -> None:
        """Start a task for each request, until it is stopped."""
        name = f"evenflow publish_from_thread {self._name}"
        with self._scope:
            while True:
                await self._wake_up.acquire()
                if self._requests:
                    self._group.start_soon(self._publish, self._requests.popleft(), name=name)

    async def _publish(self, request: Request) -> None:
        """As a task of its own: wait for room."""
        if request.is_withdrawn:
            return
        error: BaseException = self._closed()
        try:
            with request.waiting():
                request.succeed(await self._delivery.publish_later(request.event, None, request.claim))
                return
        except _Withdrawn:
            pass
        except Exception as raised:  # noqa: BLE001 -- it belongs to the thread
            error = raised
        finally:
            if not request.done.is_set():
                request.fail(error)

    def _closed(self) -> SubjectClosed:
        return SubjectClosed(f"{self._name} was closed while this publish was on its way; nobody got the event")
