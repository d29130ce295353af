"""Handlers under supervision: an observer reads its own subscription and calls its handler for each event.

Rule 1: an observer is subscribed while its subject is entered; events published before that are not for it.
Rule 2: what a handler, a ``where`` or a ``conflate`` raises stops nobody: it is logged and published as
        ``ObserverFailed``.
Rule 3: its tasks are the subject's own, and run with the context variables of the task that entered the subject.
Rule 4: what it was owed and did not finish is kept, counted and logged once.
"""

from __future__ import annotations

import logging
from contextvars import Context, ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ref

from anyio import ClosedResourceError

from ._errors import refuses_copying
from ._handling import Around, Handling
from ._loop import running_loop
from ._mailbox import Carried, carry_with, with_context
from ._routing import wanted
from ._subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._crew import Crew, Member
    from ._handling import Handled
    from ._life import Life
    from ._mailbox import Mailbox, UserFunctions
    from ._routing import Interest
    from ._statistics import ObserverStatistics

_log = logging.getLogger("evenflow.observers")

HANDLING: ContextVar[tuple[tuple[Any, ref[Any]], ...]] = ContextVar("HANDLING", default=())
"""The supervisors in whose handlers the present code runs, each with the task that handles.

A task that a handler starts inherits this, but is another task: it may wait for the handler.
"""


@dataclass(frozen=True, slots=True)
class ObserverFailed:
    """An observer raised ``error`` on ``event``: its handler, its ``where``, its ``conflate`` or its ``ordered_by``."""

    event: Any
    error: Exception
    observer: Observer


class Host(Protocol):
    """Whoever runs an observer."""

    name: str

    def remove(self, observer: Observer, /) -> None:
        """The observer was detached."""

    def failed(self, failed: ObserverFailed, /) -> None:
        """A handler raised."""

    def ended(self, observer: Observer, /) -> None:
        """The last task of the observer has ended."""


class Tracing(Protocol):
    """Whoever follows the events of a subject, such as `evenflow.telemetry`."""

    def carry(self, event: Any, /) -> Carried:
        """The event with what an observer's handling is linked to; asked where it is published."""
        ...

    def handle(self, observer: Observer, item: Any, context: Context, call: Callable[[Context], Handled], /) -> Handled:
        """Handle an item by ``call``, in this context or another."""
        ...

    def retired(self, mailbox: Mailbox, /) -> None:
        """A subscription was closed: its numbers are final."""

    def life_began(self, life: Life[Any], /) -> None:
        """The subject begins another life: the numbers of the last one are final."""


