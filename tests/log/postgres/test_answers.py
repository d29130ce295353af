"""When whoever waits for a change hears what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from evenflow.log._postgres._answers import Answers
from evenflow.log._postgres._calls import Job
from evenflow.log._stored import Change, Done, Outdated
from tests.conformance.kit import append, event, texts
from tests.servers import Postgres

from .kit import on_postgres, opened


class World:
    """A loop and its clock: a turn takes as long as it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.soon: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self.answers = Answers(cast("Any", self), self.clock)
        self.heard: list[str] = []

    def clock(self) -> float:
        return self.now

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None:
        self.soon.append((call, arguments))

    def know(self, *names: str) -> None:
        """These were committed."""
        for name in names:
            job = Job(
                Change(appends=[event(name)]), lambda _, name=name: self.heard.append(name), cast("Any", Future())
            )
            self.answers.add([(job, Done([1], {}))])

    def turn(self, seconds: float) -> None:
        """Those that heard run, all together for so long."""
        self.now += seconds
        soon, self.soon = self.soon, []
        for call, arguments in soon:
            call(*arguments)

    def transact(self, seconds: float, *, queued: int) -> bool:
        """A transaction that takes so long."""
        self.answers.begin()
        self.now += seconds
        return self.answers.tell_some(queued)

    def hears(self) -> list[str]:
        heard, self.heard = self.heard, []
        return heard


class Future:
    """One that nobody waits for."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def done(self) -> bool:
        return False

    def set_result(self, result: object) -> None: ...

    def set_exception(self, error: BaseException) -> None:
        self.error = error


def ignore(*_: object) -> None:
    """Note nothing."""


@pytest.fixture
def world() -> World:
    """One in which a task takes a second from hearing to waiting again."""
    world = World()
    world.know("a", "b")
    world.answers.tell()
    world.turn(2.0)
    assert world.hears() == ["a", "b"]
    return world


def test_quick_tasks_hear_all_at_once(world: World) -> None:
    """A commit that takes half as long again as they do is worth sharing: the next waits for what they do."""
    world.know("a", "b", "c", "d")
    assert world.transact(6.0, queued=0) is True
    assert world.hears() == ["a", "b", "c", "d"]


def test_slow_tasks_hear_by_halves(world: World) -> None:
    """The first half runs, and the others hear once its changes are on their way."""
    world.know("a", "b", "c", "d")
    assert world.transact(5.9, queued=0) is False
    assert world.hears() == ["a", "b"]
    world.answers.tell()
    assert world.hears() == ["c", "d"]
    assert not world.answers.wait


def test_slow_tasks_hear_nothing_before_what_is_queued_is_on_its_way(world: World) -> None:
    """The server has something to do at once; how long tasks take is reckoned for all of them."""
    world.know("a", "b")
    assert world.transact(5.9, queued=2) is False
    assert world.hears() == []
    assert world.answers.wait
    assert world.transact(6.7, queued=2) is True  # the mean is 6.1
    assert world.hears() == ["a", "b"]


def test_one_transaction_says_little(world: World) -> None:
    """Neither one that is slow nor one that is quick: the mean of the last ones counts."""
    found: list[bool] = []
    for seconds in (4.5, 9.0, 13.5, 13.5, 4.5, 1.5, 1.5):  # of which the mean is 4.5, 5.6, 7.6, 9.1, 7.9, 6.3, 5.1
        world.know("a", "b")
        found.append(world.transact(seconds, queued=2))
        world.answers.tell()
        world.soon.clear()
    assert found == [False, False, True, True, True, True, False]


def test_one_change_has_no_halves(world: World) -> None:
    """Whoever is alone hears at once."""
    world.know("a")
    assert world.transact(0.0, queued=0) is True
    assert world.hears() == ["a"]


def test_how_long_tasks_take_is_measured_anew(world: World) -> None:
    """They have become quicker: from the next transaction on all hear at once."""
    world.know("a", "b")
    world.transact(1.0, queued=0)
    world.answers.tell()
    world.turn(0.2)
    world.know("a", "b")
    world.hears()
    assert world.transact(1.0, queued=0) is True
    assert world.hears() == ["a", "b"]


def test_a_transaction_takes_no_longer_because_tasks_run_meanwhile(world: World) -> None:
    """Its answer waits for them, and says nothing of the server: halves stay halves."""
    world.answers.begin()
    world.know("a", "b")
    world.answers.tell()
    world.turn(2.0)
    world.know("c", "d")
    world.now += 3.9
    world.hears()
    assert world.answers.tell_some(queued=2) is False
    assert world.hears() == []


def test_a_refusal_is_told_like_the_rest(world: World) -> None:
    """The error goes to whoever waits for that change alone."""
    future = Future()
    world.answers.add([(Job(Change(), None, cast("Any", future)), Outdated(["k"]))])
    world.answers.tell()
    assert isinstance(future.error, Outdated)


@on_postgres
async def test_half_of_the_tasks_run_while_the_changes_of_the_other_half_are_committed(server: Postgres) -> None:
    """Where they take long; all of theirs is stored, in order of each, and closing the log leaves nobody waiting."""
    sizes: list[int] = []
    async with opened(server) as engine:
        writer = engine.opened().writer
        make = writer._make

        async def noted(jobs: list[Job]) -> None:
            sizes.append(len(jobs))
            await make(jobs)

        async def publish(task: int) -> None:
            for number in range(6):
                await append(engine, f"{task} {number}")

        await append(engine, "first")
        await asyncio.sleep(0)
        cast("Any", writer)._make = noted
        cast("Any", writer._answers)._note_turn = ignore
        writer._answers._each = 1e6  # longer than any transaction
        await asyncio.gather(*map(publish, range(8)))
        assert sizes[0] == 8
        assert set(sizes[1:]) == {4}
        stored = (await texts(engine))[1:]
        assert len(stored) == 8 * 6
        for task in range(8):
            assert [text for text in stored if text[0] == f"{task}"] == [f"{task} {number}" for number in range(6)]
