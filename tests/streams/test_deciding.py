"""Rules: they decide about one event, need no loop, and are made anew for each start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evenflow.streams import stream
from evenflow.streams._deciding import FunctionOperator, FunctionRule, Rule, RuleOperator
from evenflow.streams._limit import SkipFirst, SkipWhile, TakeWhile
from evenflow.streams._node import NOTHING
from evenflow.streams._source import node_of
from evenflow.streams._transform import Distinct, DistinctUntilChanged, Enumerate, OfType, Pairwise, Scan

from .drawing import on_both_loops

RULES: list[tuple[str, Rule[Any, Any], list[Any], list[Any]]] = [
    ("skip", SkipFirst(1), [1, 2], [NOTHING, 2]),
    ("enumerate", Enumerate(), ["a", "b"], [(0, "a"), (1, "b")]),
    ("pairwise", Pairwise(), [1, 2, 3], [NOTHING, (1, 2), (2, 3)]),
    ("of_type", OfType(str), [1, "a"], [NOTHING, "a"]),
]


@pytest.mark.parametrize("name, rule, events, expected", RULES, ids=[case[0] for case in RULES])
def test_a_rule_decides_without_a_loop(name: str, rule: Rule[Any, Any], events: list[Any], expected: list[Any]) -> None:
    """Whatever it remembers, it remembers from the events before."""
    assert [rule.decide(event) for event in events] == expected


FUNCTION_RULES: list[tuple[str, FunctionRule[Any, Any, Any], list[Any], list[Any]]] = [
    ("scan", Scan(lambda so_far, event: so_far + event, 1), [1, 2], [2, 4]),
    ("distinct", Distinct(None), [1, 2, 1], [1, 2, NOTHING]),
    ("distinct_until_changed", DistinctUntilChanged(str.lower), ["a", "A", "b"], ["a", NOTHING, "b"]),
    ("skip_while", SkipWhile(lambda event: event < 2), [1, 2, 1], [NOTHING, 2, 1]),
    ("take_while", TakeWhile(lambda event: event < 2), [0, 1], [0, 1]),
]


@pytest.mark.parametrize("name, rule, events, expected", FUNCTION_RULES, ids=[case[0] for case in FUNCTION_RULES])
def test_a_function_rule_decides_by_the_answer(
    name: str, rule: FunctionRule[Any, Any, Any], events: list[Any], expected: list[Any]
) -> None:
    """The function is called first, then the rule decides."""
    assert [rule.decide(event, rule.call(event)) for event in events] == expected


def test_a_rule_can_end_the_stream() -> None:
    """``take_while`` does, at the first event that it does not want."""
    with pytest.raises(StopAsyncIteration):
        TakeWhile(bool).decide(0, False)


def test_each_start_has_a_rule_of_its_own() -> None:
    """What a rule remembered of one start is not known to the next."""
    made: list[Rule[int, int]] = []

    def make() -> Rule[int, int]:
        made.append(SkipFirst(1))
        return made[-1]

    async def main() -> None:
        made.clear()
        node = RuleOperator(make, node_of([1, 2], "test"))
        assert await stream([])._then(node).repeat(2).to_list() == [2, 2]
        assert len(made) == 2
        assert made[0] is not made[1]

    on_both_loops(main)


@pytest.mark.parametrize("make", [lambda: Scan(lambda a, n: a + n, 0), lambda: Distinct(None)])
def test_each_start_has_a_function_rule_of_its_own(make: Callable[[], FunctionRule[Any, Any, Any]]) -> None:
    """The second round yields what the first has yielded."""

    async def main() -> None:
        once = await stream([])._then(FunctionOperator(make, node_of([1, 2, 2], "test"))).to_list()
        twice = await stream([])._then(FunctionOperator(make, node_of([1, 2, 2], "test"))).repeat(2).to_list()
        assert twice == once * 2

    on_both_loops(main)
