"""Out of a stream: what comes of all its events. A sink enters the chain, reads it to its end, and closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from evenflow.streams._node import Operators

if TYPE_CHECKING:
    from evenflow.streams._stream import Stream

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Sinks(Operators[T_co]):
    """The ways out of a stream."""

    __slots__ = ()

    async def to_list(self) -> list[T_co]:
        """Return all events, once the stream has ended. Holds them all."""
        async with whole(self) as events:
            return [event async for event in events]


def whole(stream: Operators[T]) -> Stream[T]:
    """Return the stream of which this is a part, for the type checkers."""
    return cast("Stream[T]", stream)
