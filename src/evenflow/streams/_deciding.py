"""Rules: operators that decide about one event at a time, without waiting and without knowing where it came from.

    Rule            decides by the event alone, for instance `skip`
    FunctionRule    decides by what a user's function, sync or async, answers about the event, for instance `take_while`

A rule is made at each start, so it begins with fresh state. The node that reads the source and asks the rule is the
same for all rules of a kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anyio import WouldBlock
from anyio.lowlevel import checkpoint

from evenflow.streams._ending import conclude, not_an_end
from evenflow.streams._node import Nothing, name_of
from evenflow.streams._operator import COROUTINE, EVENTS_A_TURN, Operator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from evenflow.streams._node import Node, Run

T = TypeVar("T")
A = TypeVar("A")
U = TypeVar("U")


class Rule(ABC, Generic[T, U]):
    """Decides by the event alone."""

    __slots__ = ()

    @abstractmethod
    def decide(self, event: T, /) -> U | Nothing:
        """Return what to yield for the event, or ``NOTHING``."""


class FunctionRule(ABC, Generic[T, A, U]):
    """Decides by the answer of a user's function."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def call(self, event: T, /) -> Any:
        """Call the function; the answer may be a coroutine."""
        return self.function(event)

    @abstractmethod
    def decide(self, event: T, answer: A, /) -> U | Nothing:
        """Return what to yield for the event, or ``NOTHING``; raise ``StopAsyncIteration`` for the end."""


class RuleOperator(Operator[T, U]):
    """Puts each event to the rule that ``make`` makes at each start."""

    __slots__ = ("make", "rule")

    def __init__(self, make: Callable[[], Rule[T, U]], above: Node[T]) -> None:
        super().__init__(above)
        self.make = make

    @property
    def name(self) -> str:
        """The rule's name."""
        return name_of(self.make)

    def open(self, run: Run, /) -> AsyncIterator[U]:
        """Begin with a new rule."""
        self.rule = self.make()
        return super().open(run)

    async def __anext__(self) -> U:
        skipped = 0
        try:
            while True:
                result = self.rule.decide(await anext(self.source))
                if not isinstance(result, Nothing):
                    return result
                skipped += 1
                if skipped == EVENTS_A_TURN:
                    skipped = 0
                    await checkpoint()
        except BaseException as error:
            await conclude(self, error)
            raise

    def next_nowait(self) -> U:
        """Return what comes of the events that are there."""
        while True:
            event = self.take_nowait()
            try:
                result = self.rule.decide(event)
            except Exception as error:
                self.end_with(error)
                raise WouldBlock from error
            if not isinstance(result, Nothing):
                return result


class FunctionOperator(Operator[T, U]):
    """Calls the user's function for each event, and puts both to the rule that ``make`` makes at each start."""

    __slots__ = ("make", "rule")

    def __init__(self, make: Callable[[], FunctionRule[T, Any, U]], above: Node[T]) -> None:
        super().__init__(above)
        self.make = make

    @property
    def name(self) -> str:
        """The rule's name."""
        return name_of(self.make)

    def open(self, run: Run, /) -> AsyncIterator[U]:
        """Begin with a new rule."""
        self.rule = self.make()
        return super().open(run)

    async def __anext__(self) -> U:
        skipped = 0
        try:
            while True:
                event = await anext(self.source)
                try:
                    answer = self.rule.call(event)
                except (StopAsyncIteration, StopIteration) as error:
                    raise not_an_end(error) from error
                if type(answer) is COROUTINE:
                    answer = await self.wait_for(answer, event)
                result = self.rule.decide(event, answer)
                if not isinstance(result, Nothing):
                    return result
                # While it waits for the next event it must not keep this one alive.
                del event, answer
                skipped += 1
                if skipped == EVENTS_A_TURN:
                    skipped = 0
                    await checkpoint()
        except BaseException as error:
            await conclude(self, error)
            raise

    def next_nowait(self) -> U:
        """Return what comes of the events that are there. An async function is left to a read that waits."""
        while True:
            event = self.take_nowait()
            answer = self.call_nowait(event, self.rule.call)
            try:
                result = self.rule.decide(event, answer)
            except Exception as error:
                self.end_with(error)
                raise WouldBlock from error
            if not isinstance(result, Nothing):
                return result
