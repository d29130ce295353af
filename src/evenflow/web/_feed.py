"""One client's reading, whatever it is sent over: SSE, WebSocket and frames are made of this.

    async with Feed(source, options, asked) as feed:         # subscribes here, and not before
        while (items := await feed.read()) is not None:      # an empty tuple: nothing for `ping` seconds
            ...                                              # send them
    feed.why                                             # "closed", "left", "shutdown", "lifetime", "slow" or "failed"

    why         the source                                           what the client is told
    closed      its close() was called, or the stream has ended      ``evenflow.end``: do not come back
    left        was left, and may begin anew                         nothing: come back
    shutdown    lives; the process ends                              nothing: come back
    lifetime    lives; the client must ask for its rights again      nothing: come back
    slow        lives; the buffer was full                           ``evenflow.slow``: come back
    failed      the log, or the endpoint's `where`, raised           nothing: come back; it is logged

Rule 1: what can be refused is refused by the constructor, before anything begins.
Rule 2: nothing runs beside the reader; a wait ends by a scope around it, and never inside a generator.
Rule 3: cancelled at any moment, it leaves no subscription and no task behind, once it was left.
"""

from __future__ import annotations

import logging
import math
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, cast

from anyio import CancelScope, ClosedResourceError, EndOfStream, Event, current_time

from evenflow._errors import SlowSubscriber
from evenflow._loop import running_loop

from ._gathering import Rest
from ._item import Item, end, gap, slow
from ._shutdown import told_of_shutdown
from ._sources import source_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType
    from typing import Self

    from evenflow._loop import RunningLoop
    from evenflow._subscription import Subscription

    from ._cursor import Asked
    from ._options import Options

_log = logging.getLogger("evenflow.web")

Why: TypeAlias = Literal["closed", "left", "shutdown", "lifetime", "slow", "failed"]
"""Why a client is served no more."""

T = TypeVar("T")

GRACE: Final = 0.5
"""Seconds that a send may still take when the process ends."""

MORE_WILL_COME: Final = object()
"""What the reader finds where it must rest before it takes what waits."""

FIRST_PLACE_AFTER: Final = 1.0
"""Seconds after which a client that has got nothing yet is told where it is, so that it can go on from there."""


