"""Observers of a subject, and the span from entering it to leaving it, in which they run.

    left normally                       close, wait for the observers, leave nothing behind
    left by an exception or a cancel    close, cancel the observers, and the exception goes out as it is

What is buffered for readers stays readable; nobody waits for them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from anyio import Event, create_task_group

from ._errors import Deadlock
from ._loops import current_task
from ._observers import HANDLING, Observer, ObserverFailed, wants_of_handler
from ._options import (
    BUFFER,
    Key,
    ObserveOptions,
    Where,
    checked_buffer,
    checked_key,
    checked_name,
    checked_overflow,
    whole,
)
from ._publishing import Publishing
from ._routing import classes_in
from ._threads import Courier

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskGroup
    from typing_extensions import TypeForm, Unpack

    from ._mailbox import Mailbox, Overflow
    from ._subscription import Subscription

E = TypeVar("E")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
W = TypeVar("W")
H = TypeVar("H", bound=Callable[..., object])
_log = logging.getLogger("evenflow.subject")


class Observing(Publishing[E], Generic[E]):
    """A subject's observers, and its life between entering and leaving."""

    def __init__(self, types: tuple[type, ...], name: str | None, stall_after: float) -> None:
        super().__init__(types, name, stall_after)
        self._observers: dict[Observer, None] = {}
        self._running: dict[Observer, None] = {}
        """Those whose tasks are there; a detached one is among them until its handler has ended."""
        self._failures: Observing[ObserverFailed] | None = None
        self._group: TaskGroup | None = None
        self._context: Context | None = None
        self._all_ended: Event | None = None
        self.courier: Courier | None = None
        self._ever_entered = False
        self._told_of_observers = False

    # ------------------------------------------------------------------ observers

    @overload
    def observe(self, handler: Callable[[E], object], /, **options: Unpack[ObserveOptions[E]]) -> Observer: ...
    @overload
    def observe(
        self, handler: Callable[[T1], object], a: TypeForm[T1], /, **options: Unpack[ObserveOptions[T1]]
    ) -> Observer: ...
    @overload
    def observe(
        self,
        handler: Callable[[T1 | T2], object],
        a: TypeForm[T1],
        b: TypeForm[T2],
        /,
        **options: Unpack[ObserveOptions[T1 | T2]],
    ) -> Observer: ...
    @overload
    def observe(
        self,
        handler: Callable[[T1 | T2 | T3], object],
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        /,
        **options: Unpack[ObserveOptions[T1 | T2 | T3]],
    ) -> Observer: ...
    @overload
    def observe(
        self,
        handler: Callable[[T1 | T2 | T3 | T4], object],
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        d: TypeForm[T4],
        /,
        **options: Unpack[ObserveOptions[T1 | T2 | T3 | T4]],
    ) -> Observer: ...
    @overload
    def observe(self, handler: Callable[[W], object], /, **options: Unpack[ObserveOptions[W]]) -> Observer: ...
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
        checked_key(conflate, "conflate", interest.wants or self._types)
        shown = checked_name(name) or getattr(handler, "__qualname__", None) or repr(handler)
        options = {"where": where, "buffer": buffer, "overflow": overflow, "conflate": conflate}
        observer = Observer(self, handler, interest, options, concurrency=concurrency, name=shown)
        self._observers[observer] = None
        if self._group is not None and not self._closed:
            self._start(observer)
        return observer

    @overload
    def observer(self, a: TypeForm[T1], /, **options: Unpack[ObserveOptions[T1]]) -> Callable[[H], H]: ...
    @overload
    def observer(
        self, a: TypeForm[T1], b: TypeForm[T2], /, **options: Unpack[ObserveOptions[T1 | T2]]
    ) -> Callable[[H], H]: ...
    @overload
    def observer(
        self, a: TypeForm[T1], b: TypeForm[T2], c: TypeForm[T3], /, **options: Unpack[ObserveOptions[T1 | T2 | T3]]
    ) -> Callable[[H], H]: ...
    @overload
    def observer(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        d: TypeForm[T4],
        /,
        **options: Unpack[ObserveOptions[T1 | T2 | T3 | T4]],
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

        def observed(handler: H) -> H:
            return cast("H", self._observe_annotated(handler, wants, **options))

        return observed

    def _observe_annotated(self, handler: Any, wants: tuple[Any, ...], **options: Any) -> Any:
        annotated = wants_of_handler(handler)
        if not wants and annotated is None:
            raise TypeError(
                f"{getattr(handler, '__qualname__', handler)} does not say which events it wants: annotate its"
                " parameter (order: OrderPlaced), or name them: @subject.observer(OrderPlaced)"
            )
        if wants and annotated is not None:
            self._refuse_other_annotation(handler, wants, annotated)
        self.observe(handler, *wants, **options)
        return handler

    def _refuse_other_annotation(self, handler: Any, wants: tuple[Any, ...], annotated: Any) -> None:
        try:
            takes = classes_in(annotated)
            issubclass(object, takes)
        except TypeError:  # not a class that can be asked: a type variable, Any, a Protocol with attributes
            return
        strangers = [want.__name__ for want in classes_in(*wants) if not issubclass(want, takes)]
        if strangers:
            raise TypeError(
                f"{getattr(handler, '__qualname__', handler)} takes {' | '.join(c.__name__ for c in takes)},"
                f" and {', '.join(strangers)} is none; name what it takes, or annotate what it gets"
            )

    def _start(self, observer: Observer) -> None:
        assert self._group is not None
        self._running[observer] = None
        if self._context is None:
            observer.start(self._group)
        else:
            self._context.copy().run(observer.start, self._group)

    def remove_observer(self, observer: Observer) -> None:
        """An observer was detached."""
        self.check_thread()
        self._observers.pop(observer, None)

    def report_failure(self, failed: ObserverFailed) -> None:
        """A handler raised."""
        if self._failures is not None and not self._failures.is_closed:
            self._failures.publish_nowait(failed)

    def event_handled(self) -> None:
        """An observer has handled an event."""
        if self._watchers:
            for watcher in tuple(self._watchers):
                watcher(None)

    def observer_ended(self, observer: Observer) -> None:
        """The last task of an observer has ended."""
        self._running.pop(observer, None)
        if self._all_ended is not None and self._closed and not self._running:
            self._all_ended.set()
        self.event_handled()

    def _boxes_of_observers(self) -> list[Mailbox]:
        """The mailboxes of those that run, even where they take no more events."""
        return [observer.subscription.box for observer in self._running if observer.subscription is not None]

    def _refuse_inside(self, what: str) -> None:
        task = current_task()
        if any(subject is self and handling is task for subject, handling in HANDLING.get()):
            raise Deadlock(
                f"{what} of {self._name} was called from inside one of its own handlers, and would wait for that very"
                " handler; call it from outside",
                path=(self._name,),
            )

    def _on_unwanted(self, event: Any) -> None:
        if self._group is not None or not self._observers or self._told_of_observers:
            return
        wanting = [observer for observer in self._observers if observer.would_want(event)]
        if wanting:
            self._told_of_observers = True
            _log.warning(
                "%s: %s was wanted only by observers that do not run (%s); enter the subject, 'async with', for them",
                self._name,
                type(event).__name__,
                ", ".join(observer.name for observer in wanting),
            )

    def subscribe_observer(self, observer: Observer, options: dict[str, Any]) -> Subscription[Any]:
        """The subscription that an observer reads."""
        raise NotImplementedError

    def _checked_overflow(self, overflow: object, *, conflated: bool) -> Overflow:
        return checked_overflow(overflow, conflated=conflated)

    # ------------------------------------------------------------------ entering and leaving

    async def __aenter__(self) -> Self:
        self._refuse_entered()
        self.settle()
        if self._closed:
            self._begin_anew()
        group = create_task_group()
        await group.__aenter__()
        self._ever_entered = True
        self._told_of_observers = False
        self.courier = Courier(self, group)
        group.start_soon(self.courier.run, name=f"evenflow courier of {self._name}")
        self.enter_with(group, copy_context())
        return self

    def _refuse_entered(self) -> None:
        self.check_thread()
        if self._group is not None:
            raise RuntimeError(
                f"{self._name} is entered already, and lives once at a time; leave it first, or make a subject for each"
            )

    def _begin_anew(self) -> None:
        """Live once more: the same observers, no history, counters at zero."""
        self._begin()
        if self._failures is not None:
            self._failures._begin_anew()

    def enter_with(self, group: TaskGroup, context: Context | None) -> None:
        """Run the observers in this group, with these context variables."""
        self._group = group
        self._context = context
        self._all_ended = Event()
        for observer in tuple(self._observers):
            self._start(observer)
        if self._failures is not None:
            self._failures.enter_with(group, context)

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
        if self._all_ended is not None and self._running:
            self.settle()
            await self._all_ended.wait()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        group = self._group
        if group is None:  # its loop has ended under it, and the task is only now let go
            return
        self.close()
        all_handled = False
        try:
            if exc is None:
                await self._observers_ended()
                all_handled = True
        finally:
            if self._failures is not None:
                self._failures.close()
            if self.courier is not None:
                self.courier.stop()
            if not all_handled:
                group.cancel_scope.cancel()
            try:
                await group.__aexit__(None, None, None)
            finally:
                self.leave()

    def leave(self) -> None:
        """Nothing of this life runs any more."""
        self._group = self._context = self._all_ended = self.courier = None
        if self._failures is not None:
            self._failures.leave()

    def _leave_home(self) -> None:
        super()._leave_home()
        for observer in tuple(self._running):
            observer.abandon()
        self._running.clear()
        if self._group is not None:  # its loop has ended under it
            self.leave()
            self.close()


def _is_want(thing: Any) -> bool:
    """Whether an argument of ``observer`` names events, and is not the function that is decorated."""
    return isinstance(thing, type) or not hasattr(thing, "__call__") or hasattr(thing, "__origin__")  # noqa: B004 -- to look at it, not to ask
