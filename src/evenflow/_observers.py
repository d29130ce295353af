"""Handlers under supervision: an observer reads its own subscription and calls its handler for each event.

Rule 1: an observer is subscribed while its subject is entered; before that it is owed nothing and holds nobody.
Rule 2: a handler that raises stops nobody: the error is logged and published as ``ObserverFailed``.
Rule 3: its tasks are children of the task that entered the subject, and run with that one's context variables.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, isasyncgenfunction, isawaitable, isgeneratorfunction, signature, unwrap
from types import CodeType, CoroutineType
from typing import TYPE_CHECKING, Any, get_type_hints

from anyio import ClosedResourceError, get_cancelled_exc_class

from ._loops import current_task
from ._routing import wanted
from ._statistics import ObserverStatistics
from ._subscription import Subscription, ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from ._observing import Observing
    from ._routing import Interest

_log = logging.getLogger("evenflow.observers")

HANDLING: ContextVar[tuple[tuple[object, object], ...]] = ContextVar("HANDLING", default=())
"""The subjects in whose handlers the present code runs, each with the task that handles.

A task that a handler starts inherits this, but is another task: it may wait for the handler.
"""


@dataclass(frozen=True, slots=True)
class ObserverFailed:
    """An observer's handler raised ``error`` on ``event``."""

    event: Any
    error: Exception
    observer: Observer


class Observer:
    """A handler, what it wants, and, while its subject is entered, its subscription."""

    def __init__(
        self,
        subject: Observing[Any],
        handler: Callable[[Any], object],
        interest: Interest,
        options: dict[str, Any],
        *,
        concurrency: int,
        name: str,
    ) -> None:
        self.name = name
        self.handler = handler
        self.interest = interest
        self._subject = subject
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
        subscription = self.subscription
        if self._running:
            return False
        return self._detached or (subscription is not None and subscription.box.end is not None)

    @property
    def running(self) -> bool:
        """Whether its tasks are there."""
        return self._running > 0

    def detach(self) -> None:
        """Take no more events; what it was still owed is discarded, a handler that runs goes on to its end."""
        if not self._detached:
            self._subject.remove_observer(self)
            self._detached = True
            if self.subscription is not None:
                self.subscription.close()

    def statistics(self) -> ObserverStatistics:
        """What it has done since its subject was last entered."""
        return ObserverStatistics(
            name=self.name,
            running=self.running,
            handled=self._handled,
            failed=self._failed,
            handling=len(self.in_hand),
            subscription=None if self.subscription is None else ledger(self.subscription.box),
        )

    def __repr__(self) -> str:
        if self.subscription is None or not self.running:
            state = "detached" if self._detached else "ended" if self.ended else "not running"
        else:
            box = self.subscription.box
            state = f"{box.waiting}/{box.capacity} {box.overflow}"
        return f"<Observer {self.name} of {self._subject.name} wants {self.interest}, {state}>"

    def ask(self, event: Any, /) -> bool:
        """Call what was given as ``where``, for an event that nobody wanted while this did not run."""
        return bool(self._options["where"](event))

    def would_want(self, event: Any, /) -> bool:
        """Whether it would have wanted the event, had it run; a ``where`` that raises wants nothing here."""
        try:
            return wanted(self.interest, event, self)
        except Exception:  # noqa: BLE001 -- the event has been published: nobody is there to hear of it
            return False

    # ------------------------------------------------------------------ running

    def start(self, group: TaskGroup) -> None:
        """Subscribe, and begin to handle."""
        self._handled = self._failed = 0
        self.in_hand.clear()
        self.subscription = self._subject.subscribe_observer(self, self._options)
        self.subscription.box.hands = self._running = self._concurrency
        for _ in range(self._concurrency):
            group.start_soon(self._work, self.subscription, name=f"evenflow observer {self.name}")

    async def _work(self, subscription: Subscription[Any]) -> None:
        task = current_task()
        HANDLING.set((*HANDLING.get(), (self._subject, task)))
        # how often this task was asked to end by itself, and not through a scope (asyncio's `task.cancel()`)
        cancels: Callable[[], int] = getattr(task, "cancelling", int)
        try:
            async for event in subscription:
                await self._handle(event, cancels)
        except ClosedResourceError:
            pass  # it was detached
        except Exception:  # noqa: BLE001 -- whatever ends one observer ends no other
            if self._running == 1:  # the others of its tasks hear the same
                _log.exception("observer %s of %s has ended", self.name, self._subject.name)
        except get_cancelled_exc_class():  # noqa: ASYNC103 -- somebody cancelled this very task: that ends no other
            if self._subject.is_cancelled():
                raise
            _log.info("observer %s of %s was cancelled, and has ended", self.name, self._subject.name)
        finally:
            self._task_ended(subscription)

    def _task_ended(self, subscription: Subscription[Any]) -> None:
        if subscription is not self.subscription:  # of a life whose loop ended under it
            return
        self._running -= 1
        if not self._running:
            subscription.close()
            self._subject.observer_ended(self)

    def abandon(self) -> None:
        """The loop has ended under its tasks: they will never run again."""
        subscription, self.subscription = self.subscription, None
        self._running = 0
        self.in_hand.clear()
        if subscription is not None:
            subscription.close()

    async def _handle(self, event: Any, cancels: Callable[[], int]) -> None:
        self._number = number = self._number + 1
        self.in_hand.add(number)
        before = cancels()
        try:
            result = self.handler(event)
            if type(result) is CoroutineType or isawaitable(result):  # the usual answer first: `isawaitable` is slow
                await result
        except Exception as error:  # noqa: BLE001 -- rule 2
            self._fail(event, error)
        except get_cancelled_exc_class() as error:  # noqa: ASYNC103 -- one that is not this task's own is a failure like others
            if self._subject.is_cancelled() or cancels() > before:
                raise
            stray = RuntimeError(f"the handler of {self.name} let a cancellation out that was not its own")
            stray.__cause__ = error
            self._fail(event, stray)
        finally:
            self.in_hand.discard(number)
            self._handled += 1
            self._subject.event_handled()

    def _fail(self, event: Any, error: Exception) -> None:
        self._failed += 1
        _log.error("observer %s of %s raised on %r", self.name, self._subject.name, event, exc_info=error)
        self._subject.report_failure(ObserverFailed(event, error, self))


