"""The mark of one opening of a log on a server: a number that grows with each change, and who waits for it to grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from evenflow._errors import LogError

if TYPE_CHECKING:
    from evenflow._backends import WakeUp
    from evenflow._loop import RunningLoop

A = TypeVar("A")


class Mark(Generic[A]):
    """The mark, and who waits: each says what it waits for, in the engine's own words.

    Attributes:
        mark: the mark.
    """

    def __init__(self, loop: RunningLoop) -> None:
        self.mark: int = 0
        self._loop = loop
        self._waiting: dict[WakeUp, A] = {}
        self._listener: WakeUp | None = None
        self._error: LogError | None = None

    async def wait_about(self, mark: int, about: A) -> int:
        """Wait until the mark is another one.

        Raises:
            LogError: the log is closed.
        """
        if self.mark != mark:
            await checkpoint()
            self._check()
            return self.mark
        await checkpoint_if_cancelled()
        while self.mark == mark:
            self._check()
            wake_up = self._loop.backend.wake_up()
            self._waiting[wake_up] = about
            if self._listener is not None and not self._listener.done():
                self._listener.set_result(None)
            self.note_waiting(about)
            try:
                await wake_up
            finally:
                self._waiting.pop(wake_up, None)
        self._check()
        return self.mark

    def note_waiting(self, about: A) -> None:
        """Somebody begins to wait for this."""

    def moved(self) -> None:
        """Something may have changed: the mark grows, and whoever waits is woken."""
        self.mark += 1
        waiting, self._waiting = self._waiting, {}
        for wake_up in waiting:
            if not wake_up.done():
                wake_up.set_result(None)

    def close(self, why: str) -> None:
        """Nothing will change any more."""
        self._error = LogError(why)
        self.moved()

    def _check(self) -> None:
        if self._error is not None:
            raise LogError(str(self._error))

    async def until_awaited(self) -> None:
        """Wait until somebody waits. One task at a time does."""
        while not self._waiting:
            self._listener = self._loop.backend.wake_up()
            try:
                await self._listener
            finally:
                self._listener = None
