"""The tasks of an operator: each runs in the crew of its chain, and ends with its operator.

OperatorTask     one task
OperatorTasks    all tasks of one engine
TaskEngine       the base of an engine with tasks, which hand events to the reader through a channel
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from weakref import ref

from anyio import Event
from anyio.lowlevel import checkpoint

from evenflow._deadlock import Takers
from evenflow._errors import chain_closed
from evenflow.streams._channel import Channel
from evenflow.streams._ending import Caught
from evenflow.streams._node import NOT_ENTERED, Node
from evenflow.streams._read_by import ReadBy
from evenflow.streams._standstill import INNER_STREAM, WORKS_FOR, takers_here

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from evenflow._crew import Crew, Member
    from evenflow.streams._channel import Notifier
    from evenflow.streams._guarded import Nodes
    from evenflow.streams._node import Run
    from evenflow.streams._standstill import GroupReader

T = TypeVar("T")

CHECKPOINT_AFTER: Final = 32
"""How many events a task that does not wait for the reader takes in between two checkpoints."""


class OperatorTask:
    """One task of an operator."""

    __slots__ = ("__weakref__", "_ended", "_takers", "has_finished", "member", "over")

    def __init__(self, takers: Callable[[], Takers] | None = None) -> None:
        self.member: Member | None = None
        self._takers = takers
        self.has_finished = False
        self._ended: Event | None = None
        self.over = False

    def __call__(self) -> Takers:
        """Return whom it waits for now, because it has read ahead. Once it is cancelled, it waits for nobody."""
        member = self.member
        if self._takers is None or member is None or member.was_cancelled:
            return Takers()
        return self._takers()

    @property
    def reads_ahead(self) -> bool:
        """Whether it may wait for whoever takes what it has read."""
        return self._takers is not None

    def end(self) -> None:
        """It is over."""
        self.over = True
        self._takers = None
        if self._ended is not None:
            self._ended.set()

    def who(self) -> tuple[object, ...]:
        """Return the task itself, while it runs."""
        return () if self.member is None or self.member.task is None else (self.member.task,)

    def cancel(self) -> None:
        """Cancel the task, without waiting for its end."""
        if self.member is not None:
            self.member.cancel()

    async def stop(self) -> None:
        """Cancel the task, and wait for its end."""
        self.cancel()
        if not self.over:
            self._ended = self._ended or Event()
            await self._ended.wait()


class OperatorTasks:
    """The tasks of one engine. They raise nothing: their errors are handed to the reader.

    ``lost`` is called if one of them is cancelled by anybody else, so that the reader does not wait for it for ever.
    ``reader_waits`` says whether the reader waits for what they put.

    Raises:
        RuntimeError: the chain was not entered.
    """

    __slots__ = ("_crew", "_final", "_lost", "_reader_waits", "_takers", "_tasks", "_without_checkpoint", "_works_for")

    def __init__(self, run: Run, lost: Callable[[], None], reader_waits: Callable[[], bool] = lambda: True) -> None:
        if run.crew is None:
            raise RuntimeError(NOT_ENTERED)
        self._crew: Crew = run.crew
        self._final = not run.restarts
        self._lost = lost
        self._reader_waits = reader_waits
        self._takers = takers_here()
        stream = INNER_STREAM.get()
        self._works_for: tuple[GroupReader, ...] = self._takers if stream is None else (*self._takers, stream)
        self._tasks: dict[OperatorTask, None] = {}
        self._without_checkpoint = 0

    def start(
        self,
        work: Callable[..., Coroutine[Any, Any, None]],
        /,
        *arguments: Any,
        takers: Callable[[], Takers] | None = None,
    ) -> OperatorTask:
        """Start a task; it runs when the loop turns. ``takers`` says whom it waits for, where it reads ahead."""
        task = OperatorTask(takers)
        self._tasks[task] = None
        for reader in self._works_for:
            reader.tasks += 1
            reader.engines[self] = self._reader_waits
        work_of_task = partial(self._run, task, work)
        task.member = self._crew.start(work_of_task, *arguments, name="operator", ended=partial(self._over, task))
        return task

    async def _run(self, task: OperatorTask, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        if self._takers:
            WORKS_FOR.set(self._takers)
        if task.reads_ahead:
            loop = self._crew.loop
            loop.own[loop.current_task()] = ref(task)
        await work(*arguments)
        task.has_finished = True

    def _over(self, task: OperatorTask) -> None:
        del self._tasks[task]
        for reader in self._works_for:
            reader.tasks -= 1
            if not self._tasks:
                del reader.engines[self]
        task.end()
        # It was cancelled, or has waited for something that was, and did not come to its end.
        if not task.has_finished and task.member is not None and not task.member.was_cancelled:
            self._lost()

    def all_but(self, one: OperatorTask) -> tuple[object, ...]:
        """Return the tasks that run, but for this one; none, where one of them has not begun."""
        others = [task.who() for task in self._tasks if task is not one]
        return tuple(chain.from_iterable(others)) if all(others) else ()

    async def stop(self) -> None:
        """Cancel all tasks, and wait for their ends."""
        for task in self._tasks:
            task.cancel()
        for task in tuple(self._tasks):
            await task.stop()

    async def read(
        self, node: Node[T], reader: AsyncIterator[T], take_in: Callable[[T], Awaitable[None]]
    ) -> Exception | None:
        """Read a source to its end, and close it. Return its error, or None."""
        with Caught() as caught:
            while True:
                await take_in(await anext(reader))
        return await self.retire(node) if isinstance(caught.error, StopAsyncIteration) else caught.error

    async def retire(self, node: Node[Any]) -> Exception | None:
        """Close a source that is not needed any more. Return what that raised, or None."""
        with Caught() as caught:
            await node.close(final=self._final)
        return caught.error

    async def checkpoint_now_and_then(self) -> None:
        """Let the loop turn from time to time: a source that never waits must not keep the others from running."""
        self._without_checkpoint += 1
        if self._without_checkpoint % CHECKPOINT_AFTER == 0:
            await checkpoint()


class TaskEngine(Generic[T]):
    """The base of an engine with tasks. The reader takes what they put into ``channel``.

    ``reader_at`` is what the reader waits for while there is nothing to take, or None where that cannot be known.
    """

    __slots__ = ("channel", "nodes", "read_by", "reader_at", "run", "tasks")

    def __init__(self, run: Run, *nodes: Node[Any]) -> None:
        self.run = run
        self.nodes = nodes
        self.read_by = ReadBy(run)
        self.tasks = OperatorTasks(run, self._task_lost, self._reader_waits)
        self.channel: Channel[T] = Channel()
        self.reader_at: Notifier | None = self.channel.changed

    def _reader_waits(self) -> bool:
        return self.reader_at is None or self.reader_at.is_awaited

    def _task_lost(self) -> None:
        self.fail(RuntimeError("a task of this operator was cancelled by somebody else; nothing more comes"))

    def fail(self, error: Exception) -> None:
        """Let the reader meet the error, wherever it waits."""
        self.channel.end(error)

    async def pull(self) -> T:
        """Wait for the next event that a task has put."""
        if not self.read_by.known.cr_running:
            self.read_by.note()
        return await self.channel.take()

    async def stop(self) -> None:
        """End the tasks; a reader that waits gets ``ClosedResourceError``."""
        try:
            await self.tasks.stop()
        finally:
            self.channel.end(chain_closed())

    def made(self) -> Nodes:
        """Return nothing: most engines make no nodes."""
        return ()

    def being_read(self) -> Nodes:
        """Return nothing: the sources are read by the tasks, which a cancelled reader does not interrupt."""
        return ()
