"""What a task waits for while another one sends it to a server.

Rule 1: a request waits in a queue, or is on its way, or is done. Cancelled in the queue, it was never sent.
Rule 2: each has a time limit, wherever it is then, which whoever sends it keeps.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, get_cancelled_exc_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenflow._backends import WakeUp


class Request:
    """What somebody waits for.

    Attributes:
        deadline: when its time is over, on the loop's clock.
        is_on_its_way: whether it is sent, and not answered: it may be done.
        is_done: whether its outcome is known, or nobody waits for it any more.
        result: its outcome, if there is no ``error``.
    """

    __slots__ = ("_wake_up", "deadline", "error", "is_done", "is_on_its_way", "result")

    def __init__(self) -> None:
        self.deadline = 0.0
        self.is_on_its_way = False
        self.is_done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._wake_up: WakeUp | None = None

    def succeed(self, result: Any) -> None:
        """This is the outcome."""
        if not self.is_done:
            self.result = result
            self._finish()

    def fail(self, error: BaseException) -> None:
        """This is the outcome."""
        if not self.is_done:
            self.error = error
            self._finish()

    def _finish(self) -> None:
        self.is_done = True
        if self._wake_up is not None and not self._wake_up.done():
            self._wake_up.set_result(None)

    async def outcome(self, wake_up: Callable[[], WakeUp], *, must_be_known: bool = True) -> Any:
        """Wait for the outcome; ``wake_up`` makes what this task sleeps on.

        Cancelled in the queue, it is done at once. Cancelled on its way, the cancellation goes out once the outcome is
        known, if it must be.
        """
        if not self.is_done:
            self._wake_up = wake_up()
            try:
                await self._wake_up
            except get_cancelled_exc_class():
                if self.is_on_its_way and must_be_known:
                    await self._until_done(wake_up)
                self.is_done = True
                raise
        if self.error is None:
            return self.result
        try:
            raise self.error
        finally:
            self.error = None  # a traceback holds this frame, and the frame would hold the error

    async def _until_done(self, wake_up: Callable[[], WakeUp]) -> None:
        with CancelScope(shield=True):
            while not self.is_done:
                # asyncio cancels the future that a task sleeps on, so each sleep has its own
                self._wake_up = wake_up()
                with suppress(get_cancelled_exc_class()):
                    await self._wake_up
