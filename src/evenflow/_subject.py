"""Subject: what events are published to, and subscribed from. Its face; `_publishing` is what is behind it."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, cast, overload

from anyio import EndOfStream, Event, create_task_group

from ._errors import Deadlock, SubjectClosed
from ._events import Event as EventModel
from ._history import History
from ._loops import CANCELLED
from ._items import Gap
from ._mailbox import Mailbox, Overflow
from ._observers import HANDLING, Observer, ObserverFailed, wants_of_handler
from ._options import (
    BUFFER,
    REPLAY_KEYS,
    STALL_AFTER,
    Key,
    ObserveOptions,
    SubjectOptions,
    SubscribeOptions,
    Where,
    checked_buffer,
    checked_key,
    checked_name,
    checked_overflow,
    checked_seconds,
    whole,
)
from ._publishing import Publishing
from ._routing import Interest, classes_in
from ._statistics import SubjectStatistics
from ._subscription import Subscription, ledger
from ._threads import publish_from_thread

if TYPE_CHECKING:
    from types import TracebackType

    from anyio.abc import TaskGroup
    from typing_extensions import Self, TypeForm, Unpack

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
E_contra = TypeVar("E_contra", contravariant=True)
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
W = TypeVar("W")
H = TypeVar("H", bound=Callable[..., object])
_log = logging.getLogger("evenflow.subject")


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


class Subject(Publishing[E], Generic[E]):
    """Pushes events to subscribers that know nothing of each other, each at its own pace.

    ``Subject(OrderPlaced, OrderShipped)`` carries events of these classes and their subclasses; ``Subject()`` any ``Event``.
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
        key = checked_key(replay_by, "replay_by")
        if key is not None and not replay:
            raise ValueError("replay_by says of which events to keep the last replay=, which is 0; give replay=1 or more")
        super().__init__(classes_in(*types), checked_name(name), checked_seconds(stall_after, "stall_after"))
        self._replay = (replay, key, replay_keys)
        self._history = History(*self._replay) if replay else None
        self._keyed = key is not None
        self._observers: dict[Observer, None] = {}
        self._failures: _Failures | None = None
        self._group: TaskGroup | None = None
        self._context: Context | None = None
        self._all_ended: Event | None = None
        self._ever_entered = False
        self._observers_of_this_life: list[Observer] = []
        self._told_of_observers = False
        self._subscribed = 0

    # ------------------------------------------------------------------ subscribing

    @overload
    def subscribe(self, /, *, gaps: Literal[False] = False, **options: Unpack[SubscribeOptions[E]]) -> Subscription[E]: ...
    @overload
    def subscribe(self, /, *, gaps: bool, **options: Unpack[SubscribeOptions[E]]) -> Subscription[E | Gap]: ...
    @overload
    def subscribe(
        self, a: TypeForm[T1], /, *, gaps: Literal[False] = False, **options: Unpack[SubscribeOptions[T1]]
    ) -> Subscription[T1]: ...
    @overload
    def subscribe(
        self, a: TypeForm[T1], /, *, gaps: bool, **options: Unpack[SubscribeOptions[T1]]
    ) -> Subscription[T1 | Gap]: ...
    @overload
    def subscribe(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        /,
        *,
        gaps: Literal[False] = False,
        **options: Unpack[SubscribeOptions[T1 | T2]],
    ) -> Subscription[T1 | T2]: ...
    @overload
    def subscribe(
        self, a: TypeForm[T1], b: TypeForm[T2], /, *, gaps: bool, **options: Unpack[SubscribeOptions[T1 | T2]]
    ) -> Subscription[T1 | T2 | Gap]: ...
    @overload
    def subscribe(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        /,
        *,
        gaps: Literal[False] = False,
        **options: Unpack[SubscribeOptions[T1 | T2 | T3]],
    ) -> Subscription[T1 | T2 | T3]: ...
    @overload
    def subscribe(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        /,
        *,
        gaps: bool,
        **options: Unpack[SubscribeOptions[T1 | T2 | T3]],
    ) -> Subscription[T1 | T2 | T3 | Gap]: ...
    @overload
    def subscribe(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        d: TypeForm[T4],
        /,
        *,
        gaps: Literal[False] = False,
        **options: Unpack[SubscribeOptions[T1 | T2 | T3 | T4]],
    ) -> Subscription[T1 | T2 | T3 | T4]: ...
    @overload
    def subscribe(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        d: TypeForm[T4],
        /,
        *,
        gaps: bool,
        **options: Unpack[SubscribeOptions[T1 | T2 | T3 | T4]],
    ) -> Subscription[T1 | T2 | T3 | T4 | Gap]: ...
    @overload
    def subscribe(
        self,
        a: type[W],
        b: type[W],
        c: type[W],
        d: type[W],
        e: type[W],
        /,
        *more: type[W],
        gaps: bool = False,
        **options: Unpack[SubscribeOptions[W]],
    ) -> Subscription[W]: ...
    def subscribe(
        self,
        *wants: Any,
        where: Where[Any] = None,
        buffer: int = BUFFER,
        overflow: Overflow | None = None,
        conflate: Key[Any] | None = None,
        replay: bool = True,
        gaps: bool = False,
        name: str | None = None,
    ) -> Subscription[Any]:
        """Subscribe from this call on, entered or not.

        Gets every event that is one of the classes in ``wants`` (all, where none is named) and for which ``where`` holds,
        in the order in which they are published, in a buffer of its own of ``buffer`` events.

        Args:
            where: a condition on fields, or a quick plain callable, which runs in the publisher's task.
            buffer: events held at the most.
            overflow: what a full buffer gives up: ``"block"`` (the publisher waits), ``"drop_oldest"``
                (the default with ``conflate``), ``"drop_newest"``, ``"disconnect"``.
            conflate: an event replaces a buffered one of the same key: a field, or a callable.
            replay: whether to get first what the subject keeps.
            gaps: whether a ``Gap`` stands where events were dropped.
            name: for logs, statistics and errors.

        Raises:
            TypeError, ValueError: an argument makes no sense, or nothing could ever be wanted.
            RuntimeError: called from another thread.
        """
        interest = self._router.interest(wants, where)
        return self._subscribe(interest, where, buffer, overflow, conflate, replay, gaps, name, sys._getframe(1))  # noqa: SLF001 -- the only way to say where it was made

    def _subscribe(
        self,
        interest: Interest,
        where: Any,
        buffer: int,
        overflow: Overflow | None,
        conflate: Any,
        replay: bool,
        gaps: bool,
        name: str | None,
        frame: Any,
    ) -> Subscription[Any]:
        self.check_thread()
        key = checked_key(conflate, "conflate")
        shown = checked_name(name)
        box = self.new_box(
            capacity=checked_buffer(buffer),
            overflow=self._checked_overflow(overflow, conflated=key is not None),
            conflated=key is not None,
            gaps=bool(gaps),
        )
        self._subscribed += 1
        box.name = shown or f"{self._name}/{self._subscribed}"
        box.place = (frame.f_code.co_filename, frame.f_lineno)
        subscription = Subscription[Any](self, box, where if interest.asks else None, key)
        if replay and self._history is not None:
            self._replay_to(box, interest)
        if self._closed:
            box.finish(self._end or EndOfStream)
        elif box.end is None:
            self.add_box(box, interest)
        return subscription

    def _checked_overflow(self, overflow: object, *, conflated: bool) -> Overflow:
        return checked_overflow(overflow, conflated=conflated)

    def _replay_to(self, box: Mailbox, interest: Interest) -> None:
        assert self._history is not None
        try:
            box.give_replay([event for event in self._history if self._router.wanted(interest, event, box)])
        except Exception as error:  # noqa: BLE001 -- what `where` raises is that subscription's end, here as later
            box.finish(error)

    @overload
    def first(self, /, *, where: Where[E] = None) -> Coroutine[Any, Any, E]: ...
    @overload
    def first(self, a: TypeForm[T1], /, *, where: Where[T1] = None) -> Coroutine[Any, Any, T1]: ...
    @overload
    def first(
        self, a: TypeForm[T1], b: TypeForm[T2], /, *, where: Where[T1 | T2] = None
    ) -> Coroutine[Any, Any, T1 | T2]: ...
    @overload
    def first(
        self, a: TypeForm[T1], b: TypeForm[T2], c: TypeForm[T3], /, *, where: Where[T1 | T2 | T3] = None
    ) -> Coroutine[Any, Any, T1 | T2 | T3]: ...
    @overload
    def first(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        d: TypeForm[T4],
        /,
        *,
        where: Where[T1 | T2 | T3 | T4] = None,
    ) -> Coroutine[Any, Any, T1 | T2 | T3 | T4]: ...
    def first(self, *wants: Any, where: Where[Any] = None) -> Coroutine[Any, Any, Any]:
        """The next event that is wanted, from this call on: call first, then do what brings it about, then await.

        Makes no publisher wait, and gets no replay. Cancelling it gives up.

        Raises:
            anyio.EndOfStream: the subject was closed without one.
        """
        interest = self._router.interest(wants, where)
        frame = sys._getframe(1)  # noqa: SLF001 -- the only way to say where it was made
        subscription = self._subscribe(interest, where, 1, "drop_newest", None, False, False, None, frame)
        subscription.quiet()
        return _first(subscription)

    # ------------------------------------------------------------------ observers

    @overload
    def observe(
        self, handler: Callable[[E], object], /, **options: Unpack[ObserveOptions[E]]
    ) -> Observer: ...
    @overload
    def observe(
        self, handler: Callable[[W], object], a: TypeForm[W], /, *wants: TypeForm[W], **options: Unpack[ObserveOptions[W]]
    ) -> Observer: ...
    @overload
    def observe(
        self, handler: Callable[[W], object], /, **options: Unpack[ObserveOptions[W]]
    ) -> Observer: ...
    def observe(
        self,
        handler: Callable[[Any], object],
        /,
        *wants: Any,
        where: Where[Any] = None,
        buffer: int = BUFFER,
        overflow: Overflow | None = None,
        conflate: Key[Any] | None = None,
        concurrency: int = 1,
        name: str | None = None,
    ) -> Observer:
        """Have ``handler`` called for each event that is wanted, while the subject is entered.

        Wants are read off the handler's annotation where none are named; a handler without one wants everything.
        Async handlers are awaited; sync ones run in the loop and must not block.
        With ``concurrency=1`` events are handled in order; with more, so many at the same time.
        A handler that raises stops nobody: the error is logged, and published on ``failures``.

        Raises:
            TypeError, ValueError: an argument makes no sense, or nothing could ever be wanted.
        """
        self.check_thread()
        annotated = wants_of_handler(handler)
        if not wants and annotated not in (None, Any, object):
            wants = (annotated,)
        interest = self._router.interest(wants, where)
        whole(concurrency, "concurrency", 1)
        checked_buffer(buffer)
        self._checked_overflow(overflow, conflated=conflate is not None)
        checked_key(conflate, "conflate")
        shown = checked_name(name) or getattr(handler, "__qualname__", None) or repr(handler)
        options = {"where": where, "buffer": buffer, "overflow": overflow, "conflate": conflate}
        observer = Observer(self, handler, interest, options, concurrency=concurrency, name=shown)
        self._observers[observer] = None
        if self._group is not None and not self._closed:
            self._start(observer)
        return observer

    @overload
    def observer(
        self, a: TypeForm[T1], /, **options: Unpack[ObserveOptions[T1]]
    ) -> Callable[[H], H]: ...
    @overload
    def observer(
        self, a: TypeForm[T1], b: TypeForm[T2], /, **options: Unpack[ObserveOptions[T1 | T2]]
    ) -> Callable[[H], H]: ...
    @overload
    def observer(
        self, a: TypeForm[T1], b: TypeForm[T2], c: TypeForm[T3], /, **options: Unpack[ObserveOptions[T1 | T2 | T3]]
    ) -> Callable[[H], H]: ...
    @overload
    def observer(self, /, **options: Unpack[ObserveOptions[E]]) -> Callable[[H], H]: ...
    @overload
    def observer(self, handler: H, /) -> H: ...
    def observer(self, *wants: Any, **options: Any) -> Any:
        """``observe`` as a decorator, bare or called; returns the function.

        Raises:
            TypeError: bare, and the function's parameter is not annotated with what it wants; else as ``observe``.
        """
        if len(wants) == 1 and not options and callable(wants[0]) and not _is_want(wants[0]):
            return self._observe_annotated(wants[0], ())
        return lambda handler: self._observe_annotated(handler, wants, **options)

    def _observe_annotated(self, handler: Any, wants: tuple[Any, ...], **options: Any) -> Any:
        annotated = wants_of_handler(handler)
        if not wants and annotated is None:
            raise TypeError(
                f"{getattr(handler, '__qualname__', handler)} does not say which events it wants: annotate its parameter"
                " (order: OrderPlaced), or name them: @subject.observer(OrderPlaced)"
            )
        if wants and annotated is not None:
            self._refuse_other_annotation(handler, wants, annotated)
        self.observe(handler, *wants, **options)
        return handler

    def _refuse_other_annotation(self, handler: Any, wants: tuple[Any, ...], annotated: Any) -> None:
        try:
            takes = classes_in(annotated)
        except TypeError:  # not a class that can be looked at: a type variable, Any
            return
        for want in classes_in(*wants):
            if not issubclass(want, takes):
                raise TypeError(
                    f"{getattr(handler, '__qualname__', handler)} takes {' | '.join(c.__name__ for c in takes)},"
                    f" and {want.__name__} is none; name what it takes, or annotate what it gets"
                )

    def remove_observer(self, observer: Observer) -> None:
        """An observer was detached."""
        self.check_thread()
        self._observers.pop(observer, None)

    @property
    def failures(self) -> Subject[ObserverFailed]:
        """What observers raised, as events; open while this subject is.

        It never makes a handler wait: its subscriptions drop the oldest by default, and ``"block"`` is refused.
        What its own observers raise is only logged.
        """
        if self._failures is None:
            self._failures = _Failures(ObserverFailed, name=f"{self._name}.failures")
            if self._group is not None:
                self._failures.enter_with(self._group, self._context)
        return self._failures

    def report_failure(self, failed: ObserverFailed) -> None:
        """A handler raised."""
        if self._failures is not None and not self._failures.is_closed:
            self._failures.publish_nowait(failed)

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
                f"{self._name} was not entered, so there is no loop to publish in; use 'async with' on it in its loop first"
            )
        return publish_from_thread(self, home, event, timeout)

    def task_group(self) -> TaskGroup | None:
        """Where the subject's own tasks run, while it is entered and open."""
        return None if self._closed else self._group

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
        marks = {box: box.mark_now() for box in self._boxes}
        async with self._watching() as changed:
            while behind := [box for box in marks if not box.passed(marks[box])]:
                for box in behind:
                    if box.on_take is None:
                        box.slow_down(self._on_take)
                await changed()
            in_hand = [(observer, set(observer.in_hand)) for observer in self._observers]
            while any(observer.in_hand & numbers for observer, numbers in in_hand):
                await changed()

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
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

    def event_handled(self) -> None:
        """An observer has handled an event."""
        for watcher in tuple(self._watchers):
            watcher(None)

    def _refuse_inside(self, what: str) -> None:
        if any(subject is self for subject in HANDLING.get()):
            raise Deadlock(
                f"{what} of {self._name} was called from inside one of its own handlers, and would wait for that very"
                " handler; call it from outside",
                path=(self._name,),
            )

    def is_cancelled(self) -> bool:
        """Whether the present scope is cancelled."""
        return self._cancelled() == CANCELLED

    # ------------------------------------------------------------------ closing

    def close(self, error: BaseException | None = None) -> None:
        """Take no more events; what is buffered is still delivered, then comes the end, or ``error``.

        Publishers that wait get ``SubjectClosed``. The second time it does nothing. Waits for nothing.

        Raises:
            RuntimeError: called from another thread.
        """
        super().close(error)
        if self._failures is not None and self._all_ended is None:
            self._failures.close()

    async def aclose(self) -> None:
        """Close, then wait for the observers to handle what they are owed.

        Bounded by the caller's scope alone; cancelling it leaves the subject closed.

        Raises:
            Deadlock: called from inside one of this subject's own handlers.
        """
        self._refuse_inside("aclose")
        self.close()
        await self._observers_ended()

    async def _observers_ended(self) -> None:
        if self._all_ended is not None and any(observer.running for observer in self._observers_of_this_life):
            self.settle()
            await self._all_ended.wait()

    def observer_ended(self) -> None:
        """The last task of an observer has ended."""
        if self._closed and self._all_ended is not None:
            if not any(observer.running for observer in self._observers_of_this_life):
                self._all_ended.set()
        self.event_handled()

    # ------------------------------------------------------------------ entering

    async def __aenter__(self) -> Self:
        self._refuse_entered()
        self.settle()
        if self._closed:
            self._begin_anew()
        group = create_task_group()
        await group.__aenter__()
        self._ever_entered = True
        self._told_of_observers = False
        self.enter_with(group, copy_context())
        return self

    def _refuse_entered(self) -> None:
        self.check_thread()
        if self._group is not None:
            raise RuntimeError(
                f"{self._name} is entered already, and lives once at a time; leave it first, or make a subject for each"
            )

    def _leave_home(self) -> None:
        super()._leave_home()
        if self._group is not None:  # its loop has ended under it
            self._group = None
            self._closed = True
            self._routes = {}

    def _begin_anew(self) -> None:
        """Live once more: the same observers, no history, counters at zero."""
        self._begin()
        if self._history is not None:
            self._history = History(*self._replay)
        if self._failures is not None:
            self._failures._begin()  # noqa: SLF001 -- our own kind

    def enter_with(self, group: TaskGroup, context: Context | None) -> None:
        """Run the observers in this group, with these context variables."""
        self._group = group
        self._context = context
        self._all_ended = Event()
        self._observers_of_this_life = []
        for observer in tuple(self._observers):
            self._start(observer)
        if self._failures is not None:
            self._failures.enter_with(group, context)

    def _start(self, observer: Observer) -> None:
        assert self._group is not None
        self._observers_of_this_life.append(observer)
        if self._context is None:
            observer.start(self._group)
        else:
            self._context.copy().run(observer.start, self._group)

    def subscribe_observer(self, observer: Observer, options: dict[str, Any]) -> Subscription[Any]:
        """The subscription that an observer reads."""
        return self._subscribe(
            observer.interest,
            options["where"],
            options["buffer"],
            options["overflow"],
            options["conflate"],
            False,
            False,
            f"{self._name}/{observer.name}",
            sys._getframe(0),  # noqa: SLF001 -- as in subscribe
        )

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        group, failures = self._group, self._failures
        assert group is not None
        self.close()
        try:
            if exc is None:
                await self._observers_ended()
            if self._failures is not None:
                self._failures.close()
        except BaseException:
            group.cancel_scope.cancel()
            raise
        finally:
            if exc is not None:
                group.cancel_scope.cancel()
            try:
                await group.__aexit__(None, None, None)
            finally:
                self._group = self._context = self._all_ended = None
                if failures is not None:
                    failures.leave()

    # ------------------------------------------------------------------ what it says of itself

    def explain(self, event: E, /) -> tuple[Any, ...]:
        """Why each subscription and observer would, or would not, get this event; nobody gets it.

        Raises:
            TypeError: the event is none of the classes that this subject takes.
        """
        self.check_thread()
        self._check_type(event)
        raise NotImplementedError

    def statistics(self) -> SubjectStatistics:
        """Plain numbers, as they are now.

        Raises:
            RuntimeError: called from another thread.
        """
        self.check_thread()
        return SubjectStatistics(
            name=self._name,
            published=self._published,
            deliveries=self._deliveries,
            waiting_publishers=len(self._admission.queue),
            kept=0 if self._history is None else len(self._history),
            closed=self._closed,
            subscriptions=tuple(ledger(box) for box in self._boxes),
            observers=tuple(observer.statistics() for observer in self._observers),
        )

    def __repr__(self) -> str:
        takes = " | ".join(cls.__name__ for cls in self._types) or "Event"
        state = "closed" if self._closed else f"{len(self._boxes)} subscriptions"
        full = sum(1 for box in tuple(self._careful) if box.room() <= 0)
        return f"<Subject {self._name} of {takes}, {state}{f', {full} full' if full else ''}>"

    def _check_type(self, event: object) -> None:
        takes = self._types or (EventModel,)
        if not isinstance(event, takes):
            names = " | ".join(cls.__name__ for cls in takes)
            raise TypeError(
                f"{self._name} takes {names}, not {event!r}, which is a {type(event).__name__}; nobody got it"
            )

    def _on_unwanted(self, event: Any) -> None:
        if self._group is not None or not self._observers or self._told_of_observers:
            return
        wanting = [o for o in self._observers if self._router.wanted(o.interest, event, cast("Mailbox", o))]
        if wanting:
            self._told_of_observers = True
            _log.warning(
                "%s: %s was wanted only by observers that do not run (%s); enter the subject with 'async with' to run them",
                self._name,
                type(event).__name__,
                ", ".join(observer.name for observer in wanting),
            )


class _Failures(Subject[ObserverFailed]):
    """What observers raised: never waits, and is entered and closed with the subject it belongs to."""

    def _checked_overflow(self, overflow: object, *, conflated: bool) -> Overflow:
        if overflow == "block":
            raise ValueError(
                "overflow='block' would make the handlers wait that failed: on failures use overflow='drop_oldest' (the default),"
                " 'drop_newest' or 'disconnect'"
            )
        return checked_overflow(overflow or "drop_oldest", conflated=conflated)

    def report_failure(self, failed: ObserverFailed) -> None:
        """It was logged, and that is all."""

    def enter_with(self, group: TaskGroup, context: Context | None) -> None:
        self.settle()
        super().enter_with(group, context)

    def leave(self) -> None:
        """The subject it belongs to was left."""
        self._group = self._context = self._all_ended = None


async def _first(subscription: Subscription[W]) -> W:
    async with subscription:
        return await subscription.receive()


def _is_want(thing: Any) -> bool:
    """Whether an argument of ``observer`` names events, and is not the function that is decorated."""
    return isinstance(thing, type) or not hasattr(thing, "__call__") or hasattr(thing, "__origin__")  # noqa: B004 -- to look at it, not to ask
