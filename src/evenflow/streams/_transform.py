"""One event at a time: what comes of each."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar, overload

from evenflow.streams._link import COROUTINE, SKIP, Link, Sift, Skip, Step
from evenflow.streams._node import Operators

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable

    from typing_extensions import TypeIs

    from evenflow.streams._node import Node
    from evenflow.streams._stream import Stream

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
A = TypeVar("A")


class Transform(Operators[T_co]):
    """The operators that look at one event at a time. None of them needs a task."""

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
        checked = check(function, "map")
        return self._then(Map(self._claim("map"), checked))

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
        checked = check(predicate, "filter")
        return self._then(Filter(self._claim("filter"), checked))

    def of_type(self, cls: type[U]) -> Stream[U]:
        """Give the events that are instances of ``cls``.

        Right after ``subscribe`` say it with wants, ``subscribe(cls)``, instead.

        Holds back nothing, needs no task. Cancelling loses nothing.
        """
        if not isinstance(cls, type):
            raise TypeError(f"of_type expected a class, not {cls!r}")
        return self._then(OfType(self._claim("of_type"), cls))

    @overload
    def scan(self, function: Callable[[A, T_co], Coroutine[Any, Any, A]], initial: A, /) -> Stream[A]: ...
    @overload
    def scan(self, function: Callable[[A, T_co], A], initial: A, /) -> Stream[A]: ...
    def scan(self, function: Callable[[Any, T_co], Any], initial: Any, /) -> Stream[Any]:
        """Give, for each event, what ``function(so_far, event)`` makes of it; ``initial`` itself is not given.

        Holds back nothing but what it has made so far, needs no task.
        Cancelled while an async function runs, it keeps the event, and the next read calls the function again.
        """
        checked = check(function, "scan")
        return self._then(Scan(self._claim("scan"), checked, initial))

    def enumerate(self) -> Stream[tuple[int, T_co]]:
        """Give each event with its number, from 0 on, as a tuple.

        Holds back nothing, needs no task. Cancelling loses nothing.
        """
        return self._then(Enumerate[T_co](self._claim("enumerate")))

    def pairwise(self) -> Stream[tuple[T_co, T_co]]:
        """Give each event but the first with the one before it, as a tuple.

        Holds one event, the one before, and needs no task. Cancelling loses nothing.
        """
        return self._then(Pairwise[T_co](self._claim("pairwise")))

    def tap(self, function: Callable[[T_co], object], /) -> Stream[T_co]:
        """Call ``function``, sync or async, with each event, and give the event on.

        Holds back nothing, needs no task.
        Cancelled while an async function runs, it keeps the event, and the next read calls the function again.
        """
        checked = check(function, "tap")
        return self._then(Tap(self._claim("tap"), checked))

    def start_with(self, *values: U) -> Stream[T_co | U]:
        """Give the values first, then the events.

        Holds the values, needs no task. Cancelling loses nothing.
        """
        return self._then(StartWith(self._claim("start_with"), values))

    def distinct(self, key: Callable[[T_co], Hashable] | None = None) -> Stream[T_co]:
        """Give the events whose key no event before had; without ``key``, the event is its own.

        It remembers every key that it has seen: use it where these are few, or after a ``take``.

        Holds back nothing, needs no task. Cancelling loses nothing.
        """
        checked = None if key is None else check(key, "distinct")
        return self._then(Distinct(self._claim("distinct"), checked))

    def distinct_until_changed(self, key: Callable[[T_co], object] | None = None) -> Stream[T_co]:
        """Give the events whose key differs from that of the event before; without ``key``, the event is its own.

        Holds back nothing but one key, needs no task. Cancelling loses nothing.
        """
        checked = None if key is None else check(key, "distinct_until_changed")
        return self._then(Changed(self._claim("distinct_until_changed"), checked))

    def default_if_empty(self, value: U) -> Stream[T_co | U]:
        """Give ``value`` where the source ends without an event.

        Holds back nothing, needs no task. Cancelling loses nothing.
        """
        return self._then(DefaultIfEmpty(self._claim("default_if_empty"), value))


class Map(Step[U]):
    """See ``map``; written out, for it is what a chain is mostly made of."""

    __slots__ = ()

    def decide(self, event: Any, answer: Any) -> U | Skip:  # noqa: ARG002 -- the answer is all there is to it
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
                del event  # while it waits for the next it holds nothing
        except BaseException as error:
            await self.leave(error)
            raise


class OfType(Sift[T]):
    """See ``of_type``."""

    __slots__ = ("cls",)

    def __init__(self, above: Node[Any], cls: type[T]) -> None:
        super().__init__(above)
        self.cls = cls

    def step(self, event: Any) -> T | Skip:
        """Look at its class."""
        return event if isinstance(event, self.cls) else SKIP


class Scan(Step[A]):
    """See ``scan``."""

    __slots__ = ("initial", "so_far")

    def __init__(self, above: Node[Any], function: Callable[..., Any], initial: A) -> None:
        super().__init__(above, function)
        self.so_far = self.initial = initial

    def fresh(self) -> None:
        """Begin with what was given."""
        self.so_far = self.initial

    def call(self, event: Any) -> Any:
        """Call the function with both."""
        return self.function(self.so_far, event)

    def decide(self, event: Any, answer: Any) -> A | Skip:  # noqa: ARG002 -- the answer is all there is to it
        """Keep the answer."""
        self.so_far = answer
        return answer  # type: ignore[no-any-return]


class Enumerate(Sift[tuple[int, T]]):
    """See ``enumerate``."""

    __slots__ = ("number",)

    def fresh(self) -> None:
        """Count from 0."""
        self.number = -1

    def step(self, event: Any) -> tuple[int, T]:
        """Count."""
        self.number += 1
        return self.number, event


class Pairwise(Sift[tuple[T, T]]):
    """See ``pairwise``."""

    __slots__ = ("before",)

    def fresh(self) -> None:
        """Forget."""
        self.before: Any = SKIP

    def step(self, event: Any) -> tuple[T, T] | Skip:
        """Give both, if there was one before."""
        before, self.before = self.before, event
        return SKIP if before is SKIP else (before, event)


class Tap(Step[T]):
    """See ``tap``."""

    __slots__ = ()

    def decide(self, event: Any, answer: Any) -> T | Skip:  # noqa: ARG002 -- whatever it answers
        """Give the event on."""
        return event  # type: ignore[no-any-return]


class StartWith(Link[T]):
    """See ``start_with``."""

    __slots__ = ("owed", "values")

    def __init__(self, above: Node[Any], values: tuple[T, ...]) -> None:
        super().__init__(above)
        self.values = values

    def fresh(self) -> None:
        """Owe all of them."""
        self.owed = deque(self.values)

    async def __anext__(self) -> T:
        if self.owed:
            return self.owed.popleft()
        try:
            return await anext(self.source)
        except BaseException as error:
            await self.leave(error)
            raise

    def nowait(self) -> T:
        """Give a value, or what is there."""
        return self.owed.popleft() if self.owed else self.take_nowait()


class Distinct(Step[T]):
    """See ``distinct``."""

    __slots__ = ("seen",)

    def __init__(self, above: Node[Any], key: Callable[..., Any] | None) -> None:
        super().__init__(above, key or itself)

    def fresh(self) -> None:
        """Forget."""
        self.seen: set[Hashable] = set()

    def decide(self, event: Any, answer: Any) -> T | Skip:
        """Give it the first time."""
        if answer in self.seen:
            return SKIP
        self.seen.add(answer)
        return event  # type: ignore[no-any-return]


class Changed(Step[T]):
    """See ``distinct_until_changed``."""

    __slots__ = ("before",)

    def __init__(self, above: Node[Any], key: Callable[..., Any] | None) -> None:
        super().__init__(above, key or itself)

    def fresh(self) -> None:
        """Forget."""
        self.before: Any = SKIP

    def decide(self, event: Any, answer: Any) -> T | Skip:
        """Give it if its key is another."""
        if self.before is not SKIP and self.before == answer:
            return SKIP
        self.before = answer
        return event  # type: ignore[no-any-return]


class DefaultIfEmpty(Link[T]):
    """See ``default_if_empty``."""

    __slots__ = ("empty", "value")

    def __init__(self, above: Node[Any], value: T) -> None:
        super().__init__(above)
        self.value = value

    def fresh(self) -> None:
        """Nothing has come yet."""
        self.empty = True

    async def __anext__(self) -> T:
        try:
            try:
                event = await anext(self.source)
            except StopAsyncIteration:
                self.above.check_end()
                if not self.empty:
                    raise
                event = self.value  # the next read finds the end again
            self.empty = False
            return event  # type: ignore[no-any-return]  # noqa: TRY300
        except BaseException as error:
            await self.leave(error)
            raise

    def nowait(self) -> T:
        """Give what is there; the end is left to the read that waits."""
        event = self.take_nowait()
        self.empty = False
        return event  # type: ignore[no-any-return]


def itself(event: T) -> T:
    """Return the event: it is its own key."""
    return event


def check(function: Any, operator: str) -> Callable[..., Any]:
    """Refuse what cannot be called.

    Raises:
        TypeError: it cannot.
    """
    if not callable(function):
        raise TypeError(f"{operator} expected a function, sync or async, not {function!r}")
    return function  # type: ignore[no-any-return]
