"""The index: it answers as the conditions would, and looks only at those that may hold."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, FloatOperation, localcontext
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from evenflow import one_of
from evenflow._routing import Router
from tests.routing.kit import Contrary, Target, Tick
from tests.routing.test_plan import PLACES

VALUES: list[Any] = [
    *(0, 1, True, 1.0, Decimal("1.0"), Fraction(1), complex(1), float("nan"), Decimal("NaN"), Decimal("sNaN"), None),
    *(2**53, 2.0**53, 2**53 + 1, -(2**53) - 1, -(2.0**53), 10**400, Decimal(2**53 + 1), Fraction(2**53 + 1)),
    *("1", "x" * 100_000, b"1", [1], (1,), {1}, frozenset({1}), {}, Contrary(), datetime(2026, 1, 1, tzinfo=UTC)),
    datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    datetime(2026, 1, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 1, 1),  # noqa: DTZ001 -- no zone, on purpose
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_the_index_answers_as_the_condition(value: Any) -> None:
    """For every pair of awkward values and every operator, the index finds exactly the conditions that hold."""
    event = Tick(a=value)
    router: Router[Target] = Router((Tick,))
    conditions: dict[Target, Any] = {}
    for other in VALUES:
        for condition in (
            *(Tick.a == other, Tick.a < other, Tick.a <= other, Tick.a > other, Tick.a >= other, Tick.a != other),
            *(one_of(Tick.a, other, "never"), (Tick.a > other) & (Tick.a < 10), ~(Tick.a == other)),
        ):
            target = Target()
            conditions[target] = condition
            router.add(target, router.interest((Tick,), condition))
    failures: list[tuple[Target, BaseException]] = []
    found = set(router.route(Tick).find(event, failures))
    failed = {target for target, _ in failures}
    for target, condition in conditions.items():
        try:
            assert (target in found) is condition(event), condition
        except ArithmeticError:
            assert target in failed
    assert not found & failed


def asked(condition: Any, events: list[Tick], *, others: int) -> int:
    """How many of the conditions are looked at to find those that hold for these events."""
    router: Router[Target] = Router((Tick,))
    for number in range(others):
        router.add(Target(), router.interest((Tick,), condition(number)))
    route = router.route(Tick)
    count = 0
    for event in events:
        for node in route.conditional:
            found: dict[Target, object] = {}
            to_ask: dict[Any, None] = {}
            for table in node.index.tables.values():
                table.collect(event, found, to_ask)
            count += len({**node.index.asked, **to_ask}) + len(found)
    return count


@pytest.mark.parametrize(
    "condition, event",
    [
        (lambda n: Tick.a == n, Tick(a=5)),
        (lambda n: (Tick.a == n % 30) & (Tick.b == n // 30), Tick(a=5, b=5)),
        (lambda n: (Tick.price >= n) & (Tick.price < n + 1), Tick(price=5.5)),
        (lambda n: (Tick.a == n % 2) & (Tick.price >= n) & (Tick.price < n + 2), Tick(a=0, price=6)),
        (lambda n: (Tick.a == n) & (Tick.b != 1), Tick(a=5)),
        (lambda n: (Tick.a == n) | (Tick.b == n), Tick(a=5, b=5)),
        (lambda n: Tick.price > n, Tick(price=1)),
        (lambda n: Tick.price < n, Tick(price=898)),
        (lambda n: (Tick.price > 5) & (Tick.price < 6 + n), Tick(price=5)),
    ],
)
def test_only_those_that_may_want_it_are_looked_at(condition: Any, event: Tick) -> None:
    """Of nine hundred conditions, at most two are looked at for an event."""
    assert asked(condition, [event], others=900) <= 2


def test_a_whole_number_meets_decimals_as_it_is() -> None:
    """An int is not made a float before it is compared with a Decimal, which a user may have forbidden."""
    router: Router[Target] = Router((Tick,))
    above, below = Target(), Target()
    router.add(above, router.interest((Tick,), Tick.a > Decimal("0.5")))
    router.add(below, router.interest((Tick,), Tick.a < 1))
    with localcontext() as context:
        context.clear_flags()
        assert router.route(Tick).find(Tick(a=1), []) == [above]
        assert router.route(Tick).find(Tick(a=0), []) == [below]
        assert not context.flags[FloatOperation]


def test_nothing_is_left_behind() -> None:
    """When all targets have been removed, the index is empty."""
    router: Router[Target] = Router((Tick,))
    targets = [Target() for _ in PLACES for _ in range(3)]
    for target, (condition, _) in zip(targets, [*PLACES, *PLACES, *PLACES], strict=True):
        router.add(target, router.interest((Tick,), condition))
    random.Random(4).shuffle(targets)
    for target in targets:
        router.remove(target)
    for node in router._nodes.values():
        assert not node.index
        assert not node.unconditional
        assert not node.index.tables
