"""Jobs: withdrawn, or taken and then waited for."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest

from evenflow._errors import LogError
from evenflow._loop import running_loop
from evenflow.log._sqlite._jobs import MOST_WEIGHT, Job, JobQueue, Waiting
from tests.contract.kit import both_real, only_asyncio_real


def job(weight: int = 1) -> Job:
    return Job(lambda argument: argument, weight)


def test_what_was_withdrawn_is_not_taken_and_what_was_taken_is_not_withdrawn() -> None:
    """One of the two, whichever comes first."""
    queue, first, second = JobQueue(), job(), job()
    queue.put(first, second)
    assert queue.withdraw(first)
    assert queue.take() == [second]
    assert not queue.withdraw(second)
    assert not queue.withdraw(first)


def test_jobs_are_taken_together_up_to_a_weight() -> None:
    """A job that is heavier than that is taken alone; none is left behind."""
    queue, jobs = JobQueue(), [job(MOST_WEIGHT - 1), job(), job(5 * MOST_WEIGHT), job()]
    queue.put(*jobs)
    assert [queue.take() for _ in range(3)] == [jobs[:2], jobs[2:3], jobs[3:]]
    assert queue.take(0) == []


def test_a_closed_queue_gives_out_what_it_has_and_takes_no_more() -> None:
    """The thread learns of the end once it is empty."""
    queue, one = JobQueue(), job()
    queue.put(one)
    queue.close("it is closed")
    with pytest.raises(LogError, match="it is closed"):
        queue.put(job())
    assert queue.take() == [one]
    assert queue.take() is None


def test_a_thread_that_waits_is_woken() -> None:
    """By a job, and by the end; a pause ends with the queue alone."""
    queue, one = JobQueue(), job()
    got: list[object] = []

    def work() -> None:
        got.append(queue.take())
        queue.pause(30)
        got.append(queue.take())

    thread = threading.Thread(target=work)
    thread.start()
    queue.put(one)
    queue.close("closed")
    thread.join(60)
    assert got == [[one], None]


class Hand:
    """The thread, as far as a test needs one: it takes jobs when told, and delivers them when told."""

    def __init__(self) -> None:
        self.waiting = Waiting(running_loop())
        self.queue = JobQueue()
        self.taken: list[Job] = []

    async def take(self) -> None:
        """Wait until jobs have come, and take them."""
        with anyio.fail_after(30):
            while not (taken := self.queue.take(0)):
                await anyio.lowlevel.checkpoint()
        self.taken = taken

    def finish(self, result: object = "done") -> None:
        for one in self.taken:
            one.result = result
        self.waiting.deliver(self.taken)


@both_real
async def test_the_result_of_a_job_comes_back() -> None:
    """And its error is raised."""
    hand = Hand()
    results: list[object] = []

    async def ask() -> None:
        try:
            results.append(await hand.waiting.do(hand.queue, job()))
        except KeyError as error:
            results.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await hand.take()
        hand.finish("result")
    failed = KeyError("why")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await hand.take()
        hand.taken[0].error = failed
        hand.waiting.deliver(hand.taken)
    assert results == ["result", failed]


@both_real
async def test_a_job_that_was_not_taken_is_withdrawn_when_its_task_is_cancelled() -> None:
    """The first one is in the queue, the second one not even handed over; nobody takes them afterwards."""
    hand = Hand()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hand.waiting.do, hand.queue, job())
        tasks.start_soon(hand.waiting.do, hand.queue, job())
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    for _ in range(5):
        await anyio.lowlevel.checkpoint()
    assert hand.queue.take(0) == []
    assert hand.queue.outbox == []


@both_real
async def test_a_job_that_was_taken_is_waited_for_and_then_the_cancellation_goes_on() -> None:
    """However often it is cancelled; whoever gave a callback learns the result."""
    hand = Hand()
    results: list[object] = []
    one = job()
    one.settled = results.append
    ended = anyio.Event()

    async def ask(scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await hand.waiting.do(hand.queue, one)
                results.append("not reached")
        finally:
            ended.set()

    async with anyio.create_task_group() as tasks:
        scope = anyio.CancelScope()
        tasks.start_soon(ask, scope)
        await hand.take()
        scope.cancel()
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
            assert not ended.is_set()
            hand.finish("made")
            with anyio.fail_after(30):
                await ended.wait()
    assert results == ["made"]


@only_asyncio_real
async def test_a_native_cancellation_waits_for_a_taken_job_too() -> None:
    """`task.cancel()`, once and again, ends the task once the outcome is known, as cancelled."""
    hand = Hand()
    results: list[object] = []
    one = job()
    one.settled = results.append
    task = asyncio.ensure_future(hand.waiting.do(hand.queue, one))
    await hand.take()
    for _ in range(3):
        task.cancel()
        await anyio.wait_all_tasks_blocked()
        assert not task.done()
    hand.finish("made")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert results == ["made"]


@only_asyncio_real
async def test_a_native_cancellation_withdraws_a_job_that_was_not_taken() -> None:
    """The task ends at once."""
    hand = Hand()
    tasks = [asyncio.ensure_future(hand.waiting.do(hand.queue, job())) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(raised, asyncio.CancelledError) for raised in await asyncio.gather(*tasks, return_exceptions=True)
    )
    for _ in range(5):
        await asyncio.sleep(0)
    assert hand.queue.take(0) == []


@both_real
async def test_jobs_that_come_while_others_wait_are_handed_over_together() -> None:
    """The thread is not woken for each of them."""
    hand = Hand()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hand.waiting.do, hand.queue, job())
        await hand.take()
        first = hand.taken
        for _ in range(9):
            tasks.start_soon(hand.waiting.do, hand.queue, job())
        await hand.take()
        assert len(hand.taken) == 9
        hand.finish()
        hand.taken = first
        hand.finish()


@both_real
async def test_jobs_that_are_on_their_way_when_the_queue_closes_are_refused() -> None:
    """Nobody waits for ever."""
    hand = Hand()
    refused: list[BaseException] = []

    async def ask() -> None:
        try:
            await hand.waiting.do(hand.queue, job())
        except LogError as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hand.waiting.do, hand.queue, job())
        await hand.take()
        tasks.start_soon(ask)
        tasks.start_soon(ask)
        hand.queue.close("it is closed")
        with anyio.fail_after(30):
            while len(refused) < 2:
                await anyio.lowlevel.checkpoint()
        hand.finish()
    assert refused[0] is not refused[1]


@both_real
async def test_a_wait_for_a_job_is_bounded() -> None:
    """Where a limit is given."""
    waiting, never = Waiting(running_loop()), job()
    with anyio.fail_after(30):
        await waiting.outlast(never, 0.01)
    assert not never.is_done
