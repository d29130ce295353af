"""When the next events of a client are sent: at once where it is idle, many in one send where they come quickly.

A send costs a server much more than an event that joins it: a wake-up of the client's task, the framing of the server,
and a call of the system. So after a batch was taken, the reader rests before it takes the next one.

    what happens                                        what that means for the reader
    an event for an idle client                         no rest: it is sent at once
    an event soon after the last batch                  it rests, until ``GATHER`` after that batch
    more had come by the end of the last rest           it rests again, without being woken for the next event
    a quarter of its buffer is full                     the rest ends at once, so no burst makes it too slow
    the last batch was a quarter of the buffer          no rest: it is behind, and catches up
    a buffer of fewer than eight events                 no rest: each event may be the last that fits
    the source has ended, or it was let go as slow      the rest ends at once
    stop, shutdown, lifetime over, time for a ping      the rest ends at once
    it is cancelled                                     nothing is lost: all that came lies in the buffer

Rule 1: nothing is taken during a rest. So overflow, conflation, gaps and ids are as for a reader that is busy.
Rule 2: where the sends of all clients take more than half of the loop's time, or the loop is late with the end of the
        rests, all rest longer, up to ``LONGEST``. Else each event would be sent alone again, because it takes longer
        than a rest to send one event to all; and whoever publishes in that loop would come to it as seldom.
Rule 3: one timer serves all clients of a loop of asyncio, and wakes few of them in one turn, so that a thousand clients
        do not hold it. On trio each client has a deadline of its own.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope
from anyio.lowlevel import RunVar

from evenflow._readers import WAKE_UPS_A_TURN

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenflow._backends import WakeUp
    from evenflow._loop import RunningLoop
    from evenflow._mailbox import Mailbox

GATHER: Final = 0.02
"""Seconds between two sends to one client, at least, while events come: about one frame of a screen."""

EARLY: Final = 0.002
"""Seconds by which a rest may be shorter, so that clients whose rests end soon after each other are woken together."""

AT_ONCE: Final = WAKE_UPS_A_TURN
"""Clients that are woken in one turn of the loop: their sends take a few milliseconds."""

LONGEST: Final = 0.25
"""Seconds that a rest may grow to: a client of a busy server gets its events four times a second."""

WINDOW: Final = 0.1
"""Seconds over which it is measured how much of the loop's time the sends take."""

TOO_MUCH: Final = 0.5
LITTLE: Final = 0.25
"""Shares of the time, or of a rest, above which rests grow, and of the time below which they shrink."""

STEP: Final = 1.5
"""What a rest is multiplied with, or divided by."""

ONE_SEND: Final = 0.001
"""Seconds; where two clients take their batches within less, the first one's send is what lies in between."""


class Pace:
    """How long the clients of one loop rest.

    Attributes:
        rest: the seconds.
    """

    def __init__(self) -> None:
        self.rest: float = GATHER
        self._taken_at = self._began = self._sending = self._late = 0.0

    def took(self, now: float, late: float) -> None:
        """A client has taken a batch, and sends it now; its rest had ended so many seconds late."""
        self._late = max(self._late, late)
        since = now - self._taken_at
        self._taken_at = now
        if since < ONE_SEND:
            self._sending += since
        passed = now - self._began
        if passed < WINDOW:
            return
        if self._sending > TOO_MUCH * passed or self._late > TOO_MUCH * self.rest:
            self.rest = min(self.rest * STEP, LONGEST)
        elif passed > 2 * LONGEST:  # nothing was sent for long
            self.rest = GATHER
        elif self._sending < LITTLE * passed:
            self.rest = max(self.rest / STEP, GATHER)
        self._began, self._sending, self._late = now, 0.0, 0.0


