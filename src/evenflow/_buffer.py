"""One subscription's buffer: where its events lie until they are read, and how they are taken out.

An event lies in one of these, oldest first; all of them together are what "the buffer" means:

    replay         what came before the subscription; outside the bound, never given up
    gap            the hole before everything else, where gaps are wanted (takes no slot)
    ready          taken out of the stream: the reader's fast lane, emptied without asking here
    front          taken out of the stream: the slow lane, one by one, each take is told to `on_take`
    chunk          lies in the anyio memory stream; an event joins it until the reader takes it

One chunk at the most lies in the stream, and the bound is counted in events.
Only one of `ready` and `front` is in use, but for a chunk longer than a ration.
Nothing is decided here: what a full buffer gives up is said in `_mailbox`.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from anyio import create_memory_object_stream

from ._items import EMPTY, NOTHING, Cell, Gap, wider
from ._readers import WAKES_A_TURN, Readers, Wakes

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream


RATION: Final = 1_024
"""So many events at the most go to the fast lane at once: they count as one towards a turn of the loop."""


_OPEN: Final[set[object]] = set()
"""The streams that are open: whatever the collector finds, it finds our own end of a subscription before them."""


class Buffer(Readers):
    """What one subscription has to read."""

    __slots__ = ("gap", "keys", "marks", "replay")

    def __init__(self, *, capacity: int, conflated: bool, gaps: bool, wakes: Wakes | None) -> None:
        super().__init__(wakes)
        self.capacity: int = capacity
        self.plain: bool = not (conflated or gaps)
        self.keys: dict[object, Cell] | None = {} if conflated else None
        self.chunk: deque[Any] = EMPTY
        self.ready: deque[Any] = EMPTY
        self.front: deque[Any] = EMPTY
        self.replay: deque[Any] = EMPTY
        self.gap: Gap | None = None
        self.lying: bool = False
        self.limit: int = capacity
        """The chunk may grow to this length before anybody has to look again."""
        self.marks: int = 0
        self.reserved: int = 0
        self.taken: int = 0
        self.end: BaseException | type[BaseException] | None = None
        self.on_take: Callable[[Any], None] | None = None
        self.sending: MemoryObjectSendStream[Any] | None = None
        self.receiving: MemoryObjectReceiveStream[Any] | None = None

    # ------------------------------------------------------------------ what lies there

    def buffered(self) -> int:
        """Events that count towards the bound."""
        return len(self.ready) + len(self.front) + len(self.chunk) - self.marks

    @property
    def waiting(self) -> int:
        """Events that were wanted and have neither been delivered nor given up."""
        return len(self.replay) + self.buffered()

    def room(self) -> int:
        """Free slots, without those that are kept for publishers who wait."""
        return self.capacity - self.reserved - len(self.ready) - len(self.front) - len(self.chunk) + self.marks

    def items(self) -> int:
        """How many items could be taken now; without end once there is an end, so that everybody hears of it."""
        if self.end is not None:
            return sys.maxsize
        return self.waiting + self.marks + (self.gap is not None)

    # ------------------------------------------------------------------ putting in

    def has_room(self) -> bool:
        """The chunk has grown to its limit: has the reader gone on meanwhile, or is the buffer full?"""
        raise NotImplementedError

    def add(self, event: Any) -> None:
        """Append one event where there is room; whoever calls sees to a chunk that has grown to its limit."""
        chunk = self.chunk
        if not self.lying:
            if self.sending is None or chunk is EMPTY:
                chunk = self._open_chunk()
            self.sending.send_nowait(chunk)  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess] -- it is open
            self.lying = True
        chunk.append(event)
        if asleep := self.asleep:  # `wake_one`, written out: it is paid for every event that is published alone
            woken, wakes = self.woken, self.wakes
            self.woken: int = woken + 1
            self.asleep: int = asleep - 1
            if returned := self.returned:
                self.returned: int = returned - 1
            bell = self.line[woken]
            if wakes.ringing < WAKES_A_TURN and not bell.done():
                wakes.ringing += 1
                bell.set_result(None)
            else:
                wakes.ring(bell)
            if asleep > 1:
                self.needs_a_look()

    def give_replay(self, events: list[Any]) -> None:
        """What came before the subscription, to be read first."""
        if events:
            self.replay = deque(events)

    def extend(self, events: tuple[Any, ...]) -> None:
        """Append several events where there is room for all; whoever calls sees to a chunk grown to its limit."""
        each = iter(events)  # made first: a destructor may read, and the chunk is another then
        chunk = self.chunk
        if not self.lying:
            if self.sending is None or chunk is EMPTY:
                chunk = self._open_chunk()
            self.sending.send_nowait(chunk)  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess] -- it is open
            self.lying = True
        chunk.extend(each)
        if self.asleep:
            self.wake_one()
            if self.asleep:
                self.rouse()

    def _open_chunk(self) -> deque[Any]:
        """Make what is not there yet of chunk and stream; returns the chunk, for the stream."""
        if self.chunk is EMPTY:
            self.chunk = deque()
        if self.sending is None:
            self.open_stream()
        return self.chunk

    def open_stream(self) -> None:
        """Make the stream, which takes 1.5 KB and 4 us: when somebody begins to read, or else with the first event."""
        if self.sending is None and self.end is None:
            sending, receiving = create_memory_object_stream[Any](self.capacity)
            if self.sending is None and self.end is None:
                self.sending, self.receiving = sending, receiving
                _OPEN.update((sending, receiving))
            else:  # a destructor has published or closed while these were made
                sending.close()
                receiving.close()

    # ------------------------------------------------------------------ taking away

    def remove_oldest(self) -> Any:
        """Take away the oldest event, or its cell, unread."""
        for lane in (self.ready, self.front, self.chunk):
            if lane:
                item = lane.popleft()
                if self.plain and lane is not self.chunk:
                    self.taken -= 1
                break
        else:
            raise AssertionError("a full buffer holds an event")
        if self.keys is not None:
            del self.keys[item.key]
        return item

    def clear(self) -> list[object]:
        """Take away everything that waits, unread; the stream is closed already."""
        if self.plain:
            self.taken -= len(self.ready) + len(self.front)
        rest: list[object] = [*self.replay, *self.ready, *self.front]
        for lane in (self.replay, self.ready, self.front):
            if lane:
                lane.clear()
        self.replay = EMPTY
        self.gap = None
        self.marks = 0
        if self.keys:
            self.keys.clear()
        return rest

    def close_stream(self) -> None:
        """Close the stream; what lies in it can be read as before."""
        if self.lying:
            chunk = self._take_chunk()
            if self.plain:
                self.taken += len(chunk)
            if self.front or self.ready:
                self._slow_down_or_keep()
                self.front.extend(chunk)
            else:
                self.front = chunk
            self.chunk = EMPTY
        if self.sending is not None and self.receiving is not None:
            self.sending.close()
            self.receiving.close()
            _OPEN.difference_update((self.sending, self.receiving))
            self.sending = self.receiving = None

    def may_grow(self) -> bool:
        """Whether the chunk has room, with what its reader has taken meanwhile."""
        self.limit = limit = self.capacity - len(self.ready) - len(self.front)
        return len(self.chunk) < limit

    def open_gap(self) -> None:
        """Note a hole before everything that is buffered; one that is there already becomes wider."""
        self.gap = wider(self.gap)

    def mark_gap(self) -> None:
        """Note a hole after everything that is buffered; one that is there already becomes wider."""
        lane = self.chunk or self.front
        if lane and type(lane[-1]) is Gap:
            lane[-1] = wider(lane[-1])
        else:
            lane.append(wider(None))
            self.marks += 1
            self.rouse()

    # ------------------------------------------------------------------ taking out

    def take(self) -> Any:
        """The oldest item, or NOTHING."""
        if self.replay or self.front or not self.plain:
            return self._take_any()
        if self.ready:
            return self.ready.popleft()
        if not (length := len(self.chunk)):
            return NOTHING
        if self.on_take or self.line or length > RATION:
            return self._take_any()
        chunk = self.chunk
        if length > 1:  # one event is not worth taking out of the stream: the next one joins where it lay
            self.receiving.receive_nowait()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess] -- something lies in it
            self.lying = False
            self.ready, self.chunk = chunk, self.ready
            length = len(chunk)  # a destructor may have added to it
            self.limit = self.capacity - length
        self.taken += length
        self.wakes.turns.taken += length
        return chunk.popleft()

    def _take_any(self) -> Any:
        """The oldest item, wherever it lies, or NOTHING."""
        if self.replay:
            self.wakes.turns.taken += 1
            self.taken += 1
            return self._tell(self.replay.popleft())
        if self.gap is not None:
            gap, self.gap = self.gap, None
            return gap
        if self.ready:
            return self.ready.popleft()
        if not self.front:
            if not self.chunk:
                return NOTHING
            self._unload()
        if self.ready or self._ration():
            return self.ready.popleft()
        return self._take_slowly()

    def take_batch(self) -> Any:
        """All that is waiting, a tuple of at most `capacity` events; or NOTHING."""
        if self.plain and not (self.ready or self.replay or self.on_take or (self.front and self.chunk)):
            return self._take_whole_lane()
        items: list[Any] = []
        events = 0
        while events < self.capacity and (item := self.take()) is not NOTHING:
            items.append(item)
            events += type(item) is not Gap
        return tuple(items) or NOTHING

    def _take_whole_lane(self) -> Any:
        """All plain events, where they lie in one lane; what a destructor publishes meanwhile is not among them."""
        if lane := self.chunk:
            self.receiving.receive_nowait()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess] -- something lies in it
            self.lying = False
            self.chunk, self.ready = self.ready, EMPTY
            self.limit = self.capacity
            self.taken += len(lane)
        elif lane := self.front:
            self.front = EMPTY
        else:
            return NOTHING
        batch = tuple(lane)
        self.wakes.turns.taken += len(batch)
        lane.clear()
        if self.ready is EMPTY:
            self.ready = lane  # for the next chunk
        return batch

    def slow_down(self, on_take: Callable[[Any], None]) -> None:
        """From now on tell of each take: the fast lane is closed."""
        self.on_take = on_take
        if self.ready:
            empty: deque[Any] = deque()
            if not self.front:  # a destructor may have closed this while that was made
                self.front = empty
            self.front.extendleft(reversed(self.ready))
            self.ready.clear()  # the very deque that the reader looks at

    def _take_chunk(self) -> deque[Any]:
        assert self.receiving is not None
        chunk: deque[Any] = self.receiving.receive_nowait()
        self.lying = False
        return chunk

    def _unload(self) -> deque[Any]:
        """Take the chunk out of the stream, into the lane that is in use; returns that lane."""
        chunk: deque[Any] = self.receiving.receive_nowait()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess] -- something lies in it
        self.lying = False
        length = len(chunk)
        if self.plain:
            self.taken += length
        if length <= RATION and self.plain and self.on_take is None and not self.line:
            self.ready, self.chunk = chunk, self.ready
            self.wakes.turns.taken += length
        else:
            self.front, self.chunk = chunk, self.front
        self.limit = self.capacity - length
        return chunk

    def _ration(self) -> bool:
        """Fill the fast lane from the slow one, where it is open again."""
        if not self.front or not self.plain or self.on_take is not None or self.line:
            return False
        if len(self.front) <= RATION:
            self.ready, self.front = self.front, EMPTY
        else:
            self.ready = deque(self.front.popleft() for _ in range(RATION))
        self.wakes.turns.taken += len(self.ready)
        return True

    def _take_slowly(self) -> Any:
        self.wakes.turns.taken += 1
        item: Any = self.front.popleft()
        if self.plain:
            return self._tell(item)
        if type(item) is Gap:
            self.marks -= 1
            return item
        self.taken += 1
        if self.keys is not None:
            del self.keys[item.key]
            item = item.event
        return self._tell(item)

    def _tell(self, item: Any) -> Any:
        if self.on_take is not None:
            self.on_take(self)
        return item

    def _slow_down_or_keep(self) -> None:
        """Let everything that was taken out of the stream lie in one lane, in order."""
        told = self.on_take
        self.slow_down(_nobody)
        self.on_take = told
        if self.front is EMPTY:
            self.front = deque()


def _nobody(_: object) -> None:
    """Nobody asked to be told of a take."""
