"""A recorder for subjects: what was published while a piece of code ran."""

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
"""How many events a recorder takes between two looks at it."""


class SubjectRecorder(Generic[E_co]):
    """Everything that a subject published since ``subject_recorder`` was called; made by that.

    Entered with ``with`` or ``async with``, it stops at the end; what it has recorded stays.
    """

    def __init__(self, subject: Subject[Any], subscription: Subscription[E_co]) -> None:
        self._subject = subject
        self._subscription = subscription
        self._seen: list[E_co] = []
        self._lost = False
        """Whether more came than it could take."""
        self._error: Exception | None = None

    @property
    def events(self) -> tuple[E_co, ...]:
        """All that was published so far, in order; what the subject ended with is ``error``.

        Raises:
            OverflowError: there were more events since the last look than ``buffer``.
            Exception: ``where`` raised it.
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
        """What the subject was closed with; None: it was not, or with no error."""
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
        except Exception as error:  # noqa: BLE001  it is what the subject ended with
            self._error = error

    async def wait_for(self, count: int, /) -> tuple[E_co, ...]:
        """Wait until ``count`` events were published since the beginning, and return all there are by then.

        Cancelling loses nothing.

        Raises:
            AssertionError: the subject ended before that.
            OverflowError: there were more events since the last look than ``buffer``.
            Exception: the subject was closed with it before that, or ``where`` raised it.
        """
        while len(self.events) < count:
            try:
                self._seen.append(await self._subscription.receive())
            except (EndOfStream, ClosedResourceError):
                raise AssertionError(
                    f"{self!r} ended after {len(self._seen)} of {count} events: {self._seen!r}"
                ) from None
        return self.events

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self._take()
        self._seen.clear()

    def close(self) -> None:
        """Stop recording; what was recorded stays."""
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

    ``wants`` and ``where`` are those of ``Subject.subscribe``. It is a subscription like any other, so ``publish``
    counts it; it has no task, never holds a publisher, and gets no replay.
    Between two looks at it, it takes ``buffer`` events.
    """
    subscription: Any = subject.subscribe(
        *wants, where=where, buffer=buffer, overflow="disconnect", replay=False, name="recorder"
    )
    return SubjectRecorder(subject, subscription)
