"""Consumer: a function that handles the events of a group, under supervision.

what the function does        what becomes of the event
  returns                     acknowledged
  raises                      tried again; logged with its traceback, and told to ``failed``
  takes over ``handle_timeout``   an async one is cancelled, and the event tried again; one that blocks is logged
  is cancelled by a shutdown  given back, uncounted
"""

from __future__ import annotations

import logging
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope, EndOfStream, Event, WouldBlock, move_on_after, sleep

from evenflow._errors import LeaseLost, LogError, refuses_copying
from evenflow._handling import Worker
from evenflow._options import checked_seconds, whole

from ._backoff import LONGEST_PAUSE
from ._delivery import State, lease_lost, leave
from ._group_rules import Fate
from ._how_left import described
from ._member import GroupMember
from ._outlast import outlast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Context

    from evenflow._crew import Member
    from evenflow._handling import Around

    from ._delivery import Delivery
    from ._group_spec import GroupSpec, Host
    from ._offsets import Offset
    from ._settlement import Settlement

_log = logging.getLogger("evenflow.consumers")


A_WHILE: Final = 5.0
"""Seconds until a consumer tries again to begin an event."""

SECONDS_A_TURN: Final = 0.01
"""After this time a task that handles one event after another without waiting lets the loop turn."""


@dataclass(frozen=True, slots=True)
class ConsumerFailed:
    """A consumer raised ``error`` on ``event``, which stands at ``offset``, at its ``attempt``-th hand-over."""

    event: Any
    error: Exception
    consumer: Consumer
    offset: Offset
    attempt: int


@dataclass(frozen=True, slots=True)
class ConsumerStatistics:
    """The numbers of one consumer since it was made.

    Attributes:
        name: its name.
        group: its group.
        running: whether it runs.
        handled: events whose handler has ended, in whatever way.
        failed: those whose handler raised.
        handling: events whose handler runs.
        fetched: events that wait for a handler.
    """

    name: str
    group: str
    running: bool
    handled: int
    failed: int
    handling: int
    fetched: int


