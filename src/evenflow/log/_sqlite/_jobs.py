"""What the loop hands to a thread: withdrawn, or taken and then waited for.

Rule 1: the lock of the queue decides: either the thread has taken a job, or the loop has withdrawn it, never both.
Rule 2: what was taken is waited for, however often its caller is cancelled; then the cancellation is raised.
Rule 3: a whole batch of finished jobs costs the loop one call.
Rule 4: a job's wake-up is read and replaced in the loop alone; the thread writes its result and error, before the call.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from functools import partial
from threading import Condition, Lock
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope, current_time, get_cancelled_exc_class
from anyio.lowlevel import checkpoint_if_cancelled

from evenflow._errors import LogError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenflow._backends import WakeUp
    from evenflow._loop import RunningLoop

MOST_JOBS: Final = 1_000
"""How many jobs are taken at once."""
MOST_WEIGHT: Final = 10_000
"""How heavy they may be together; a heavier one is taken alone."""


class Job:
    """One thing that a thread does for a caller.

    Attributes:
        work: what is done; what it is called with is the thread's affair.
        alone: whether it is done outside of a transaction.
        changes: whether it changes the log, if it succeeds.
        weight: how many items it writes.
        settled: is called in the loop with the result, if it succeeded, even if its caller is cancelled.
        result: what ``work`` returned.
        error: what it raised.
        wake_up: what its caller sleeps on.
        is_done: whether the loop knows the outcome, or there will be none.
    """

    __slots__ = ("alone", "changes", "error", "is_done", "result", "settled", "wake_up", "weight", "work")

    def __init__(
        self,
        work: Callable[[Any], Any],
        weight: int = 1,
        settled: Callable[[Any], object] | None = None,
        *,
        alone: bool = False,
        changes: bool = True,
    ) -> None:
        self.work = work
        self.weight = weight
        self.settled = settled
        self.alone = alone
        self.changes = changes
        self.result: Any = None
        self.error: BaseException | None = None
        self.wake_up: WakeUp | None = None
        self.is_done = False

    def run(self, argument: Any) -> None:
        """In the thread: do it, and keep the outcome."""
        try:
            self.succeed(self.work(argument))
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- it belongs to the caller
            self.fail(error)

    def succeed(self, result: Any) -> None:
        """In the thread: this is the outcome."""
        self.result, self.error = result, None

    def fail(self, error: BaseException) -> None:
        """In the thread: this is the outcome."""
        self.error = error

    def outcome(self) -> Any:
        """In the loop, once it is done: the result, or what was raised."""
        if self.error is None:
            return self.result
        try:
            raise self.error
        finally:
            # a traceback holds this frame, and the frame would hold the error
            self.error = None


class JobQueue:
    """Jobs that wait for a thread, in order.

    Attributes:
        outbox: jobs that are not handed over yet; the loop's own.
    """

    def __init__(self) -> None:
        self.outbox: list[Job] = []
        self._lock = Lock()
        self._filled = Condition(self._lock)
        self._jobs: deque[Job] = deque()
        self._sleeping = 0
        self._closed: str | None = None

    def put(self, *jobs: Job) -> None:
        """Hand jobs over.

        Raises:
            LogError: nobody will take it.
        """
        with self._lock:
            if self._closed is not None:
                raise LogError(self._closed)
            self._jobs.extend(jobs)
            if self._sleeping:
                self._filled.notify()

    def withdraw(self, job: Job) -> bool:
        """Take a job back; whether that was in time."""
        with self._lock, suppress(ValueError):
            self._jobs.remove(job)
            return True
        return False

    def close(self, why: str) -> None:
        """Take no more jobs; those that are there are still done."""
        with self._lock:
            if self._closed is None:
                self._closed = why
            self._filled.notify_all()

    def take(self, timeout: float | None = None, *, most: int = MOST_JOBS) -> list[Job] | None:
        """In the thread: wait for jobs and take them; none after ``timeout``, and None once it is closed and empty."""
        with self._lock:
            if not self._jobs and self._closed is None:
                self._sleeping += 1
                self._filled.wait(timeout)
                self._sleeping -= 1
            taken: list[Job] = []
            weight = 0
            while self._jobs and len(taken) < most:
                weight += self._jobs[0].weight
                if taken and weight > MOST_WEIGHT:
                    break
                taken.append(self._jobs.popleft())
            if taken or self._closed is None:
                return taken
            return None

    def pause(self, seconds: float) -> None:
        """In the thread: wait this long, or until it is closed; jobs that come meanwhile stay where they are."""
        with self._lock:
            if self._closed is None:
                self._filled.wait_for(lambda: self._closed is not None, seconds)


class Waiting:
    """The loop's side: callers that wait for jobs.

    While others wait, a job is handed over two turns of the loop later, with all that came meanwhile: a thread that is
    woken for the first of many only takes the interpreter from the others. By then whoever was cancelled before is out,
    for both libraries cancel a task that sleeps within one turn. Where nobody waits, the job is handed over at once,
    and its task is asked whether it is cancelled, which takes as long as everything else here.
    """

    def __init__(self, loop: RunningLoop) -> None:
        self._loop = loop
        self._waiting = 0

    async def do(self, queue: JobQueue, job: Job) -> Any:
        """Hand a job over and wait for its outcome; rule 2 says what cancelling does."""
        loop = self._loop
        if not self._waiting:
            if loop.is_cancelled():
                await checkpoint_if_cancelled()
            job.wake_up = loop.backend.wake_up()
            queue.put(job)
        else:
            job.wake_up = loop.backend.wake_up()
            if not queue.outbox:
                loop.backend.in_next_turn(partial(self._in_next_turn, queue))
            queue.outbox.append(job)
        self._waiting += 1
        try:
            await job.wake_up
        except BaseException:
            if not job.is_done and not self._withdraw(queue, job):
                await self.outlast(job)
            raise
        finally:
            self._waiting -= 1
        return job.result if job.error is None else job.outcome()

    def _withdraw(self, queue: JobQueue, job: Job) -> bool:
        """Take a job back; whether that was in time."""
        with suppress(ValueError):
            queue.outbox.remove(job)
            return True
        return queue.withdraw(job)

    def _in_next_turn(self, queue: JobQueue) -> None:
        self._loop.backend.in_next_turn(partial(self._hand_over, queue))

    def _hand_over(self, queue: JobQueue) -> None:
        """Hand over what has gathered, but for jobs whose task was cancelled meanwhile: these are done."""
        jobs: list[Job] = []
        outbox, queue.outbox = queue.outbox, []
        for job in outbox:
            if job.wake_up is None or job.wake_up.done():
                job.is_done = True
            else:
                jobs.append(job)
        try:
            queue.put(*jobs)
        except LogError as error:
            for job in jobs:
                job.error = LogError(str(error))
            _settle(jobs, None)

    async def outlast(self, job: Job, seconds: float = math.inf) -> None:
        """Wait until a job is done, however often this task is cancelled, but no longer than this."""
        with CancelScope(shield=True, deadline=current_time() + seconds) as scope:
            while not job.is_done and not scope.cancel_called:
                # asyncio cancels the future that a task sleeps on, so each sleep has its own
                job.wake_up = self._loop.backend.wake_up()
                with suppress(get_cancelled_exc_class()):
                    await job.wake_up

    def deliver(self, jobs: Sequence[Job], first: Callable[[], object] | None = None) -> None:
        """In the thread: tell the callers; ``first`` is called in the loop before."""
        with suppress(RuntimeError):  # the loop has ended, and the callers with it
            self._loop.call_soon(partial(_settle, jobs, first))


def _settle(jobs: Sequence[Job], first: Callable[[], object] | None) -> None:
    """In the loop: the outcomes are known."""
    if first is not None:
        first()
    for job in jobs:
        job.is_done = True
        if job.settled is not None and job.error is None:
            job.settled(job.result)
        wake_up = job.wake_up
        if wake_up is not None and not wake_up.done():
            wake_up.set_result(None)
