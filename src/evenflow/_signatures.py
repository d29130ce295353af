"""The typed signatures of ``Subject``: what a checker knows of each call. They hold no state.

What is written here are the arguments and what they mean; what is done with them is in ``_subject``.
For up to four classes a checker knows the union exactly; for more it knows their common base.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar, overload

from ._handlers import check_handler, refuse_class_method, refuse_other_annotation, wants_of_handler
from ._options import BUFFER, Key, ObserveOptions as O, SubscribeOptions as S, Where

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from typing_extensions import TypeForm as F, Unpack

    from ._gaps import Gap
    from ._mailbox import Overflow
    from ._observers import Observer
    from ._subscription import Subscription

No: TypeAlias = Literal[False]
E = TypeVar("E")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
E_co = TypeVar("E_co", covariant=True)
E_contra = TypeVar("E_contra", contravariant=True)
W = TypeVar("W")
H = TypeVar("H", bound=Callable[[Any], object])


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


class Subject(Generic[E]):
    """What can be written with a subject: named like one, because Python and checkers name it in what they say."""

    @overload
    def subscribe(self, /, *, gaps: No = False, **o: Unpack[S[E]]) -> Subscription[E]: ...
    @overload
    def subscribe(self, /, *, gaps: bool, **o: Unpack[S[E]]) -> Subscription[E | Gap]: ...
    @overload
    def subscribe(self, a: F[T1], /, *, gaps: No = False, **o: Unpack[S[T1]]) -> Subscription[T1]: ...
    @overload
    def subscribe(self, a: F[T1], /, *, gaps: bool, **o: Unpack[S[T1]]) -> Subscription[T1 | Gap]: ...
    @overload
    def subscribe(
        self, a: F[T1], b: F[T2], /, *, gaps: No = False, **o: Unpack[S[T1 | T2]]
    ) -> Subscription[T1 | T2]: ...
    @overload
    def subscribe(
        self, a: F[T1], b: F[T2], /, *, gaps: bool, **o: Unpack[S[T1 | T2]]
    ) -> Subscription[T1 | T2 | Gap]: ...
    @overload
    def subscribe(
        self, a: F[T1], b: F[T2], c: F[T3], /, *, gaps: No = False, **o: Unpack[S[T1 | T2 | T3]]
    ) -> Subscription[T1 | T2 | T3]: ...
    @overload
    def subscribe(
        self, a: F[T1], b: F[T2], c: F[T3], /, *, gaps: bool, **o: Unpack[S[T1 | T2 | T3]]
    ) -> Subscription[T1 | T2 | T3 | Gap]: ...
    @overload
    def subscribe(
        self, a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, *, gaps: No = False, **o: Unpack[S[T1 | T2 | T3 | T4]]
    ) -> Subscription[T1 | T2 | T3 | T4]: ...
    @overload
    def subscribe(
        self, a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, *, gaps: bool, **o: Unpack[S[T1 | T2 | T3 | T4]]
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
        **o: Unpack[S[W]],
    ) -> Subscription[W]: ...
    def subscribe(
        self,
        *wants: Any,
        where: Where[Any] = None,
        buffer: int = BUFFER,
        overflow: Overflow | None = None,
        conflate: Key[Any] | None = None,
        replay: bool | int = True,
        gaps: bool = False,
        name: str | None = None,
    ) -> Subscription[Any]:
        """Subscribe from this call on, entered or not.

        The subscription gets every event that is one of the classes in ``wants`` (every event, where none is named)
        and for which ``where`` holds, in the order in which they are published, in a buffer of its own.

        Args:
            wants: classes of events, or unions of them.
            where: a condition on fields, or a quick plain callable, which runs in the publisher's task.
            buffer: how many events it holds at most.
            overflow: what happens when the buffer is full: the publisher waits (``"block"``), the oldest event is
                dropped (``"drop_oldest"``, the default with ``conflate``), the newest is (``"drop_newest"``), or the
                subscriber is disconnected (``"disconnect"``).
            conflate: an event replaces a buffered one of the same key: a field, or a callable.
            replay: whether to get first what the subject keeps, or at most how many of it, the last ones.
            gaps: whether a ``Gap`` stands where events were dropped.
            name: for logs, statistics and errors.

        Raises:
            TypeError, ValueError: an argument makes no sense, or nothing could ever be wanted.
            RuntimeError: called from another thread, or by a condition.
        """
        o = S(where=where, buffer=buffer, overflow=overflow, conflate=conflate, replay=replay, name=name)
        return self._subscribe(wants, **o, gaps=gaps, created_at=caller())

    @overload
    def first(self, /, *, where: Where[E] = None) -> Coroutine[Any, Any, E]: ...
    @overload
    def first(self, a: F[T1], /, *, where: Where[T1] = None) -> Coroutine[Any, Any, T1]: ...
    @overload
    def first(self, a: F[T1], b: F[T2], /, *, where: Where[T1 | T2] = None) -> Coroutine[Any, Any, T1 | T2]: ...
    @overload
    def first(
        self, a: F[T1], b: F[T2], c: F[T3], /, *, where: Where[T1 | T2 | T3] = None
    ) -> Coroutine[Any, Any, T1 | T2 | T3]: ...
    @overload
    def first(
        self, a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, *, where: Where[T1 | T2 | T3 | T4] = None
    ) -> Coroutine[Any, Any, T1 | T2 | T3 | T4]: ...
    def first(self, *wants: Any, where: Where[Any] = None) -> Coroutine[Any, Any, Any]:
        """The next event that is wanted, from this call on: call it, then do what brings the event about, then await.

        Makes no publisher wait, and gets no replay. Cancelling it gives up.

        Raises:
            anyio.EndOfStream: the subject was closed without one.
            TypeError, ValueError, RuntimeError: as for ``subscribe``.
        """
        o = S(where=where, buffer=1, overflow="drop_newest")
        return next_of(self._subscribe(wants, **o, created_at=caller(), quiet=True))

    @overload
    def observe(self, handler: Callable[[E], object], /, **o: Unpack[O[E]]) -> Observer: ...
    @overload
    def observe(self, handler: Callable[[T1], object], a: F[T1], /, **o: Unpack[O[T1]]) -> Observer: ...
    @overload
    def observe(
        self, handler: Callable[[T1 | T2], object], a: F[T1], b: F[T2], /, **o: Unpack[O[T1 | T2]]
    ) -> Observer: ...
    @overload
    def observe(
        self, handler: Callable[[T1 | T2 | T3], object], a: F[T1], b: F[T2], c: F[T3], /, **o: Unpack[O[T1 | T2 | T3]]
    ) -> Observer: ...
    @overload
    def observe(
        self,
        h: Callable[[T1 | T2 | T3 | T4], object],
        a: F[T1],
        b: F[T2],
        c: F[T3],
        d: F[T4],
        /,
        **o: Unpack[O[T1 | T2 | T3 | T4]],
    ) -> Observer: ...
    @overload
    def observe(self, handler: Callable[[W], object], /, **o: Unpack[O[W]]) -> Observer: ...
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
        ordered_by: Key[Any] | None = None,
        context: Literal["subject", "publisher"] = "subject",
        name: str | None = None,
    ) -> Observer:
        """Have ``handler`` called for each event that is wanted, while the subject is entered.

        Wants are read off the handler's annotation where none are named; a handler without one wants everything.
        Async handlers are awaited; sync ones run in the loop and must not block.
        With ``concurrency=1`` events are handled in order; with more, that many at the same time. With ``ordered_by``
        (a field, or a callable) those of one key are still handled in order; at most ``buffer + concurrency`` events
        wait for others of their key, outside the buffer.
        Each event is handled in a copy of the context of its own: that of the task that entered the subject, or with
        ``context="publisher"`` that of whoever published the event.
        A handler that raises stops nobody: the error is logged, and published on ``failures``. So is what ``where``
        and ``conflate`` raise here; the event counts as not wanted.

        Raises:
            TypeError, ValueError: an argument makes no sense, or nothing could ever be wanted.
            RuntimeError: called from another thread, or by a condition.
        """
        reads = S(where=where, buffer=buffer, overflow=overflow, conflate=conflate, name=name)
        return self._observe(handler, wants, **reads, concurrency=concurrency, ordered_by=ordered_by, context=context)

    @overload
    def observer(self, a: F[T1], /, **o: Unpack[O[T1]]) -> Callable[[H], H]: ...
    @overload
    def observer(self, a: F[T1], b: F[T2], /, **o: Unpack[O[T1 | T2]]) -> Callable[[H], H]: ...
    @overload
    def observer(self, a: F[T1], b: F[T2], c: F[T3], /, **o: Unpack[O[T1 | T2 | T3]]) -> Callable[[H], H]: ...
    @overload
    def observer(
        self, a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, **o: Unpack[O[T1 | T2 | T3 | T4]]
    ) -> Callable[[H], H]: ...
    @overload
    def observer(self, /, **o: Unpack[O[E]]) -> Callable[[H], H]: ...
    @overload
    def observer(self, handler: H, /) -> H: ...
    def observer(self, *wants: Any, **options: Any) -> Any:
        """``observe`` as a decorator, bare or called; returns the function.

        Raises:
            TypeError: bare, and the function's parameter is not annotated with what it wants; else as ``observe``.
        """
        for want in wants:
            refuse_class_method(want)
        only = wants[0] if len(wants) == 1 and not options else None
        # A function, and no name of events: classes can be called as well, and so can `list[Order]`.
        if callable(only) and not isinstance(only, type) and not hasattr(only, "__origin__"):
            return observe_annotated(self.observe, only, (), {})
        self._checked(wants)
        return partial(observe_annotated, self.observe, wants=wants, options=options)

    if TYPE_CHECKING:  # what a subject does with it

        def _subscribe(self, *args: Any, **options: Any) -> Subscription[Any]: ...
        def _checked(self, wants: Any) -> object: ...
        def _observe(self, *args: Any, **options: Any) -> Observer: ...


def observe_annotated(observe: Callable[..., object], handler: Any, wants: Any, options: dict[str, Any]) -> Any:
    """Observe with a decorated handler, which says itself what it wants, or takes what is wanted; returns it."""
    if not wants and wants_of_handler(handler) is None:
        raise TypeError(
            f"{getattr(handler, '__qualname__', handler)} does not say which events it wants: annotate its"
            " parameter (order: OrderPlaced), or name them: @subject.observer(OrderPlaced)"
        )
    if wants:
        check_handler(handler)
        refuse_other_annotation(handler, wants)
    observe(handler, *wants, **options)
    return handler


async def next_of(subscription: Subscription[W]) -> W:
    """The next event of a subscription that is closed after it."""
    async with subscription:
        return await subscription.receive()


def caller(depth: int = 2) -> tuple[str, int]:
    """The file and line from which the function that calls this was called."""
    frame = sys._getframe(depth)
    return frame.f_code.co_filename, frame.f_lineno
