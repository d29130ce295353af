"""What many tasks ask of the server over one line: gathered while the last round is on its way, sent together.

Rule 1: a request whose time is over in the queue ends as ``Away``: nothing was done.
Rule 2: while the server is away, requests stay in the queue, in their order.
Rule 3: one task sends, and none of the tasks that wait can cancel it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from anyio import get_cancelled_exc_class, sleep
from anyio.lowlevel import checkpoint_if_cancelled

from evenflow._errors import LogError
from evenflow.log._stored import Away

from ._faults import Lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenflow._backends import WakeUp
    from evenflow._loop import RunningLoop
    from evenflow.log._request import Request

    from ._line import Line


class Pump(ABC):
    """Sends what is asked, a round at a time.

    Attributes:
        must_be_known: whether whoever is cancelled waits for the outcome of what is on its way.

    Args:
        name: of the log and its server, for errors.
        timeout: seconds that a request may take.
    """

    must_be_known: ClassVar[bool]

    def __init__(self, name: str, line: Line, loop: RunningLoop, timeout: float) -> None:
        self.line = line
        self._name = name
        self._loop = loop
        self._timeout = timeout
        self._queue: deque[Any] = deque()
        self._flying: Sequence[Any] = ()
        self._sleeper: WakeUp | None = None
        self._closed: str | None = None

    # ------------------------------------------------------------------ asking

    async def do(self, request: Request) -> Any:
        """Ask, and wait for the outcome. Cancelled on its way, the outcome is known before the cancellation goes out.

        Raises:
            Away: the server could not be reached in time; nothing was done.
            LogError: it failed.
        """
        if self._loop.is_cancelled():
            await checkpoint_if_cancelled()
        if self._closed is not None:
            raise LogError(self._closed)
        request.deadline = self._loop.now() + self._timeout
        self._queue.append(request)
        self._wake()
        try:
            return await request.outcome(self._loop.backend.wake_up, must_be_known=self.must_be_known)
        except get_cancelled_exc_class():
            with suppress(ValueError):
                self._queue.remove(request)
            raise

    def _wake(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    # ------------------------------------------------------------------ sending

    async def run(self) -> None:
        """The task that sends, until it is cancelled."""
        while True:
            if not self.line.is_up:
                await self.line.bring_up()
            if not self._queue:
                self._sleeper = self._loop.backend.wake_up()
                await self._sleeper
                self._sleeper = None
                continue
            self._flying = flying = self._next_round()
            for request in flying:
                request.is_on_its_way = True
            try:
                await self.send(flying)
            except Lost:
                self._put_back()
            self._flying = ()

    def _put_back(self) -> None:
        """What was on its way and is not answered waits again, in its order."""
        for request in reversed(self._flying):
            if not request.is_done:
                request.is_on_its_way = self.may_be_done
                self._queue.appendleft(request)

    @property
    def may_be_done(self) -> bool:
        """Whether what was on its way when the connection was lost may have been done, and that is not known yet."""
        return False

    @abstractmethod
    def _next_round(self) -> Sequence[Any]:
        """Take what is sent next out of the queue; at least one."""

    @abstractmethod
    async def send(self, requests: Sequence[Any]) -> None:
        """Send these, and give each its outcome.

        Raises:
            Lost: the server is away; those without an outcome are sent again.
        """

    # ------------------------------------------------------------------ time, and the end

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked."""
        return not self._queue and not self._flying

    async def until_idle(self) -> None:
        """Wait until nothing is asked any more."""
        while not self.is_idle:  # noqa: ASYNC110 -- only while the log is closed; each round would have to tell
            await sleep(0.005)

    def expire(self, now: float) -> None:
        """The time of some requests may be over."""
        for request in [*self._flying, *self._queue]:
            if request.deadline <= now and not request.is_done:
                request.fail(self.expired(request))
        while self._queue and self._queue[0].is_done:
            self._queue.popleft()

    def expired(self, request: Any) -> LogError:
        """What a request ends with whose time is over."""
        assert not request.is_done, "it has no outcome yet"
        return Away(f"{self._name} could not be reached for {self._timeout:g} s: nothing was done")

    def look(self) -> None:
        """The connection may have been closed while nothing was asked: have the task find out."""
        if self.line.is_up and self.line.has_ended():
            self.touch()

    def touch(self) -> None:
        """Ask something of no consequence, soon, unless something is asked anyway."""
        if self.is_idle:
            self._queue.append(self.nothing())
            self._wake()

    @abstractmethod
    def nothing(self) -> Request:
        """A request that changes nothing, and that nobody waits for."""

    def close(self, why: str) -> None:
        """Take nothing more; what is there is still sent, as long as ``run`` runs."""
        if self._closed is None:
            self._closed = why

    def fail_all(self) -> None:
        """Nobody sends any more."""
        for request in [*self._flying, *self._queue]:
            if not request.is_done:
                request.fail(self.expired(request))
        self._queue.clear()
