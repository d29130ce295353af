"""Subject: what events are published to, and subscribed from. Its face; `_publishing` is what is behind it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from anyio import Event

from ._errors import SubjectClosed
from ._events import Event as EventModel
from ._explain import CLOSED, ENDED, NOT_RUNNING, Explanation, explain
from ._history import History
from ._observers import ObserverFailed
from ._options import (
    REPLAY_KEYS,
    STALL_AFTER,
    Key,
    SubjectOptions,
    checked_key,
    checked_name,
    checked_overflow,
    checked_seconds,
    whole,
)
from ._routing import classes_in
from ._statistics import SubjectStatistics
from ._subscribing import Subscribing
from ._subscription import Subscription, ledger
from ._threads import publish_from_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from contextvars import Context

    from anyio.abc import TaskGroup
    from typing_extensions import TypeForm, Unpack

    from ._mailbox import Mailbox, Overflow

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
E_contra = TypeVar("E_contra", contravariant=True)
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")


class Publisher(Protocol[E_contra]):
    """The end of a subject that takes events."""

    def publish(self, event: E_contra, /) -> Awaitable[object]:
        """Publish one event."""
        ...


class Source(Protocol[E_co]):
    """The end of a subject that gives events."""

    def subscribe(self) -> Subscription[E_co]:
        """Subscribe to all of them."""
        ...


class Subject(Subscribing[E], Generic[E]):
    """Pushes events to subscribers that know nothing of each other, each at its own pace.

    ``Subject(OrderPlaced, OrderShipped)`` carries events of these classes and their subclasses, ``Subject()`` any
    ``Event``.
    It can be made at import time, without an event loop, and used as it is; entered with ``async with`` it also runs
    its observers, and can be published to from other threads.
    It belongs to the loop in which something first waits on it, until that loop ends.

    Args:
        types: classes of events, or unions of them.
        name: for logs, statistics and errors.
        replay: how many events a later subscription gets first.
        replay_by: keep so many of each key: a field (``Tick.symbol``) or a callable.
        replay_keys: of so many keys at the most, the longest unused let go.
        stall_after: seconds after which a subscription that holds a publisher is logged, once.

    Raises:
        TypeError, ValueError: an argument makes no sense; the message says what would.
    """

    @overload
    def __init__(self: Subject[EventModel], /, **options: Unpack[SubjectOptions[Any]]) -> None: ...
    @overload
    def __init__(self, a: TypeForm[E], /, **options: Unpack[SubjectOptions[E]]) -> None: ...
    @overload
    def __init__(
        self: Subject[T1 | T2], a: TypeForm[T1], b: TypeForm[T2], /, **options: Unpack[SubjectOptions[T1 | T2]]
    ) -> None: ...
    @overload
    def __init__(
        self: Subject[T1 | T2 | T3],
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        /,
        **options: Unpack[SubjectOptions[T1 | T2 | T3]],
    ) -> None: ...
    @overload
    def __init__(
        self: Subject[T1 | T2 | T3 | T4],
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        d: TypeForm[T4],
        /,
        **options: Unpack[SubjectOptions[T1 | T2 | T3 | T4]],
    ) -> None: ...
    @overload
    def __init__(
        self,
        a: type[E],
        b: type[E],
        c: type[E],
        d: type[E],
        e: type[E],
        /,
        *more: type[E],
        **options: Unpack[SubjectOptions[E]],
    ) -> None: ...
    def __init__(
        self,
        *types: Any,
        name: str | None = None,
        replay: int = 0,
        replay_by: Key[Any] | None = None,
        replay_keys: int = REPLAY_KEYS,
        stall_after: float = STALL_AFTER,
    ) -> None:
        whole(replay, "replay", 0)
        whole(replay_keys, "replay_keys", 1)
        carried = classes_in(*types)
        key = checked_key(replay_by, "replay_by", carried)
        if key is not None and not replay:
            raise ValueError(
                "replay_by says of which events to keep the last replay=, which is 0; give replay=1 or more"
            )
        super().__init__(carried, checked_name(name), checked_seconds(stall_after, "stall_after"))
        self._replay = (replay, key, replay_keys)
        self._history = History(*self._replay) if replay else None
        self._keyed = key is not None

    def _begin_anew(self) -> None:
        super()._begin_anew()
        if self._history is not None:
            self._history = History(*self._replay)

    @property
    def failures(self) -> Subject[ObserverFailed]:
        """What observers raised, as events; open while this subject is.

        It never makes a handler wait: its subscriptions drop the oldest by default, and ``"block"`` is refused.
        What its own observers raise is only logged.
        """
        if not isinstance(self._failures, _Failures):
            self._failures = failures = _Failures(ObserverFailed, name=f"{self._name}.failures")
            if self._group is not None:
                failures.enter_with(self._group, self._context)
            elif self._closed:
                failures.close()
            return failures
        return self._failures

    # ------------------------------------------------------------------ other threads

    def publish_from_thread(self, event: E, /, *, timeout: float | None = None) -> int:
        """Publish from any thread but the loop's own, to the loop in which the subject was entered.

        Blocks the thread until the event lies in the buffers; backpressure blocks it longer.
        ``timeout`` (seconds) ends that wait; 0 does not wait for room. Each thread's own order is kept.

        Raises:
            TimeoutError: there was no room in time; nobody got the event.
            RuntimeError: called in the loop's own thread, or the subject was not entered.
            SubjectClosed: the subject, or its loop, has ended, before or meanwhile.
            TypeError, Deadlock: as for ``publish``.
        """
        if timeout is not None and (not isinstance(timeout, (int, float)) or isinstance(timeout, bool)):
            raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}")
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be at least 0 seconds, not {timeout}; to wait without end leave it out")
        home = self._home
        if home is not None and home.is_here():
            raise RuntimeError(f"publish_from_thread was called in the loop of {self._name}; there use 'await publish'")
        if self._ever_entered and (self._closed or self._group is None or home is None):
            raise SubjectClosed(f"{self._name} is closed: it takes no more events; enter it again to open it anew")
        if self._group is None or home is None:
            raise RuntimeError(
                f"{self._name} was not entered, so there is no loop to publish in; use 'async with' on it in its loop"
            )
        return publish_from_thread(self, home, event, timeout)

    # ------------------------------------------------------------------ waiting for others

    async def drain(self) -> None:
        """Wait until all that was published before this call is taken and handled.

        Bounded by the caller's scope alone: a subscription that nobody reads makes it wait. Cancelling changes nothing.

        Raises:
            Deadlock: called from inside one of this subject's own handlers.
            RuntimeError: called from another thread, or from a second live loop.
        """
        self._refuse_inside("drain")
        self.settle()
        marks = {box: box.mark_now() for box in {**self._boxes, **dict.fromkeys(self._boxes_of_observers())}}
        async with self._watching() as changed:
            while behind := [box for box in marks if not box.passed(marks[box])]:
                for box in behind:
                    if box.on_take is None:
                        box.slow_down(self._on_take)
                await changed()
            in_hand = [(observer, set(observer.in_hand)) for observer in self._running]
            while any(observer.in_hand & numbers for observer, numbers in in_hand):
                await changed()

    @asynccontextmanager
    async def _watching(self) -> AsyncGenerator[Callable[[], Awaitable[None]], None]:
        """Be told of every take and every handled event."""
        event = Event()

        def watcher(_: Mailbox | None) -> None:
            event.set()

        async def changed() -> None:
            nonlocal event
            await event.wait()
            event = Event()

        self._watchers.append(watcher)
        try:
            yield changed
        finally:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

    # ------------------------------------------------------------------ what it says of itself

    def explain(self, event: E, /) -> tuple[Explanation, ...]:
        """Why each subscription and observer would, or would not, get this event; nobody gets it.

        Raises:
            TypeError: the event is none of the classes that this subject takes.
        """
        self.check_thread()
        self._check_type(event)
        asked = [
            explain(box.name, interest, event, box, found_by=self._router.found_by(box))
            for box, interest in list(self._boxes.items())
        ]
        if self._closed:
            asked = [replace(explanation, wanted=False, reason=CLOSED) for explanation in asked]
        why_not = NOT_RUNNING if self._group is None else CLOSED if self._closed else ENDED
        resting = [observer for observer in self._observers if not observer.running]
        return (*asked, *(Explanation(observer.name, False, why_not, "not asked") for observer in resting))

    def statistics(self) -> SubjectStatistics:
        """Plain numbers, as they are now.

        Raises:
            RuntimeError: called from another thread.
        """
        self.check_thread()
        return SubjectStatistics(
            name=self._name,
            published=self._published + self._credit.published,
            deliveries=self._deliveries + self._credit.deliveries,
            waiting_publishers=len(self._admission.queue),
            kept=0 if self._history is None else len(self._history),
            closed=self._closed,
            subscriptions=tuple(ledger(box) for box in list(self._boxes)),
            observers=tuple(observer.statistics() for observer in list(self._observers)),
        )

    def __repr__(self) -> str:
        takes = " | ".join(cls.__name__ for cls in self._types) or "Event"
        state = "closed" if self._closed else f"{len(self._boxes)} subscriptions"
        full = sum(1 for box in list(self._boxes) if box.room() <= 0)
        return f"<Subject {self._name} of {takes}, {state}{f', {full} full' if full else ''}>"

    def _check_type(self, event: object) -> None:
        takes = self._types or (EventModel,)
        if not isinstance(event, takes):
            names = " | ".join(cls.__name__ for cls in takes)
            raise TypeError(
                f"{self._name} takes {names}, not {event!r}, which is a {type(event).__name__}; nobody got it"
            )


class _Failures(Subject[ObserverFailed]):
    """What observers raised: never waits, and is entered and closed with the subject it belongs to."""

    def _checked_overflow(self, overflow: object, *, conflated: bool) -> Overflow:
        if overflow == "block":
            raise ValueError(
                "overflow='block' would make the handlers wait that failed: on failures use overflow='drop_oldest'"
                " (the default), 'drop_newest' or 'disconnect'"
            )
        return checked_overflow("drop_oldest" if overflow is None else overflow, conflated=conflated)

    def report_failure(self, failed: ObserverFailed) -> None:
        """It was logged, and that is all."""

    def enter_with(self, group: TaskGroup, context: Context | None) -> None:
        self.settle()
        super().enter_with(group, context)
