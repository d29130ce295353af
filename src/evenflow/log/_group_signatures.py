"""The typed signatures of a durable subject's groups: what a checker knows of each call. They hold no state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Hashable
    from datetime import timedelta

    from typing_extensions import TypeForm as F, Unpack

    from evenflow._conditions import Condition

    from ._backoff import Backoff
    from ._consumer import Consumer
    from ._deliveries import Deliveries
    from ._delivery import Delivery
    from ._group_spec import OnDead
    from ._offsets import Since

E = TypeVar("E")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
W = TypeVar("W")
H = TypeVar("H", bound=Callable[[Any], object])


class GroupOptions(TypedDict, total=False):
    """Keyword arguments of ``DurableSubject.deliveries``."""

    where: Condition | int | None
    since: Since
    ack_wait: float
    max_attempts: int | None
    retry_after: Backoff
    ordered_by: Hashable
    on_dead: OnDead
    undecodable_after: timedelta
    redefine: bool
    buffer: int
    name: str | None


class ConsumerOptions(GroupOptions, total=False):
    """Keyword arguments of ``DurableSubject.consume`` and ``consumer``."""

    concurrency: int
    handle_timeout: float | None


class Grouping(Generic[E]):
    """How groups read a durable subject."""

    @overload
    def deliveries(self, group: str, /, **o: Unpack[GroupOptions]) -> Deliveries[E]: ...
    @overload
    def deliveries(self, group: str, a: F[T1], /, **o: Unpack[GroupOptions]) -> Deliveries[T1]: ...
    @overload
    def deliveries(self, group: str, a: F[T1], b: F[T2], /, **o: Unpack[GroupOptions]) -> Deliveries[T1 | T2]: ...
    @overload
    def deliveries(
        self, group: str, a: F[T1], b: F[T2], c: F[T3], /, **o: Unpack[GroupOptions]
    ) -> Deliveries[T1 | T2 | T3]: ...
    @overload
    def deliveries(
        self, group: str, a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, **o: Unpack[GroupOptions]
    ) -> Deliveries[T1 | T2 | T3 | T4]: ...
    @overload
    def deliveries(
        self,
        group: str,
        a: type[W],
        b: type[W],
        c: type[W],
        d: type[W],
        e: type[W],
        /,
        *more: type[W],
        **o: Unpack[GroupOptions],
    ) -> Deliveries[W]: ...
    def deliveries(self, group: str, /, *wants: Any, **options: Any) -> Deliveries[Any]:
        """Take the events of a group, each to be settled: acknowledged, tried again, rejected or given back.

        Each event that the group wants goes to one of its members, in whatever process, at least once. Entered with
        ``async with``; left, what was not handed over is given back at once, uncounted.

        Args:
            group: the group's name; the first member makes it.
            wants: classes of events, or unions of them; none: everything.
            where: a condition; a callable cannot be kept.
            since: where the group begins, if it is made now.
            ack_wait: seconds from the hand-over in which a delivery must be settled, or its block entered; and how long
                a process may be silent before others take over what it has.
            max_attempts: hand-overs after which an event is a dead letter; None for as often as it takes.
            retry_after: seconds before the next attempt: a number, one for each attempt, or a function of the attempt.
            ordered_by: a field, a tuple of fields that are one key, or ``()`` for the whole group: events of one key
                are handled one after the other, in order, over all members.
            on_dead: whether a dead letter lets its key go on, or holds it until it is redriven or discarded.
            undecodable_after: how long an event that nobody can read waits for somebody who can.
            redefine: whether the group's wants, condition and order may be others from now on.
            buffer: how many events are fetched ahead.
            name: for logs and statistics.

        Raises:
            TypeError, ValueError: an argument makes no sense; the message says what would.
            RuntimeError: the log is not open.
            ValueError: (when entered) the group is another one: both are in the message.
            LogError: (when entered or read) the log has failed.
        """
        return self._deliveries(group, wants, options)

    @overload
    def consume(
        self,
        group: str,
        handler: Callable[[E], object] | Callable[[Delivery[E]], object],
        /,
        **o: Unpack[ConsumerOptions],
    ) -> Consumer: ...
    @overload
    def consume(
        self,
        group: str,
        handler: Callable[[T1], object] | Callable[[Delivery[T1]], object],
        a: F[T1],
        /,
        **o: Unpack[ConsumerOptions],
    ) -> Consumer: ...
    @overload
    def consume(
        self,
        group: str,
        handler: Callable[[T1 | T2], object] | Callable[[Delivery[T1 | T2]], object],
        a: F[T1],
        b: F[T2],
        /,
        **o: Unpack[ConsumerOptions],
    ) -> Consumer: ...
    @overload
    def consume(
        self,
        group: str,
        handler: Callable[[T1 | T2 | T3], object] | Callable[[Delivery[T1 | T2 | T3]], object],
        a: F[T1],
        b: F[T2],
        c: F[T3],
        /,
        **o: Unpack[ConsumerOptions],
    ) -> Consumer: ...
    @overload
    def consume(
        self,
        group: str,
        handler: Callable[[T1 | T2 | T3 | T4], object] | Callable[[Delivery[T1 | T2 | T3 | T4]], object],
        a: F[T1],
        b: F[T2],
        c: F[T3],
        d: F[T4],
        /,
        **o: Unpack[ConsumerOptions],
    ) -> Consumer: ...
    @overload
    def consume(
        self,
        group: str,
        handler: Callable[[Any], object],
        a: type[Any],
        b: type[Any],
        c: type[Any],
        d: type[Any],
        e: type[Any],
        /,
        *more: type[Any],
        **o: Unpack[ConsumerOptions],
    ) -> Consumer: ...
    def consume(self, group: str, handler: Callable[[Any], object], /, *wants: Any, **options: Any) -> Consumer:
        """Have a function handle the events of a group while the log is open: returned, an event is acknowledged.

        Raised, it is tried again, logged with its traceback, and told on ``failures``; the group goes on. A handler
        whose parameter is annotated ``Delivery[...]`` gets the delivery. Without wants the annotation is read.

        Args:
            group: the group's name; the first member makes it.
            handler: takes an event, or a delivery; async or not.
            wants: classes of events, or unions of them.
            concurrency: how many events are handled at a time.
            handle_timeout: seconds after which an async handler is cancelled and its event tried again; a handler that
                blocks the loop for longer is logged.
            options: those of ``deliveries``.

        Raises:
            TypeError, ValueError: an argument makes no sense; the message says what would.
        """
        return self._consume(group, handler, wants, options)

    @overload
    def consumer(self, group: str, /, **o: Unpack[ConsumerOptions]) -> Callable[[H], H]: ...
    @overload
    def consumer(self, group: str, a: F[T1], /, **o: Unpack[ConsumerOptions]) -> Callable[[H], H]: ...
    @overload
    def consumer(self, group: str, a: F[T1], b: F[T2], /, **o: Unpack[ConsumerOptions]) -> Callable[[H], H]: ...
    @overload
    def consumer(
        self, group: str, a: F[T1], b: F[T2], c: F[T3], /, *more: type[Any], **o: Unpack[ConsumerOptions]
    ) -> Callable[[H], H]: ...
    def consumer(self, group: str, /, *wants: Any, **options: Any) -> Callable[[H], H]:
        """As ``consume``, as a decorator; it returns the function.

        Raises: as for ``consume``.
        """
        if not isinstance(group, str):
            raise TypeError(f"consumer takes the name of a group first, not {group!r}: @orders.consumer('billing')")

        def decorate(handler: H) -> H:
            self._consume(group, handler, wants, options)
            return handler

        return decorate

    def _deliveries(self, group: str, wants: tuple[Any, ...], options: dict[str, Any]) -> Deliveries[Any]:
        raise NotImplementedError

    def _consume(
        self, group: str, handler: Callable[[Any], object], wants: tuple[Any, ...], options: dict[str, Any]
    ) -> Consumer:
        raise NotImplementedError
