"""One event at a time: what comes of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from evenflow.streams._link import COROUTINE, SKIP, Skip, Step
from evenflow.streams._node import Operators

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from typing_extensions import TypeIs

    from evenflow.streams._stream import Stream

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
A = TypeVar("A")


class Transform(Operators[T_co]):
    """The operators that look at one event at a time."""

    __slots__ = ()

    @overload
    def map(self, function: Callable[[T_co], Coroutine[Any, Any, U]], /) -> Stream[U]: ...
    @overload
    def map(self, function: Callable[[T_co], U], /) -> Stream[U]: ...
    def map(self, function: Callable[[T_co], Any], /) -> Stream[Any]:
        """Give what ``function``, sync or async, makes of each event.

        Holds back nothing, needs no task.
        Cancelled while an async function runs, it keeps the event, and the next read calls the function again.
        """
        return self._then(Map(self._claim("map"), check(function, "map")))

    @overload
    def filter(self, predicate: Callable[[T_co], TypeIs[U]], /) -> Stream[U]: ...
    @overload
    def filter(self, predicate: Callable[[T_co], bool | Awaitable[bool]] | int, /) -> Stream[T_co]: ...
    def filter(self, predicate: Callable[[T_co], Any] | int, /) -> Stream[Any]:
        """Give the events for which ``predicate``, sync or async, is true; a ``Condition`` is one, too.

        Right after ``subscribe`` say it with ``where`` instead: an event nobody wants is then not delivered at all.

        Holds back nothing, needs no task.
        Cancelled while an async predicate runs, it keeps the event, and the next read asks again.
        """
        return self._then(Filter(self._claim("filter"), check(predicate, "filter")))


class Map(Step[U]):
    """See ``map``; written out, for it is what a chain is mostly made of."""

    __slots__ = ()

    def decide(self, event: Any, answer: Any) -> U | Skip:  # noqa: ARG002  the answer is all there is to it
        """Give the answer."""
        return answer  # type: ignore[no-any-return]

    async def __anext__(self) -> U:
        try:
            event = await anext(self.source)
            answer = self.function(event)
            if type(answer) is COROUTINE:
                answer = await self.settle(event, answer)
            return answer  # type: ignore[no-any-return]  # noqa: TRY300
        except BaseException as error:
            await self.leave(error)
            raise


class Filter(Step[T]):
    """See ``filter``; written out, as ``Map`` is."""

    __slots__ = ()

    def decide(self, event: Any, answer: Any) -> T | Skip:
        """Give the event, or not."""
        return event if answer else SKIP

    async def __anext__(self) -> T:
        try:
            while True:
                event = await anext(self.source)
                answer = self.function(event)
                if type(answer) is COROUTINE:
                    answer = await self.settle(event, answer)
                if answer:
                    return event  # type: ignore[no-any-return]
        except BaseException as error:
            await self.leave(error)
            raise


def check(function: Any, operator: str) -> Callable[..., Any]:
    """Refuse what cannot be called.

    Raises:
        TypeError: it cannot.
    """
    if not callable(function):
        raise TypeError(f"{operator} expected a function, sync or async, not {function!r}")
    return function  # type: ignore[no-any-return]
