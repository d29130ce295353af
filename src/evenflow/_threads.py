"""Publishing from another thread: the event goes to the subject's loop, the thread waits.

Rule 1: the thread's own wait decides about time: it withdraws the event, or it is too late to withdraw.
Rule 2: the loop claims the event right before the commit: what was withdrawn reaches nobody.
Rule 3: the thread never hangs on a loop that has ended: it looks every half second.
"""

from __future__ import annotations

import math
from concurrent.futures import Future, InvalidStateError, wait
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


class NoAnswer(Exception):
    """There is none now: the thread no longer waits, or a task will answer it."""


class Request(Future[int]):
    """One call on its way from a thread, which withdraws it with ``cancel``, unless the loop has claimed it."""

    def __init__(self, event: Any = None, timeout: float | None = None) -> None:
        super().__init__()
        self.event: Any = event
        self.patient: bool = timeout != 0
        """Whether it may wait for room."""
        self.until: float = monotonic() + timeout if timeout else math.inf
        """When the thread gives up, by its own clock; where there is no room for an impatient one, the loop says so."""
        self.context: Context = copy_context()
        self.task: Member | None = None
        """In the loop: what waits for room."""

    def claim(self) -> None:
        """In the loop, right before the commit; raises ``NoAnswer`` where the thread has given up."""
        if not self.set_running_or_notify_cancel():
            raise NoAnswer

    def answer(self, function: Callable[[], int]) -> None:
        """In a callback of the loop: the thread gets what ``function`` returns or raises."""
        if self.cancelled():
            return
        try:
            self.set_result(self.context.run(function))
        except NoAnswer:
            pass
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- it belongs to the thread; no task runs here
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """In the loop: the thread gets this error, unless it has given up."""
        with suppress(InvalidStateError):
            self.set_exception(error)

    def call_off(self) -> None:
        """In the loop: the thread has given up; no need to wait any more."""
        if self.task is not None:
            self.task.cancel()

    def send(
        self, loop: RunningLoop, name: str, function: Callable[[], int], refusal: Callable[[], Exception | None]
    ) -> int:
        """In the thread: have the loop call ``function``, and wait for the answer, or until there is a ``refusal``."""
        try:
            loop.call_soon(partial(self.answer, function))
        except RuntimeError:
            raise _loop_has_ended(name) from None
        try:
            while not wait([self], min(LOOK, max(0.0, self.until - monotonic()))).done:
                if loop.has_ended() and not self.done():
                    raise _loop_has_ended(name)
                if (error := refusal()) is not None and self.cancel():
                    raise error
        except BaseException:  # an interrupt of this thread as well: what has raised here reaches nobody
            if self.cancel():
                with suppress(RuntimeError):  # the loop has ended, and the wait with it
                    loop.call_soon(self.call_off)
            raise
        return self.result()


def call_in_loop(loop: RunningLoop, name: str, function: Callable[[], None]) -> None:
    """Call ``function`` in the loop, from another thread, and wait here until that is done; it must not wait.

    Raises ``SubjectClosed`` where the loop has ended, and whatever ``function`` raised.
    """
    request = Request()

    def claim_and_call() -> int:
        request.claim()
        function()
        return 0

    request.send(loop, name, claim_and_call, lambda: None)


def _loop_has_ended(name: str) -> SubjectClosed:
    return SubjectClosed(f"{name} is closed: its loop has ended")


class Courier:
    """Publishes in the loop of an entered subject what other threads give it."""

    def __init__(self, name: str, delivery: Delivery[Any], loop: RunningLoop, crew: Crew) -> None:
        self._name = name
        self._delivery = delivery
        self._loop = loop
        self._crew = crew

    def publish(self, event: Any, timeout: float | None) -> int:
        """Publish in the subject's loop, and wait here until that is done; see ``Subject.publish_from_thread``."""
        request = Request(event, timeout)
        return request.send(self._loop, self._name, partial(self._begin, request), partial(self._refusal, request))

    def _refusal(self, request: Request) -> Exception | None:
        """Why the thread should wait no longer, if it should not."""
        if self._delivery.closed:
            return self._closed()
        if monotonic() >= request.until:
            return TimeoutError(
                f"{self._name} had no room for {type(request.event).__name__} in time; nobody got it;"
                " raise timeout=, or have somebody take events faster"
            )
        return None

    def _begin(self, request: Request) -> int:
        """In a callback: publish at once, or begin to wait for room."""
        try:
            return self._delivery.publish_nowait(request.event, request.claim)
        except WouldBlock:
            if not request.patient:
                what = type(request.event).__name__
                raise TimeoutError(f"{self._name} has no room for {what}; nobody got it") from None
        name = f"publish_from_thread {self._name}"
        request.task = self._crew.start(self._publish, request, name=name, ended=lambda: request.fail(self._closed()))
        raise NoAnswer

    async def _publish(self, request: Request) -> None:
        """As a task of its own: wait for room."""
        try:
            request.set_result(await self._delivery.publish_later(request.event, None, request.claim))
        except NoAnswer:
            pass
        except Exception as raised:  # noqa: BLE001 -- it belongs to the thread
            request.fail(raised)

    def _closed(self) -> SubjectClosed:
        return SubjectClosed(f"{self._name} was closed while this publish was on its way; nobody got the event")
