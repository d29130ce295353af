"""`group_by`: one stream for each key, all read from one source.

A key is known from its first event on, and for good, or with ``idle`` until nothing has come for it for so long.
Its group is open until it ends, is closed, or is freed. Events of a key whose group was closed or freed are left out.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import current_time, sleep_until

from evenflow._errors import chain_closed
from evenflow.streams._channel import Channel, Notifier
from evenflow.streams._ending import calling_functions
from evenflow.streams._moments import let_sources_go_first, moment_of
from evenflow.streams._node import Node
from evenflow.streams._operator import COROUTINE
from evenflow.streams._standstill import INNER_STREAM, Motion
from evenflow.streams._tasks import TaskEngine, let_others_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable

    from anyio import Event

    from evenflow.streams._node import Run
    from evenflow.streams._standstill import InnerStream

T = TypeVar("T")
S = TypeVar("S")


class Entry:
    """What is known of one key: the channel of its group while that is open, and when its last event came.

    Until a new group was taken, nothing of it is old.
    """

    __slots__ = ("channel", "last")

    def __init__(self, channel: Channel[Any]) -> None:
        self.channel: Channel[Any] | None = channel
        self.last = inf


class Groups:
    """The keys of one start, and which of their groups are open. The engine and the groups share it.

    ``idle`` is measured by a clock that stands still while an event waits to be taken: what the source may have for the
    other groups cannot come then. While a new group waits it goes on, because that may wait for others to end.
    """

    __slots__ = (
        "_came",
        "_held_since",
        "_idle",
        "_lost_time",
        "_new_one_waits",
        "_released",
        "_taken",
        "_watchers",
        "entries",
        "open",
    )

    def __init__(self, idle: float | None) -> None:
        self._idle = idle
        self.entries: dict[Hashable, Entry] = {}
        self.open = 0
        self._taken: Event | None = None
        self._new_one_waits = False
        self._held_since: float | None = None
        self._lost_time = 0.0
        self._came = Notifier()
        self._released = Notifier()
        self._watchers: dict[Notifier, None] = {}

    def add(self, key: Hashable, channel: Channel[Any]) -> Entry:
        """Open a group for a new key."""
        entry = self.entries[key] = Entry(channel)
        self.open += 1
        return entry

    def let_go(self, entry: Entry) -> None:
        """Count the group of this entry no longer."""
        if entry.channel is not None:
            entry.channel = None
            self.open -= 1

    # what is held up

    async def hand(self, channel: Channel[T], item: T, *, is_group: bool) -> None:
        """Put an item into a channel, and wait until it was taken."""
        self._taken = taken = channel.put_nowait(item)
        # While it waits it must not keep a group alive.
        del item
        if is_group or not channel.is_awaited:
            for watcher in self._watchers:
                watcher.notify()
        self._new_one_waits = is_group
        if self._idle is None or is_group:
            await taken.wait()
            return
        self._held_since = current_time()
        try:
            await taken.wait()
        finally:
            self._lost_time += current_time() - self._held_since
            self._held_since = None
            self._released.notify()

    @property
    def are_held_up(self) -> bool:
        """Whether nothing is read from the source, and none of the groups will end by itself."""
        waits = self._taken is not None and not self._taken.is_set()
        return waits and not (self._new_one_waits and self._idle is not None)

    def watch(self, watcher: Notifier) -> None:
        """Notify this one when the groups may be held up."""
        self._watchers[watcher] = None

    # what is idle

    def note_event(self, key: Hashable, entry: Entry) -> None:
        """An event of this key comes now."""
        if self._idle is not None and key in self.entries:
            entry.last = self._clock()
            # In the order of their last events.
            self.entries[key] = self.entries.pop(key)
            self._came.notify()

    def _clock(self) -> float:
        now = current_time() if self._held_since is None else self._held_since
        return now - self._lost_time

    async def end_idle_ones(self, idle: float) -> None:
        """End each group for which nothing has come for so long, and forget its key; for ever."""
        while True:
            key = next(iter(self.entries), None)
            last = inf if key not in self.entries else self.entries[key].last
            left = last + idle - self._clock()
            if left == inf:
                await self._came.wait()
            elif self._held_since is not None:
                await self._released.wait()
            elif moment_of(left) > 0:
                await sleep_until(current_time() + left)
                # What comes at this very moment comes in time.
                await let_sources_go_first()
            else:
                self._forget(key)

    def _forget(self, key: Hashable) -> None:
        entry = self.entries.pop(key)
        if entry.channel is not None:
            entry.channel.end()
        self.let_go(entry)


class GroupBy(TaskEngine[tuple[Any, S]]):
    """See ``group_by``; ``stream_of`` makes a stream of a group.

    It keeps a group's channel, not the group, so a group that nobody keeps is freed.
    """

    __slots__ = ("groups", "key", "most", "stream_of")

    def __init__(
        self,
        key: Callable[[Any], Any],
        most: int,
        idle: float | None,
        stream_of: Callable[[Node[Any]], S],
        run: Run,
        above: Node[Any],
    ) -> None:
        super().__init__(run, above)
        self.key = key
        self.most = most
        self.stream_of = stream_of
        self.groups = Groups(idle)
        self.tasks.start(self.read, above.open(run))
        if idle is not None:
            self.tasks.start(self.groups.end_idle_ones, idle)

    async def read(self, reader: AsyncIterator[Any]) -> None:
        """Read the source to its end, which is the end of all groups."""
        self.end(await self.tasks.read(self.nodes[0], reader, self.take_in))

    async def take_in(self, event: Any) -> None:
        """Hand the event to its group. If that is new, the reader gets it first."""
        with calling_functions:
            key = self.key(event)
            if type(key) is COROUTINE:
                key = await key
        entry = self.groups.entries.get(key)
        if entry is None:
            self.check_room(key)
            channel: Channel[Any] = Channel()
            entry = self.groups.add(key, channel)
            group = self.stream_of(Group(entry, channel, self.groups))
            handing = self.groups.hand(self.channel, (key, group), is_group=True)
            # While it waits it must not keep the group alive.
            del group
            await handing
        self.groups.note_event(key, entry)
        if entry.channel is None or entry.channel.ended:
            await self.tasks.checkpoint_now_and_then()
        else:
            await self.groups.hand(entry.channel, event, is_group=False)

    def check_room(self, key: Any) -> None:
        """Refuse a group if as many are open as there may be."""
        if self.groups.open >= self.most:
            raise RuntimeError(
                f"group_by has max_groups={self.most} groups open, and {key!r} would be one more: allow more, let idle "
                "groups end with idle=seconds, or group by a key that has fewer values"
            )

    def end(self, error: Exception | None) -> None:
        """End the groups, and the stream of them."""
        for entry in list(self.groups.entries.values()):
            if entry.channel is not None:
                entry.channel.end(error)
        self.channel.end(error)

    def fail(self, error: Exception) -> None:
        """Let the readers of all groups meet the error, too."""
        self.end(error)

    async def stop(self) -> None:
        """End the task, the groups, and what waits for them."""
        self.end(chain_closed())
        await super().stop()


class Group(Node[T]):
    """One group, as a source. When it is freed or closed, its events are dropped and hold up nobody."""

    __slots__ = ("channel", "entry", "groups")

    def __init__(self, entry: Entry, channel: Channel[T], groups: Groups) -> None:
        super().__init__()
        self.entry = entry
        self.channel = channel
        self.groups = groups

    def __del__(self) -> None:
        self.drop()

    def open(self, _run: Run, /) -> AsyncIterator[T]:
        """Go on reading it."""
        return self

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        stream = None if self.channel else INNER_STREAM.get()
        if stream is None:
            return await self.channel.take()
        changed = stream.changed or self.channel.changed
        self.groups.watch(changed)
        wait = stream.begin_to_wait(self.waits_in_vain)
        try:
            while stream.changed is None and not self.channel and not self.channel.ended:
                if stream.motion() is Motion.STANDS:
                    await self.look_again(stream)
                else:
                    await changed.wait()
            return await self.channel.take()
        finally:
            del stream.waits[wait]

    async def look_again(self, stream: InnerStream) -> None:
        """Let what holds the groups up be taken, if it is about to be.

        Raises:
            RuntimeError: nobody takes it.
        """
        await let_others_run()
        if stream.motion() is Motion.STANDS:
            raise RuntimeError(
                "concat_map reads one stream after the other, and waits for a group of a group_by that has a further "
                "group: read the groups with flat_map, side by side"
            )

    def waits_in_vain(self) -> bool:
        """Whether no event of this group can come, because what is held up waits for somebody else."""
        return not self.channel and not self.channel.ended and self.groups.are_held_up

    def drop(self) -> None:
        """Drop what is here, and what comes."""
        self.groups.let_go(self.entry)
        self.channel.end(chain_closed())
        self.channel.clear()

    async def close(self, *, final: bool) -> None:
        """Drop its events, if this is for good."""
        if final:
            self.drop()
