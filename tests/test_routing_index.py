"""The index: where a condition is found, that it is found exactly, and that finding follows who wants the event."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, FloatOperation, localcontext
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from evenflow import Event, one_of, present, when
from evenflow._routing import Router
from evenflow._routing._plan import MANY, plan
from evenflow._routing._spans import ABOVE, BELOW, BOTTOM, TOP, Bound, Span, Spans
from evenflow._routing._values import can_be_hashed, can_be_key, family, one_family

NAN = float("nan")


class Inner(BaseModel):
    n: int = 0


class Tick(Event):
    a: Any = 0
    b: Any = 0
    price: Any = 0
    size: Any = 0
    flag: bool = False
    inner: Inner | None = None


class Child(Tick):
    own: int = 0


PLACES: list[tuple[Any, str]] = [
    (Tick.a == 1, "by a"),
    (Tick.inner.n == 1, "by inner.n"),
    (present(Tick.inner).n == 1, "by inner.n"),
    (when(Tick.flag), "by flag"),
    (one_of(Tick.a, 1, 2), "by a"),
    ((Tick.a == 1) & (Tick.b == 2), "by a and b"),
    ((Tick.b == 1) & (Tick.a == 2), "by a and b"),
    ((Tick.a == 1) & (Tick.a == 2), "by a"),
    (Tick.price > 1, "by the order of price"),
    ((Tick.price > 1) & (Tick.price <= 2), "by the order of price"),
    ((Tick.price > 1) & (Tick.a == 2), "by a, then the order of price"),
    ((Tick.price > 1) & (Tick.a != 2), "by the order of price"),
    ((Tick.a == 1) | (Tick.b == 2), "by a and by b"),
    (((Tick.a == 1) | (Tick.b == 2)) & ~(Tick.a == 3), "by a and by b"),
    (((Tick.a == 1) | (Tick.b == 2)) & (Tick.price > 3), "by the order of price"),
    ((Tick.a == 1) | (Tick.b != 2), "one by one"),
    (Tick.a != 1, "one by one"),
    (~(Tick.a == 1), "one by one"),
    (~~(Tick.a == 1), "by a"),
    (Tick.a == [1], "one by one"),
    (Tick.a == NAN, "one by one"),
    (Tick.a == Decimal("sNaN"), "one by one"),
    (Tick.price > NAN, "one by one"),
    (Tick.price > None, "one by one"),
    ((Tick.price > 2) & (Tick.price < 1), "one by one"),
    ((Tick.price > 2) & (Tick.price < "x"), "one by one"),
    (Tick.price > datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), "one by one"),
    (lambda event: True, "one by one"),
    (None, "by the class alone"),
]


class Target:
    """Somebody who wants something."""

    def ask(self, event: object, /) -> bool:
        return True


@pytest.mark.parametrize("condition, place", PLACES, ids=[str(condition) for condition, _ in PLACES])
def test_where_a_condition_is_found(condition: Any, place: str) -> None:
    """Equality by key, order by span, conjunctions by both, disjunctions at several places; the rest one by one."""
    router: Router[Target] = Router((Tick,))
    target = Target()
    router.add(target, router.interest((Tick,), condition))
    assert router.found_by(target).split(":")[0] == place
    router.remove(target)
    assert "not subscribed" in router.found_by(target)


def test_many_combinations_are_not_all_written_out() -> None:
    """A conjunction of long `one_of`s is found by some of them; a single one however long it is."""
    long = range(MANY)
    short = plan(one_of(Tick.a, *long) & one_of(Tick.b, *long), lambda _: 0)
    assert short is not None
    assert not short.exact
    assert len(short.atoms) == MANY
    single = plan(one_of(Tick.a, *range(1000)), lambda _: 0)
    assert single is not None
    assert single.exact
    assert len(single.atoms) == 1000


def test_the_least_crowded_span_is_taken() -> None:
    """Of two fields that say an interval, the one where fewer others lie."""
    router: Router[Target] = Router((Tick,))
    for number in range(50):
        router.add(Target(), router.interest((Tick,), (Tick.price > 1) & (Tick.price < 100 + number)))
    target = Target()
    router.add(target, router.interest((Tick,), (Tick.price > 5) & (Tick.size > 5)))
    assert router.found_by(target) == "by the order of size"


def asked(condition: Any, events: list[Tick], *, others: int) -> int:
    """How many conditions are asked in full to find who wants these events among so many."""
    router: Router[Target] = Router((Tick,))
    for number in range(others):
        router.add(Target(), router.interest((Tick,), condition(number)))
    route = router.route(Tick)
    count = 0
    for event in events:
        for node in route.conditional:
            found: dict[Target, object] = {}
            to_ask: dict[Any, None] = {}
            node.index.collect(event, found, to_ask)
            count += len(to_ask) + len(found)
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
    """Nine hundred subscriptions, and at most two come into question."""
    assert asked(condition, [event], others=900) <= 2


def test_a_subclass_is_found_by_what_is_said_of_its_base() -> None:
    """An entry lies under the narrower of what is wanted and what is spoken of, and is found from below."""
    router: Router[Target] = Router((Tick,))
    target, narrow = Target(), Target()
    router.add(target, router.interest((Tick,), Tick.a == 1))
    router.add(narrow, router.interest((Child,), Tick.a == 1))
    assert router.route(Child).find(Child(a=1), []) == [target, narrow]
    assert router.route(Tick).find(Tick(a=1), []) == [target]


class Contrary:
    """Equals everything, and says otherwise by its hash."""

    def __eq__(self, other: object) -> bool:
        return True

    def __lt__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 99


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
    """For every pair of awkward values and every sign, the index finds exactly those for whom the condition holds."""
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


def test_a_whole_number_meets_decimals_as_it_is() -> None:
    """Nothing makes a float of it first: Python notes where those meet, and a user may have forbidden it."""
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
    """When all have gone, the index is as empty as it was."""
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
        assert not node.index._tables


@pytest.mark.parametrize(
    "value, hashed, key, order",
    [
        (1, True, True, "number"),
        (True, True, True, "number"),
        (1.5, True, True, "number"),
        (float("nan"), True, False, "no order"),
        (Decimal(1), True, True, "decimal"),
        (Fraction(1), True, True, "number"),
        (1j, True, True, "no order"),
        (None, True, True, "no order"),
        ("x", True, True, "str"),
        ((1, "x"), True, True, None),
        ((1, [2]), False, False, None),
        ([1], False, False, None),
        (Contrary(), False, False, None),
        (datetime(2026, 1, 1), True, True, "datetime"),  # noqa: DTZ001 -- as above
        (datetime(2026, 1, 1, tzinfo=UTC), True, True, "aware datetime"),
        (datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), True, True, None),
        (object(), True, True, "no order"),
        (int, True, True, "no order"),
        (bytearray(b"x"), False, False, None),
    ],
)
def test_which_values_can_be_found(value: Any, hashed: bool, key: bool, order: str | None) -> None:
    """By hash, as a key, by order; whatever brings its own `==` or `<` is asked."""
    assert can_be_hashed(value) is hashed
    assert can_be_key(value) is key
    assert family(value) == order


def test_bounds_of_one_family() -> None:
    """A Decimal and another number meet as Decimals; a Fraction and a Decimal, and strangers, do not meet."""
    assert one_family(1, Decimal("2.5")) == ("decimal", Decimal(1), Decimal("2.5"))
    assert one_family(1, 2.5) == ("number", 1, 2.5)
    assert one_family(None, "x") == ("str", None, "x")
    assert one_family(Fraction(1, 3), Decimal(1)) is None
    assert one_family(1, "x") is None
    assert one_family(None, None) is None


def bound(span: Span[Any]) -> tuple[Any, Any]:
    """What a span says."""
    return (span.low, span.low_open), (span.high, span.high_open)


def lies_in(point: float, span: Span[Any]) -> bool:
    """Said the long way."""
    after = span.low is BELOW or point > span.low or (point == span.low and not span.low_open)
    before = span.high is ABOVE or point < span.high or (point == span.high and not span.high_open)
    return after and before


@pytest.mark.parametrize("seed", range(20))
def test_spans_against_a_list(seed: int) -> None:
    """Random spans, added and removed: those found at a point are those in whose bounds it lies."""
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
    """Added in order, the tree is no list: finding one looks at few."""
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
