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

    from ._loops import Home
    from ._observing import Observing

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
        self.scope: CancelScope | None = None
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
        if self.scope is not None:
            self.scope.cancel()


def publish_from_thread(subject: Observing[Any], home: Home, event: Any, timeout: float | None) -> int:
    """Publish in the subject's loop, and wait here until that is done."""
    request = Request(event, patient=timeout != 0)
    until = None if timeout is None else monotonic() + timeout
    try:
        home.call_soon(partial(_begin, subject, request))
    except RuntimeError:
        raise SubjectClosed(f"{subject.name} is closed: its loop has ended") from None
    try:
        _wait(subject, home, request, until)
    except BaseException:  # an interrupt of this thread as well: what has raised here reaches nobody
        if request.withdraw():
            _call_off(home, request)
        raise
    return request.result()


def _wait(subject: Observing[Any], home: Home, request: Request, until: float | None) -> None:
    """In the thread: wait until the loop has an answer, or there is no time left, or no loop."""
    while not request.done.wait(
        LOOK if until is None or not request.patient else min(LOOK, max(0.0, until - monotonic()))
    ):
        if home.has_ended() and not request.done.is_set():
            raise SubjectClosed(f"{subject.name} is closed: its loop has ended")
        if subject.courier is None and request.withdraw():
            raise SubjectClosed(f"{subject.name} is closed: it was left while this publish was on its way")
        if until is not None and request.patient and monotonic() >= until and request.withdraw():
            _call_off(home, request)
            raise TimeoutError(
                f"{subject.name} had no room for {type(request.event).__name__} in time; nobody got it;"
                " raise timeout=, or have somebody take events faster"
            )


def _call_off(home: Home, request: Request) -> None:
    with suppress(RuntimeError):  # the loop has ended, and the wait with it
        home.call_soon(request.cancel)


def _begin(subject: Observing[Any], request: Request) -> None:
    """In the loop, from a callback: publish at once, or begin to wait for room. Raises nothing."""
    if request.is_withdrawn:
        return
    try:
        request.succeed(subject.publish_claimed_nowait(request.event, request.claim))
    except WouldBlock:
        if request.patient:
            _begin_to_wait(subject, request)
        else:
            request.fail(TimeoutError(f"{subject.name} has no room for {type(request.event).__name__}; nobody got it"))
    except _Withdrawn:
        request.done.set()
    except BaseException as error:  # noqa: ASYNC103, BLE001 -- it belongs to the thread; no task runs here
        request.fail(error)


def _begin_to_wait(subject: Observing[Any], request: Request) -> None:
    courier = subject.courier
    if courier is None:
        request.fail(_closed(subject))
    else:
        courier.carry(request)


def _closed(subject: Observing[Any]) -> SubjectClosed:
    return SubjectClosed(f"{subject.name} was closed while this publish was on its way; nobody got the event")


class Courier:
    """A task of an entered subject, which starts a task for each event from a thread that has to wait for room.

    It is there from the start because a callback of the loop, where a thread's wish arrives, cannot start a task.
    """

    def __init__(self, subject: Observing[Any], group: TaskGroup) -> None:
        self._subject = subject
        self._group = group
        self._requests: deque[Request] = deque()
        self._bell = Semaphore(0)
        self._scope = CancelScope()

    def carry(self, request: Request) -> None:
        """In the loop, from a callback: a request that has to wait."""
        self._requests.append(request)
        self._bell.release()

    def stop(self) -> None:
        """The subject was closed: no more requests come, and those that have no task yet get none."""
        self._scope.cancel()
        while self._requests:
            self._requests.popleft().fail(_closed(self._subject))

    async def run(self) -> None:
        """Start a task for each request, until it is stopped."""
        name = f"evenflow publish_from_thread {self._subject.name}"
        with self._scope:
            while True:
                await self._bell.acquire()
                if self._requests:
                    self._group.start_soon(_publish, self._subject, self._requests.popleft(), name=name)


async def _publish(subject: Observing[Any], request: Request) -> None:
    """In the loop, as a task of the subject's: wait for room."""
    if request.is_withdrawn:
        return
    error: BaseException = _closed(subject)
    try:
        with CancelScope() as request.scope:
            count = await subject.publish_claimed(request.event, request.claim)
            request.succeed(count)
            return
    except _Withdrawn:
        pass
    except Exception as raised:  # noqa: BLE001 -- it belongs to the thread
        error = raised
    finally:
        if not request.done.is_set():
            request.fail(error)
