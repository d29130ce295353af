"""The graph of who waits for whom, drawn by hand: tasks are any objects that say whether they have ended."""

from __future__ import annotations

from typing import Any
from weakref import ref

import pytest
from hypothesis import given, strategies as st

from evenflow import Deadlock
from evenflow._deadlock import WaitGraph
from evenflow._gate import Waiter
from evenflow._mailbox import Mailbox

from .parts import mailbox


class Task:
    """A task, as far as the graph asks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = False


class Tasks:
    """The tasks of a loop, as far as the graph asks its library."""

    def task_has_ended(self, task: Task) -> bool:
        """Whether it has ended."""
        return task.ended

    def task_name(self, task: Task) -> str:
        """What it is called."""
        return task.name


class Scene:
    """Tasks that wait in publishes, and the subscriptions that they wait for."""

    def __init__(self) -> None:
        self.waiting: dict[object, Waiter] = {}
        backend: Any = Tasks()
        self.graph = WaitGraph(self.waiting, backend)

    def box(self, name: str, *readers: Task) -> Mailbox:
        """A subscription read by these tasks."""
        made = mailbox(1, name=name)
        for reader in readers:
            made.line.note_task(ref(reader))
        return made

    def publishes(self, task: Task, *boxes: Mailbox, granted: bool = False) -> None:
        """The task waits in a publish that needs room in these."""
        waiter = self.waiting[task] = Waiter("an event", "a subject", 0, lambda _: ())
        waiter.missing = set(boxes)
        waiter.granted = granted

    def is_stuck(self, task: Task) -> bool:
        """Whether the task's publish is refused."""
        try:
            self.graph.refuse_deadlock(task)
        except Deadlock:
            return True
        return False


def test_the_only_reader_publishes_into_what_it_reads() -> None:
    """The direct case: the error tells the circle and the way out."""
    scene, me = Scene(), Task("me")
    scene.publishes(me, scene.box("mine", me))
    with pytest.raises(Deadlock, match="mine is full and is read by task 'me'") as caught:
        scene.graph.refuse_deadlock(me)
    assert caught.value.path == (
        "task 'me' publishes str to a subject",
        "mine is full and is read by task 'me'",
    )
    assert "read from another task" in str(caught.value)


def test_two_tasks_that_publish_to_each_other() -> None:
    """Each publishes to what the other reads, in whatever subjects."""
    scene, me, you = Scene(), Task("me"), Task("you")
    scene.publishes(you, scene.box("mine", me))
    scene.publishes(me, scene.box("yours", you))
    with pytest.raises(Deadlock, match="'you' publishes") as caught:
        scene.graph.refuse_deadlock(me)
    assert len(caught.value.path) == 4


def test_a_task_that_waits_for_a_circle_without_being_in_it_is_refused_too() -> None:
    """Nobody in the circle will ever read."""
    scene, me, one, other = Scene(), Task("me"), Task("one"), Task("other")
    scene.publishes(one, scene.box("the other's", other))
    scene.publishes(other, scene.box("the one's", one))
    scene.publishes(me, scene.box("read in the circle", one))
    assert scene.is_stuck(me)


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
    assert scene.graph.readers(box) == []
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
    with pytest.raises(Deadlock, match="mine"):
        scene.graph.refuse_deadlock(me)


def test_tasks_that_are_going_to_read_count() -> None:
    """An observer's second task may not have begun."""
    scene, me = Scene(), Task("me")
    box = scene.box("two tasks", me)
    box.line.expect(2)
    scene.publishes(me, box)
    assert not scene.is_stuck(me)


TASKS = st.integers(0, 3)
BOXES = st.lists(st.tuples(st.sets(TASKS, max_size=3), st.integers(0, 3)), min_size=3, max_size=3)


@given(BOXES, st.dictionaries(TASKS, st.tuples(st.sets(st.integers(0, 2)), st.booleans())), st.sets(TASKS))
def test_a_publish_is_refused_when_no_order_of_running_lets_it_go_on(
    boxes: list[tuple[set[int], int]], publishes: dict[int, tuple[set[int], bool]], ended: set[int]
) -> None:
    """The model lets everybody run who can: a task reads its subscriptions, and a publish goes on when all have been read."""
    scene, tasks = Scene(), [Task(str(n)) for n in range(4)]
    made = [scene.box(str(n), *(tasks[reader] for reader in readers)) for n, (readers, _) in enumerate(boxes)]
    for box, (_, expected) in zip(made, boxes, strict=True):
        box.line.expect(expected)
    for one in ended:
        tasks[one].ended = one not in publishes
    for one, (needs, granted) in publishes.items():
        scene.publishes(tasks[one], *(made[n] for n in needs), granted=granted)

    runs = {n for n in range(4) if n not in publishes or publishes[n][1]}
    for _ in range(4):
        read = set()
        for n, (readers, expected) in enumerate(boxes):
            known = {reader for reader in readers if not tasks[reader].ended}
            if not known or len(known) < expected or known & runs:
                read.add(n)
        runs |= {n for n, (needs, _) in publishes.items() if needs <= read}
    for n in publishes:
        assert scene.is_stuck(tasks[n]) is (n not in runs)
