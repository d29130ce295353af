"""One life of a subject: subscriptions that begin and end, the end of the whole, and whoever waits for a change."""

from __future__ import annotations

import gc
from typing import Any
from weakref import ref

import anyio
import pytest

from evenflow import Event
from evenflow._history import History
from evenflow._life import Life
from evenflow._mailbox import NOTHING, Mailbox, UserFunctions

from .contract.kit import both, group, settle
from .parts import PLAIN, Bell, emptied, on_both, run


class Note(Event):
    """A number."""

    n: int = 0


class Scene:
    """A life, and what it told of."""

    def __init__(self, history: History | None = None) -> None:
        self.loops_ended = 0
        self.life: Life[Note] = Life(
            "notes", (Note,), history=history, stall_after=9, unwanted=lambda _: None, loop_ended=self.loop_ended
        )

    def loop_ended(self, life: Life[Note]) -> None:
        """The loop has ended."""
        assert life is self.life
        self.loops_ended += 1

    def open(self, functions: UserFunctions = PLAIN, *, capacity: int = 9, **options: Any) -> Mailbox:
        """A new subscription."""
        interest = self.life.members.interest((), functions.where)
        return self.life.open(
            interest, functions, capacity=capacity, overflow="block", created_at=("file.py", 3), **options
        )

    def publish(self, *numbers: int) -> None:
        """Publish some notes."""
        for n in numbers:
            self.life.delivery.publish_nowait(Note(n=n))


def numbers(box: Mailbox) -> list[int]:
    """What can be taken."""
    return [event.n for event in emptied(box)]


# ------------------------------------------------------------------ beginning


def test_a_subscription_is_active_from_its_opening_on() -> None:
    """It gets what is published then, and knows where it was made."""
    scene = Scene()
    scene.publish(1)
    box = scene.open()
    scene.publish(2)
    assert numbers(box) == [2]
    assert box.created_at == ("file.py", 3)


def test_subscriptions_are_numbered_where_they_have_no_name() -> None:
    """Every one counts, named or not."""
    scene = Scene()
    assert [scene.open().name, scene.open(name="mine").name, scene.open().name] == ["notes/1", "mine", "notes/3"]


@pytest.mark.parametrize("replay, expected", [(True, [1, 2, 3]), (False, [3])])
def test_a_replay_comes_before_what_is_published(replay: bool, expected: list[int]) -> None:
    """It is for whoever asks for it."""
    scene = Scene(History(2, None, 9))
    scene.publish(0, 1, 2)
    box = scene.open(replay=replay)
    scene.publish(3)
    assert numbers(box) == expected


def test_of_the_replay_a_subscription_gets_what_it_wants() -> None:
    """Its condition is asked about each event that was kept."""
    scene = Scene(History(4, None, 9))
    scene.publish(0, 1, 2, 3)
    functions = UserFunctions(where=lambda note: note.n % 2)
    assert numbers(scene.open(functions, replay=True)) == [1, 3]


def test_a_condition_that_raises_on_the_replay_ends_the_subscription() -> None:
    """The error is its end; the subject goes on."""
    scene = Scene(History(1, None, 9))
    scene.publish(0)
    functions = UserFunctions(where=lambda note: 1 / note.n)
    box = scene.open(functions, replay=True)
    assert isinstance(box.end, ZeroDivisionError)
    assert box not in scene.life.members.active
    assert numbers(box) == []
    scene.publish(1)


def test_an_interrupt_while_the_replay_is_chosen_leaves_no_subscription() -> None:
    """It goes out, and nobody has the subscription to close it."""

    def where(_: Note) -> bool:
        raise KeyboardInterrupt

    scene = Scene(History(1, None, 9))
    scene.publish(0)
    functions = UserFunctions(where=where)
    with pytest.raises(KeyboardInterrupt):
        scene.open(functions, replay=True)
    assert not scene.life.members.active


def test_a_subscription_that_comes_after_the_end_gets_the_replay_and_the_end() -> None:
    """It is never active."""
    scene = Scene(History(9, None, 9))
    scene.publish(1)
    scene.life.close(OSError("why"))
    box = scene.open(replay=True)
    assert box not in scene.life.members.active
    assert numbers(box) == [1]
    assert str(box.end) == "why"


# ------------------------------------------------------------------ ending


def test_a_detached_subscription_gets_nothing_more() -> None:
    """What it held is discarded."""
    scene = Scene()
    box = scene.open()
    scene.publish(1)
    scene.life.detach(box)
    scene.publish(2)
    assert box.take([0, 0]) is NOTHING
    assert box.end is anyio.ClosedResourceError
    assert (box.ledger().wanted, box.ledger().discarded) == (1, 1)


@pytest.mark.parametrize("what", ["detach", "close"])
def test_a_condition_that_ends_something_ends_it_after_the_event(what: str) -> None:
    """All get the event that it was asked about."""
    scene = Scene()

    def where(_: Note) -> bool:
        if what == "close":
            scene.life.close()
        else:
            scene.life.detach(victim)
        return True

    functions = UserFunctions(where=where)
    scene.open(functions)
    victim = scene.open()
    scene.publish(1)
    assert victim.end is not None
    assert victim.ledger().wanted == 1


