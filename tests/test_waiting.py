"""Sleeping until the gate lets a publish go: what wakes it, what refuses it, and what is logged meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from weakref import ref

import anyio
import pytest

from evenflow import Deadlock
from evenflow._gate import Gate, Waiter
from evenflow._loop import running_loop
from evenflow._mailbox import Mailbox
from evenflow._waiting import TICK, Waiting

from .contract.kit import both, group, settle, turn
from .parts import mailbox


class Scene:
    """A gate, and publishes that sleep at it."""

    def __init__(self, stall_after: float = 2) -> None:
        self.gate = Gate(lambda box: self.gate.freed(box))
        self.deferred: list[Callable[[], None]] = []
        self.waiting = Waiting("loads", self.gate, stall_after, self.run_deferred, self.blocked)
        self.went: list[str] = []
        self.watches: list[Waiter | None] = []

    def run_deferred(self) -> None:
        """Do what a destructor has left."""
        while self.deferred:
            self.deferred.pop()()

    def waiter(self, name: str, *boxes: Mailbox) -> Waiter:
        """A publish that has to wait for these."""
        waiter = Waiter(name, boxes, next(self.gate.tickets), self.waiting, running_loop().now)
        self.gate.join(waiter, self.blocked(waiter))
        return waiter

    async def until_granted(self, waiter: Waiter) -> None:
        """Sleep as `Delivery` does."""
        loop = running_loop()
        task = self.waiting.enter(loop, waiter)
        try:
            while (sleep := self.waiting.sleep(loop, waiter)) is not None:
                await sleep
        finally:
            self.waiting.leave(loop, task, waiter)

    def blocked(self, waiter: Waiter) -> Collection[Mailbox]:
        """Which of its mailboxes have no room for it."""
        return [box for box in waiter.targets if box not in waiter.held and box.room() <= 0 and box.end is None]

    async def sleep(self, name: str, *boxes: Mailbox) -> None:
        """A publish that waits for these, until it may go."""
        waiter = self.waiter(name, *boxes)
        try:
            await self.until_granted(waiter)
            self.went.append(name)
            self.watches.append(self.waiting._watch)
        finally:
            self.gate.leave(waiter, ())


def full(name: str = "loads/1") -> Mailbox:
    """A mailbox without room."""
    return mailbox(1, holds=["old"], name=name)


@both
async def test_a_publish_sleeps_until_the_gate_lets_it_go() -> None:
    """Its task is known to wait meanwhile, and not any more afterwards."""
    scene, box = Scene(), full()
    async with group() as tasks:
        tasks.start_soon(scene.sleep, "one", box)
        await settle()
        assert [waiter.what for waiter in running_loop().waiting.values()] == ["str to loads"]
        await anyio.sleep(10 * TICK)
        assert scene.went == []
        box.take([0, 0])
        await settle()
        assert scene.went == ["one"]
        assert not running_loop().waiting


@both
async def test_of_two_that_may_go_and_share_a_mailbox_the_earlier_runs_first() -> None:
    """Whatever order the loop runs them in."""
    scene, box = Scene(), mailbox(3, holds="abc")
    names = ["one", "two", "three"]
    async with group() as tasks:
        for name in names:
            tasks.start_soon(scene.sleep, name, box)
            await settle()
        for _ in names:
            box.take([0, 0])
        await settle()
    assert scene.went == names


@both
async def test_a_publish_that_may_go_waits_for_an_earlier_one_that_has_not_run() -> None:
    """They share a mailbox, and events must come in order."""
    scene, box = Scene(), mailbox(2, holds="ab")
    early = scene.waiter("early", box)
    async with group() as tasks:
        tasks.start_soon(scene.sleep, "late", box)
        await settle()
        box.take([0, 0])
        box.take([0, 0])
        await turn(5)
        assert early.granted
        assert scene.went == []
        scene.gate.leave(early, ())
        await turn(5)
    assert scene.went == ["late"]


@both
async def test_a_closed_gate_wakes_everybody() -> None:
    """Whoever comes later does not sleep at all."""
    scene = Scene()
    async with group() as tasks:
        for name in ("one", "two"):
            tasks.start_soon(scene.sleep, name, full())
        await settle()
        scene.gate.close()
        await settle()
        assert sorted(scene.went) == ["one", "two"]
        with anyio.fail_after(TICK / 2):
            await scene.sleep("three", full())
    assert scene.went[-1] == "three"


@both
async def test_a_cancelled_sleep_leaves_no_trace() -> None:
    """Its task does not count as waiting any more."""
    scene = Scene()
    with anyio.move_on_after(1) as scope:
        await scene.sleep("one", full())
    assert scope.cancelled_caught
    assert not running_loop().waiting
    assert not scene.gate.queue


@pytest.mark.parametrize("when", ["at once", "after a while"])
@both
async def test_a_wait_that_can_never_end_is_refused(when: str) -> None:
    """At once where only evenflow's own tasks read; else at the next look after the only other reader has ended."""
    scene, box = Scene(), full()
    box.line.keep_private()
    ends = anyio.Event()
    refused: list[float] = []

    async def reads() -> None:
        _is_own(box)
        await ends.wait()

    async def publishes() -> None:
        _is_own(box)
        with pytest.raises(Deadlock, match="str to loads"):
            await scene.sleep("one", box)
        refused.append(anyio.current_time())

    async with group() as tasks:
        if when == "after a while":
            tasks.start_soon(reads)
            await settle()
        began = anyio.current_time()
        tasks.start_soon(publishes)
        await anyio.sleep(2.5 * TICK)
        assert bool(refused) is (when == "at once")
        ends.set()
        await anyio.sleep(TICK)
    assert [moment - began for moment in refused] == [0 if when == "at once" else pytest.approx(3 * TICK)]
    assert not running_loop().waiting