class Rest:
    """The rests of one client; made by its reader, in its loop."""

    def __init__(self, loop: RunningLoop, mailbox: Mailbox) -> None:
        self._loop = loop
        self._mailbox = mailbox
        self._level = mailbox.buffer.capacity // 4
        self._pace, self._timer = _shared(loop.backend.running_loop)
        self._until = self._late = 0.0
        self._wake_up: WakeUp | None = None
        self.is_busy: bool = False
        """Whether events had come by the end of the last rest, so that more will come soon."""
        mailbox.line.tell_of_end(self.end)

    def took(self, events: int) -> None:
        """The reader has taken a batch of so many events."""
        now = self._loop.now()
        self._pace.took(now, self._late)
        self._late = 0.0
        self._until = now + self._pace.rest if events < self._level else 0.0

    def is_due(self) -> bool:
        """Whether the reader must rest before it takes the next batch."""
        if not self._until or self._loop.now() >= self._until:
            return False
        mailbox = self._mailbox
        return mailbox.end is None and len(mailbox.buffer) < self._level

    async def pause(self) -> None:
        """Rest until it is time, or until something of the table ends the rest. A checkpoint."""
        wake_up = self._wake_up = self._loop.backend.wake_up()
        self._mailbox.buffer.tell_of_fill(self._level, self.end)
        try:
            if self._timer is None:
                with CancelScope(deadline=self._until):
                    await wake_up
            else:
                self._timer.wake_at(self._until, wake_up)
                await wake_up
        finally:
            self._wake_up = None
            self._mailbox.buffer.tell_of_fill(0, None)
            self.is_busy = len(self._mailbox.buffer) > 0
        self._late = self._loop.now() - self._until

    def end(self) -> None:
        """End the rest, if there is one; must be called in its loop."""
        wake_up, self._wake_up = self._wake_up, None  # asked again for each event, it must not be hurried again
        if wake_up is None:
            return
        if self._timer is None:
            wake_up.set_result(None)
        else:
            self._timer.hurry(wake_up)


class Timer:
    """What ends all rests in a loop of asyncio. All rest for about as long, so the first to begin is the first to end.

    It does not keep its loop: one that has ended must be able to go.
    """

    def __init__(self, running_loop: Callable[[], Any]) -> None:
        self._running_loop = running_loop
        self._resting: deque[tuple[float, WakeUp]] = deque()
        self._is_set = False
        self._hurried: deque[WakeUp] = deque()
        """Those whose rest has ended early, and who are woken in one of the next turns."""
        self._left = AT_ONCE
        """How many more may be woken early in this turn."""

    def wake_at(self, time: float, wake_up: WakeUp) -> None:
        """Fire this wake-up then, or a little before; later, where many are due."""
        self._resting.append((time, wake_up))
        if not self._is_set:
            self._is_set = True
            loop = self._running_loop()
            loop.call_at(time, self._fire, loop)

    def _fire(self, loop: Any) -> None:
        resting, soon, woken = self._resting, loop.time() + EARLY, 0
        while resting and resting[0][0] <= soon and woken < AT_ONCE:
            woken += _fired(resting.popleft()[1])
        self._is_set = bool(resting)
        if resting:
            loop.call_at(resting[0][0], self._fire, loop)

    def hurry(self, wake_up: WakeUp) -> None:
        """Fire this wake-up now, or in one of the next turns where it is one of many."""
        if self._left == AT_ONCE:
            self._running_loop().call_soon(self._begin_turn)
        if self._left:
            self._left -= _fired(wake_up)
        else:
            self._hurried.append(wake_up)

    def _begin_turn(self) -> None:
        self._left = AT_ONCE
        while self._hurried and self._left:
            self._left -= _fired(self._hurried.popleft())
        if self._left < AT_ONCE:
            self._running_loop().call_soon(self._begin_turn)


def _fired(wake_up: WakeUp) -> bool:
    """Fire it; returns whether anybody still waits for it."""
    if wake_up.done():
        return False
    wake_up.set_result(None)
    return True


_SHARED: Final[RunVar[tuple[Pace, Timer | None]]] = RunVar("evenflow.web.gathering")


def _shared(running_loop: Callable[[], Any]) -> tuple[Pace, Timer | None]:
    """What the clients of the loop that runs here share; no timer on trio, whose loop calls nothing at a time."""
    found = _SHARED.get(None)
    if found is None:
        found = Pace(), Timer(running_loop) if hasattr(running_loop(), "call_at") else None
        _SHARED.set(found)
    return found
