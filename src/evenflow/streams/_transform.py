"""One event at a time: `map`, `filter`, `scan` and their like."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from anyio.lowlevel import checkpoint

from evenflow.streams._deciding import FunctionRule, Rule
from evenflow.streams._ending import conclude, not_an_end
from evenflow.streams._node import NOTHING, Nothing
from evenflow.streams._operator import COROUTINE, EVENTS_A_TURN, Operator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable

    from evenflow.streams._node import Node, Run

T = TypeVar("T")
U = TypeVar("U")
A = TypeVar("A")


class Map(Operator[T, U]):
    """See ``map``. Chains are mostly made of it and ``filter``, so to save a call for each event these have no rule."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[T], Any], above: Node[T]) -> None:
        super().__init__(above)
        self.function = function

    async def __anext__(self) -> U:
        try:
            event = await anext(self.source)
            try:
                answer: U = self.function(event)
            except (StopAsyncIteration, StopIteration) as error:
                raise not_an_end(error) from error
            if type(answer) is COROUTINE:
                answer = await self.wait_for(answer, event)
        except BaseException as error:
            await conclude(self, error)
            raise
        return answer

    def next_nowait(self) -> U:
        """Return what the function makes of an event that is there."""
        answer: U = self.call_nowait(self.take_nowait(), self.function)
        return answer


class Filter(Operator[T, T]):
    """See ``filter``; without a rule, as ``Map``."""

    __slots__ = ("predicate",)

    def __init__(self, predicate: Callable[[T], Any], above: Node[T]) -> None:
        super().__init__(above)
        self.predicate = predicate

    async def __anext__(self) -> T:
        skipped = 0
        try:
            while True:
                event = await anext(self.source)
                try:
                    answer = self.predicate(event)
                except (StopAsyncIteration, StopIteration) as error:
                    raise not_an_end(error) from error
                if type(answer) is COROUTINE:
                    answer = await self.wait_for(answer, event)
                if answer:
                    return event
                # While it waits for the next event it must not keep this one alive.
                del event
                skipped += 1
                if skipped == EVENTS_A_TURN:
                    skipped = 0
                    await checkpoint()
        except BaseException as error:
            await conclude(self, error)
            raise

    def next_nowait(self) -> T:
        """Return the first event that is there and passes."""
        while True:
            event = self.take_nowait()
            if self.call_nowait(event, self.predicate):
                return event


class OfType(Rule[Any, T]):
    """See ``of_type``."""

    __slots__ = ("cls",)

    def __init__(self, cls: type[T]) -> None:
        self.cls = cls

    def decide(self, event: Any, /) -> T | Nothing:
        """Look at the event's class."""
        return event if isinstance(event, self.cls) else NOTHING


class Scan(FunctionRule[T, A, A]):
    """See ``scan``."""

    __slots__ = ("so_far",)

    def __init__(self, function: Callable[..., Any], initial: A) -> None:
        super().__init__(function)
        self.so_far = initial

    def call(self, event: T, /) -> Any:
        """Call the function with what it has made so far."""
        return self.function(self.so_far, event)

    def decide(self, _event: T, answer: A, /) -> A | Nothing:
        """Keep the answer, and yield it."""
        self.so_far = answer
        return answer


class Enumerate(Rule[T, tuple[int, T]]):
    """See ``enumerate``."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = -1

    def decide(self, event: T, /) -> tuple[int, T]:
        """Count the event."""
        self.number += 1
        return self.number, event


class Pairwise(Rule[T, tuple[T, T]]):
    """See ``pairwise``."""

    __slots__ = ("before",)

    def __init__(self) -> None:
        self.before: T | Nothing = NOTHING

    def decide(self, event: T, /) -> tuple[T, T] | Nothing:
        """Yield the event with the one before it, if there was one."""
        before, self.before = self.before, event
        return NOTHING if isinstance(before, Nothing) else (before, event)


class Tap(FunctionRule[T, object, T]):
    """See ``tap``."""

    __slots__ = ()

    def decide(self, event: T, _answer: object, /) -> T | Nothing:
        """Yield the event, whatever the function has answered."""
        return event


class Distinct(FunctionRule[T, "Hashable", T]):
    """See ``distinct``."""

    __slots__ = ("seen",)

    def __init__(self, key: Callable[..., Any] | None) -> None:
        super().__init__(key or itself)
        self.seen: set[Hashable] = set()

    def decide(self, event: T, answer: Hashable, /) -> T | Nothing:
        """Yield the event if its key is new."""
        if answer in self.seen:
            return NOTHING
        self.seen.add(answer)
        return event


class DistinctUntilChanged(FunctionRule[T, object, T]):
    """See ``distinct_until_changed``."""

    __slots__ = ("before",)

    def __init__(self, key: Callable[..., Any] | None) -> None:
        super().__init__(key or itself)
        self.before: object = NOTHING

    def decide(self, event: T, answer: object, /) -> T | Nothing:
        """Yield the event if its key differs from the one before."""
        if self.before is not NOTHING and self.before == answer:
            return NOTHING
        self.before = answer
        return event


class StartWith(Operator[T, T | U]):
    """See ``start_with``."""

    __slots__ = ("left", "values")

    def __init__(self, values: tuple[U, ...], above: Node[T]) -> None:
        super().__init__(above)
        self.values = values

    def open(self, run: Run, /) -> AsyncIterator[T | U]:
        """Begin with all the values."""
        self.left = deque(self.values)
        return super().open(run)

    async def __anext__(self) -> T | U:
        if self.left:
            return self.left.popleft()
        try:
            return await anext(self.source)
        except BaseException as error:
            await conclude(self, error)
            raise

    def next_nowait(self) -> T | U:
        """Return a value, or an event that is there."""
        return self.left.popleft() if self.left else self.take_nowait()


class DefaultIfEmpty(Operator[T, T | U]):
    """See ``default_if_empty``."""

    __slots__ = ("empty", "value")

    def __init__(self, value: U, above: Node[T]) -> None:
        super().__init__(above)
        self.value = value

    def open(self, run: Run, /) -> AsyncIterator[T | U]:
        """Begin without an event."""
        self.empty = True
        return super().open(run)

    async def __anext__(self) -> T | U:
        event: T | U
        try:
            try:
                event = await anext(self.source)
            except StopAsyncIteration:
                self.above.check_end()
                if not self.empty:
                    raise
                # The next read meets the end again.
                event = self.value
        except BaseException as error:
            await conclude(self, error)
            raise
        self.empty = False
        return event

    def next_nowait(self) -> T | U:
        """Return an event that is there. The end is left to a read that waits."""
        event = self.take_nowait()
        self.empty = False
        return event


def itself(event: T) -> T:
    """Return the event, which is its own key."""
    return event
