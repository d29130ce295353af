"""When the loop should turn: what is counted, and when the count begins anew."""

from __future__ import annotations

import pytest

from evenflow._fairness import DELIVERIES_A_TURN, GIVEN, TAKEN, FairnessBudget


@pytest.mark.parametrize(
    "given, used_up", [(0, False), (DELIVERIES_A_TURN - 1, False), (DELIVERIES_A_TURN, True), (10**6, True)]
)
def test_a_publisher_lets_the_loop_turn_after_a_number_of_deliveries(given: int, used_up: bool) -> None:
    """The budget is used up with the last delivery of the turn, not before."""
    budget = FairnessBudget()
    budget.counts[GIVEN] = given
    assert budget.is_used_up() is used_up
    assert budget.left() == max(0, DELIVERIES_A_TURN - given)


def test_what_readers_take_does_not_count_for_publishers() -> None:
    """Each side has a count of its own."""
    budget = FairnessBudget()
    budget.counts[TAKEN] = DELIVERIES_A_TURN
    assert not budget.is_used_up()
