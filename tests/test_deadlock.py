"""The graph of who waits for whom, drawn by hand: tasks are any objects that say whether they have ended."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from weakref import ref

import pytest
from hypothesis import given, strategies as st

from evenflow import Deadlock
from evenflow._deadlock import Takers, WaitGraph, how_it_is_read, may_be_stuck
from evenflow._gate import Waiter
from evenflow._mailbox import Mailbox

from .parts import mailbox


class Task:
    """A task, as far as the graph asks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = False
        self.cancelled = 0


class Tasks:
    """The tasks of a loop, as far as the graph asks its library."""

    def task_has_ended(self, task: Task) -> bool:
        """Whether it has ended."""
        return task.ended

    def times_cancelled(self, task: Task) -> int:
        """How often it was cancelled."""
        return task.cancelled

    def task_name(self, task: Task) -> str:
        """What it is called."""
        return task.name


class Terms:
    """What all publishes of these subjects share."""

    name = "a subject"
    stall_after = 5.0

    def blocked(self, _: Waiter) -> Collection[Mailbox]:
        """None."""
        return ()


class Scene:
    """Tasks that wait in publishes, and the subscriptions that they wait for; it is the tenth second."""

    def __init__(self) -> None:
        self.waiting: dict[object, Waiter] = {}
        self.own: dict[object, Any] = {}
        self.backend: Any = Tasks()

    def box(self, name: str, *readers: Task, private: bool = True) -> Mailbox:
        """A subscription read by these tasks, and by evenflow's own where it is private."""
        made = mailbox(1, name=name)
        for reader in readers:
            made.line.note_task(ref(reader))
        if private:
            made.line.keep_private()
            self.own = dict.fromkeys(readers) | self.own
        return made

    def publishes(self, task: Task, *boxes: Mailbox, since: float = 0, granted: bool = False) -> Waiter:
        """The task waits in a publish that needs room in these."""
        waiter = self.waiting[task] = Waiter("an event", (), 0, Terms(), lambda: 10.0)
        waiter.missing = {} if granted else dict.fromkeys(boxes, since)
        waiter.granted = granted
        return waiter

    def hands(self, task: Task, *takers: Task, private: bool = True) -> None:
        """The task of an operator waits until one of these takes what it has read."""
        self.own = dict.fromkeys(takers if private else ()) | self.own
        self.own[task] = lambda: lambda: Takers(takers, private)

    def graph(self) -> WaitGraph:
        """Who waits for whom now."""
        return WaitGraph(self.waiting, self.own, self.backend)

    def is_stuck(self, task: Task) -> bool:
        """Whether the task's publish is refused."""
        found = self.graph().find((task,))
        waiter = self.waiting[task]
        if all(mailbox.line.private for mailbox in waiter.missing):  # any other is looked at later, and not at once
            assert found is None or may_be_stuck(waiter, self.waiting, self.own, self.backend)
        return found is not None

    def refusal(self, task: Task) -> Deadlock:
        """What the task's publish is refused with."""
        found = self.graph().find((task,))
        assert found is not None
        return found[1]


def test_the_only_reader_publishes_into_what_it_reads() -> None:
    """The direct case: the error tells the circle and the way out."""
    scene, me = Scene(), Task("me")
    scene.publishes(me, scene.box("mine", me))
    refusal = scene.refusal(me)
    assert refusal.path == (
        "task 'me' publishes str to a subject",
        "mine is full and is read by task 'me'",
    )
    assert "mine is full and is read by task 'me'; read from another task" in str(refusal)


def test_two_tasks_that_publish_to_each_other() -> None:
    """Each publishes to what the other reads, in whatever subjects."""
    scene, me, you = Scene(), Task("me"), Task("you")
    scene.publishes(you, scene.box("mine", me))
    scene.publishes(me, scene.box("yours", you))
    assert scene.refusal(me).path == (
        "task 'me' publishes str to a subject",
        "yours is full and is read by task 'you'",
        "task 'you' publishes str to a subject",
        "mine is full and is read by task 'me'",
    )


def test_a_task_that_waits_for_a_circle_without_being_in_it_is_not_refused() -> None:
    """One in the circle is, and may then read what this one waits for."""
    scene, me, one, other = Scene(), Task("me"), Task("one"), Task("other")
    scene.publishes(one, scene.box("the other's", other))
    refused = scene.publishes(other, scene.box("the one's", one))
    scene.publishes(me, scene.box("read in the circle", one))
    assert not scene.is_stuck(me)
    assert scene.is_stuck(one)
    assert scene.is_stuck(other)
    refused.refuse(Deadlock("it goes on with this", path=()))
    assert not scene.is_stuck(one)


def test_one_reader_that_waits_for_another_circle_makes_room_after_that() -> None:
    """Of the two readers of mine one waits for me, and the other for somebody who is refused."""
    scene, me, you, she, he = Scene(), Task("me"), Task("you"), Task("she"), Task("he")
    scene.publishes(you, scene.box("mine", me))
    scene.publishes(she, scene.box("his", he))
    scene.publishes(he, scene.box("hers", she))
    scene.publishes(me, scene.box("ours", you, she))
    assert not scene.is_stuck(me)
    assert scene.is_stuck(she)