class Feed:
    """One client's reading.

    Attributes:
        why: why it has ended; None as long as it goes on.
        error: the name of the class of the error that the source ended with, if it did.

    Raises:
        Refused: the client has asked for what cannot be; tell it so.
        TypeError, ValueError, RuntimeError: the endpoint has.
    """

    def __init__(self, given: Any, options: Options, asked: Asked | None = None) -> None:
        self.why: Why | None = None
        self.error: str | None = None
        self._options = options
        self._source = source_of(given, options)
        self._source.check(None if asked is not None and asked.is_the_end else asked)
        self._asked = asked
        self._stack = AsyncExitStack()
        self._subscription: Subscription[Any] | None = None
        self._loop: RunningLoop | None = None
        self._waiting: CancelScope | None = None
        self._sending: CancelScope | None = None
        self._first: Item | None = None
        """What comes before everything else."""
        self._place: str | None = None
        """The cursor that the client has."""
        self._has_read = False
        self._was_placed = False
        """Whether it was asked where it is: a source without cursors never says."""
        self._rest: Rest | None = None
        """Lets events gather; None where each is sent on its own."""
        self._until = 0.0
        self._alarm: Event | None = None
        """Wakes whoever keeps the time; None where nobody does."""
        self._is_reading = self._is_woken = False
        self._sent_at: float | None = None
        """When the send began that has not ended."""
        self._heard_at = 0.0
        """When something was sent last."""
        self._told_at = 0.0
        """When the process was told to end."""
        self._is_overdue = False
        """Whether it was time for a ping or the end during a send: then who keeps the time must look after it."""

    async def __aenter__(self) -> Self:
        self._loop = running_loop()
        self._until = current_time() + self._options.lifetime
        try:
            self._stack.enter_context(told_of_shutdown(self._shut_down))
            self._subscription = subscription = await self._source.open(self._asked, self._stack)
            subscription._quiet = True  # a framework may drop it with what reads it
        except BaseException:
            await self._stack.aclose()
            raise
        if self._source.missed:
            self._place = self._source.began_at
            self._first = gap(self._place, None)
        elif self._asked is not None:
            self._place = self._asked.text
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def dismiss(self) -> None:
        """Instead of entering it: the client gets nothing of the source, and nothing of it may be left."""
        await self._source.dismiss()

    def let_events_gather(self) -> None:
        """From now on a read waits a little where the one before was a moment ago. Whoever sends many at once asks."""
        if self._loop is not None and self._subscription is not None:
            self._rest = Rest(self._loop, self._subscription._mailbox)

    def stop(self, why: Why = "shutdown") -> None:
        """End soon; what waits in the buffer is not read any more. From any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and this with it
                loop.call_soon(lambda: self._stop(why))

    def _shut_down(self) -> None:
        self._stop("shutdown")

    def _stop(self, why: Why) -> None:
        self.why = self.why or why
        if self._waiting is not None:
            self._waiting.cancel()
        if self._rest is not None:
            self._rest.end()
        if self._alarm is not None and self._loop is not None:
            self._told_at = self._loop.now()
            self._alarm.set()
        self._hurry()

    async def read(self) -> tuple[Item, ...] | None:
        """Wait for the next items: all that wait; none after ``ping`` seconds; None at the end.

        Cancelling loses nothing.
        """
        if (first := self._first) is not None:
            self._first = None
            return (first,)
        subscription = self._subscription
        if self.why is not None or subscription is None:
            return None
        read: tuple[Any, ...] = ()
        try:
            if self._alarm is not None:  # a scope for each read would take longer than everything else
                self._is_reading = True
                read = await self._next(subscription)
            elif self._is_over():
                return None
            else:
                with CancelScope(deadline=min(self._until, current_time() + self._patience())) as self._waiting:
                    read = await self._next(subscription)
        except Exception as error:  # noqa: BLE001 -- whatever it ended with
            self._end(error)
        else:
            if read:
                return self._items(read)
        finally:
            self._waiting = None
            self._is_reading = False
        return None if self._is_over() else ()

    async def _next(self, subscription: Subscription[Any]) -> tuple[Any, ...]:
        """What waits, once events have gathered; nothing where the reader was woken for something else."""
        rest = self._rest
        if rest is not None and rest.is_busy and rest.is_due():
            await rest.pause()
        while self.why is None:
            found = await subscription._next(self._take)
            if found is not MORE_WILL_COME:
                read: tuple[Any, ...] = found
                return read
            await cast("Rest", rest).pause()
        return ()

    def _take(self, counts: list[int]) -> Any:
        """What waits; nothing where the reader was woken for something else."""
        if self._is_woken:
            self._is_woken = False
            return ()
        mailbox = cast("Subscription[Any]", self._subscription)._mailbox
        buffer = mailbox.buffer
        if (buffer.inbox or buffer.outbox or buffer.replay) and (rest := self._rest) is not None and rest.is_due():
            return MORE_WILL_COME
        return mailbox.take_batch(counts)

    def keeping_time(self, give_up: Callable[[], None]) -> Callable[[], Coroutine[Any, Any, None]]:
        """What must run beside the reader from now on: then reads and sends need no scope of their own.

        It wakes the reader when it is time for a ping, or the end, and calls ``give_up`` when a send takes too long.
        """
        assert self._loop is not None
        self._heard_at, self._alarm = self._loop.now(), Event()
        return partial(self._keep_time, self._loop.now, give_up)

    async def _keep_time(self, now: Callable[[], float], give_up: Callable[[], None]) -> None:
        while True:
            time, dead = now(), math.inf
            if self._sent_at is not None:
                dead = self._sent_at + self._options.send_timeout
                if self.why == "shutdown":
                    dead = min(dead, self._told_at + GRACE)
                if time >= dead:
                    give_up()
                    return
            elif self._is_reading and (self.why or time >= min(self._heard_at + self._patience(), self._until)):
                self._wake(time)
            times = (self._heard_at + self._patience(), self._until, dead)
            due = [at for at in times if at > time]
            self._is_overdue = len(due) < len(times)
            self._alarm = Event()
            with CancelScope(deadline=min(due, default=math.inf)):
                await self._alarm.wait()

    def _wake(self, time: float) -> None:
        self._is_woken, self._heard_at = True, time
        if self._rest is not None:
            self._rest.end()
        line = cast("Subscription[Any]", self._subscription)._mailbox.line
        if line.asleep:
            line.wake_one()

    def _is_over(self) -> bool:
        if self.why is None and current_time() >= self._until:
            self.why = "lifetime"
        return self.why is not None

    def _patience(self) -> float:
        ping = self._options.ping
        is_placed = self._has_read or self._was_placed or self._place is not None
        return ping if is_placed else min(ping, FIRST_PLACE_AFTER)

    def _items(self, read: tuple[Any, ...]) -> tuple[Item, ...]:
        self._has_read = True
        if self._rest is not None:
            self._rest.took(len(read))
        item = self._source.item
        items = (item(read[0]),) if len(read) == 1 else tuple([item(one) for one in read])
        self._place = items[-1].id or self._place
        return items

    async def send(self, send: Callable[[T], Awaitable[object]], message: T) -> bool:
        """Send something to the client; returns False where that took longer than ``send_timeout``: it is dead.

        When the process ends, the send has half a second more. Servers take some megabytes before a send waits at all.
        Where the time is kept beside it, that gives up instead.
        """
        if self._alarm is not None and self._loop is not None:
            self._sent_at = self._loop.now()
            await send(message)
            self._heard_at, self._sent_at = self._sent_at, None
            if self._is_overdue:
                self._alarm.set()
            return True
        with CancelScope(deadline=current_time() + self._options.send_timeout) as scope:
            self._sending = scope
            self._hurry()
            try:
                await send(message)
            finally:
                self._sending = None
        return not scope.cancelled_caught

    def _hurry(self) -> None:
        if self.why == "shutdown" and (scope := self._sending) is not None and self._loop is not None:
            scope.deadline = min(scope.deadline, self._loop.now() + GRACE)

    def place(self) -> str | None:
        """Where the client is, if that is further than what it has heard; None else. For a client that has had all.

        It has not been sent events that it does not want, and need not be asked about them when it comes back.
        """
        subscription = self._subscription
        if subscription is None or len(subscription._mailbox.buffer) or subscription.reason is not None:
            return None
        self._was_placed = True
        place = self._source.place()
        if place == self._place:
            return None
        self._place = place
        return place

    def last_word(self) -> Item | None:
        """What the client is told at the end, if anything."""
        if self.why == "closed":
            return end(self.error)
        return slow() if self.why == "slow" else None

    def _end(self, error: Exception) -> None:
        if isinstance(error, SlowSubscriber):
            self.why = "slow"
        elif isinstance(error, ClosedResourceError):
            self.why = "left"
        elif isinstance(error, EndOfStream):
            self.why = "closed" if self._source.is_over() else "left"
        else:
            self.why = "closed" if self._source.is_over() else "failed"
            self.error = type(error).__name__
            _log.warning("a web client is served no more: %s", self.error, exc_info=error, extra=self._log_fields())

    def _log_fields(self) -> dict[str, str]:
        subscription = self._subscription
        if subscription is None:
            return {}
        return {"subject": subscription._life.name, "subscription": subscription._mailbox.name}
