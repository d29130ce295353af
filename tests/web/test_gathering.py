"""When events are sent together, and what ends the wait for more; on asyncio and on trio, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response

from evenflow.testing import MemoryLog
from evenflow.web import frames, sse
from evenflow.web._gathering import AT_ONCE, EARLY, GATHER, LONGEST, Pace, Timer

from ..contract.kit import settle
from .kit import Client, Placed, both, feed_of, orders, read_to_end

SOON = GATHER / 20
"""Far less than a rest: whoever has something by then has not waited for more."""


ODD = (7, 8)
"""Clients that want all events but one, and not the same one."""


class Timed(Client):
    """A client that notes when each chunk came, and how many events it had by then."""

    def __init__(self) -> None:
        super().__init__()
        self.sends: list[tuple[float, int]] = []

    async def send(self, message: Any) -> None:
        await super().send(message)
        self.sends.append((anyio.current_time(), len(self.numbers)))

    def sent_since(self, begin: float) -> list[tuple[float, int]]:
        """How long after that each chunk came, and how many events it brought the client to."""
        return [(at - begin, count) for at, count in self.sends if at >= begin]


@asynccontextmanager
async def busy(answer: Callable[[Request], Response], publish: Callable[[Placed], Any]) -> AsyncIterator[Timed]:
    """A client that has just got the first event, so that it rests."""
    client = Timed()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run, answer(client.request))
        await anyio.sleep(1)
        await publish(Placed(n=0))
        await anyio.sleep(SOON)
        assert client.numbers == [0]
        try:
            yield client
        finally:
            client.leave()


@both
async def test_events_that_come_quickly_are_sent_together() -> None:
    """The first at once, and what comes within 20 ms of it in one send."""
    subject = orders(replay=9)
    async with busy(lambda request: sse(request, subject), subject.publish) as client:
        begin = anyio.current_time()
        for n in range(1, 6):
            await subject.publish(Placed(n=n))
            await anyio.sleep(SOON)
        assert client.numbers == [0]
        await anyio.sleep(GATHER)
        assert client.numbers == [0, 1, 2, 3, 4, 5]
        ((after, count),) = client.sent_since(begin)
        assert count == 6
        assert GATHER - SOON - EARLY <= after <= GATHER
        assert client.parser.last_id.endswith("-6")


@both
async def test_a_lone_event_is_never_held_back() -> None:
    """Events that come 20 ms apart, or more, are sent in the moment in which they are published."""
    subject = orders()
    async with busy(lambda request: sse(request, subject), subject.publish) as client:
        for n in range(1, 5):
            await anyio.sleep(GATHER)
            begin = anyio.current_time()
            await subject.publish(Placed(n=n))
            await anyio.sleep(SOON)
            assert client.sent_since(begin) == [(0.0, n + 1)]


@both
async def test_a_quarter_of_the_buffer_is_sent_at_once() -> None:
    """So that a client whose events gather is not cut off by a burst that it could have read."""
    subject = orders()
    async with busy(lambda request: sse(request, subject, buffer=16), subject.publish) as client:
        for n in range(1, 4):
            await subject.publish(Placed(n=n))
        await anyio.sleep(SOON)
        assert client.numbers == [0]
        await subject.publish(Placed(n=4))
        await anyio.sleep(SOON)
        assert client.numbers == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", ["publish_many", "nowait", "conditional", "replay", "conflated", "durable"])
@both
async def test_every_way_to_publish_tells_that_a_quarter_is_full(kind: str) -> None:
    """Several at once, without waiting, to a client with a condition, of a subject that keeps events, or of a log."""
    log = MemoryLog()
    durable = log.subject("orders", Placed)
    subject = orders(replay=5 if kind == "replay" else 0)
    given: Any = durable if kind == "durable" else subject
    more: Any = {"conditional": {"where": Placed.n >= 0}, "conflated": {"conflate": Placed.n}}.get(kind, {})
    async with log, busy(lambda request: sse(request, given, Placed, buffer=32, **more), given.publish) as client:
        events = [Placed(n=n) for n in range(1, 9)]
        if kind == "publish_many":
            await given.publish_many(events)
        for event in events if kind != "publish_many" else ():
            if kind == "nowait":
                given.publish_nowait(event)
            else:
                await given.publish(event)
        await anyio.sleep(SOON)
        assert client.numbers == [*range(9)]


@both
async def test_a_client_that_is_behind_does_not_wait() -> None:
    """A batch of a quarter of the buffer is followed by the next one at once."""
    subject = orders()
    async with busy(lambda request: sse(request, subject, buffer=16), subject.publish) as client:
        await anyio.sleep(1)
        await subject.publish_many([Placed(n=n) for n in range(1, 5)])
        await anyio.sleep(SOON)
        await subject.publish(Placed(n=5))
        await anyio.sleep(SOON)
        assert client.numbers == [*range(6)]


@both
async def test_a_busy_client_is_not_woken_for_each_event() -> None:
    """It rests again at once, outside the line of readers; when nothing has come by the end, it waits as any reader."""
    subject = orders()
    async with feed_of(subject) as feed, anyio.create_task_group() as tasks:
        feed.let_events_gather()
        tasks.start_soon(read_to_end, feed)
        assert feed._subscription is not None
        line = feed._subscription._mailbox.line
        for n in range(3):
            await anyio.sleep(SOON)
            await subject.publish(Placed(n=n))
        await anyio.sleep(GATHER)  # the first was sent alone, the two others now
        assert line.asleep == 0
        await subject.publish(Placed(n=3))
        await anyio.sleep(SOON)
        assert (line.asleep, len(feed._subscription._mailbox.buffer)) == (0, 1)
        await anyio.sleep(2 * GATHER)
        assert line.asleep == 1
        await subject.publish(Placed(n=4))
        await anyio.sleep(SOON)
        assert line.asleep == 1
        feed._shut_down()
        await settle()
        tasks.cancel_scope.cancel()


@both
async def test_a_client_notes_how_late_its_rest_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a loop that something holds; an end before the time is not late."""
    late: list[float] = []
    monkeypatch.setattr(Pace, "took", lambda pace, now, by: late.append(by))
    subject = orders()
    async with feed_of(subject) as feed, anyio.create_task_group() as tasks:
        feed.let_events_gather()
        rest, clock = feed._rest, [10.0]
        assert rest is not None
        monkeypatch.setattr(rest, "_loop", SimpleNamespace(now=lambda: clock[0], backend=rest._loop.backend))
        for n, held in enumerate((0.0, 0.5, -GATHER / 2)):
            rest.took(1)
            tasks.start_soon(rest.pause)
            await settle()
            clock[0] = rest._until + held
            rest.end()
            await settle()
            assert n == len(late) - 1
        rest.took(1)
        tasks.cancel_scope.cancel()
    assert late == [0.0, pytest.approx(0.0), pytest.approx(0.5), pytest.approx(-GATHER / 2)]