@pytest.mark.parametrize("late", ["none", "the reader", "me"])
def test_where_others_could_read_everyone_must_have_waited_longer_than_a_stall(late: str) -> None:
    """The subscription may be handed over: 5 s are over for those that wait since 4 s, and not since 6 s."""
    scene, me, you = Scene(), Task("me"), Task("you")
    shared, private = scene.box("shared", you, private=False), scene.box("private", me)
    scene.publishes(me, shared, since=6 if late == "me" else 4)
    scene.publishes(you, private, since=6 if late == "the reader" else 4)
    assert scene.is_stuck(me) is scene.is_stuck(you) is (late == "none")


def test_a_private_subscription_needs_no_time() -> None:
    """Nobody but evenflow's own tasks can read it."""
    scene, me = Scene(), Task("me")
    scene.publishes(me, scene.box("mine", me), since=10)
    assert scene.is_stuck(me)


@pytest.mark.parametrize("what", ["the task", "the subscription"])
def test_a_task_is_own_only_where_it_reads_for_evenflow(what: str) -> None:
    """A handler may read a subscription of its own, and hand it over; a chain without a task is read by anybody."""
    scene, me = Scene(), Task("me")
    box = scene.box("mine", me, private=what == "the task")
    scene.own = {me: None} if what == "the subscription" else {}
    scene.publishes(me, box, since=10)
    assert not scene.is_stuck(me)


def test_those_that_are_worth_a_look_are_the_readers_that_all_wait() -> None:
    """However many publishers wait for these subscriptions."""
    scene, one, other, free = Scene(), Task("one"), Task("other"), Task("free")
    boxes = [scene.box("both", one, other), scene.box("one", one), scene.box("free", one, free), scene.box("nobody")]
    scene.publishes(one, boxes[0])
    scene.publishes(other, boxes[0])
    assert scene.graph().suspects(boxes) == [one, other]
    found = scene.graph().find([one, other])
    assert found is not None
    assert found[0] is scene.waiting[one]


def test_a_large_pool_is_looked_through_in_one_pass() -> None:
    """A thousand tasks read one subscription and publish into it: a look that takes squares would take minutes."""
    scene, tasks = Scene(), [Task(str(n)) for n in range(2_000)]
    box = scene.box("pool")
    box.line.known = tuple(ref(task) for task in tasks)
    scene.own = dict.fromkeys(tasks)
    for task in tasks:
        scene.publishes(task, box)
    assert scene.is_stuck(tasks[-1])


def test_another_reader_that_does_not_publish_may_read_soon() -> None:
    """Not every known reader waits; once it has ended, all of them do."""
    scene, me, worker = Scene(), Task("me"), Task("worker")
    scene.publishes(me, scene.box("ours", me, worker))
    assert not scene.is_stuck(me)
    worker.ended = True
    assert scene.is_stuck(me)


def test_a_subscription_that_nobody_has_read_yet_is_a_stall() -> None:
    """It is not known who will read."""
    scene, me = Scene(), Task("me")
    scene.publishes(me, scene.box("new"))
    assert not scene.is_stuck(me)


def test_a_subscription_whose_last_reader_has_ended_is_a_stall() -> None:
    """Another task may go on reading it."""
    scene, me, gone = Scene(), Task("me"), Task("gone")
    gone.ended = True
    box = scene.box("left", gone)
    scene.publishes(me, box)
    assert how_it_is_read(box, scene.backend) == "nobody reads it"
    assert not scene.is_stuck(me)


def test_a_reader_whose_own_publish_may_go_is_not_stuck() -> None:
    """It has its slots, and reads when it has published."""
    scene, me, you = Scene(), Task("me"), Task("you")
    scene.publishes(you, scene.box("mine", me), granted=True)
    scene.publishes(me, scene.box("yours", you))
    assert not scene.is_stuck(me)


def test_one_full_subscription_without_hope_is_enough() -> None:
    """A publish needs room in all of them."""
    scene, me, free = Scene(), Task("me"), Task("free")
    scene.publishes(me, scene.box("theirs", free), scene.box("mine", me))
    assert "mine" in str(scene.refusal(me))


def test_tasks_that_are_going_to_read_count() -> None:
    """An observer's second task may not have begun."""
    scene, me = Scene(), Task("me")
    box = scene.box("two tasks", me)
    box.line.expect(2)
    scene.publishes(me, box)
    assert not scene.is_stuck(me)


def test_a_task_that_hands_on_waits_for_whoever_takes() -> None:
    """However many hand on to each other on the way."""
    scene, me, reads, maps = Scene(), Task("me"), Task("reads"), Task("maps")
    scene.publishes(me, scene.box("mine", reads), since=10)
    scene.hands(reads, maps)
    assert not scene.is_stuck(me)
    scene.hands(maps, me)
    assert scene.refusal(me).path == (
        "task 'me' publishes str to a subject",
        "mine is full and is read by task 'reads'",
        "task 'reads' hands what it has read to task 'maps'",
        "task 'maps' hands what it has read to task 'me'",
    )
    assert scene.graph().suspects([*scene.waiting[me].missing]) == [me]


