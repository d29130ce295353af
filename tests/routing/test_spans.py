"""Intervals, found by a point that lies in them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from evenflow._routing._spans import ABOVE, BELOW, BOTTOM, TOP, Bound, Span, Spans


def bound(span: Span[Any]) -> tuple[Any, Any]:
    """The bounds of a span."""
    return (span.low, span.low_open), (span.high, span.high_open)


def lies_in(point: float, span: Span[Any]) -> bool:
    """Whether a point lies in a span, by its bounds alone."""
    after = span.low is BELOW or point > span.low or (point == span.low and not span.low_open)
    before = span.high is ABOVE or point < span.high or (point == span.high and not span.high_open)
    return after and before


@pytest.mark.parametrize("seed", range(20))
def test_spans_against_a_list(seed: int) -> None:
    """However spans are added and removed, those found at a point are those in whose bounds it lies."""
    draw = random.Random(seed)
    spans: Spans[int] = Spans()
    alive: list[Span[int]] = []
    for _ in range(300):
        if draw.random() < 0.6 or not alive:
            low = BOTTOM if draw.random() < 0.1 else Bound(draw.randrange(30), draw.random() < 0.5)
            high = TOP if draw.random() < 0.1 else Bound(draw.randrange(30), draw.random() < 0.5)
            there = spans.find(low, high)
            assert (there is None) is ((low, high) not in map(bound, alive))
            if there is None:
                alive.append(spans.add(low, high, 0))
        else:
            spans.remove(alive.pop(draw.randrange(len(alive))))
        point = draw.choice([draw.randrange(-1, 31), draw.random() * 30])
        expected = {id(span) for span in alive if lies_in(point, span)}
        assert {id(span) for span in spans.at(point)} == expected
        assert len(spans) == len(alive) == len(spans.all())


def test_spans_stay_level() -> None:
    """Spans that are added in order make a tree, not a list, so finding one looks at few."""
    spans: Spans[int] = Spans()
    for number in range(4096):
        spans.add(Bound(number), Bound(number), number)

    def depth(span: Span[int] | None) -> int:
        level, deepest = [span], 0
        while level := [below for one in level if one is not None for below in (one.left, one.right)]:
            deepest += 1
        return deepest

    assert depth(spans._root) < 60
    assert [span.held for span in spans.at(17)] == [17]


def test_at_most_as_many_spans_as_asked_for_are_returned() -> None:
    """Counting how crowded a point is stops at a limit."""
    spans: Spans[int] = Spans()
    for number in range(100):
        spans.add(BOTTOM, Bound(number), number)
    assert len(spans.at(0)) == 100
    assert len(spans.at(0, 7)) == 7


def test_the_same_spans_make_the_same_tree() -> None:
    """Priorities do not depend on anybody's seed, so a run can be repeated."""

    def shape(span: Span[int] | None) -> Any:
        return span and (span.held, shape(span.left), shape(span.right))

    trees: list[Spans[int]] = [Spans(), Spans()]
    for spans in trees:
        random.seed(id(spans))
        for number in range(50):
            spans.add(Bound(number), TOP, number)
    assert shape(trees[0]._root) == shape(trees[1]._root)