def test_a_subscription_that_was_lost_is_detached_by_whoever_looks_next() -> None:
    """A destructor changes nothing by itself: it may run in the middle of anything."""
    scene = Scene()
    box = scene.open()
    scene.life.detach_later(box)
    assert box.end is None
    scene.life.check_here()
    assert box.discarded


@both
async def test_a_subscription_that_was_lost_is_detached_by_the_loop() -> None:
    """Nobody needs to look."""
    scene = Scene()
    scene.life.enter()
    box = scene.open()
    scene.life.detach_later(box)
    await settle()
    assert box.discarded


def test_a_close_finishes_all_subscriptions_with_the_same_end() -> None:
    """What is buffered can be read; the second close changes nothing."""
    scene, error = Scene(), OSError()
    boxes = [scene.open(), scene.open()]
    scene.publish(1)
    scene.life.close(error)
    scene.life.close()
    assert [box.end for box in boxes] == [error, error]
    assert [numbers(box) for box in boxes] == [[1], [1]]
    assert scene.life.is_closed


def test_a_close_takes_an_exception_or_nothing() -> None:
    """Nonsense is refused, and closes nothing."""
    scene = Scene()
    with pytest.raises(TypeError, match="not 'done'"):
        scene.life.close("done")  # type: ignore[arg-type]
    assert not scene.life.is_closed


@both
async def test_whoever_reads_from_a_full_mailbox_frees_a_slot_for_a_publisher() -> None:
    """And when nobody waits any more, the mailbox tells of nothing."""
    scene = Scene()
    box = scene.open(capacity=1)
    scene.publish(0)
    async with group() as tasks:
        tasks.start_soon(scene.life.delivery.publish_later, Note(n=1))
        await settle()
        assert box._tell is not None
        assert box.take([0, 0]).n == 0
        await settle()
        assert box.take([0, 0]).n == 1
    assert box._tell is None


@on_both
def test_a_loop_that_has_ended_leaves_nobody_waiting(backend: str) -> None:
    """No slot is reserved, no reader stands in line, and the subject hears of it once."""
    scene = Scene()
    box = scene.open(capacity=2)
    bell = Bell()

    async def main() -> None:
        scene.life.enter()
        box.reserve()
        box.line.join(bell, first=True)

    run(main, backend)
    scene.life.check_here()
    scene.life.check_here()
    assert (box.room(), box.line.asleep) == (2, 0)
    assert scene.loops_ended == 1
    scene.publish(1)
    assert not bell.fired


def test_a_life_that_is_forgotten_is_gone() -> None:
    """Its parts know each other, and nobody else keeps them; no open stream is left to warn."""
    scene = Scene()
    box = ref(scene.open())
    scene.publish(1)
    life = ref(scene.life)
    del scene
    gc.collect()
    assert (life(), box()) == (None, None)


# ------------------------------------------------------------------ waiting for a change


@both
async def test_each_change_wakes_whoever_waits_for_one() -> None:
    """However many wait, and again and again."""
    scene = Scene()
    seen: list[str] = []

    async def watch(name: str) -> None:
        while True:
            with scene.life.next_change() as change:
                await change.wait()
                seen.append(name)

    async with group() as tasks:
        for name in "ab":
            tasks.start_soon(watch, name)
        for _ in range(2):
            await settle()
            scene.life.note_change()
        await settle()
        assert sorted(seen) == ["a", "a", "b", "b"]
    assert not scene.life._watchers


@both
async def test_a_change_between_a_look_and_the_wait_is_not_missed() -> None:
    """Whoever looks after it waits for none that has passed."""
    scene = Scene()
    with anyio.fail_after(9):
        with scene.life.next_change() as change:
            scene.life.note_change()
            await change.wait()
        with scene.life.next_change() as change, anyio.move_on_after(1) as waited:
            await change.wait()
    assert waited.cancelled_caught


@pytest.mark.parametrize("what", ["a take", "a detach", "a close"])
@both
async def test_a_take_and_an_end_are_changes(what: str) -> None:
    """Whoever drains waits for them."""
    scene = Scene()
    box = scene.open()
    scene.publish(1)
    with scene.life.next_change() as change, anyio.fail_after(1):
        if what == "a take":
            box.watch(scene.life.note_take)
            box.take([0, 0])
        elif what == "a detach":
            scene.life.detach(box)
        else:
            scene.life.close()
        await change.wait()


@both
async def test_each_subscription_that_is_closed_is_told_of_once() -> None:
    """When its numbers are final: one that has ended may still be read."""
    retired: list[str] = []
    life: Life[Note] = Life(
        "notes", (Note,), stall_after=9, loop_ended=lambda _: None, retired=lambda mailbox: retired.append(mailbox.name)
    )
    functions = UserFunctions()
    interest = life.members.interest((Note,), None)
    boxes = [
        life.open(interest, functions, capacity=1, overflow="block", name=name, created_at=("", 0)) for name in "ab"
    ]
    life.close()
    assert retired == []
    for box in (*boxes, *boxes):
        life.detach(box)
    assert retired == ["a", "b"]
