"""The tasks of one operator, and how they hand events to whoever reads it.

Crew       starts tasks in the group of the chain, and ends them with the operator
Job        one of them
Bell       rung when something has changed: whoever waits looks again
Channel    events on their way from the tasks to the reader, at most one for each task that gives
Tasked     a node with a crew
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anyio import CancelScope, ClosedResourceError, Event
from anyio.lowlevel import checkpoint

from evenflow.streams._node import NOT_ENTERED, Guarded, Node, shut_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.abc import TaskGroup

    from evenflow.streams._node import Run

A_BREATH = 32
"""After so many events a task that does not wait for the reader lets the loop turn."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Job:
    """A task of an operator."""

    __slots__ = ("_gone", "_scope", "over")

    def __init__(self) -> None:
        self._scope = CancelScope()
        self._gone: Event | None = None
        self.over = False

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work, in the task that was started for it."""
        try:
            with self._scope:
                await work()
        finally:
            self.over = True
            if self._gone is not None:
                self._gone.set()

    def cancel(self) -> None:
        """Cancel the task, without waiting for its end."""
        self._scope.cancel()

    async def stop(self) -> None:
        """Cancel the task, and wait until it has ended."""
        self._scope.cancel()
        if not self.over:
            self._gone = self._gone or Event()
            await self._gone.wait()


class Crew:
    """The tasks of one operator. They raise nothing: what goes wrong is handed to the reader.

    Raises:
        RuntimeError: the chain was not entered.
    """

    __slots__ = ("_group", "_jobs")

    def __init__(self, run: Run) -> None:
        if run.group is None:
            raise RuntimeError(NOT_ENTERED)
        self._group: TaskGroup = run.group
        self._jobs: dict[Job, None] = {}

    def start(self, work: Callable[..., Awaitable[None]], /, *arguments: Any) -> Job:
        """Start a task."""
        job = Job()
        self._jobs[job] = None
        self._group.start_soon(self._run, job, partial(work, *arguments))
        return job

    async def _run(self, job: Job, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await job.run(work)
        finally:
            del self._jobs[job]

    async def stop(self) -> None:
        """Cancel all tasks, and wait until they have ended."""
        for job in self._jobs:
            job.cancel()
        for job in tuple(self._jobs):
            await job.stop()


class Bell:
    """Rung when something has changed; everyone who waits then looks again."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: Event | None = None

    def ring(self) -> None:
        """Wake everyone who waits."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Wait until it rings. Look first, with no await between the look and this."""
        if self._event is None:
            self._event = Event()
        await self._event.wait()


class Channel(Generic[T]):
    """Events on their way to the reader.

    What is put lies here at once, in the order of putting; whoever put it waits until it was taken.
    So it holds one event for each task that puts, and no cancel loses any.
    """

    __slots__ = ("_bell", "_end", "_items")

    def __init__(self) -> None:
        self._items: deque[tuple[T, Event]] = deque()
        self._bell = Bell()
        self._end: Exception | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more."""
        return self._end is not None

    async def put(self, item: T) -> None:
        """Hand over an event, and wait until it was taken. Cancelled, it stays. After the end it is let go."""
        if self._end is None:
            await self.put_nowait(item).wait()

    def put_nowait(self, item: T) -> Event:
        """Hand over an event, and return what is set when it was taken."""
        taken = Event()
        self._items.append((item, taken))
        self._bell.ring()
        return taken

    async def take(self) -> T:
        """Wait for the next event; raise what was given to ``end`` after the last. Cancelling takes none."""
        while not self._items:
            if self._end is not None:
                raise self._end
            await self._bell.wait()
        return self.take_nowait()

    def take_nowait(self) -> T:
        """Take an event that is here."""
        item, taken = self._items.popleft()
        taken.set()
        return item

    def clear(self) -> None:
        """Let go of what was not taken."""
        while self._items:
            self.take_nowait()

    def end(self, error: Exception | None = None) -> None:
        """Say that nothing comes any more: after what is here, the reader gets the end, or the error."""
        if self._end is None:
            self._end = error or StopAsyncIteration()
            self._bell.ring()


class Tasked(Guarded[T_co]):
    """A node with tasks of its own; by default they give to one channel, which the reader takes from."""

    __slots__ = ("breath", "channel", "crew", "run")
    tasks = True

    def __init__(self, *nodes: Node[Any]) -> None:
        super().__init__(*nodes)
        self.crew: Crew | None = None
        self.channel: Channel[Any] = Channel()
        self.breath = 0

    def start(self, run: Run) -> None:
        """Start the tasks."""
        self.run = run
        self.channel = Channel()
        self.crew = Crew(run)
        self.begin(self.crew, run)

    def begin(self, crew: Crew, run: Run) -> None:
        """Make the state of a fresh start, open the sources, and start the tasks."""
        raise NotImplementedError

    async def pull(self) -> T_co:
        """Take the next event that a task gave."""
        return await self.channel.take()  # type: ignore[no-any-return]

    def inner(self) -> tuple[Node[Any], ...]:
        """Return the nodes that were made while it ran."""
        return ()

    async def shut(self, *, final: bool) -> None:
        """End the tasks, then shut what they read."""
        try:
            if self.crew is not None:
                await self.crew.stop()
        finally:
            self.channel.end(ClosedResourceError())
            await shut_all(self.inner(), final=True)
            await shut_all(self.nodes, final=final)

    async def read(
        self, node: Node[T], reader: AsyncIterator[T], give: Callable[[T], Awaitable[None]]
    ) -> Exception | None:
        """Read a source to its end, and shut it; return its error, or None for its end."""
        try:
            while True:
                await give(await anext(reader))
        except StopAsyncIteration:
            return await self.retire(node)
        except Exception as error:  # noqa: BLE001 -- it is handed to the reader, as it is
            return error

    async def breathe(self) -> None:
        """Let the loop turn now and then, where a task may read a source that never waits without ever waiting."""
        self.breath += 1
        if self.breath % A_BREATH == 0:
            await checkpoint()

    async def retire(self, node: Node[Any]) -> Exception | None:
        """Shut a source that has ended; return what that raised."""
        try:
            await node.shut(final=not self.run.restarts)
        except Exception as error:  # noqa: BLE001 -- it is handed to the reader, as it is
            return error
        return None


async def let_others_run() -> None:
    """Let the loop turn a few times, so that what needs no time has happened.

    Reading what lies ready in an anyio stream takes one turn, and starting a task another.
    """
    for _ in range(3):
        await checkpoint()
