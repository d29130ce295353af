"""The end of a stream: what happens when a read brings no event.

Rule 1: the reader gets the end, or the error as it is. Every later read gets the end.
Rule 2: the last node of a chain first closes the whole chain.
Rule 3: if that closing is cancelled, the next read raises the error again.
Rule 4: if that closing fails, its error becomes a note on the error of the stream, or is raised where that only ended.
Rule 5: a cancelled read ends nothing.
Rule 6: only a source says when a stream ends. A user's function that raises ``StopAsyncIteration`` or ``StopIteration``
has failed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from evenflow.streams._node import Node


class Ended(AsyncIterator[Any]):
    """What is left to read of a stream that has ended: its error, or the end."""

    __slots__ = ("error",)

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def __anext__(self) -> Any:
        raise self.error or StopAsyncIteration


ENDED: Final = Ended()


class Ending(Protocol):
    """A node as far as its end is concerned."""

    is_last: bool

    def end_with(self, error: Exception | None, /) -> None:
        """Make every read from now on raise ``error``, or the end."""
        ...

    def being_read(self) -> Iterable[Node[Any]]:
        """Return the nodes that the reader's own task may be reading."""
        ...

    async def close(self, *, final: bool) -> None:
        """Close the chain up to here."""
        ...


async def conclude(node: Ending, error: BaseException) -> None:
    """Do what is due when a read raised ``error``. The caller raises it again, unless this raises another instead."""
    if not isinstance(error, Exception):
        for read in node.being_read():
            read.read_was_cancelled()
        return
    outcome = error
    if isinstance(error, StopAsyncIteration):
        try:
            for read in node.being_read():
                read.check_end()
        except RuntimeError as killed:
            outcome = killed
    if node.is_last:
        node.end_with(outcome)
        try:
            await node.close(final=True)
        except Exception as closing:
            node.end_with(None)
            if isinstance(outcome, StopAsyncIteration):
                raise
            outcome.add_note(f"and closing its sources raised {closing!r}")
    node.end_with(None)
    if outcome is not error:
        raise outcome from None


def not_an_end(error: Exception) -> Exception:
    """Return what to raise where a user's function raised ``error``: as in a generator, that is never an end."""
    if not isinstance(error, StopAsyncIteration | StopIteration):
        return error
    failure = RuntimeError(
        f"a function given to an operator raised {type(error).__name__}, which would look like the end of the stream: "
        "end it with take(), take_while() or take_until()"
    )
    failure.__cause__ = error
    return failure


class CallingFunctions:
    """A ``with`` block in which functions of users are called, and no source is read."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, StopAsyncIteration | StopIteration):
            raise not_an_end(error)


calling_functions: Final = CallingFunctions()


class Caught:
    """A ``with`` block that keeps the ``Exception`` raised inside, so that it can be handed to the reader as it is.

    Cancellation passes through.
    """

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self.error = error
        return isinstance(error, Exception)