@both
async def test_a_rest_is_ended_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes after the quarter of the buffer, before the client has its turn."""
    ended: list[object] = []
    hurry = Timer.hurry
    monkeypatch.setattr(Timer, "hurry", lambda timer, wake_up: ended.append(wake_up) or hurry(timer, wake_up))
    subject = orders()
    async with busy(lambda request: sse(request, subject, buffer=16), subject.publish) as client:
        await subject.publish(Placed(n=1))
        await anyio.sleep(SOON)
        for n in range(2, 9):
            subject.publish_nowait(Placed(n=n))
        await anyio.sleep(SOON)
        assert client.numbers == [*range(9)]
    assert len(ended) <= 1


@both
async def test_a_small_buffer_gathers_nothing() -> None:
    """Where a quarter of it is a single event, each may be the last that fits."""
    subject = orders()
    async with busy(lambda request: sse(request, subject, buffer=7), subject.publish) as client:
        await subject.publish(Placed(n=1))
        await anyio.sleep(SOON)
        assert client.numbers == [0, 1]


@both
async def test_the_end_of_the_source_is_told_at_once() -> None:
    """With all that has gathered before it."""
    subject = orders()
    async with busy(lambda request: sse(request, subject), subject.publish) as client:
        await subject.publish(Placed(n=1))
        await anyio.sleep(SOON)
        subject.close()
        await anyio.sleep(SOON)
        assert client.numbers == [0, 1]
        assert client.types[-1] == "evenflow.end"
        assert client.is_complete


@both
async def test_a_client_whose_buffer_ran_over_is_told_at_once() -> None:
    """A burst that no reader could have taken: it gets what its buffer held, and learns why it goes."""
    subject = orders()
    async with busy(lambda request: sse(request, subject, buffer=16), subject.publish) as client:
        for n in range(1, 18):
            subject.publish_nowait(Placed(n=n))
        await anyio.sleep(SOON)
        assert client.numbers == [*range(17)]
        assert client.types[-1] == "evenflow.slow"


@both
async def test_a_gap_is_told_where_it_is() -> None:
    """With `drop_oldest`: what was dropped during the rest is counted in front of what was kept."""
    subject = orders()
    async with busy(lambda request: sse(request, subject, buffer=8, overflow="drop_oldest"), subject.publish) as client:
        for n in range(1, 12):
            subject.publish_nowait(Placed(n=n))
        await anyio.sleep(SOON)
        assert client.numbers == [0, *range(4, 12)]
        assert [sent.value for sent in client.events if sent.type == "evenflow.gap"] == [{"missed": 3}]


@both
async def test_conflated_events_are_replaced_while_they_gather() -> None:
    """The client gets the newest of each key."""
    subject = orders()
    async with busy(lambda request: sse(request, subject, Placed, conflate=Placed.region), subject.publish) as client:
        for n in range(1, 10):
            await subject.publish(Placed(n=n))
        await anyio.sleep(GATHER)
        assert client.numbers == [0, 9]


@both
async def test_shutdown_ends_it_at_once() -> None:
    """What has gathered is left to the next connection, as what waits in a buffer is."""
    subject = orders(replay=9)
    responses: list[Any] = []

    def answer(request: Request) -> Response:
        responses.append(sse(request, subject))
        return responses[0]  # type: ignore[no-any-return]

    async with busy(answer, subject.publish) as client:
        await subject.publish(Placed(n=1))
        await anyio.sleep(SOON)
        begin = anyio.current_time()
        responses[0]._feed._shut_down()  # as the handler of the signal has the loop do
        await anyio.sleep(SOON)
        assert anyio.current_time() - begin == pytest.approx(SOON)
        assert client.is_complete
        assert client.numbers == [0]
        assert subject.statistics().subscriptions == ()


@both
async def test_its_lifetime_ends_it_at_once() -> None:
    """Although the client has just got something."""
    subject = orders()
    lifetime = 1 + 2 * SOON
    async with busy(lambda request: sse(request, subject, lifetime=lifetime), subject.publish) as client:
        await subject.publish(Placed(n=1))
        await anyio.sleep(2 * SOON)
        assert client.is_complete


@both
async def test_pings_that_come_more_often_hold_nothing_back() -> None:
    """A comment may come between two events that gather; the events come when they would have come."""
    subject = orders()
    async with busy(lambda request: sse(request, subject, ping=GATHER / 4), subject.publish) as client:
        await subject.publish(Placed(n=1))
        await anyio.sleep(GATHER)
        assert client.numbers == [0, 1]


@both
async def test_a_client_that_leaves_meanwhile_leaves_nothing() -> None:
    """No subscription, at once; the timer of the loop does not mind."""
    subject = orders()
    async with busy(lambda request: sse(request, subject), subject.publish) as client:
        await subject.publish(Placed(n=1))
        client.leave()
        await anyio.sleep(SOON)
        assert subject.statistics().subscriptions == ()
        await anyio.sleep(1)


@both
async def test_frames_gather_too_and_a_cancelled_read_loses_nothing() -> None:
    """The next read of an iterator of bytes gets all that has gathered."""
    subject = orders()
    stream = frames(None, subject)
    await anext(stream)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anext, stream)
        await settle()
        await subject.publish(Placed(n=0))
    await subject.publish(Placed(n=1))
    with anyio.move_on_after(GATHER / 2) as scope:
        await anext(stream)
    assert scope.cancelled_caught
    await subject.publish(Placed(n=2))
    begin = anyio.current_time()
    assert (await anext(stream)).count(b"event: Placed") == 2
    assert 0 < anyio.current_time() - begin <= GATHER / 2
    await stream.aclose()


@both
async def test_clients_that_take_the_same_events_share_their_bytes() -> None:
    """One object for a batch, however many get it; those with a condition of their own get their own."""

    class Seen(Client):
        async def send(self, message: Any) -> None:
            seen.append(message.get("body", b""))
            await super().send(message)

    seen: list[bytes] = []
    subject = orders()
    clients = [Seen() for _ in range(20)]
    async with anyio.create_task_group() as tasks:
        for number, client in enumerate(clients):
            where = Placed.n != number - 4 if number in ODD else None
            tasks.start_soon(client.run, sse(client.request, subject, Placed, where=where))
        await anyio.sleep(1)
        for n in range(2):
            await subject.publish(Placed(n=n))
            await anyio.sleep(1)
        seen.clear()
        await subject.publish_many([Placed(n=n) for n in range(2, 6)])
        await anyio.sleep(1)
        for number, client in enumerate(clients):
            assert client.numbers == [n for n in range(6) if number not in ODD or n != number - 4]
            client.leave()
    whole = [chunk for chunk in seen if chunk.count(b"data: ") == 4]
    assert len(whole) == 18
    assert len({id(chunk) for chunk in whole}) <= 3  # made anew after those that differ


class Loop:
    """What the timer asks of a loop, with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.later: list[tuple[float, Callable[..., object], tuple[Any, ...]]] = []
        self.next_turn: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, function: Callable[..., object], *args: Any) -> None:
        self.later.append((when, function, args))

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        self.next_turn.append((function, args))

    def turn(self) -> None:
        """Call what is due."""
        due, self.next_turn = self.next_turn, []
        due += [(function, args) for when, function, args in self.later if when <= self.now]
        self.later = [one for one in self.later if one[0] > self.now]
        for function, args in due:
            function(*args)