@both
async def test_where_others_could_read_a_wait_is_refused_only_after_a_stall() -> None:
    """The subscription may be handed to a task that has not read yet."""
    scene, box = Scene(stall_after=2), full()
    refused: list[float] = []

    async def publishes() -> None:
        box.line.note_task(_this_task())
        with pytest.raises(Deadlock):
            await scene.sleep("one", box)
        refused.append(anyio.current_time())

    async with group() as tasks:
        began = anyio.current_time()
        tasks.start_soon(publishes)
        await anyio.sleep(2 + TICK)
    assert [moment - began for moment in refused] == [pytest.approx(2)]


@both
async def test_whoever_has_the_watch_finds_the_deadlock_of_another() -> None:
    """The other is refused in its own task, and whoever has the watch goes on waiting."""
    scene, slow, box = Scene(stall_after=2), full("slow"), full()
    refused: list[str] = []

    async def publishes() -> None:
        box.line.note_task(_this_task())
        with pytest.raises(Deadlock):
            await scene.sleep("two", box)
        refused.append("two")

    async with group() as tasks:
        tasks.start_soon(scene.sleep, "one", slow)
        await settle()
        tasks.start_soon(publishes)
        await anyio.sleep(2 + 2 * TICK)
        assert refused == ["two"]
        assert scene.gate.waiting() == 1


@pytest.mark.parametrize("how", ["cancelled", "granted"])
@both
async def test_whoever_leaves_hands_the_watch_on(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Those that stay are still looked for, at the time at which it would have looked."""
    scene, quick, slow = Scene(stall_after=2), full("quick"), full("slow")
    async with group() as tasks:
        first = anyio.CancelScope()

        async def has_the_watch() -> None:
            with first:
                await scene.sleep("one", quick)

        tasks.start_soon(has_the_watch)
        await settle()
        for name in ("two", "three"):
            tasks.start_soon(scene.sleep, name, slow)
        await anyio.sleep(1.75)
        if how == "cancelled":
            first.cancel()
        else:
            quick.take([0, 0])
        await anyio.sleep(0.5)
        assert scene.gate.waiting() == 2
    assert len(caplog.messages) == 1


@both
async def test_the_watch_is_kept_by_one_that_goes_late() -> None:
    """So it does not change hands with each publish that goes, which would wake each of them twice."""
    scene, box = Scene(), full()
    async with group() as tasks:
        for n in range(10):
            tasks.start_soon(scene.sleep, str(n), box)
            await settle()
        box.take([0, 0])
        await settle()
    assert scene.went == [str(n) for n in range(10)]
    assert len(set(scene.watches)) == 2


@both
async def test_what_was_deferred_is_done_by_whoever_waits() -> None:
    """A destructor in another thread, or before the loop was known, has left it: here a subscription that is gone."""
    scene, box = Scene(), full()

    def detach() -> None:
        box.discard(EOFError)
        scene.gate.gone(box)

    async with group() as tasks:
        for name in ("one", "two"):
            tasks.start_soon(scene.sleep, name, box)
        await settle()
        scene.deferred.append(detach)
        await anyio.sleep(2 * TICK)
    assert sorted(scene.went) == ["one", "two"]


@both
async def test_thousands_that_wait_have_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody reads, one of them wakes up at each tick, and no other ever does."""
    scene, box = Scene(), full()
    looks: list[float] = []
    monkeypatch.setattr(scene.waiting, "_run_deferred", lambda: looks.append(anyio.current_time()))
    async with group() as tasks:
        for n in range(1_000):
            tasks.start_soon(scene.sleep, str(n), box)
        await anyio.sleep(10.25 * TICK)
    assert len(looks) == 10


def _is_own(box: Mailbox) -> None:
    """This task is evenflow's own, and reads."""
    running_loop().own[running_loop().current_task()] = None
    box.line.note_task(_this_task())


def _this_task() -> ref[object]:
    task = running_loop().current_task()
    assert task is not None
    return ref(task)


@both
async def test_a_subscription_that_holds_a_publisher_for_long_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """With where it was made, its bound, and what is wrong with it; one that was waited for briefly is not."""
    scene, slow, quick = Scene(stall_after=2), full("slow"), full("quick")
    with caplog.at_level(logging.WARNING, logger="evenflow.subject"):
        async with group() as tasks:
            tasks.start_soon(scene.sleep, "one", slow, quick)
            await anyio.sleep(1.75)
            quick.take([0, 0])
            assert caplog.messages == []
            await anyio.sleep(9)
        with anyio.move_on_after(9):
            await scene.sleep("two", slow)
    (message,) = caplog.messages
    assert message == (
        "slow, made at file.py:1, has held a publisher of loads for more than 2 s:"
        " its buffer of 1 is full and nobody reads it"
    )


@both
async def test_the_log_says_whether_anybody_reads(caplog: pytest.LogCaptureFixture) -> None:
    """A slow reader is another mistake than none."""
    scene, box = Scene(stall_after=1), full()

    async def reads() -> None:
        box.line.note_task(_this_task())
        await anyio.sleep_forever()

    async with group() as tasks:
        tasks.start_soon(reads)
        await settle()
        with anyio.move_on_after(3):
            await scene.sleep("one", box)
    assert "its readers are slow" in caplog.text


@both
async def test_a_short_stall_is_logged_in_time(caplog: pytest.LogCaptureFixture) -> None:
    """A publish looks up as often as it must for that, and not only at each tick."""
    scene = Scene(stall_after=TICK / 8)
    with anyio.move_on_after(TICK / 2):
        await scene.sleep("one", full())
    assert len(caplog.messages) == 1
