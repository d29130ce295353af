"""`group_by`: one stream for each key, all read from one source.

A key is known from its first event on, and for good, or with ``idle`` until nothing has come for it for so long.
Its group is open until it ends, is closed, or is freed. Events of a key whose group was closed or freed are left out.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import current_effective_deadline, current_time, sleep_until

from evenflow._deadlock import Takers
from evenflow._errors import chain_closed
from evenflow.streams._channel import Channel, Notifier
from evenflow.streams._ending import calling_functions
from evenflow.streams._moments import let_sources_go_first, moment_of
from evenflow.streams._node import Node
from evenflow.streams._operator import COROUTINE
from evenflow.streams._read_by import ReadBy
from evenflow.streams._standstill import (
    INNER_STREAM,
    Motion,
    Wait,
    motion_of,
    taker_of_this_task,
    takers_here,
    wait_for_change,
)
from evenflow.streams._tasks import TaskEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable

    from anyio import Event

    from evenflow.streams._node import Run
    from evenflow.streams._standstill import Taker

T = TypeVar("T")
S = TypeVar("S")


class Entry:
    """What is known of one key: the channel of its group while that is open, who reads it, and when an event came last.

    Until a new group was taken, nothing of it is old.
    """

    __slots__ = ("channel", "last", "read_by")

    def __init__(self, channel: Channel[Any]) -> None:
        self.channel: Channel[Any] | None = channel
        self.read_by = ReadBy()
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
        "_takers",
        "_waits_for",
        "_watchers",
        "entries",
        "open",
    )

    def __init__(self, idle: float | None) -> None:
        self._idle = idle
        self.entries: dict[Hashable, Entry] = {}
        self.open = 0
        self._taken: Event | None = None
        self._waits_for: ReadBy | None = None
        self._new_one_waits = False
        self._held_since: float | None = None
        self._lost_time = 0.0
        self._came = Notifier()
        self._released = Notifier()
        self._watchers: dict[Notifier, None] = {}
        self._takers: dict[Taker, float] = {}
        """Who takes groups, and the deadline under which it took the last one."""

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

    async def hand(self, channel: Channel[T], item: T, read_by: ReadBy, *, is_group: bool) -> None:
        """Put an item into a channel, and wait until it was taken."""
        self._taken = taken = channel.put_nowait(item)
        self._waits_for = read_by
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

    def takers(self) -> Takers:
        """Return whom the task that reads waits for: whoever reads the group, or takes the groups."""
        waits = self._taken is not None and not self._taken.is_set()
        return Takers() if self._waits_for is None else self._waits_for.takers_if(waits)

    @property
    def are_held_up(self) -> bool:
        """Whether nothing is read from the source, and none of the groups will end by itself."""
        waits = self._taken is not None and not self._taken.is_set()
        return waits and not (self._new_one_waits and self._idle is not None)

    def watch(self, watcher: Notifier) -> None:
        """Notify this one when the groups may be held up."""
        self._watchers[watcher] = None

    def watch_no_more(self, watcher: Notifier) -> None:
        """Notify this one no more."""
        self._watchers.pop(watcher, None)

    # who takes groups

    def note_taker(self) -> None:
        """The current task is about to take a group."""
        self._takers[taker_of_this_task()] = current_effective_deadline()

    def takers_here(self) -> list[Taker]:
        """Return those who take groups and for whom the current task works. Under a time limit of its own it ends."""
        deadline = current_effective_deadline()
        return [taker for taker in takers_here() if self._takers.get(taker, -inf) <= deadline]

    def motion_of_takers(self) -> Motion:
        """Whether anybody can take the new group that waits."""
        for taker in [taker for taker in self._takers if taker.has_ended]:
            del self._takers[taker]
        return motion_of(self._takers) if self._takers and self._new_one_waits and self.are_held_up else Motion.MOVES

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
        self.tasks.start(self.read, above.open(run.in_task()), takers=self.groups.takers)
        if idle is not None:
            self.tasks.start(self.groups.end_idle_ones, idle)

    async def pull(self) -> tuple[Any, S]:
        """Wait for the next group. Whoever takes it must not wait for another group then."""
        self.groups.note_taker()
        return await super().pull()

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
            handing = self.groups.hand(self.channel, (key, group), self.read_by, is_group=True)
            # While it waits it must not keep the group alive.
            del group
            await handing
        self.groups.note_event(key, entry)
        if entry.channel is None or entry.channel.ended:
            await self.tasks.checkpoint_now_and_then()
        else:
            await self.groups.hand(entry.channel, event, entry.read_by, is_group=False)

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

    def open(self, run: Run, /) -> AsyncIterator[T]:
        """Go on reading it."""
        self.entry.read_by.run = run
        return self

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        if not self.entry.read_by.known.cr_running:
            self.entry.read_by.note()
        if self.channel:
            return self.channel.take_nowait()
        stream = INNER_STREAM.get()
        if stream is None:
            return await self.take()
        self.groups.watch(stream.changed)
        wait = stream.begin_to_wait(self.waits_in_vain)
        try:
            return await self.take()
        finally:
            stream.end_wait(wait)

    async def take(self) -> T:
        """Wait for the next event, unless whoever must take a new group first waits here."""
        takers = self.groups.takers_here()
        if takers:
            await self.wait_instead_of(takers)
        return await self.channel.take()

    async def wait_instead_of(self, takers: list[Taker]) -> None:
        """Wait until there is something to take.

        Raises:
            RuntimeError: that would be for ever.
        """
        changed = self.channel.changed
        self.groups.watch(changed)
        wait = Wait(self.waits_in_vain)
        for taker in takers:
            taker.waits[wait] = None
        try:
            while not self.channel and not self.channel.ended:
                await wait_for_change(changed, self.groups.motion_of_takers, why_it_stands)
        finally:
            for taker in takers:
                del taker.waits[wait]
            self.groups.watch_no_more(changed)

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


def why_it_stands() -> str:
    """Return what the error says."""
    return (
        "a group of a group_by is read by the task that takes the groups, and there is a further group, which it must "
        "take first: read the groups with flat_map, side by side, or with concurrency= of at least the number of groups"
    )