class Consumer:
    """A function that handles the events of a group, while its log is open."""

    def __init__(
        self,
        spec: GroupSpec,
        handler: Callable[[Any], object],
        *,
        concurrency: int = 1,
        handle_timeout: float | None = None,
        takes_delivery: bool = False,
        failed: Callable[[ConsumerFailed], object] = lambda _: None,
    ) -> None:
        self._spec: GroupSpec = spec
        self._handler = handler
        self._concurrency = whole(concurrency, "concurrency", 1)
        self._timeout = None if handle_timeout is None else checked_seconds(handle_timeout, "handle_timeout")
        self._takes_delivery = takes_delivery
        self._tell_failed = failed
        self._around: Around | None = None
        self._member: GroupMember | None = None
        self._tasks: list[Member] = []
        self._joining: tuple[CancelScope, Event] | None = None
        """While it joins the group: what ends that, and what fires when it is over."""
        self._ended = Event()
        self._running = 0
        self._detached = False
        self._handled = self._failed = self._handling = 0
        self._unsettled = 0
        """Of how many events that were handled it is not known yet whether they are acknowledged."""
        self._is_cut_off = False
        """Whether its time is over: what is not acknowledged by now is given back."""

    @property
    def name(self) -> str:
        """Its name, for logs and statistics."""
        return self._spec.name

    @property
    def ended(self) -> bool:
        """Whether it will handle nothing more: it was detached, and what it had begun is over."""
        return self._detached and not self._running

    def detach(self) -> None:
        """Begin no more events: what was fetched is given back, uncounted; a handler that runs goes on to its end."""
        self._detached = True
        member = self._member
        if member is not None:
            member.host.crew.start(self._stop, name=f"detaching {self.name}")

    def _trace(self, around: Around | None) -> None:
        """From now on each delivery is handled by this; None for the handler itself."""
        self._around = around

    def statistics(self) -> ConsumerStatistics:
        """What it has done."""
        return ConsumerStatistics(
            name=self.name,
            group=self._spec.group,
            running=self._running > 0,
            handled=self._handled,
            failed=self._failed,
            handling=self._handling,
            fetched=0 if self._member is None else len(self._member.hand.fetched),
        )

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("each call of consume() makes another")

    def __repr__(self) -> str:
        state = "detached" if self._detached else f"{self._handling} running" if self._running else "not running"
        return f"<Consumer {self.name} of group {self._spec.group} wants {self._spec.definition}, {state}>"

    # ------------------------------------------------------------------ between opening and closing

    async def _start(self, host: Host) -> None:
        """Join the group, and begin to handle; a consumer that was detached, or runs, is left alone.

        Ended by ``_stop`` while it joins, it leaves the group again, and handles nothing.

        Raises:
            ValueError: the group is another.
            LogError: the log failed.
        """
        if self._detached or self._member is not None:
            return
        self._member = member = GroupMember(host, self._spec)
        member.hand.places = self._concurrency
        joined = False
        self._joining = joining, over = CancelScope(), Event()
        try:
            with joining:
                await member.open()
                joined = True
            if joined and joining.cancel_called:  # joining goes on to its end, whoever is cancelled
                joined = False
                await outlast(host.crew, member.close, f"leaving of group {self._spec.group}")
        finally:
            if not joined:
                self._member = None
            self._joining = None
            over.set()
        if not joined:
            return
        self._ended = Event()
        self._is_cut_off = False
        self._running = self._concurrency
        name = f"consumer {self.name}"
        self._tasks = [
            host.crew.start(self._work, member, name=name, context=copy_context(), ended=self._task_ended)
            for _ in range(self._concurrency)
        ]

    def _task_ended(self) -> None:
        self._running -= 1
        self._look_whether_ended()

    def _look_whether_ended(self) -> None:
        if not self._running and not self._unsettled:
            self._ended.set()

    async def _stop(self, grace: float | None = None) -> None:
        """Begin no more events; handlers have ``grace`` seconds, or all the time they need, and are then cancelled.

        What was not begun, or was cut off, is given back, uncounted. Cancelled, it cancels the handlers at once.
        """
        if self._joining is not None:
            joining, over = self._joining
            joining.cancel()
            with CancelScope(shield=True):
                await over.wait()
        member = self._member
        if member is None:
            return
        try:
            await member.stop_fetching()
            with move_on_after(inf if grace is None else grace):
                await self._ended.wait()
        finally:
            with CancelScope(shield=True):
                self._is_cut_off = True
                for task in self._tasks:
                    task.cancel()
                await self._ended.wait()
                await member.close()
                self._member = None

    def _handles_in(self, task: object) -> bool:
        """Whether this is a task that runs its handler."""
        return any(member.task is task for member in self._tasks)

    # ------------------------------------------------------------------ handling

    async def _work(self, member: GroupMember) -> None:
        loop = member.host.loop
        worker = Worker(self._handler, loop, _no_mark)
        turned = loop.now()
        while True:
            if loop.now() - turned > SECONDS_A_TURN:
                await loop.turn()
                turned = loop.now()
            try:
                try:
                    delivery = member.hand.take_nowait()
                except WouldBlock:
                    delivery = await member.hand.take()
                    turned = loop.now()
            except EndOfStream:
                return
            except LogError as error:
                if not member.hand.has_ended:  # that it begins could not be noted: nothing was taken
                    self._warn(member, "tries again", error)
                    await sleep(A_WHILE)
                    continue
                if self._running == 1:  # the others of its tasks hear the same
                    _log.error(
                        "consumer %s of %s has ended: %s",
                        self.name,
                        member.host.subject,
                        error,
                        extra=self._spec.log_fields(member.host.subject),
                    )
                return
            delivery._enter()
            await self._handle(worker, member, delivery)

    async def _handle(self, worker: Worker, member: GroupMember, delivery: Delivery[Any]) -> None:
        self._handling += 1
        try:
            if self._around is None:
                error = await self._call(worker, member, delivery)
            else:
                call = partial(self._call, worker, member, delivery)
                error = await self._around(delivery, worker.context(delivery), call)
        except BaseException as cut_off:
            with CancelScope(shield=True):
                await leave([delivery], delivery._hands, cut_off)
            raise
        finally:
            self._handling -= 1
        self._handled += 1
        if error is not None:
            self._failed += 1
            self._report(member, delivery, error)
        if delivery._state is State.INSIDE:
            # a task that has others beside it goes on at once; alone it would only wait for its own place
            if error is None and self._concurrency > 1 and member.gathers:
                self._unsettled += 1
                member.acknowledge(delivery, self._acknowledged)
                return
            await self._settle(member, delivery, error)
        member.hand.give_places(1)

    def _acknowledged(self, deliveries: Sequence[Delivery[Any]], settlement: Settlement) -> None:
        """This came of events that were handled: what failed is settled by a task of its own."""
        member = self._member
        if member is not None:
            if settlement.error is None and not settlement.lost:
                member.hand.give_places(len(deliveries))
            elif not self._is_cut_off:
                self._running += 1
                settle = partial(self._settle_again, member, deliveries, settlement)
                name = f"settling for consumer {self.name}"
                self._tasks.append(member.host.crew.start(settle, name=name, ended=self._task_ended))
        self._unsettled -= len(deliveries)
        self._look_whether_ended()

    async def _settle_again(
        self, member: GroupMember, deliveries: Sequence[Delivery[Any]], settlement: Settlement
    ) -> None:
        for delivery in deliveries:
            if settlement.error is None and delivery._row.seq in settlement.lost:
                self._warn(member, "was too late", lease_lost([delivery]))
            elif delivery._state is State.INSIDE:
                await self._settle(member, delivery, None)
            member.hand.give_places(1)

    async def _call(
        self, worker: Worker, member: GroupMember, delivery: Delivery[Any], context: Context | None = None
    ) -> Exception | None:
        handed = delivery if self._takes_delivery else delivery.event
        timeout = self._timeout
        if timeout is None:  # a scope costs as much as all else here
            return await (worker.call(handed) if context is None else worker.call_in(handed, context))
        clock = member.host.engine.clock
        began = clock()
        error: Exception | None = None
        with move_on_after(timeout) as scope:
            error = await (worker.call(handed) if context is None else worker.call_in(handed, context))
        if scope.cancelled_caught:
            return TimeoutError(f"the handler took more than {timeout:g} seconds, its handle_timeout")
        if clock() - began > timeout:
            _log.warning(
                "consumer %s of %s blocked the event loop for %.1f seconds on event %s, longer than its handle_timeout"
                " of %g: it cannot be cancelled, and nothing else ran",
                self.name,
                member.host.subject,
                clock() - began,
                delivery.offset,
                timeout,
                extra=self._spec.log_fields(member.host.subject),
            )
        return error

    def _report(self, member: GroupMember, delivery: Delivery[Any], error: Exception) -> None:
        _log.error(
            "consumer %s of %s raised on %r, attempt %s",
            self.name,
            member.host.subject,
            delivery.event,
            delivery.attempt,
            exc_info=error,
            extra=self._spec.log_fields(member.host.subject),
        )
        self._tell_failed(ConsumerFailed(delivery.event, error, self, delivery.offset, delivery.attempt))

    def _warn(self, member: GroupMember, what: str, error: Exception) -> None:
        subject = member.host.subject
        _log.warning("consumer %s of %s %s: %s", self.name, subject, what, error, extra=self._spec.log_fields(subject))

    async def _settle(self, member: GroupMember, delivery: Delivery[Any], error: Exception | None) -> None:
        """Settle it, however often the log must be asked: what the handler did must not be done again."""
        fate, why = (Fate.DONE, "") if error is None else (Fate.AGAIN, described(error))
        pause = 0.0
        while True:
            try:
                await member.settle([delivery], fate, error=why)
            except LeaseLost as lost:
                self._warn(member, "was too late", lost)
            except LogError as failure:
                if not pause:
                    self._warn(member, "tries again", failure)
                pause = min(LONGEST_PAUSE, max(0.1, pause * 2))
                await sleep(pause)
                continue
            return


def _no_mark() -> None:
    """Whoever handles is not looked for."""
