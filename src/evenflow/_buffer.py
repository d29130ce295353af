"""One subscription's buffer: where its events lie until they are read, and how they are taken out.

An event lies in one of these, oldest first; together they are what "the buffer" means:

    replay    what came before the subscription; outside the bound, never dropped
    outbox    what the reader takes from
    inbox     what publishers append to; it lies in the anyio memory stream, as one item

The reader takes the whole inbox out of the stream when its outbox is empty, and the two change places.
So the stream is asked once for many events, and the bound is counted in events, not in items.

A reader may pop from ``fast`` without asking anybody. That is the outbox, or nothing while each take must be asked
for: somebody waits for room, several tasks read, or the events are conflated.

Nothing is decided here: what happens when the buffer is full is said in ``_mailbox``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast
from weakref import finalize

from anyio import create_memory_object_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

T = TypeVar("T")

RATION: Final = 1_024
"""A reader may take at most this many events without asking: they count towards a turn of the loop at once."""

QUICK: Final = 64
"""A reader whose ration is smaller than this is slow, and is asked at each event whether the loop should turn."""

EMPTY: Final = cast("deque[Any]", ())
"""A lane that was never used: as empty as a deque, without the 600 bytes that an empty deque takes."""


@dataclass(eq=False, repr=False, slots=True, weakref_slot=True)
class Buffer(Generic[T]):
    """What one subscription has to read, as plain events.

    Attributes:
        capacity: how many events it holds at most, the replay left out.
        inbox: what publishers append to, once ``begin`` has put it into the stream.
        in_stream: whether the inbox lies in the stream.
        outbox: what the reader takes from.
        fast: the outbox, where a reader may pop from it without asking; else something empty.
        replay: what the subject had kept when the subscription was made.
        moved: events that were moved from the inbox to the outbox, or read from the inbox.
        replayed: events of the replay that were read.
        dropped: events that were dropped unread, as the oldest.
        fill: how many events must wait until somebody is called, and who; see ``tell_of_fill``.
        ration: how many events its reader may take without asking. It grows eightfold while these take three
            milliseconds at most, and falls to as many as do where they take longer; so it begins with one.
    """

    capacity: int
    inbox: deque[Any] = EMPTY
    outbox: deque[Any] = EMPTY
    fast: deque[T] = EMPTY
    replay: deque[T] = EMPTY
    in_stream: bool = False
    moved: int = 0
    replayed: int = 0
    dropped: int = 0
    fill: tuple[int, Callable[[], None]] | None = None
    ration: int = 1
    _sending: MemoryObjectSendStream[deque[Any]] | None = None
    _receiving: MemoryObjectReceiveStream[deque[Any]] | None = None
    _close_stream: finalize[..., Any] | None = None

    def __len__(self) -> int:
        return len(self.replay) + len(self.outbox) + len(self.inbox)

    def read(self) -> int:
        """Events that were read, the replay left out."""
        return self.moved - len(self.outbox)

    def head(self) -> int:
        """The position of the oldest event: how many have left the buffer before it."""
        return self.moved - len(self.outbox) + self.dropped

    def tail(self) -> int:
        """The position that the next event will have."""
        return self.moved + self.dropped + len(self.inbox)

    def begin(self) -> deque[Any]:
        """Put the inbox, which is empty, into the stream; returns it, to be appended to."""
        if self.inbox is EMPTY:
            self.inbox = self.new_inbox()
        if not self.in_stream:
            (self._sending or self.open_stream()).send_nowait(self.inbox)
            self.in_stream = True
        return self.inbox

    def new_inbox(self) -> deque[Any]:
        """What publishers append to, when it is first needed."""
        return deque()

    def put(self, _key: object, event: T) -> None:
        """Append one event, whatever its key; the caller has seen that there is room."""
        (self.inbox or self.begin()).append(event)

    def tell_of_fill(self, events: int, tell: Callable[[], None] | None) -> None:
        """From now on ``tell`` may be called when as many events wait, or more; None calls nobody any more.

        Whoever appends beside the fast way of a publish does: a buffer of bare events is not looked at for each.
        """
        self.fill = None if tell is None else (events, tell)

    def give_replay(self, events: Iterable[T]) -> None:
        """What came before the subscription, which is read first."""
        self.replay = deque(events)

    def open_stream(self) -> MemoryObjectSendStream[deque[Any]]:
        """Make the memory stream, which takes 1.5 KB and 4 us: when somebody first reads, or with the first event."""
        if self._sending is None:
            sending, receiving = create_memory_object_stream[deque[Any]](self.capacity)
            # A collector that finds subject, subscription and stream in one cycle closes the stream first, in silence.
            close = finalize(self, _close, sending, receiving)
            if self._sending is not None:  # a destructor has published while these were made
                close()
                return self._sending
            self._sending, self._receiving, self._close_stream = sending, receiving, close
        return self._sending

    def take(self) -> T:
        """The oldest event; there is one."""
        if self.replay:
            self.replayed += 1
            return self.replay.popleft()
        if not self.outbox:
            if len(self.inbox) == 1:  # one event is not worth taking out of the stream: the next joins where it lay
                self.moved += 1
                return self.inbox.popleft()  # type: ignore[no-any-return]  # the inbox of a subclass holds more than events
            self._take_inbox()
        return self.outbox.popleft()  # type: ignore[no-any-return]  # as above

    def take_all(self, most: int) -> tuple[T, ...]:
        """At most ``most`` of the oldest events."""
        if self.inbox and not (self.outbox or self.replay):
            if most and len(self.inbox) == 1:  # as in `take`
                self.moved += 1
                return (self.inbox.popleft(),)
            self._take_inbox()
        if self.replay or self.inbox or len(self.outbox) > most:
            return tuple([self.take() for _ in range(min(most, len(self)))])
        batch = tuple(self.outbox)
        if batch:
            self.outbox.clear()
        return batch

    def open_lane(self) -> int:
        """Let a reader pop from the outbox without asking, if there are not too many events in it; returns how many."""
        if (count := len(self.outbox)) > self.ration or self.replay:
            return 0
        self.fast = self.outbox
        return count

    def adapt_ration(self, fitting: int) -> None:
        """As many events as these, and like the last ones, its reader takes in a while."""
        self.ration = min(8 * self.ration, fitting, RATION)

    def close_lane(self) -> None:
        """From now on each take must be asked for."""
        self.fast = EMPTY

    def drop_oldest(self) -> object:
        """Take away the oldest event unread; returns what must be kept until no destructor can do harm."""
        self.dropped += 1
        if self.outbox:
            self.moved -= 1
            return self.outbox.popleft()
        return self.inbox.popleft()

    def clear(self) -> list[object]:
        """Take away everything unread; returns it, as `drop_oldest` does."""
        self.moved -= len(self.outbox)
        rest: list[object] = [*self.replay, *self.outbox, *self.inbox]
        for lane in (self.replay, self.outbox, self.inbox):
            if lane:
                lane.clear()
        return rest

    def held(self) -> list[T]:
        """All that is buffered, the oldest first."""
        return [*self.replay, *self.outbox, *self.inbox]

    def mark(self) -> int:
        """Mark what is buffered now, for `has_passed`."""
        return self.tail()

    def has_passed(self, mark: int) -> bool:
        """Whether everything that was buffered when the mark was made has left the buffer."""
        return not self.replay and self.head() >= mark

    def close_stream(self) -> None:
        """Close the memory stream; what lies in it can be read as before."""
        if self.in_stream:
            before = self.outbox
            self._take_inbox()
            self.outbox.extendleft(reversed(before))
            self.inbox = EMPTY
        if self._close_stream is not None:
            self._close_stream()
            self._sending = self._receiving = self._close_stream = None

    def _take_inbox(self) -> None:
        """Take the inbox out of the stream: it is the outbox from now on, and the outbox is the next inbox."""
        assert self._receiving is not None
        outbox = self._receiving.receive_nowait()
        self.in_stream = False
        self.moved += len(outbox)
        self.inbox, self.outbox, self.fast = self.outbox, outbox, EMPTY


@dataclass(eq=False, slots=True)
class Cell:
    """One event of a conflated buffer, which a later event of the same key replaces in its place."""

    key: object
    event: object
    sequence: int


class ConflatedBuffer(Buffer[T]):
    """A buffer in which an event replaces the buffered one of the same key. Cells lie in its lanes.

    Attributes:
        sequence: how many events were put in or replaced one.
    """

    __slots__ = ("_cells", "sequence")

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.sequence: int = 0
        self._cells: dict[object, Cell] = {}

    def held(self) -> list[T]:
        return [*self.replay, *(cell.event for lane in (self.outbox, self.inbox) for cell in lane)]

    def find(self, key: object) -> Cell | None:
        """The cell of this key, if one is buffered."""
        return self._cells.get(key)

    def replace(self, cell: Cell, event: T) -> object:
        """Replace the event of this cell; returns the one before it."""
        self.sequence += 1
        old, cell.event, cell.sequence = cell.event, event, self.sequence
        return old

    def put(self, key: object, event: T) -> None:
        """Append the event of a key that is not buffered; the caller has seen that there is room."""
        self.sequence += 1
        cell = self._cells[key] = Cell(key, event, self.sequence)
        (self.inbox or self.begin()).append(cell)

    def mark(self) -> int:
        return self.sequence

    def has_passed(self, mark: int) -> bool:
        """Whether everything that is buffered was put in after the mark was made."""
        return not self.replay and all(cell.sequence > mark for cell in self._cells.values())

    def take(self) -> T:
        if self.replay:
            return super().take()
        cell = cast("Cell", super().take())
        self._cells.pop(cell.key, None)  # a key whose == changes its mind may not be found
        return cast("T", cell.event)

    def take_all(self, most: int) -> tuple[T, ...]:
        return tuple([self.take() for _ in range(min(most, len(self)))])

    def open_lane(self) -> int:
        """A cell must be opened at each take: there is no fast lane."""
        return 0

    def drop_oldest(self) -> object:
        cell = cast("Cell", super().drop_oldest())
        self._cells.pop(cell.key, None)
        return cell

    def clear(self) -> list[object]:
        self._cells.clear()
        return super().clear()


class HashedKey:
    """A key whose hash was asked for once, and whose comparison raises nothing."""

    __slots__ = ("hash", "key")

    def __init__(self, key: object) -> None:
        self.key = key
        self.hash = hash(key)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        theirs = other.key if isinstance(other, HashedKey) else other
        try:
            return self.key is theirs or bool(self.key == theirs)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: ASYNC103, BLE001 -- keys that cannot be compared are different keys
            return False  # noqa: ASYNC104 -- no await is in here: it is no cancellation of this task


_PLAIN_KEYS: Final = frozenset({str, int, bytes})


def hashed(key: object) -> object:
    """The key in a form that runs none of the user's code when it is looked up, but for a comparison.

    Raises:
        TypeError: it cannot be hashed, or is a coroutine; or whatever else its ``__hash__`` raises.
    """
    if type(key) in _PLAIN_KEYS:
        return key
    if iscoroutine(key):
        key.close()
        raise TypeError("a key function returned a coroutine; it must be a plain function")
    return HashedKey(key)


def _close(*streams: MemoryObjectSendStream[Any] | MemoryObjectReceiveStream[Any]) -> None:
    for stream in streams:
        stream.close()
