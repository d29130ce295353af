"""The typed signatures of ``Subject``: what a checker knows of each call. They hold no state.

What is written here are the arguments and what they mean; what is done with them is in ``_subject``.
For up to four classes a checker knows the union exactly; for more it knows their common base.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ._options import BUFFER, REPLAY_KEYS, STALL_AFTER, Key, ObserveOptions, SubjectOptions, SubscribeOptions, Where

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from typing_extensions import TypeForm, Unpack

    from ._events import Event
    from ._gaps import Gap
    from ._mailbox import Overflow
    from ._observers import Observer
    from ._subscription import Subscription

E = TypeVar("E")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
W = TypeVar("W")
H = TypeVar("H", bound=Callable[..., object])


class Signatures(Generic[E]):
    """What can be written with a subject."""

    # ------------------------------------------------------------------ Subject(...)

    @overload
    def __init__(self: Signatures[Event], /, **options: Unpack[SubjectOptions[Any]]) -> None: ...
    @overload
    def __init__(self, a: TypeForm[E], /, **options: Unpack[SubjectOptions[E]]) -> None: ...
    @overload
    def __init__(
        self: Signatures[T1 | T2], a: TypeForm[T1], b: TypeForm[T2], /, **options: Unpack[SubjectOptions[T1 | T2]]
    ) -> None: ...
    @overload
    def __init__(
        self: Signatures[T1 | T2 | T3],
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        /,
        **options: Unpack[SubjectOptions[T1 | T2 | T3]],
    ) -> None: ...
    @overload
    def __init__(
        self: Signatures[T1 | T2 | T3 | T4],
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
        self._set_up(types, name, replay, replay_by, replay_keys, stall_after)

    # ------------------------------------------------------------------ subscribe

    @overload
    def subscribe(
        self, /, *, gaps: Literal[False] = False, **options: Unpack[SubscribeOptions[E]]
    ) -> Subscription[E]: ...
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
            replay: whether to get first what the subject keeps.
            gaps: whether a ``Gap`` stands where events were dropped.
            name: for logs, statistics and errors.

        Raises:
            TypeError, ValueError: an argument makes no sense, or nothing could ever be wanted.
            RuntimeError: called from another thread, or by a condition.
        """
        return self._subscribe(wants, where, buffer, overflow, conflate, replay, gaps, name, caller())

    # ------------------------------------------------------------------ first

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
        """The next event that is wanted, from this call on: call it, then do what brings the event about, then await.

        Makes no publisher wait, and gets no replay. Cancelling it gives up.

        Raises:
            anyio.EndOfStream: the subject was closed without one.
            TypeError, ValueError, RuntimeError: as for ``subscribe``.
        """
        return self._first(wants, where, caller())

    # ------------------------------------------------------------------ observe

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
        With ``concurrency=1`` events are handled in order; with more, that many at the same time.
        A handler that raises stops nobody: the error is logged, and published on ``failures``.

        Raises:
            TypeError, ValueError: an argument makes no sense, or nothing could ever be wanted.
            RuntimeError: called from another thread, or by a condition.
        """
        return self._observe(handler, wants, where, buffer, overflow, conflate, concurrency, name)

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
        return self._observer(wants, options)

    # ------------------------------------------------------------------ what a subject does with it

    def _set_up(self, types: Any, name: Any, replay: int, replay_by: Any, replay_keys: int, stall_after: float) -> None:
        raise NotImplementedError

    def _subscribe(
        self,
        wants: Any,
        where: Any,
        buffer: int,
        overflow: Any,
        conflate: Any,
        replay: bool,
        gaps: bool,
        name: Any,
        created_at: tuple[str, int],
    ) -> Subscription[Any]:
        raise NotImplementedError

    def _first(self, wants: Any, where: Any, created_at: tuple[str, int]) -> Coroutine[Any, Any, Any]:
        raise NotImplementedError

    def _observe(
        self,
        handler: Callable[[Any], object],
        wants: Any,
        where: Any,
        buffer: int,
        overflow: Any,
        conflate: Any,
        concurrency: int,
        name: Any,
    ) -> Observer:
        raise NotImplementedError

    def _observer(self, wants: Any, options: dict[str, Any]) -> Any:
        raise NotImplementedError


def caller(depth: int = 2) -> tuple[str, int]:
    """The file and line from which the function that calls this was called."""
    frame = sys._getframe(depth)
    return frame.f_code.co_filename, frame.f_lineno