def test_one_of_those_that_take_is_enough() -> None:
    """An inner stream may come to its end; once it has ended, the others are left."""
    scene, me, reads, other = Scene(), Task("me"), Task("reads"), Task("other")
    scene.publishes(me, scene.box("mine", reads))
    scene.hands(reads, me, other)
    assert not scene.is_stuck(me)
    other.ended = True
    assert scene.is_stuck(me)


def test_nobody_who_takes_is_a_stall() -> None:
    """Somebody may come, where nobody has taken yet or all have ended."""
    scene, me, reads, gone = Scene(), Task("me"), Task("reads"), Task("gone")
    gone.ended = True
    scene.publishes(me, scene.box("mine", reads))
    for takers in ((), (gone,)):
        scene.hands(reads, *takers)
        assert not scene.is_stuck(me)


def test_a_task_that_was_cancelled_hands_nothing_on() -> None:
    """It is going to end, and to make room with that."""
    scene, me, reads = Scene(), Task("me"), Task("reads")
    scene.publishes(me, scene.box("mine", reads))
    scene.hands(reads, me)
    reads.cancelled = 1
    assert not scene.is_stuck(me)
    reads.cancelled = 0
    assert scene.is_stuck(me)
    scene.own[reads] = lambda: None
    assert not scene.is_stuck(me)


@pytest.mark.parametrize("since", [4, 6])
@pytest.mark.parametrize("what", ["the chain", "the task", "the subscription"])
def test_each_part_of_the_way_must_be_private(what: str, since: float) -> None:
    """A chain may be handed over as a subscription may: it counts when all at the end have waited for five seconds."""
    scene, me, reads, maps = Scene(), Task("me"), Task("reads"), Task("maps")
    scene.hands(maps, me, private=what != "the chain")
    scene.hands(reads, maps)
    if what == "the task":
        del scene.own[me]
    scene.publishes(me, scene.box("mine", reads, private=what != "the subscription"), since=since)
    assert scene.is_stuck(me) is (since == 4)


def test_tasks_that_hand_to_each_other_are_not_looked_into() -> None:
    """No operator does, and a look must end all the same."""
    scene, me, one, other = Scene(), Task("me"), Task("one"), Task("other")
    scene.publishes(me, scene.box("mine", one))
    scene.hands(one, other)
    scene.hands(other, one)
    assert not scene.is_stuck(me)


TASKS = st.integers(0, 3)
HANDS = st.dictionaries(TASKS, st.sets(TASKS))
BOXES = st.lists(st.tuples(st.sets(TASKS, max_size=3), st.integers(0, 3)), min_size=3, max_size=3)


@given(BOXES, st.dictionaries(TASKS, st.tuples(st.sets(st.integers(0, 2)), st.booleans())), st.sets(TASKS), HANDS)
def test_a_publish_is_refused_when_no_order_of_running_lets_anybody_go_on(
    boxes: list[tuple[set[int], int]],
    publishes: dict[int, tuple[set[int], bool]],
    ended: set[int],
    hands: dict[int, set[int]],
) -> None:
    """The model lets everybody run who can: a task reads its subscriptions, and a publish goes on when all were read.

    A task hands on to those with higher numbers. Of those that never run one is refused, and none of the others is.
    """
    scene, tasks = Scene(), [Task(str(n)) for n in range(4)]
    made = [scene.box(str(n), *(tasks[reader] for reader in readers)) for n, (readers, _) in enumerate(boxes)]
    for box, (_, expected) in zip(made, boxes, strict=True):
        box.line.expect(expected)
    for one in ended:
        tasks[one].ended = one not in publishes
    for one, (needs, granted) in publishes.items():
        scene.publishes(tasks[one], *(made[n] for n in needs), granted=granted)
    takers = {one: {to for to in others if to > one} for one, others in hands.items() if one not in publishes}
    for one, others in takers.items():
        scene.hands(tasks[one], *(tasks[n] for n in others))
    takers = {one: living for one, others in takers.items() if (living := {n for n in others if not tasks[n].ended})}

    runs = {n for n in range(4) if (n not in publishes or publishes[n][1]) and n not in takers}
    for _ in range(8):
        read = set()
        for n, (readers, expected) in enumerate(boxes):
            known = {reader for reader in readers if not tasks[reader].ended}
            if not known or len(known) < expected or known & runs:
                read.add(n)
        runs |= {n for n, (needs, _) in publishes.items() if needs <= read}
        runs |= {n for n, others in takers.items() if others & runs}
    stuck = {n for n in publishes if scene.is_stuck(tasks[n])}
    assert stuck.isdisjoint(runs)
    assert bool(stuck) is any(n not in runs for n in publishes)
    for n in stuck:
        scene.waiting[tasks[n]].refuse(Deadlock("it goes on with this", path=()))
    if stuck:
        assert not any(scene.is_stuck(tasks[n]) for n in stuck)
