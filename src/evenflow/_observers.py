"""Handlers under supervision: an observer reads its own subscription and calls its handler for each event.

Rule 1: an observer is subscribed while its subject is entered; events published before that are not for it.
Rule 2: a handler that raises stops nobody: the error is logged and published as ``ObserverFailed``.
Rule 3: its tasks are children of the task that entered the subject, and run with that task's context variables.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import isawaitable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol

from anyio import ClosedResourceError, get_cancelled_exc_class

from ._loop import RunningLoop, running_loop
from ._routing import wanted
from ._statistics import ObserverStatistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from ._mailbox import UserFunctions
    from ._routing import Interest
    from ._subscription import Subscription

_log = logging.getLogger("evenflow.observers")

HANDLING: ContextVar[tuple[tuple[object, object], ...]] = ContextVar("HANDLING", default=())
"""The supervisors in whose handlers the present code runs, each with the task that handles.

A task that a handler starts inherits this, but is another task: it may wait for the handler.
"""


@dataclass(frozen=True, slots=True)
class ObserverFailed:
    """An observer's handler raised ``error`` on ``event``."""

    event: Any
    error: Exception
    observer: Observer


class Host(Protocol):
    """Who runs an observer."""

    name: str

    def subscribe(self, observer: Observer, /) -> Subscription[Any]:
        """The subscription that the observer reads."""
        ...

    def remove(self, observer: Observer, /) -> None:
        """The observer was detached."""
        ...

    def handled(self) -> None:
        """An event was handled."""
        ...

    def failed(self, failed: ObserverFailed, /) -> None:
        """A handler raised."""
        ...

    def ended(self, observer: Observer, /) -> None:
        """The last task of the observer has ended."""
        ...


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
        name: str,
    ) -> None:
        self.name = name
        self._host = host
        self._handler = handler
        self._interest = interest
        self._functions = functions
        self._options = options
        self._concurrency = concurrency
        self.subscription: Subscription[Any] | None = None
        """What it reads, from its first start on."""
        self._detached = False
        self._running = 0
        self._handled = 0
        self._failed = 0
        self.in_hand: set[int] = set()
        """A number for each event whose handler runs now."""
        self._number = 0

    @property
    def ended(self) -> bool:
        """Whether it will handle nothing more, as things stand: it was detached, or its subscription has ended."""
        if self._running:
            return False
        subscription = self.subscription
        return self._detached or (subscription is not None and subscription._mailbox.end is not None)

    def detach(self) -> None:
        """Take no more events; what it has not handled is discarded, a handler that runs goes on to its end."""
        if not self._detached:
            self._host.remove(self)
            self._detached = True
            if self.subscription is not None:
                self.subscription.close()

    def statistics(self) -> ObserverStatistics:
        """What it has done since its subject was last entered."""
        return ObserverStatistics(
            name=self.name,
            running=self._running > 0,
            handled=self._handled,
            failed=self._failed,
            handling=len(self.in_hand),
            subscription=None if self.subscription is None else self.subscription.statistics(),
        )

    def __repr__(self) -> str:
        if self.subscription is None or not self._running:
            state = "detached" if self._detached else "ended" if self.ended else "not running"
        else:
            mailbox = self.subscription._mailbox
            state = f"{len(mailbox.buffer)}/{mailbox.buffer.capacity} {mailbox.overflow}"
        return f"<Observer {self.name} of {self._host.name} wants {self._interest}, {state}>"

    def ask(self, event: object, /) -> object:
        """What its ``where`` says, for an event that nobody wanted while this did not run."""
        return self._functions.where is None or self._functions.where(event)

    def would_want(self, event: object, /) -> bool:
        """Whether it would have wanted the event, had it run; a ``where`` that raises wants nothing here."""
        try:
            return wanted(self._interest, event, self)
        except Exception:  # noqa: BLE001 -- the event has been published: nobody is there to hear of it
            return False

    def start(self, group: TaskGroup) -> None:
        """Subscribe, and begin to handle."""
        self._handled = self._failed = 0
        self.in_hand.clear()
        self.subscription = subscription = self._host.subscribe(self)
        self._running = self._concurrency
        subscription._mailbox.line.expect(self._concurrency)
        for _ in range(self._concurrency):
            group.start_soon(self._work, subscription, name=f"evenflow observer {self.name}")

    def abandon(self) -> None:
        """The loop has ended under its tasks: they will never run again."""
        subscription, self.subscription = self.subscription, None
        self._running = 0
        self.in_hand.clear()
        if subscription is not None:
            subscription.close()

    async def _work(self, subscription: Subscription[Any]) -> None:
        loop = running_loop()
        HANDLING.set((*HANDLING.get(), (self._host, loop.current_task())))
        try:
            async for event in subscription:
                await self._handle(event, loop)
        except ClosedResourceError:
            pass  # it was detached
        except Exception:  # noqa: BLE001 -- whatever ends one observer ends no other
            if self._running == 1:  # the others of its tasks hear the same
                _log.exception("observer %s of %s has ended", self.name, self._host.name)
        except get_cancelled_exc_class():  # noqa: ASYNC103 -- somebody cancelled this very task: that ends no other
            if loop.is_cancelled():
                raise
            _log.info("observer %s of %s was cancelled, and has ended", self.name, self._host.name)
        finally:
            self._task_ended(subscription)

    def _task_ended(self, subscription: Subscription[Any]) -> None:
        if subscription is not self.subscription:  # of a life whose loop ended under it
            return
        self._running -= 1
        if not self._running:
            subscription.close()
            self._host.ended(self)

    async def _handle(self, event: Any, loop: RunningLoop) -> None:
        self._number = number = self._number + 1
        self.in_hand.add(number)
        before = loop.times_cancelled()
        try:
            result = self._handler(event)
            if type(result) is CoroutineType or isawaitable(result):  # the usual answer first: `isawaitable` is slow
                await result
        except Exception as error:  # noqa: BLE001 -- rule 2
            self._fail(event, error)
        except get_cancelled_exc_class() as error:  # noqa: ASYNC103 -- one that is not this task's own is a failure
            if loop.is_cancelled() or loop.times_cancelled() > before:
                raise
            stray = RuntimeError(f"the handler of {self.name} let a cancellation out that was not its own")
            stray.__cause__ = error
            self._fail(event, stray)
        finally:
            self.in_hand.discard(number)
            self._handled += 1
            self._host.handled()

    def _fail(self, event: Any, error: Exception) -> None:
        self._failed += 1
        _log.error("observer %s of %s raised on %r", self.name, self._host.name, event, exc_info=error)
        self._host.failed(ObserverFailed(event, error, self))
