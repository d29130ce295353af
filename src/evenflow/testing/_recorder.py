"""A recorder for subjects: what is published while a piece of code runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from anyio import ClosedResourceError, EndOfStream, WouldBlock

from evenflow._errors import SlowSubscriber

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from typing_extensions import TypeForm

    from evenflow._conditions import Condition
    from evenflow._subject import Subject
    from evenflow._subscription import Subscription

E_co = TypeVar("E_co", covariant=True)
E = TypeVar("E")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")

A_LOT = 10_000
"""How many events a recorder can hold between two looks at it."""


class SubjectRecorder(Generic[E_co]):
    """Records what a subject publishes, from the call of ``subject_recorder`` on.

    Use it with ``with`` or ``async with``: at the end of the block it stops, and keeps what it has recorded.
    """

    def __init__(self, subject: Subject[Any], subscription: Subscription[E_co]) -> None:
        self._subject = subject
        self._subscription = subscription
        self._seen: list[E_co] = []
        self._lost = False
        """Whether there were more events than it could hold."""
        self._error: Exception | None = None

    @property
    def events(self) -> tuple[E_co, ...]:
        """The events that were published so far, in order; ``error`` is what the subject ended with.

        Raises:
            OverflowError: more than ``buffer`` events were published since the last look.
            Exception: what ``where`` raised.
        """
        self._take()
        if self._error is not None and not self._subject.statistics().closed:
            raise self._error
        if self._lost:
            raise OverflowError(
                f"{self!r} lost count after {len(self._seen)} events: give it a larger buffer=, or look more often"
            )
        return tuple(self._seen)

    @property
    def error(self) -> Exception | None:
        """The error that the subject was closed with; None if there is none."""
        self._take()
        return self._error

    def _take(self) -> None:
        try:
            while True:
                self._seen.append(self._subscription.receive_nowait())
        except SlowSubscriber:
            self._lost = True
        except (WouldBlock, EndOfStream, ClosedResourceError):
            pass
        except Exception as error:  # noqa: BLE001 -- a subject can be closed with any error
            given = self._subscription.reason  # what was raised is a copy of it
            self._error = given if isinstance(given, Exception) else error

    async def wait_for(self, count: int, /) -> tuple[E_co, ...]:
        """Wait until ``count`` events have been recorded, and return all events that there are by then.

        Cancelling loses nothing.

        Raises:
            AssertionError: the subject ended before that.
            OverflowError: more than ``buffer`` events were published since the last look.
            Exception: what the subject was closed with before that, or what ``where`` raised.
        """
        if not isinstance(count, int):
            raise TypeError(f"wait_for expected a number of events, not {count!r}")
        while len(self.events) < count:
            try:
                self._seen.append(await self._subscription.receive())
            except (EndOfStream, ClosedResourceError):
                raise AssertionError(
                    f"{self!r} ended after {len(self._seen)} of {count} events: {self._seen!r}"
                ) from None
        return self.events

    def clear(self) -> None:
        """Forget what has been recorded so far."""
        self._take()
        self._seen.clear()

    def close(self) -> None:
        """Stop recording, and keep what has been recorded."""
        self._take()
        self._subscription.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SubjectRecorder {self._subscription.name}, {len(self._seen)} looked at>"


@overload
def subject_recorder(
    subject: Subject[E], /, *, where: Condition | int | Callable[[E], bool] | None = None, buffer: int = A_LOT
) -> SubjectRecorder[E]: ...
@overload
def subject_recorder(
    subject: Subject[Any],
    a: TypeForm[T1],
    /,
    *,
    where: Condition | int | Callable[[T1], bool] | None = None,
    buffer: int = A_LOT,
) -> SubjectRecorder[T1]: ...
@overload
def subject_recorder(
    subject: Subject[Any],
    a: TypeForm[T1],
    b: TypeForm[T2],
    /,
    *,
    where: Condition | int | Callable[[T1 | T2], bool] | None = None,
    buffer: int = A_LOT,
) -> SubjectRecorder[T1 | T2]: ...
@overload
def subject_recorder(
    subject: Subject[Any],
    a: TypeForm[T1],
    b: TypeForm[T2],
    c: TypeForm[T3],
    /,
    *more: Any,
    where: Any = None,
    buffer: int = A_LOT,
) -> SubjectRecorder[Any]: ...
def subject_recorder(
    subject: Subject[Any], /, *wants: Any, where: Any = None, buffer: int = A_LOT
) -> SubjectRecorder[Any]:
    """Record what a subject publishes from this call on.

    ::

        with subject_recorder(orders, OrderPlaced) as placed:
            await service.order(17)
        assert [order.order_id for order in placed.events] == [17]

    ``wants`` and ``where`` are those of ``Subject.subscribe``. The recorder is a subscription, so ``publish``
    counts it. It has no task, never makes a publisher wait, and gets no replay.
    It can hold ``buffer`` events between two looks at it.
    """
    subscription: Any = subject.subscribe(
        *wants, where=where, buffer=buffer, overflow="disconnect", replay=False, name="recorder"
    )
    return SubjectRecorder(subject, subscription)
