"""From a condition to the places in the index where it is found."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from evenflow import one_of, present, when
from evenflow._routing import Router
from evenflow._routing._plan import MANY, plan
from tests.routing.kit import Child, Target, Tick

NAN = float("nan")


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


@pytest.mark.parametrize(
    "condition, place", PLACES, ids=[str(condition).partition(" at 0x")[0] for condition, _ in PLACES]
)
def test_where_a_condition_is_found(condition: Any, place: str) -> None:
    """Equality is found by key, order by interval, `&` by both together, `|` at several places; the rest is asked."""
    router: Router[Target] = Router((Tick,))
    target = Target()
    router.add(target, router.interest((Tick,), condition))
    assert router.found_by(target).split(":")[0] == place
    router.remove(target)
    assert "not subscribed" in router.found_by(target)


def test_many_combinations_are_not_all_written_out() -> None:
    """Several long `one_of` are found by one of them; a single one is found however long it is."""
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
    """If a condition has intervals of two fields, it is found by the one where fewer other conditions lie."""
    router: Router[Target] = Router((Tick,))
    for number in range(50):
        router.add(Target(), router.interest((Tick,), (Tick.price > 1) & (Tick.price < 100 + number)))
    target = Target()
    router.add(target, router.interest((Tick,), (Tick.price > 5) & (Tick.size > 5)))
    assert router.found_by(target) == "by the order of size"


@pytest.mark.parametrize(
    "condition, exact",
    [
        (Tick.a == 1, True),
        ((Tick.a == 1) & (Tick.price > 1) & (Tick.price < 2), True),
        ((Tick.a == 1) & (Tick.b != 1), False),
        ((Tick.a == 1) & (Tick.a == 2), False),
        ((Tick.price > 1) & (Tick.size > 1), False),
        ((Tick.price > 1) & (Tick.price > 2), False),
        ((Tick.a == 1) | (Tick.b == 1), False),
    ],
)
def test_a_condition_that_says_more_than_its_place_is_asked(condition: Any, exact: bool) -> None:
    """Only if the keys and the interval of a place say everything, an event that leads there is certainly wanted."""
    found = plan(condition, lambda _: 0)
    assert found is not None
    assert found.exact is exact


def test_a_condition_on_two_classes_is_found_under_the_narrower() -> None:
    """What it says about the base class is found there too, because every event of the subclass has that field."""
    found = plan((Tick.a == 1) & (Child.own == 2), lambda _: 0)
    assert found is not None
    assert [atom.owner for atom in found.atoms] == [Child]
    assert found.exact


def test_a_place_says_in_words_what_finds_it() -> None:
    """The words stand in explanations."""
    found = plan((Tick.a == 1) & when(Tick.flag) & (Tick.price > 1), lambda _: 0)
    assert found is not None
    assert [atom.spoken() for atom in found.atoms] == ["a and flag, then the order of price"]
