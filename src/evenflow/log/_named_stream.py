"""The streams that a log gives out: in a debugger each says what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from evenflow.streams import stream
from evenflow.streams._node import Claimable
from evenflow.streams._source import FunctionSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from evenflow.streams._node import Node
    from evenflow.streams._stream import Stream

T = TypeVar("T")


class _NamedSource(FunctionSource[T]):
    """A function that returns a source, with a name."""

    __slots__ = ("_says",)

    def __init__(self, says: str, function: Callable[[], object]) -> None:
        super().__init__(function)
        self._says = says

    @property
    def name(self) -> str:
        return self._says


class _Named(Claimable[T]):
    """What ``stream()`` makes a stream with a name of."""

    __slots__ = ("_node",)

    def __init__(self, node: Node[T]) -> None:
        self._node = node

    def _claim(self, owner: str, /) -> Node[T]:  # noqa: ARG002 -- nobody else reads it
        return self._node


def named_stream(says: str, make: Callable[[], AsyncIterator[T]]) -> Stream[T]:
    """A stream of what ``make`` returns at each start, whose ``repr`` says what it reads."""
    made: Any = _Named(_NamedSource[T](says, make))
    return stream(made)
