"""Publishing for other threads: a request is withdrawn or claimed, whichever comes first, and no thread hangs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint

from evenflow import Event, SubjectClosed
from evenflow._crew import Crew
from evenflow._life import Life
from evenflow._mailbox import Mailbox, UserFunctions
from evenflow._threads import Courier, NoAnswer, Request

from .contract.kit import both_real
from .parts import PLAIN, on_both, run


class Note(Event):
    """A number."""

    n: int = 0


# ------------------------------------------------------------------ a request


def request() -> Request:
    """A request that nobody has looked at."""
    return Request("event")


def test_what_the_thread_has_withdrawn_the_loop_cannot_claim() -> None:
    """Nobody gets the event."""
    one = request()
    assert one.cancel()
    assert one.cancelled()
    with pytest.raises(NoAnswer):
        one.claim()


def test_what_the_loop_has_claimed_the_thread_cannot_withdraw() -> None:
    """It waits for the answer, which comes at once."""
    one = request()
    one.claim()
    assert not one.cancel()
    assert not one.cancelled()
    one.set_result(3)
    assert one.done()
    assert one.result() == 3


def test_what_the_loop_could_not_do_is_raised_in_the_thread() -> None:
    """The very error."""
    one, error = request(), KeyError("why")
    one.fail(error)
    assert one.done()
    with pytest.raises(KeyError) as caught:
        one.result()
    assert caught.value is error


# ------------------------------------------------------------------ the courier


class Scene:
    """A courier, its life, and one subscription."""

    def __init__(self, life: Life[Note], courier: Courier, box: Mailbox) -> None:
        self.life, self.courier, self.box = life, courier, box

    async def publish(self, n: int, seconds: float | None = None) -> int:
        """Publish in a thread, and wait for it."""
        return await anyio.to_thread.run_sync(partial(self.courier.publish, Note(n=n), seconds), abandon_on_cancel=True)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let other tasks and threads go on until this holds."""
        with anyio.fail_after(60):
            while not condition():
                await checkpoint()

    def numbers(self) -> list[int]:
        """What lies in the buffer."""
        return [event.n for event in self.box.buffer.take_all(99)]


@asynccontextmanager
async def scene(capacity: int = 9) -> AsyncIterator[Scene]:
    """A courier that runs."""
    life: Life[Note] = Life("notes", (Note,), stall_after=9, unwanted=lambda _: None, loop_ended=lambda _: None)
    interest = life.members.interest((), None)
    box = life.open(interest, PLAIN, capacity=capacity, overflow="block", created_at=("", 0))
    crew = Crew("notes", life.enter())
    await crew.open()
    courier = Courier("notes", life.delivery, life.enter(), crew)
    try:
        yield Scene(life, courier, box)
    finally:
        await crew.close()


@both_real
async def test_where_there_is_room_the_thread_gets_the_number_of_deliveries() -> None:
    """The event lies in the buffer then."""
    async with scene() as at:
        assert await at.publish(1) == 1
        assert at.numbers() == [1]


@both_real
async def test_where_there_is_no_room_the_thread_waits() -> None:
    """It goes on when a reader has taken something."""
    got: list[int] = []
    async with scene(capacity=1) as at, anyio.create_task_group() as tasks:

        async def publish() -> None:
            got.append(await at.publish(1))

        at.life.delivery.publish_nowait(Note(n=0))
        tasks.start_soon(publish)
        await at.until(lambda: at.life.gate.waiting() == 1)
        assert got == []
        assert at.box.take([0, 0]).n == 0
        await at.until(lambda: got == [1])
        assert at.numbers() == [1]


@both_real
@pytest.mark.parametrize("seconds", [0, 0.01])
async def test_whoever_has_no_time_withdraws_and_nobody_gets_the_event(seconds: float) -> None:
    """Whether it does not wait at all, or not long enough; the wait in the loop ends as well."""
    async with scene(capacity=1) as at:
        at.life.delivery.publish_nowait(Note(n=0))
        with pytest.raises(TimeoutError, match="nobody got it"):
            await at.publish(1, seconds)
        await at.until(lambda: at.life.gate.waiting() == 0)
        assert at.numbers() == [0]
        assert at.box.room() == 1


@both_real
async def test_what_was_withdrawn_before_the_loop_looked_is_not_published() -> None:
    """The loop does not even ask who wants it."""
    async with scene() as at:
        one = Request(Note(n=1))
        one.cancel()
        one.answer(partial(at.courier._begin, one))
        await at.courier._publish(one)
        assert at.life.delivery.published == 0


@both_real
async def test_what_was_withdrawn_while_somebody_was_asked_reaches_nobody() -> None:
    """The claim right before the event is given out finds it withdrawn."""
    async with scene() as at:
        one = Request(Note(n=1))
        functions = UserFunctions(where=lambda _: one.cancel())
        interest = at.life.members.interest((), functions.where)
        at.life.open(interest, functions, capacity=1, overflow="block", created_at=("", 0))
        one.answer(partial(at.courier._begin, one))
        assert one.done()
        assert at.numbers() == []


@both_real
async def test_what_the_publish_raises_is_raised_in_the_thread() -> None:
    """A wrong event is the thread's mistake."""
    async with scene() as at:
        with pytest.raises(TypeError, match="notes takes Note"):
            await anyio.to_thread.run_sync(at.courier.publish, "text", None)


@both_real
async def test_a_thread_that_waits_is_refused_when_the_subject_is_closed() -> None:
    """Whether its wait has begun, or it is still on its way."""
    refused: list[BaseException] = []
    async with scene(capacity=1) as at, anyio.create_task_group() as tasks:

        async def publish() -> None:
            try:
                await at.publish(1)
            except SubjectClosed as error:
                refused.append(error)

        at.life.delivery.publish_nowait(Note(n=0))
        tasks.start_soon(publish)
        await at.until(lambda: at.life.gate.waiting() == 1)
        at.life.close()
        await at.until(lambda: len(refused) == 1)
        late = Request(Note(n=2))
        late.answer(partial(at.courier._begin, late))
        with pytest.raises(SubjectClosed):
            late.result()


@both_real
async def test_requests_whose_task_has_not_begun_are_answered_at_the_end() -> None:
    """No thread hangs."""
    requests = [Request(Note(n=n)) for n in range(3)]
    async with scene(capacity=1) as at:
        at.life.delivery.publish_nowait(Note(n=0))
        for one in requests:
            one.answer(partial(at.courier._begin, one))
    for one in requests:
        with pytest.raises(SubjectClosed, match="nobody got the event"):
            one.result()


@on_both
def test_a_loop_that_has_ended_refuses_at_once(backend: str) -> None:
    """The thread does not wait for its answer."""
    couriers: list[Courier] = []

    async def main() -> None:
        async with scene() as at:
            couriers.append(at.courier)

    run(main, backend)
    with pytest.raises(SubjectClosed, match="its loop has ended"):
        couriers[0].publish(Note(n=1), None)


def test_a_thread_finds_out_that_the_loop_has_ended_under_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks every now and then, and hangs no longer than that."""
    monkeypatch.setattr("evenflow._threads.LOOK", 0.001)

    class Ending:
        """A loop that ends after it has been asked for something."""

        ended = False

        def call_soon(self, _: object) -> None:
            self.ended = True

        def has_ended(self) -> bool:
            return self.ended

    couriers: list[Courier] = []

    async def main() -> None:
        couriers.append(Courier("notes", None, Ending(), None))  # type: ignore[arg-type]

    run(main, "asyncio")
    with pytest.raises(SubjectClosed, match="its loop has ended"):
        couriers[0].publish(Note(n=1), None)
