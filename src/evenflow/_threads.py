"""Publishing from another thread: the event goes to the subject's loop, the thread waits.

Rule 1: the thread's own wait decides about time: it withdraws the event, or it is too late to withdraw.
Rule 2: the loop claims the event right before the commit: what was withdrawn reaches nobody.
Rule 3: the thread never hangs on a loop that has ended: it looks every half second.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from anyio import WouldBlock

from ._errors import SubjectClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._crew import Crew, Member
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
        self.context: Context = copy_context()
        self.done: threading.Event = threading.Event()
        self.task: Member | None = None
        """In the loop: what waits for room."""
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


def call_in_loop(loop: RunningLoop, name: str, function: Callable[[], None]) -> None:
    """Call ``function`` in the loop, from another thread, and wait here until that is done; it must not wait.

    Raises:
        SubjectClosed: the loop has ended.
        BaseException: what ``function`` raised.
    """
    request = Request(None, patient=False)

    def begin() -> None:
        with suppress(_Withdrawn):
            request.claim()
            try:
                function()
            except BaseException as error:  # noqa: ASYNC103, BLE001 -- it belongs to the thread; no task runs here
                request.fail(error)
            else:
                request.succeed(0)

    try:
        loop.call_soon(begin)
    except RuntimeError:
        raise _loop_has_ended(name) from None
    try:
        while not request.done.wait(LOOK):
            if loop.has_ended() and request.withdraw():
                raise _loop_has_ended(name)
    except BaseException:  # an interrupt of this thread: what has raised here changes nothing
        request.withdraw()
        raise
    request.result()


def _loop_has_ended(name: str) -> SubjectClosed:
    return SubjectClosed(f"{name} is closed: its loop has ended")


class Courier:
    """Publishes in the loop of an entered subject what other threads give it.

    Attributes:
        is_stopped: whether the subject was left.
    """

    def __init__(self, name: str, delivery: Delivery[Any], loop: RunningLoop, crew: Crew) -> None:
        self._name = name
        self._delivery = delivery
        self._loop = loop
        self._crew = crew
        self.is_stopped = False

    def publish(self, event: Any, timeout: float | None) -> int:
        """Publish in the subject's loop, and wait here until that is done; see ``Subject.publish_from_thread``."""
        request = Request(event, patient=timeout != 0)
        until = None if timeout is None else monotonic() + timeout
        try:
            self._loop.call_soon(partial(self._begin, request))
        except RuntimeError:
            raise _loop_has_ended(self._name) from None
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
                raise _loop_has_ended(self._name)
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
            self._loop.call_soon(partial(self._cancel, request))

    def _cancel(self, request: Request) -> None:
        """In a callback: the thread has given up; no need to wait any more."""
        if request.task is not None:
            request.task.cancel()

    def _begin(self, request: Request) -> None:
        """In a callback: publish at once, or begin to wait for room. Raises nothing."""
        if request.is_withdrawn:
            return
        try:
            request.succeed(request.context.run(self._delivery.publish_nowait, request.event, request.claim))
        except WouldBlock:
            if not request.patient:
                what = type(request.event).__name__
                request.fail(TimeoutError(f"{self._name} has no room for {what}; nobody got it"))
            elif self.is_stopped:
                request.fail(self._closed())
            else:
                request.task = self._crew.start(
                    self._publish,
                    request,
                    name=f"publish_from_thread {self._name}",
                    context=request.context,
                    ended=partial(self._ended, request),
                )
        except _Withdrawn:
            request.done.set()
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- it belongs to the thread; no task runs here
            request.fail(error)

    def stop(self) -> None:
        """The subject was closed: no more requests come."""
        self.is_stopped = True

    async def _publish(self, request: Request) -> None:
        """As a task of its own: wait for room."""
        try:
            if not request.is_withdrawn:
                request.succeed(await self._delivery.publish_later(request.event, None, request.claim))
        except _Withdrawn:
            pass
        except Exception as raised:  # noqa: BLE001 -- it belongs to the thread
            request.fail(raised)

    def _ended(self, request: Request) -> None:
        if not request.done.is_set():
            request.fail(self._closed())

    def _closed(self) -> SubjectClosed:
        return SubjectClosed(f"{self._name} was closed while this publish was on its way; nobody got the event")