class Observer:
    """A handler, what it wants, and, while its subject is entered, its subscription."""

    def __init__(
        self,
        host: Host,
        handler: Callable[[Any], object],
        interest: Interest,
        functions: UserFunctions,
        options: dict[str, Any],
        *,
        concurrency: int,
        ordered_by: Callable[[Any], object] | None = None,
        name: str,
    ) -> None:
        self.name = name
        self._host = host
        self._log = logging.LoggerAdapter(_log, {"subject": host.name, "subscription": f"{host.name}/{name}"})
        self._interest = interest
        self._functions = functions
        functions.report_to(self._fail)
        self._options = options
        self._around: Around | None = None
        self._concurrency = concurrency
        self._begin = partial(Handling, handler, ordered_by, capacity=options["capacity"], failed=self._fail)
        self._handling: Handling = self._begin()
        self._subscription: Subscription[Any] | None = None
        """What it reads, from its first start on."""
        self._detached = False
        self._tasks = 0
        self._members: list[Member] = []
        self._unhandled: tuple[Any, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether it will handle nothing more, as things stand: it was detached, or its subscription has ended."""
        if self._tasks:
            return False
        subscription = self._subscription
        return self._detached or (subscription is not None and subscription._mailbox.end is not None)

    @property
    def unhandled(self) -> tuple[Any, ...]:
        """The events that it was owed and did not finish, because its subject was left by an error or a cancellation.

        In order: first those that it had in hand, then those in its buffer. Kept until it starts again.
        """
        return self._unhandled

    def detach(self) -> None:
        """Take no more events; what it has not handled is discarded, a handler that runs goes on to its end."""
        if not self._detached:
            self._host.remove(self)
            self._detached = True
            self._handling.discard()
            if self._subscription is not None:
                self._subscription.close()

    def _trace(self, tracing: Tracing | None) -> None:
        """From now on this follows its events; None for nobody."""
        self._around = around = None if tracing is None else partial(tracing.handle, self)
        self._handling.trace(around)
        if self._options.get("carry") is with_context:  # the context has all that is needed
            return
        self._options["carry"] = carry = None if tracing is None else tracing.carry
        if self._subscription is not None:
            carry_with(self._subscription._mailbox, carry)

    def statistics(self) -> ObserverStatistics:
        """What it has done since its subject was last entered."""
        from ._statistics import ObserverStatistics  # noqa: PLC0415 -- making these classes takes 3 ms

        handling = self._handling
        return ObserverStatistics(
            name=self.name,
            running=self._tasks > 0,
            handled=handling.handled,
            failed=handling.failed,
            handling=handling.running,
            cancelled=len(self._unhandled),
            subscription=None if self._subscription is None else self._subscription.statistics(),
        )

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("each call of observe() makes another")

    def __repr__(self) -> str:
        if self._subscription is None or not self._tasks:
            state = "detached" if self._detached else "ended" if self.ended else "not running"
        else:
            mailbox = self._subscription._mailbox
            state = f"{len(mailbox.buffer)}/{mailbox.buffer.capacity} {mailbox.overflow}"
        return f"<Observer {self.name} of {self._host.name} wants {self._interest}, {state}>"

    def _would_want(self, event: object, /) -> bool:
        """Whether it would have wanted the event, had it run; a ``where`` that raises wants nothing here."""
        try:
            return wanted(self._interest, event, self._functions)
        except Exception:  # noqa: BLE001 -- the event has been published: nobody is there to hear of it
            return False

    def _start(self, crew: Crew, life: Life[Any]) -> None:
        """Subscribe, and begin to handle."""
        self._handling = handling = self._begin(around=self._around, done=life.note_change)
        self._unhandled = ()
        mailbox = life.open(self._interest, self._functions, name=f"{self._host.name}/{self.name}", **self._options)
        self._subscription = subscription = Subscription[Any](life, mailbox, self._functions)
        self._tasks = self._concurrency
        mailbox.line.keep_private()
        mailbox.line.expect(self._concurrency)
        start = partial(crew.start, self._work, subscription, handling, name=f"observer {self.name}")
        ended = partial(self._task_ended, subscription)
        self._members = [start(context=crew.context.copy(), ended=ended) for _ in range(self._concurrency)]

    def _abandon(self) -> None:
        """The loop has ended under its tasks: they will never run again."""
        subscription, self._subscription = self._subscription, None
        self._tasks = 0
        self._handling = self._begin()
        if subscription is not None:
            subscription.close()

    async def _work(self, subscription: Subscription[Any], handling: Handling) -> None:
        loop = running_loop()
        # weakly: an error that somebody keeps would keep the task through its frames, and the loop with it
        mark = partial(HANDLING.set, (*HANDLING.get(), (self._host, ref(loop.current_task()))))
        try:
            await handling.work(aiter(subscription), loop, mark)
        except ClosedResourceError:
            pass  # it was detached
        except Exception:  # noqa: BLE001 -- whatever ends one observer ends no other
            if self._tasks == 1:  # the others of its tasks hear the same
                self._log.exception("observer %s of %s has ended", self.name, self._host.name)

    def _task_ended(self, subscription: Subscription[Any]) -> None:
        if subscription is not self._subscription:  # of a life whose loop ended under it
            return
        self._tasks -= 1
        subscription._mailbox.line.expect(self._tasks)
        if self._tasks:
            return
        if not self._detached:
            self._keep_unhandled(subscription)
        subscription.close()
        self._host.ended(self)

    def _keep_unhandled(self, subscription: Subscription[Any]) -> None:
        rest = [item.event if type(item) is Carried else item for item in subscription._mailbox.buffer.held()]
        self._unhandled = (*self._handling.in_hand.values(), *rest)
        if self._unhandled:
            self._log.log(
                logging.INFO if any(member.was_cut_off for member in self._members) else logging.WARNING,
                "observer %s of %s was cut off, and did not finish %s: see its `unhandled`",
                self.name,
                self._host.name,
                "1 event" if len(self._unhandled) == 1 else f"{len(self._unhandled)} events",
            )

    def _fail(self, event: Any, error: Exception) -> None:
        self._log.error("observer %s of %s raised on %r", self.name, self._host.name, event, exc_info=error)
        self._host.failed(ObserverFailed(event, error, self))
