"""Whose turn it is to read: without an event loop, with wake-ups that only note that they were fired."""

from __future__ import annotations

from typing import Any
from weakref import ref

import pytest
from hypothesis import given, strategies as st

from evenflow._readers import NOBODY, WAKE_UPS_A_TURN, ReaderLine, WakeUps

from .parts import Bell


def line() -> ReaderLine:
    """A line by itself."""
    return ReaderLine(WakeUps())


def sleep(at: ReaderLine, *names: str, first: bool = False) -> list[Bell]:
    """Readers that go to sleep, one after another."""
    bells = [Bell(name) for name in names]
    for bell in bells:
        at.join(bell, first=first)
    return bells


def woken_at(at: ReaderLine) -> list[str]:
    """The names of those that were woken and have not run yet."""
    return [bell.name for bell in list[Any](at.queue)[: at.woken]]


def asleep_at(at: ReaderLine) -> list[str]:
    """The names of those that sleep."""
    assert len(at.queue) == at.woken + at.asleep
    return [bell.name for bell in list[Any](at.queue)[at.woken :]]


# ------------------------------------------------------------------ the line


def test_a_line_in_which_nobody_stood_costs_nothing() -> None:
    """All new subscriptions share one empty line."""
    assert line().queue is line().queue is NOBODY


def test_readers_are_woken_in_the_order_in_which_they_waited_one_an_item() -> None:
    """Two items wake two of three."""
    at = line()
    sleep(at, "one", "two", "three")
    at.wake(2)
    assert woken_at(at) == ["one", "two"]
    assert asleep_at(at) == ["three"]


def test_an_item_that_a_reader_was_woken_for_wakes_no_second_one() -> None:
    """Whoever looks again finds one item and one reader on its way."""
    at = line()
    sleep(at, "one", "two")
    at.wake(1)
    at.wake(1)
    assert woken_at(at) == ["one"]


def test_a_reader_that_comes_while_others_were_woken_waits_behind_them() -> None:
    """It is woken at once only if there is an item that nobody was woken for."""
    at = line()
    sleep(at, "one")
    at.wake(1)
    (late,) = sleep(at, "late")
    at.wake(1)
    assert not late.fired
    at.wake(2)
    assert woken_at(at) == ["one", "late"]


def test_only_the_first_of_the_line_may_read() -> None:
    """A library may run those that were woken in any order."""
    at = line()
    one, two = sleep(at, "one", "two")
    at.wake(2)
    assert not at.answer(two)
    assert at.answer(one)
    assert at.answer(two)
    assert (at.woken, at.asleep, len(at.queue)) == (0, 0, 0)


def test_a_reader_woken_for_nothing_keeps_its_turn() -> None:
    """It goes back to the front, behind those that went back before it."""
    at = line()
    sleep(at, "other")
    sleep(at, "again", "and again", first=True)
    assert asleep_at(at) == ["again", "and again", "other"]
    at.wake(1)
    sleep(at, "third", first=True)
    assert asleep_at(at) == ["and again", "third", "other"]


def test_a_cancelled_reader_that_was_woken_passes_its_turn_on() -> None:
    """The next one is woken for the item."""
    at = line()
    one, two = sleep(at, "one", "two")
    at.wake(1)
    at.leave(one)
    at.wake(1)
    assert two.fired
    assert woken_at(at) == ["two"]


def test_a_cancelled_reader_that_was_not_woken_just_leaves() -> None:
    """Nobody is woken for it."""
    at = line()
    one, two = sleep(at, "one", "two")
    at.leave(one)
    assert asleep_at(at) == ["two"]
    assert not two.fired


def test_a_cancelled_reader_leaves_no_turn_behind() -> None:
    """Of two that kept their turn one is cancelled: whoever comes back next stands behind the other."""
    at = line()
    sleep(at, "other")
    again, _ = sleep(at, "again", "and again", first=True)
    at.leave(again)
    sleep(at, "third", first=True)
    assert asleep_at(at) == ["and again", "third", "other"]


def test_a_reader_whose_loop_has_ended_leaves_a_line_that_is_gone() -> None:
    """The line was forgotten with the loop, and another loop may use it since."""
    at = line()
    (one,) = sleep(at, "one")
    at.forget()
    sleep(at, "of the next loop")
    at.leave(one)
    assert asleep_at(at) == ["of the next loop"]


@given(st.lists(st.tuples(st.sampled_from(["join", "item", "run", "cancel"]), st.integers(0, 9)), max_size=60))
def test_readers_take_in_the_order_in_which_they_waited(steps: list[tuple[str, int]]) -> None:
    """However readers come, run and are cancelled: nobody is passed by, and no item lies there while all sleep."""
    at = line()
    items, names, waiting = 0, iter(range(100)), list[Bell]()
    for step, which in steps:
        if step == "join":
            bell = Bell(str(next(names)))
            waiting.append(bell)
            at.join(bell, first=False)
        elif step == "item":
            items += 1
        elif step == "run" and waiting and waiting[0].fired:
            assert at.answer(waiting.pop(0))
            items -= 1
        elif step == "cancel" and waiting:
            at.leave(waiting.pop(which % len(waiting)))
        at.wake(items)
        fired = [bell.fired for bell in waiting]
        assert list(at.queue) == waiting
        assert fired == sorted(fired, reverse=True)
        assert at.woken == sum(fired) == min(items, len(waiting))


