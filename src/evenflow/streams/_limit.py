"""How many: `take`, `skip` and their like."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from anyio.lowlevel import checkpoint

from evenflow.streams._deciding import FunctionRule, Rule
from evenflow.streams._ending import ENDED, conclude
from evenflow.streams._guarded import OneSource
from evenflow.streams._node import NOTHING, Nothing
from evenflow.streams._operator import EVENTS_A_TURN, Operator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from evenflow.streams._node import Node, Run

T = TypeVar("T")


class Take(Operator[T, T]):
    """See ``take``. It is not a rule: it must stop reading the source with the last event, not at the next one."""

    __slots__ = ("count", "left")

    def __init__(self, count: int, above: Node[T]) -> None:
        super().__init__(above)
        self.count = count

    def open(self, run: Run, /) -> AsyncIterator[T]:
        """Begin with all to be taken; of none, the source is not read at all."""
        reader = super().open(run)
        self.left = self.count
        if not self.left:
            self.source = ENDED
        return reader

    def counted(self, event: T) -> T:
        """Count the event. After the last the source is not read again."""
        self.left -= 1
        if self.left <= 0:
            self.source = ENDED
        return event

    async def __anext__(self) -> T:
        try:
            return self.counted(await anext(self.source))
        except BaseException as error:
            await conclude(self, error)
            raise

    def next_nowait(self) -> T:
        """Return an event that is there, while some are left to be taken."""
        if self.source is ENDED:
            raise StopAsyncIteration
        return self.counted(self.take_nowait())


class TakeLast(OneSource[T, T]):
    """See ``take_last``."""

    __slots__ = ("ended", "kept")

    def __init__(self, count: int, run: Run, above: Node[T]) -> None:
        super().__init__(run, above)
        self.kept: deque[T] = deque(maxlen=count)
        self.ended = False

    async def pull(self) -> T:
        """Read to the end, then yield what is kept."""
        read = 0
        while not self.ended:
            read += 1
            if read == EVENTS_A_TURN:
                read = 0
                await checkpoint()
            try:
                self.kept.append(await anext(self.source))
            except StopAsyncIteration:
                self.above.check_end()
                self.ended = True
        if self.kept:
            return self.kept.popleft()
        raise StopAsyncIteration


class TakeWhile(FunctionRule[T, object, T]):
    """See ``take_while``."""

    __slots__ = ()

    def decide(self, event: T, answer: object, /) -> T | Nothing:
        """Yield the event, or end."""
        if not answer:
            raise StopAsyncIteration
        return event


class SkipFirst(Rule[T, T]):
    """See ``skip``."""

    __slots__ = ("left",)

    def __init__(self, count: int) -> None:
        self.left = count

    def decide(self, event: T, /) -> T | Nothing:
        """Nothing the event while some are left to be skipped."""
        if self.left > 0:
            self.left -= 1
            return NOTHING
        return event


class SkipWhile(FunctionRule[T, object, T]):
    """See ``skip_while``."""

    __slots__ = ("skipping",)

    def __init__(self, predicate: Callable[..., Any]) -> None:
        super().__init__(predicate)
        self.skipping = True

    def call(self, event: T, /) -> Any:
        """Ask the predicate, until it has said no once."""
        return self.skipping and self.function(event)

    def decide(self, event: T, answer: object, /) -> T | Nothing:
        """Nothing the event, or stop skipping for good."""
        self.skipping = bool(answer)
        return NOTHING if answer else event
