"""`group_by`: one stream for each key, all read from one source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from evenflow._errors import chain_closed
from evenflow.streams._channel import Channel
from evenflow.streams._node import Node
from evenflow.streams._operator import COROUTINE
from evenflow.streams._tasks import TaskEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable

    from evenflow.streams._node import Run

T = TypeVar("T")
S = TypeVar("S")


class GroupBy(TaskEngine[tuple[Any, S]]):
    """See ``group_by``; ``stream_of`` makes a stream of a group.

    It keeps a group's channel, not the group, so a group that nobody keeps is freed.
    """

    __slots__ = ("groups", "key", "most", "stream_of")

    def __init__(
        self, key: Callable[[Any], Any], most: int, stream_of: Callable[[Node[Any]], S], run: Run, above: Node[Any]
    ) -> None:
        super().__init__(run, above)
        self.key = key
        self.most = most
        self.stream_of = stream_of
        self.groups: dict[Hashable, Channel[Any]] = {}
        self.tasks.start(self.read, above.open(run))

    async def read(self, reader: AsyncIterator[Any]) -> None:
        """Read the source to its end, which is the end of all groups."""
        self.end(await self.tasks.read(self.nodes[0], reader, self.take_in))

    def fail(self, error: Exception) -> None:
        """End the stream, and every group, with this error."""
        self.end(error)

    async def take_in(self, event: Any) -> None:
        """Hand the event to its group. If that is new, the reader gets it first."""
        key = self.key(event)
        if type(key) is COROUTINE:
            key = await key
        channel = self.groups.get(key)
        if channel is None:
            if len(self.groups) >= self.most:
                raise RuntimeError(
                    f"group_by has met more than max_groups={self.most} keys, the last was {key!r}: "
                    "allow more, or group by a key that has fewer values"
                )
            channel = self.groups[key] = Channel()
            await self.channel.put((key, self.stream_of(Group(channel))))
        await channel.put(event)

    def end(self, error: Exception | None) -> None:
        """End the groups, and the stream of them."""
        for channel in self.groups.values():
            channel.end(error)
        self.channel.end(error)

    async def stop(self) -> None:
        """End the task, the groups, and what waits for them."""
        self.end(chain_closed())
        await super().stop()


class Group(Node[T]):
    """One group, as a source. When it is freed or closed, its events are dropped and hold up nobody."""

    __slots__ = ("channel",)

    def __init__(self, channel: Channel[T]) -> None:
        super().__init__()
        self.channel = channel

    def __del__(self) -> None:
        self.drop()

    def open(self, _run: Run, /) -> AsyncIterator[T]:
        """Go on reading it."""
        return self

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        return await self.channel.take()

    def drop(self) -> None:
        """Drop what is here, and what comes."""
        self.channel.end(chain_closed())
        self.channel.clear()

    async def close(self, *, final: bool) -> None:
        """Drop its events, if this is for good."""
        if final:
            self.drop()
