"""The graph of who waits for whom, drawn by hand: tasks are any objects that say whether they have ended."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import ref

import pytest

from evenflow import Deadlock
from evenflow._admission import Waiter
from evenflow._deadlock import WAITING, refuse_deadlock
from evenflow._mailbox import Mailbox


class Task:
    """A task, as far as the graph asks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = False

    def done(self) -> bool:
        """Whether it has ended."""
        return self.ended


def box(name: str, *readers: Task) -> Mailbox:
    """A subscription read by these tasks."""
    mailbox = Mailbox(capacity=1, overflow="block", conflated=False, gaps=False, careful=set())
    mailbox.name = name
    mailbox.readers = tuple(ref(reader) for reader in readers)
    return mailbox


@pytest.fixture
def waiting() -> Iterator[None]:
    """An empty graph, and an empty one afterwards."""
    assert not WAITING
    yield
    WAITING.clear()


async def publishes(task: Task, *boxes: Mailbox, granted: bool = False) -> None:
    """The task waits in a publish that needs room in these."""
    waiter = WAITING[task] = Waiter("an event", list)
    waiter.missing = set(boxes)
    waiter.granted = granted


pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("waiting")]


async def test_the_only_reader_publishes_into_what_it_reads() -> None:
    """The direct case."""
    me = Task("me")
    await publishes(me, box("mine", me))
    with pytest.raises(Deadlock, match="mine is full and is read by task 'me'") as caught:
        refuse_deadlock(me)
    assert len(caught.value.path) == 2


async def test_round_two_subjects() -> None:
    """Each publishes to what the other reads."""
    me, you = Task("me"), Task("you")
    await publishes(you, box("mine", me))
    await publishes(me, box("yours", you))
    with pytest.raises(Deadlock, match="'you' publishes") as caught:
        refuse_deadlock(me)
    assert len(caught.value.path) == 4


async def test_another_reader_that_does_not_publish_may_read_soon() -> None:
    """Not every known reader waits."""
    me, worker = Task("me"), Task("worker")
    await publishes(me, box("ours", me, worker))
    refuse_deadlock(me)
    worker.ended = True
    with pytest.raises(Deadlock):
        refuse_deadlock(me)


async def test_nobody_has_read_yet_is_a_stall() -> None:
    """Who will read is not known."""
    me = Task("me")
    await publishes(me, box("new"))
    refuse_deadlock(me)


async def test_the_last_reader_has_ended_is_a_stall() -> None:
    """Somebody else may take over."""
    me, gone = Task("me"), Task("gone")
    gone.ended = True
    await publishes(me, box("left", gone))
    refuse_deadlock(me)


async def test_a_reader_whose_own_publish_may_go_is_not_stuck() -> None:
    """It has been given its slots."""
    me, you = Task("me"), Task("you")
    await publishes(you, box("mine", me), granted=True)
    await publishes(me, box("yours", you))
    refuse_deadlock(me)


async def test_one_full_subscription_without_hope_is_enough() -> None:
    """A publish needs room in all of them."""
    me, free = Task("me"), Task("free")
    await publishes(me, box("theirs", free), box("mine", me))
    with pytest.raises(Deadlock, match="mine"):
        refuse_deadlock(me)


async def test_tasks_that_are_going_to_read_count() -> None:
    """An observer's second task may not have begun."""
    me = Task("me")
    mailbox = box("two hands", me)
    mailbox.hands = 2
    await publishes(me, mailbox)
    refuse_deadlock(me)
