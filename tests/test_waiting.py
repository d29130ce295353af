"""Sleeping until the gate lets a publish go: what wakes it, what refuses it, and what is logged meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Collection
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
        self.waiting = Waiting("loads", self.gate, stall_after)
        self.went: list[str] = []

    async def sleep(self, name: str, *boxes: Mailbox) -> None:
        """A publish that waits for these, until it may go."""

        def blocked(waiter: Waiter) -> Collection[Mailbox]:
            return [box for box in boxes if box not in waiter.held and box.room() <= 0 and box.end is None]

        waiter = Waiter(name, "loads", next(self.gate.tickets), blocked)
        self.gate.join(waiter, blocked(waiter))
        try:
            await self.waiting.until_granted(running_loop(), waiter)
            self.went.append(name)
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
    early = Waiter("early", "loads", next(scene.gate.tickets), lambda _: ())
    scene.gate.join(early, [box])
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
    """At once where that can be seen; else at the next tick after the only other reader has ended."""
    scene, box = Scene(), full()
    ends = anyio.Event()
    refused: list[float] = []

    async def reads() -> None:
        box.line.note_task(_this_task())
        await ends.wait()

    async def publishes() -> None:
        box.line.note_task(_this_task())
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