class Sleeper:
    """What one client sleeps on."""

    def __init__(self) -> None:
        self.is_awake = False

    def done(self) -> bool:
        return self.is_awake

    def set_result(self, _: None, /) -> None:
        self.is_awake = True


@pytest.fixture
def loop() -> Loop:
    """A loop of asyncio, as far as the timer knows."""
    return Loop()


def test_one_timer_wakes_many_clients_a_few_in_each_turn(loop: Loop) -> None:
    """So that others get their turns between the sends."""
    timer, sleepers = Timer(lambda: loop), [Sleeper() for _ in range(2 * AT_ONCE + 5)]
    for sleeper in sleepers:
        timer.wake_at(GATHER, sleeper)  # type: ignore[arg-type]
    assert len(loop.later) == 1
    loop.turn()
    assert not any(sleeper.is_awake for sleeper in sleepers)
    loop.now = GATHER
    for expected in (AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 5):
        loop.turn()
        assert sum(sleeper.is_awake for sleeper in sleepers) == expected
    assert not loop.later


def test_clients_rest_longer_where_sending_takes_most_of_the_time() -> None:
    """Up to a quarter of a second; with less to do the rests shrink again, at once after a pause."""
    pace, now = Pace(), 100.0

    def rounds(seconds: float, sends: int, cost: float) -> None:
        """Rounds of so many sends, each taking so long, in this time."""
        nonlocal now
        end = now + seconds
        while now < end:
            begin = now
            for _ in range(sends):
                pace.took(now, 0.0)
                now += cost
            now = max(now, begin + pace.rest)

    rounds(1.0, 100, 0.00004)  # 4 ms of 20
    assert pace.rest == GATHER
    rounds(1.0, 1_000, 0.00004)  # 40 ms for a round
    assert 0.05 < pace.rest < 0.15
    rounds(3.0, 10_000, 0.00004)
    assert pace.rest == LONGEST
    rounds(3.0, 100, 0.00004)
    assert pace.rest == GATHER
    rounds(3.0, 10_000, 0.00004)
    now += 5
    pace.took(now, 0.0)
    assert pace.rest == GATHER


