"""Between the tasks of an operator and its reader.

Notifier          wakes the tasks that wait for a change
Channel           hands events to the reader; whoever puts one waits until it was taken
let_others_run    lets everything happen that needs no time
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from anyio import Event
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

T = TypeVar("T")


class Notifier:
    """Wakes all tasks that wait for a change; each then looks again."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: Event | None = None

    def notify(self) -> None:
        """Wake all tasks that wait."""
        if self._event is not None:
            self._event.set()
            self._event = None

    @property
    def is_awaited(self) -> bool:
        """Whether a task waits, or has begun to and was cancelled."""
        return self._event is not None

    async def wait(self) -> None:
        """Wait for the next ``notify``. Look first: there must be no await between the look and this call."""
        if self._event is None:
            self._event = Event()
        await self._event.wait()


class Channel(Generic[T]):
    """Events on their way from tasks to the reader, in the order in which they were put.

    It holds one event for each task that puts, because that waits until its event was taken. No cancel loses one.
    ``changed`` is notified when there is something to take.
    """

    __slots__ = ("_end", "_items", "changed")

    def __init__(self) -> None:
        self._items: deque[tuple[T, Event, object]] = deque()
        self.changed = Notifier()
        self._end: Exception | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def ended(self) -> bool:
        """Whether no event will be put any more."""
        return self._end is not None

    @property
    def is_awaited(self) -> bool:
        """Whether a reader waits for the next event, or has begun to and was cancelled."""
        return self.changed.is_awaited

    def has_one_of(self, who: object) -> bool:
        """Whether an event is here that was put ``by`` this one."""
        return any(by == who for _, _, by in self._items)

    async def put(self, item: T, by: object = None) -> None:
        """Put an event, and wait until it was taken. A cancel leaves it here. After the end it is dropped."""
        if self._end is None:
            await self.put_nowait(item, by).wait()
        else:
            # Whoever never waits for anything else must let the loop turn.
            await checkpoint()

    def put_nowait(self, item: T, by: object = None) -> Event:
        """Put an event, and return what is set when it was taken."""
        taken = Event()
        self._items.append((item, taken, by))
        self.changed.notify()
        return taken

    async def take(self) -> T:
        """Wait for the next event; after the last, raise what ``end`` was given. A cancel takes nothing."""
        while not self._items:
            if self._end is not None:
                # Where a scope is cancelled around both, the task of the operator may hear of it first.
                await checkpoint_if_cancelled()
                raise self._end
            await self.changed.wait()
        return self.take_nowait()

    def take_nowait(self) -> T:
        """Take an event; there must be one."""
        item, taken, _ = self._items.popleft()
        taken.set()
        return item

    def clear(self) -> None:
        """Drop what was not taken."""
        while self._items:
            self.take_nowait()

    def end(self, error: Exception | None = None) -> None:
        """Let the reader meet the end, or ``error``, after what is here. Only the first call counts."""
        if self._end is None:
            self._end = error or StopAsyncIteration()
            self.changed.notify()


async def let_others_run() -> None:
    """Let the loop turn a few times, so that everything has happened that needs no time.

    Reading what is ready in an anyio stream takes one turn, and starting a task another.
    """
    for _ in range(3):
        await checkpoint()
