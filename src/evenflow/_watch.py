"""Being told that a subscription has ended, for whoever does not read it just now.

A subscription has ended when nothing more comes in: it was closed, its subject was closed, its own ``where`` or
``conflate`` raised, or it was disconnected. What it still holds does not matter: a reader that is stuck in a socket's
``send`` will never take it.

Nothing here costs anything before it is asked for.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, ClosedResourceError, Event
from anyio.lowlevel import checkpoint

from ._ends import error_for_a_reader, is_the_end
from ._options import checked_seconds

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from ._ends import End
    from ._life import Life
    from ._loop import RunningLoop
    from ._mailbox import Mailbox


class Ended:
    """The end of a subscription, to be awaited as often as one likes."""

    __slots__ = ("_life", "_mailbox")

    def __init__(self, life: Life[Any], mailbox: Mailbox) -> None:
        self._life = life
        self._mailbox = mailbox

    def __await__(self) -> Generator[Any, Any, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        self._life.enter()
        self._life.check_here()
        if self._mailbox.end is not None:
            await checkpoint()
            return
        event = Event()
        self._mailbox.line.tell_of_end(event.set)
        try:
            await event.wait()
        finally:
            self._mailbox.line.do_not_tell_of_end(event.set)


class Cancelling:
    """A block whose body is cancelled a while after a subscription has ended. ``Subscription.cancelling`` makes it."""

    __slots__ = ("_end", "_grace", "_life", "_loop", "_mailbox", "_scope")

    def __init__(self, life: Life[Any], mailbox: Mailbox, grace: float) -> None:
        self._life = life
        self._mailbox = mailbox
        self._grace = checked_seconds(grace, "grace", zero=True, hint="")
        self._loop: RunningLoop | None = None
        self._scope: CancelScope | None = None
        self._end: End | None = None
        """What the subscription ended with: it may be closed before the body is left."""

    async def __aenter__(self) -> None:
        if self._scope is not None:
            raise RuntimeError("a block of cancelling() is entered once; call cancelling() again for another block")
        self._loop = self._life.enter()
        self._life.check_here()
        self._scope = CancelScope()
        self._scope.__enter__()
        if self._mailbox.end is None:
            self._mailbox.line.tell_of_end(self._has_ended)
        else:
            self._has_ended()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._mailbox.line.do_not_tell_of_end(self._has_ended)
        scope, end = self._scope, self._end
        assert scope is not None
        caught = bool(scope.__exit__(exc_type, exc, traceback))
        if not scope.cancelled_caught or end is None or end is ClosedResourceError or is_the_end(end):
            return caught
        error = error_for_a_reader(end, self._mailbox.name)
        raise error from error.__cause__  # and not from the cancellation, of which nobody needs to hear

    def _has_ended(self) -> None:
        """The subscription has ended, perhaps in the middle of a publish, or where no loop runs."""
        self._end = self._mailbox.end
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has ended, and the body with it
            self._loop.call_soon(self._begin_grace)

    def _begin_grace(self) -> None:
        if self._scope is not None and self._loop is not None:
            self._scope.deadline = self._loop.backend.time() + self._grace
