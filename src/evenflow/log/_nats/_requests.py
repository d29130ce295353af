"""What a task waits for while another sends it: cancelled before it is sent it is not done; later its outcome is known.

Rule 1: a request waits in a queue, or is on its way, or is done. Cancelled in the queue, it was never sent.
Rule 2: each has a time limit. In the queue it ends as ``Away``: nothing was done. On its way: it is not known.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from evenflow.log._engine import NONE

from ._plan import must_look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evenflow.log._engine import Change, Done

    from ._event import EventPlan
    from ._plan import Id, Plan


class Request:
    """What somebody waits for.

    Attributes:
        deadline: when its time is over, on the loop's clock.
        is_on_its_way: whether it was sent, and may be done.
        is_done: whether its outcome is known, or nobody waits for it any more.
    """

    __slots__ = ("_error", "_result", "_sleeper", "deadline", "is_done", "is_on_its_way")

    def __init__(self) -> None:
        self.deadline = 0.0
        self.is_on_its_way = False
        self.is_done = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._sleeper: asyncio.Future[None] | None = None

    def succeed(self, result: Any) -> None:
        """This is the outcome."""
        if not self.is_done:
            self._result = result
            self._finish()

    def fail(self, error: BaseException) -> None:
        """This is the outcome."""
        if not self.is_done:
            self._error = error
            self._finish()

    def _finish(self) -> None:
        self.is_done = True
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    async def outcome(self) -> Any:
        """Wait for the outcome. Cancelled while it is on its way, the cancellation goes out once it is known."""
        cancelled: BaseException | None = None
        while not self.is_done:
            # asyncio cancels the future that a task sleeps on, so each sleep has its own
            self._sleeper = asyncio.get_running_loop().create_future()
            try:
                await self._sleeper
            except asyncio.CancelledError as error:  # noqa: ASYNC103 -- it goes out at the end
                cancelled = error
                if not self.is_on_its_way:
                    self.is_done = True
        if cancelled is not None:
            raise cancelled
        if self._error is None:
            return self._result
        try:
            raise self._error
        finally:
            self._error = None  # a traceback holds this frame, and the frame would hold the error


class Commit(Request):
    """A change that somebody waits for.

    Attributes:
        change: what is to be made.
        made: is called with the outcome once it is made.
        name: the id under which it is sent, the same each time.
        alone: whether it goes into a batch of its own.
        must_look: whether ids and deletions must be looked up before it is sent.
        ids: what is known of its ids.
        deletions: the sequences of the messages that deleted records have left.
        plan: its messages.
        token: where the answer to its message comes.
        sent_at: when its message was sent last.
        in_doubt: whether an answer to it was lost.
    """

    __slots__ = (
        "alone", "change", "deletions", "ids", "in_doubt", "made", "must_look", "name", "plan", "sent_at", "token",
    )  # fmt: skip

    def __init__(self, change: Change, made: Callable[[Done], object] | None, name: str) -> None:
        super().__init__()
        self.change = change
        self.made = made
        self.name = name
        self.alone = must_look(change)
        self.must_look = self.alone
        self.ids: Mapping[str, Id] = NONE
        self.deletions: Mapping[str, int] = NONE
        self.plan: Plan | EventPlan | None = None
        self.token: str = ""
        self.sent_at = 0.0
        self.in_doubt = False

    @property
    def size(self) -> int:
        """Bytes of its events."""
        return sum(len(append.data) for append in self.change.appends)

    def finish(self, done: Done) -> None:
        """It is made."""
        if self.made is not None and not self.is_done:
            self.made(done)
        self.succeed(done)