# ------------------------------------------------------------------ how many wake-ups fire at a time


def woken(wake_ups: WakeUps, count: int) -> list[Bell]:
    """The wake-ups of this many readers that should wake, each of a line of its own."""
    bells = [Bell(str(number)) for number in range(count)]
    for bell in bells:
        wake_ups.fire(bell)
    return bells


def test_a_limited_number_fires_at_a_time_and_each_that_runs_fires_the_next() -> None:
    """They fire in the order in which their events came, and none is forgotten."""
    wake_ups = WakeUps()
    bells = woken(wake_ups, WAKE_UPS_A_TURN + 2)
    assert [bell.name for bell in bells if not bell.fired] == [str(WAKE_UPS_A_TURN), str(WAKE_UPS_A_TURN + 1)]
    wake_ups.answered()
    assert [bell.name for bell in bells if not bell.fired] == [str(WAKE_UPS_A_TURN + 1)]
    for _ in range(WAKE_UPS_A_TURN + 1):
        wake_ups.answered()
    assert all(bell.fired for bell in bells)
    assert (wake_ups.fired, len(wake_ups.due)) == (0, 0)


def test_a_reader_that_runs_lets_the_wake_up_of_another_line_fire() -> None:
    """The limit is one for all subscriptions of a subject."""
    wake_ups = WakeUps()
    bells = woken(wake_ups, WAKE_UPS_A_TURN - 1)
    one, other = ReaderLine(wake_ups), ReaderLine(wake_ups)
    (first,), (second,) = sleep(one, "first"), sleep(other, "second")
    one.wake(1)
    other.wake(1)
    assert (first.fired, second.fired, one.is_queued(), other.is_queued()) == (True, False, False, True)
    assert one.answer(first)
    assert second.fired
    assert not other.is_queued()
    assert other.answer(second)
    for _ in bells:
        wake_ups.answered()
    assert wake_ups.fired == 0


def test_a_reader_that_is_woken_now_does_not_wait_for_its_turn() -> None:
    """Its wake-up fires at once, and not a second time."""
    wake_ups = WakeUps()
    woken(wake_ups, WAKE_UPS_A_TURN)
    at = ReaderLine(wake_ups)
    (due,) = sleep(at, "due")
    at.wake(1)
    assert not due.fired
    at.wake_now()
    assert due.fired
    due.fired = False
    at.wake_now()
    assert not due.fired
    assert wake_ups.fired == WAKE_UPS_A_TURN + 1


def test_only_those_that_were_woken_are_woken_now() -> None:
    """Whoever sleeps behind them sleeps on."""
    at = line()
    one, two = sleep(at, "one", "two")
    at.wake(1)
    at.wake_now()
    assert (one.fired, two.fired) == (True, False)


@pytest.mark.parametrize("was_due", [False, True])
def test_a_reader_that_is_cancelled_before_it_runs_lets_the_next_wake_up_fire(was_due: bool) -> None:
    """Whether its own has fired or was due, those behind it still fire, each in its turn."""
    wake_ups = WakeUps()
    woken(wake_ups, WAKE_UPS_A_TURN - (not was_due))
    at = ReaderLine(wake_ups)
    (one,) = sleep(at, "one")
    at.wake(1)
    assert one.fired is not was_due
    (behind,) = woken(wake_ups, 1)
    at.leave(one)
    assert behind.fired is not was_due
    wake_ups.answered()
    assert behind.fired


@pytest.mark.parametrize("due", [False, True])
def test_a_reader_that_was_cancelled_already_is_not_woken(due: bool) -> None:
    """A future that is done must not get a second result."""

    class Done(Bell):
        def done(self) -> bool:
            return True

    wake_ups = WakeUps()
    if due:
        woken(wake_ups, WAKE_UPS_A_TURN)
    cancelled = Done()
    wake_ups.fire(cancelled)
    if due:
        wake_ups.answered()
    assert not cancelled.fired


def test_when_the_loop_has_ended_nobody_is_expected_to_answer() -> None:
    """The next loop begins with the whole limit."""
    wake_ups = WakeUps()
    woken(wake_ups, WAKE_UPS_A_TURN + 1)
    wake_ups.forget()
    (bell,) = woken(wake_ups, 1)
    assert bell.fired
    assert wake_ups.fired == 1


# ------------------------------------------------------------------ who reads


class Task:
    """A task, as far as it is remembered."""


def test_each_task_that_has_read_is_known_once_while_it_exists() -> None:
    """A task that is gone is forgotten, and kept alive by nobody."""
    at, stays, goes = line(), Task(), Task()
    for task in (stays, goes, stays):
        at.note_task(ref(task))
    assert list(at.tasks()) == [stays, goes]
    del task, goes
    assert list(at.tasks()) == [stays]
    another = Task()
    at.note_task(ref(another))
    assert len(at.known) == 2


@pytest.mark.parametrize("expected, known, all_known", [(0, 1, True), (2, 1, False), (2, 2, True)])
def test_it_says_whether_all_tasks_that_will_read_are_known(expected: int, known: int, all_known: bool) -> None:
    """An observer's second task may not have begun."""
    at = line()
    at.expect(expected)
    assert at.all_known(known) is all_known
