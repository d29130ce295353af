"""Gaps: where they lie between the events, and how they merge; without a buffer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given, strategies as st

from evenflow._gaps import Gap, Gaps, _wider as wider


def test_a_gap_grows_by_one_and_keeps_its_first_time() -> None:
    """The first time stays, and the last time is that of the event that was dropped now."""
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    gap = wider(Gap(1, long_ago, long_ago), datetime.now(UTC))
    assert (gap.count, gap.first_at) == (2, long_ago)
    assert gap.last_at > long_ago


def test_a_new_gap_has_one_event_and_one_time() -> None:
    """Its first and its last event are the same."""
    gap = wider(None, datetime.now(UTC))
    assert (gap.count, gap.first_at) == (1, gap.last_at)
    assert gap.last_at.tzinfo is UTC


def test_a_gap_before_all_that_is_buffered_is_due_at_once() -> None:
    """It does not matter how many events have left the buffer before."""
    gaps = Gaps()
    gaps.oldest_was_dropped(0)
    gaps.oldest_was_dropped(0)
    assert gaps.is_due(0)
    assert gaps.take().count == 2
    assert not gaps.is_due(100)


def test_a_gap_after_all_that_is_buffered_is_due_when_they_have_left() -> None:
    """It is due at its position, and not before."""
    gaps = Gaps()
    gaps.newest_was_dropped(3)
    assert [gaps.is_due(position) for position in range(5)] == [False, False, False, True, True]


def test_gaps_with_an_event_between_them_do_not_merge() -> None:
    """A reader learns before which event each was dropped."""
    gaps = Gaps()
    for position in (1, 1, 2):
        gaps.newest_was_dropped(position)
    assert len(gaps) == 2
    assert [gaps.take().count, gaps.take().count] == [2, 1]


def test_gaps_are_forgotten_when_nobody_reads_on() -> None:
    """A closed subscription has none."""
    gaps = Gaps()
    gaps.newest_was_dropped(0)
    gaps.clear()
    assert len(gaps) == 0
    assert not gaps.is_due(0)


@pytest.mark.parametrize("policy", ["oldest", "newest"])
@given(st.lists(st.sampled_from(["event", "read"])), st.integers(1, 3))
def test_gaps_stand_where_a_list_of_drops_says(
    policy: Literal["oldest", "newest"], steps: list[str], capacity: int
) -> None:
    """The model is a list of all that a reader has yet to see: an event is None, a gap is its number of events."""
    gaps, model, head, tail = Gaps(), list[int | None](), 0, 0
    for step in [*steps, *["read"] * (2 * len(steps))]:
        if step == "read":
            assert gaps.is_due(head) is bool(model and model[0] is not None)
            if gaps.is_due(head):
                assert gaps.take().count == model.pop(0)
            elif model:
                model.pop(0)
                head += 1
        elif model.count(None) < capacity:
            model.append(None)
            tail += 1
        elif policy == "newest":
            gaps.newest_was_dropped(tail)
            if model[-1] is None:
                model.append(0)
            model[-1] += 1
        else:
            gaps.oldest_was_dropped(0)
            if model[0] is None:
                model[0] = 1
            else:
                model[0] += 1
                model.remove(None)
            model.append(None)
            head, tail = head + 1, tail + 1
        assert len(gaps) == len(model) - model.count(None)
    assert not model