def place_of(handler: Any) -> tuple[str, int]:
    """Where a handler was written: its file and line; ("", 0) where it does not say."""
    while isinstance(handler, partial):
        handler = handler.func
    written = unwrap(handler)
    code = getattr(written, "__code__", None) or getattr(type(written).__call__, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if isinstance(code, CodeType) else ("", 0)


def wants_of_handler(handler: Callable[..., object]) -> object:
    """What a handler's first parameter is annotated with; None where nothing is said.

    Raises:
        TypeError: it cannot be called with one event, or its annotation cannot be read.
    """
    if not callable(handler):
        raise TypeError(f"an observer is a function that takes an event, not {handler!r}")
    if isgeneratorfunction(handler) or isasyncgenfunction(handler):
        raise TypeError(f"{handler!r} is a generator, which does nothing when it is called; an observer has no yield")
    try:
        taken = signature(handler)
    except (TypeError, ValueError):  # some builtins do not say
        return None
    try:
        taken.bind(None)
    except TypeError as error:
        raise TypeError(f"{handler!r} cannot be called with one event, as an observer is: {error}") from None
    first = next(iter(taken.parameters.values()))
    if first.annotation is Parameter.empty:
        return None
    if not isinstance(first.annotation, str):
        return first.annotation
    while isinstance(handler, partial):
        handler = handler.func
    function = handler if hasattr(handler, "__annotations__") else type(handler).__call__
    try:
        return get_type_hints(function)[first.name]
    except (NameError, AttributeError, KeyError) as error:
        raise TypeError(
            f"the annotation {first.annotation!r} of {handler!r} cannot be read ({error}); name what it wants instead:"
            " @subject.observer(OrderPlaced)"
        ) from error
