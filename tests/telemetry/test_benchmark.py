"""The benchmark of telemetry measures what it says: two kinds of observers that do the same."""

from __future__ import annotations

import asyncio

import pytest
from benchmarks import telemetry as benchmark
from benchmarks._harness import measure

from evenflow._handling import Handling

from .kit import Seen


def test_observers_take_turns_and_each_turn_has_a_ratio() -> None:
    """One less than there are turns, because each is compared with the two around it; the first are not counted."""
    ratios = asyncio.run(benchmark.compare_turns(5, 2))
    assert len(ratios) == 4
    assert all(ratio > 0 for ratio in ratios)


def test_the_one_that_does_not_look_differs_in_nothing_else() -> None:
    """What it takes the place of is the only place that looks whether somebody is around."""
    assert [name for name in vars(benchmark.Bare) if not name.startswith("__")] == ["_handle"]
    assert "_around" in Handling._handle.__code__.co_names
    assert "_around" not in benchmark.Bare._handle.__code__.co_names


@pytest.mark.parametrize("used", [True, False])
def test_a_case_has_spans_where_it_is_instrumented_and_none_where_it_is_not(seen: Seen, *, used: bool) -> None:
    """A case that measured nothing would be fast."""
    providers = (seen.tracers, seen.meters) if used else ()
    assert measure(benchmark.case(3, 2, *providers))["cpu"] > 0
    assert len(seen.spans) == (3 + 3 * 2 if used else 0)
