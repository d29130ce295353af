"""The typed signatures of ``DurableSubject``: what a checker knows of each call. They hold no state.

For up to four classes a checker knows the union exactly; for more it knows their common base.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypedDict, TypeVar, overload

from evenflow._options import BUFFER, Key, Where

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from typing_extensions import TypeForm as F, Unpack

    from evenflow._gaps import Gap
    from evenflow._mailbox import Overflow
    from evenflow._subscription import Subscription
    from evenflow.streams._stream import Stream

    from ._offsets import Since, Until
    from ._record import Record

No: TypeAlias = Literal[False]
E = TypeVar("E")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
W = TypeVar("W")


class DurableSubscribeOptions(TypedDict, Generic[W], total=False):
    """Keyword arguments of ``DurableSubject.subscribe`` and ``records``."""

    where: Where[W]
    since: Since
    buffer: int
    overflow: Overflow | None
    conflate: Key[W] | None
    name: str | None


class ReadOptions(TypedDict, Generic[W], total=False):
    """Keyword arguments of ``DurableSubject.read``."""

    where: Where[W]
    since: Since
    until: Until


class FirstOptions(TypedDict, Generic[W], total=False):
    """Keyword arguments of ``DurableSubject.first``."""

    where: Where[W]
    since: Since


S: TypeAlias = DurableSubscribeOptions[W]
R: TypeAlias = ReadOptions[W]
N: TypeAlias = FirstOptions[W]


class Reading(Generic[E]):
    """What can be read from a durable subject."""

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
        since: Since = "now",
        buffer: int = BUFFER,
        overflow: Overflow | None = None,
        conflate: Key[Any] | None = None,
        gaps: bool = False,
        name: str | None = None,
    ) -> Subscription[Any]:
        """Subscribe to the events of these classes (none: to all), from ``since`` on.

        It begins when it is entered, or first read: then ``"now"`` is fixed. What was stored before and what is new
        come in one order, without a hole and nothing twice, however slow the reader is. Nobody waits for it: while its
        buffer is full it falls behind, and reads on from the log.

        Args:
            wants: classes of events, or unions of them.
            where: which of these: a condition, or a quick callable.
            since: an ``Offset`` (after it), an aware ``datetime`` (the first event at or after it), ``"start"`` or
                ``"now"``.
            buffer: how many events it holds.
            overflow: what happens when that is full: ``"block"`` (default) falls behind and loses nothing, the others
                as for ``Subject.subscribe``; ``SlowSubscriber.offset`` is where to go on.
            conflate: an event replaces the buffered one of the same key: a field, or a callable.
            gaps: whether a ``Gap`` says where events were dropped, or removed by retention.
            name: for statistics and errors.

        Raises:
            TypeError, ValueError: an argument makes no sense; the message says what would.
            RuntimeError: the log is not open.
            OffsetExpired: (when read) retention has removed what would come next, and ``gaps`` was not asked for.
            DecodeError: (when read) an event cannot be read, and the subject says ``on_undecodable="raise"``.
            LogError: (when entered or read) the log has failed.
        """
        return self._subscribe(
            wants, where, since, buffer, overflow, conflate, gaps, name, _place(sys._getframe(1)), records=False
        )

    @overload
    def records(self, /, *, gaps: No = False, **o: Unpack[S[E]]) -> Subscription[Record[E]]: ...
    @overload
    def records(self, /, *, gaps: bool, **o: Unpack[S[E]]) -> Subscription[Record[E] | Gap]: ...
    @overload
    def records(self, a: F[T1], /, *, gaps: No = False, **o: Unpack[S[T1]]) -> Subscription[Record[T1]]: ...
    @overload
    def records(self, a: F[T1], /, *, gaps: bool, **o: Unpack[S[T1]]) -> Subscription[Record[T1] | Gap]: ...
    @overload
    def records(
        self, a: F[T1], b: F[T2], /, *, gaps: No = False, **o: Unpack[S[T1 | T2]]
    ) -> Subscription[Record[T1 | T2]]: ...
    @overload
    def records(
        self, a: F[T1], b: F[T2], /, *, gaps: bool, **o: Unpack[S[T1 | T2]]
    ) -> Subscription[Record[T1 | T2] | Gap]: ...
    @overload
    def records(
        self, a: F[T1], b: F[T2], c: F[T3], /, *, gaps: No = False, **o: Unpack[S[T1 | T2 | T3]]
    ) -> Subscription[Record[T1 | T2 | T3]]: ...
    @overload
    def records(
        self, a: F[T1], b: F[T2], c: F[T3], /, *, gaps: bool, **o: Unpack[S[T1 | T2 | T3]]
    ) -> Subscription[Record[T1 | T2 | T3] | Gap]: ...
    @overload
    def records(
        self, a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, *, gaps: No = False, **o: Unpack[S[T1 | T2 | T3 | T4]]
    ) -> Subscription[Record[T1 | T2 | T3 | T4]]: ...
    @overload
    def records(
        self, a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, *, gaps: bool, **o: Unpack[S[T1 | T2 | T3 | T4]]
    ) -> Subscription[Record[T1 | T2 | T3 | T4] | Gap]: ...
    @overload
    def records(
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
    ) -> Subscription[Record[W]]: ...
    def records(
        self,
        *wants: Any,
        where: Where[Any] = None,
        since: Since = "now",
        buffer: int = BUFFER,
        overflow: Overflow | None = None,
        conflate: Key[Any] | None = None,
        gaps: bool = False,
        name: str | None = None,
    ) -> Subscription[Any]:
        """As ``subscribe``, but each event comes as a ``Record``: with its offset, id, time and headers."""
        return self._subscribe(
            wants, where, since, buffer, overflow, conflate, gaps, name, _place(sys._getframe(1)), records=True
        )

    @overload
    def read(self, /, **o: Unpack[R[E]]) -> Stream[Record[E]]: ...
    @overload
    def read(self, a: F[T1], /, **o: Unpack[R[T1]]) -> Stream[Record[T1]]: ...
    @overload
    def read(self, a: F[T1], b: F[T2], /, **o: Unpack[R[T1 | T2]]) -> Stream[Record[T1 | T2]]: ...
    @overload
    def read(self, a: F[T1], b: F[T2], c: F[T3], /, **o: Unpack[R[T1 | T2 | T3]]) -> Stream[Record[T1 | T2 | T3]]: ...
    @overload
    def read(
        self, a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, **o: Unpack[R[T1 | T2 | T3 | T4]]
    ) -> Stream[Record[T1 | T2 | T3 | T4]]: ...
    @overload
    def read(
        self, a: type[W], b: type[W], c: type[W], d: type[W], e: type[W], /, *more: type[W], **o: Unpack[R[W]]
    ) -> Stream[Record[W]]: ...
    def read(
        self, *wants: Any, where: Where[Any] = None, since: Since = "start", until: Until = "end"
    ) -> Stream[Record[Any]]:
        """What is stored now, as a stream that ends: from ``since`` up to ``until``, that one included.

        ``until="end"`` is the newest event at the first read. Each start reads anew. Holds one page of 512 events,
        needs no task. Cancelling a read loses nothing.

        Raises:
            TypeError, ValueError: an argument makes no sense.
            RuntimeError: (when read) the log is not open.
            OffsetExpired, DecodeError, LogError: (when read) as for ``subscribe``.
        """
        return self._read(wants, where, since, until)

    @overload
    def first(self, /, **o: Unpack[N[E]]) -> Coroutine[Any, Any, E]: ...
    @overload
    def first(self, a: F[T1], /, **o: Unpack[N[T1]]) -> Coroutine[Any, Any, T1]: ...
    @overload
    def first(self, a: F[T1], b: F[T2], /, **o: Unpack[N[T1 | T2]]) -> Coroutine[Any, Any, T1 | T2]: ...
    @overload
    def first(
        self, a: F[T1], b: F[T2], c: F[T3], /, **o: Unpack[N[T1 | T2 | T3]]
    ) -> Coroutine[Any, Any, T1 | T2 | T3]: ...
    @overload
    def first(
        self, a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, **o: Unpack[N[T1 | T2 | T3 | T4]]
    ) -> Coroutine[Any, Any, T1 | T2 | T3 | T4]: ...
    @overload
    def first(
        self, a: type[W], b: type[W], c: type[W], d: type[W], e: type[W], /, *more: type[W], **o: Unpack[N[W]]
    ) -> Coroutine[Any, Any, W]: ...
    def first(self, *wants: Any, where: Where[Any] = None, since: Since = "now") -> Coroutine[Any, Any, Any]:
        """The first event of these classes after ``since``; ``"now"`` is fixed when it is awaited.

        Raises:
            TypeError, ValueError: an argument makes no sense.
            anyio.EndOfStream: (when awaited) the log was closed meanwhile.
            RuntimeError, OffsetExpired, DecodeError, LogError: (when awaited) as for ``subscribe``.
        """
        return self._first(wants, where, since, _place(sys._getframe(1)))

    def _subscribe(
        self,
        wants: Any,
        where: Any,
        since: Any,
        buffer: int,
        overflow: Any,
        conflate: Any,
        gaps: bool,
        name: Any,
        created_at: tuple[str, int],
        *,
        records: bool,
    ) -> Subscription[Any]:
        raise NotImplementedError

    def _read(self, wants: Any, where: Any, since: Any, until: Any) -> Stream[Record[Any]]:
        raise NotImplementedError

    def _first(self, wants: Any, where: Any, since: Any, created_at: tuple[str, int]) -> Coroutine[Any, Any, Any]:
        raise NotImplementedError


def _place(frame: Any) -> tuple[str, int]:
    return frame.f_code.co_filename, frame.f_lineno
