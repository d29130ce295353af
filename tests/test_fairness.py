"""When the loop should turn: what is counted, when the clock is looked at, and when both begin anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evenflow._fairness import (
    A_WHILE,
    DELIVERIES_A_TURN,
    GIVEN,
    LOOK_TAKEN,
    LOOK_WITHIN,
    SECONDS_A_TURN,
    TAKEN,
    FairnessBudget,
)


class Loop:
    """A loop that turns when it is told to, with a clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.looks = 0
        self.due: list[Callable[[], object]] = []
        self.budget = FairnessBudget(self.clock, self.due.append)

    def clock(self) -> float:
        """The time, and that somebody has looked."""
        self.looks += 1
        return self.now

    def turn(self) -> None:
        """Call what is due."""
        due, self.due[:] = list(self.due), []
        for function in due:
            function()

    def publish(self, seconds: float, times: int = 1) -> int:
        """Publish that often, each taking so long, as long as the loop need not turn; returns how often it did."""
        for done in range(times):
            if self.budget.publisher_should_turn():
                return done
            self.now += seconds
            self.budget.counts[GIVEN] += 1
        return times

    def read(self, seconds: float, times: int = 1) -> int:
        """Read that often, each event taking so long, as long as the loop need not turn; looks at each event."""
        for done in range(times):
            self.budget.reader_looks()
            if self.budget.is_used_up(TAKEN):
                return done
            self.now += seconds
            self.budget.counts[TAKEN] += 1
        return times


@pytest.mark.parametrize(
    "given, used_up", [(0, False), (DELIVERIES_A_TURN - 1, False), (DELIVERIES_A_TURN, True), (10**6, True)]
)
def test_a_publisher_lets_the_loop_turn_after_a_number_of_deliveries(given: int, used_up: bool) -> None:
    """The budget is used up with the last delivery of the turn, not before; whoever asks again hears the same."""
    budget = Loop().budget
    budget.counts[GIVEN] = given
    assert budget.publisher_should_turn() is used_up
    assert budget.publisher_should_turn() is used_up
    assert budget.left() == max(0, DELIVERIES_A_TURN - given)


def test_what_readers_take_does_not_count_for_publishers() -> None:
    """Each side has a count of its own."""
    budget = Loop().budget
    budget.counts[TAKEN] = DELIVERIES_A_TURN
    assert not budget.publisher_should_turn()
    assert budget.is_used_up(TAKEN)


@pytest.mark.parametrize("side", ["publish", "read"])
@pytest.mark.parametrize("seconds", [0.0001, 0.0004, 0.0005, 0.001, 0.003, 0.02])
def test_slow_events_let_the_loop_turn_after_ten_milliseconds(side: str, seconds: float) -> None:
    """As soon as a look after an event shows it, and each time."""
    loop = Loop()
    act = loop.publish if side == "publish" else loop.read
    for _ in range(5):
        began = loop.now
        assert act(seconds, 10_000) < 10_000
        # three looks, each after a while or after one slow event, may pass before the time is taken
        assert loop.now - began <= SECONDS_A_TURN + 4 * max(seconds, A_WHILE)
        loop.budget.begin_turn()
        loop.turn()
        loop.budget.has_turned()


@pytest.mark.parametrize("side", ["publish", "read"])
def test_after_a_turn_that_was_due_the_time_is_exact(side: str) -> None:
    """An event that takes twice as long as is allowed is followed by a turn."""
    loop = Loop()
    loop.budget.has_turned()
    act = loop.publish if side == "publish" else loop.read
    assert act(2 * SECONDS_A_TURN, 5) == 1


@pytest.mark.parametrize("side", ["publish", "read"])
def test_where_the_loop_turns_by_itself_nobody_lets_it_turn(side: str) -> None:
    """A task that waits elsewhere between its events is not made to wait here too."""
    loop = Loop()
    act = loop.publish if side == "publish" else loop.read
    for _ in range(1_000):
        assert act(0.004) == 1
        loop.turn()


def test_a_quick_publisher_looks_at_the_clock_ever_more_rarely() -> None:
    """Up to a limit, which holds whether or not the loop turns in between."""
    loop = Loop()
    assert loop.publish(1e-7, 1_000) == 1_000
    before = loop.looks
    for _ in range(100):
        loop.publish(1e-7, LOOK_WITHIN // 2)
        loop.budget.begin_turn()
    assert loop.looks - before <= 51


def test_a_slow_publisher_is_looked_at_each_time_though_the_loop_turns_for_others() -> None:
    """A turn does not make anybody quick."""
    loop = Loop()
    loop.publish(0.002, 4)
    loop.budget.begin_turn()
    before = loop.looks
    loop.publish(0.002, 2)
    assert loop.looks - before == 2


def test_a_reader_is_told_how_many_events_fit_into_a_while() -> None:
    """As many as before would take about a while; at least one."""
    loop = Loop()
    budget = loop.budget
    budget.reader_looks()
    for events, seconds, fitting in [(10, 0.0001, 300), (1, 0.0005, 6), (1, 0.5, 1), (100, 0.01, 30), (0, 0.003, 1)]:
        loop.now += seconds
        budget.counts[TAKEN] += events
        assert budget.reader_looks() == pytest.approx(fitting, abs=1)
        assert budget.counts[LOOK_TAKEN] == budget.counts[TAKEN] + LOOK_WITHIN


def test_in_time_that_stands_still_nothing_is_ever_late() -> None:
    """As in virtual time: what happens is the same on a slow machine and a quick one."""
    loop = Loop()
    loop.budget.has_turned()
    assert loop.publish(0, DELIVERIES_A_TURN) == DELIVERIES_A_TURN
    assert loop.read(0, DELIVERIES_A_TURN) == DELIVERIES_A_TURN


def test_the_count_begins_anew_when_the_loop_turns() -> None:
    """It stays the same list, for whoever keeps it; the looks come when they would have come."""
    loop = Loop()
    counts = loop.budget.counts
    counts[:] = [10, 20, 15, 90]
    loop.budget.begin_turn()
    assert loop.budget.counts is counts
    assert counts == [0, 0, 5, 70]
