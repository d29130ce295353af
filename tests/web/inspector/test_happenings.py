from __future__ import annotations

from evenflow.web._inspector._happenings import KEPT, TOGETHER, Happenings

from .kit import Clock


def _happenings() -> tuple[Happenings, Clock]:
    clock = Clock()
    return Happenings(clock, clock), clock


def test_the_same_again_soon_is_counted() -> None:
    """A handler that fails a thousand times a second is one line with a number."""
    happenings, clock = _happenings()
    for _ in range(1_000):
        happenings.note("failure", "s1", "mail", "ValueError", "a.py:3")
        clock.pass_(0.001)
    (one,) = happenings.all()
    assert one["count"] == 1_000 and one["to"] > one["from"]


def test_the_same_again_later_is_another() -> None:
    """What happens again after a while is a line of its own."""
    happenings, clock = _happenings()
    happenings.note("gap", "s1", "slow", "dropped", count=3)
    clock.pass_(TOGETHER)
    happenings.note("gap", "s1", "slow", "dropped", count=4)
    assert [one["count"] for one in happenings.all()] == [3, 4]


def test_what_changed_is_taken_once() -> None:
    """A frame has what is new or was counted again since the last, under the number it has."""
    happenings, _ = _happenings()
    happenings.note("gap", "s1", "slow", "dropped")
    happenings.note("stall", "s1", "slow", "held")
    assert [one["n"] for one in happenings.take_changed()] == [1, 2]
    assert happenings.take_changed() == []
    happenings.note("gap", "s1", "slow", "dropped")
    assert [(one["n"], one["count"]) for one in happenings.take_changed()] == [(1, 2)]


def test_few_are_kept() -> None:
    """However much happens, the newest are kept and nothing else."""
    happenings, _ = _happenings()
    for number in range(5 * KEPT):
        happenings.note("failure", "s1", f"observer {number}", "ValueError")
    assert len(happenings.all()) == len(happenings.changed) == len(happenings._last) == KEPT
    assert happenings.all()[-1]["who"] == f"observer {5 * KEPT - 1}"