def test_clients_rest_longer_where_the_loop_is_late() -> None:
    """Whatever holds it: then a send is late anyway, and should take more events along."""
    pace = Pace()
    for n in range(1, 101):
        pace.took(n * 0.01, late=0.6 * pace.rest)
    assert pace.rest == LONGEST
    for n in range(101, 301):
        pace.took(n * 0.01, late=0.4 * pace.rest)
    assert pace.rest == GATHER


def test_clients_whose_rests_end_soon_after_each_other_are_woken_together(loop: Loop) -> None:
    """Within 2 ms; those that rest longer are woken later, and those that have gone do not count."""
    timer, sleepers = Timer(lambda: loop), [Sleeper() for _ in range(3)]
    for sleeper, time in zip(sleepers, (1.0, 1.0 + EARLY / 2, 1.0 + 2 * EARLY), strict=True):
        timer.wake_at(time, sleeper)  # type: ignore[arg-type]
    gone = Sleeper()
    gone.is_awake = True
    timer.wake_at(3.0, gone)  # type: ignore[arg-type]
    loop.now = 1.0
    loop.turn()
    assert [sleeper.is_awake for sleeper in sleepers] == [True, True, False]
    loop.now = 2.0
    loop.turn()
    assert sleepers[2].is_awake
    loop.now = 3.0
    loop.turn()
    assert not loop.later


def test_many_rests_that_end_early_are_spread_over_turns(loop: Loop) -> None:
    """A burst that fills a quarter of a thousand buffers does not make a thousand clients send in one turn."""
    timer, sleepers = Timer(lambda: loop), [Sleeper() for _ in range(2 * AT_ONCE + 5)]
    for sleeper in sleepers:
        timer.hurry(sleeper)  # type: ignore[arg-type]
    for expected in (AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 5):
        assert sum(sleeper.is_awake for sleeper in sleepers) == expected
        loop.turn()
    loop.turn()
    assert not loop.next_turn
    last = Sleeper()
    timer.hurry(last)  # type: ignore[arg-type]
    assert last.is_awake
