"""The places of the index: by key, and within a key by interval."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from evenflow import present, when
from evenflow._routing import Router
from evenflow._routing._entries import Entry
from evenflow._routing._interest import Interest
from evenflow._routing._plan import plan
from evenflow._routing._tables import Table
from tests.routing.kit import Contrary, Inner, Target, Tick


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def table(*conditions: Any) -> Table[int]:
    """A table with an entry for each condition; targets are numbers."""
    made: Table[int] | None = None
    for number, condition in enumerate(conditions):
        found = plan(when(condition), lambda _: 0)
        assert found is not None
        for atom in found.atoms:
            made = made or Table(atom.readings)
            entry: Entry[int] = Entry(number, Interest((), when(condition), asks=False))
            entry.exact = found.exact
            made.add(entry, atom.key, atom.interval)
    assert made is not None
    return made


def found_in(place: Table[int], event: Tick) -> tuple[list[int], list[int]]:
    """The targets that certainly want the event, and those that must be asked."""
    found: dict[int, object] = {}
    asked: dict[Entry[int], None] = {}
    place.collect(event, found, asked)
    return list(found), [entry.target for entry in asked]


def test_a_key_finds_its_own_entries() -> None:
    """Entries of other keys are not looked at, and several entries can have one key."""
    place = table(Tick.a == 1, Tick.a == 2, Tick.a == 2)
    assert found_in(place, Tick(a=1)) == ([0], [])
    assert found_in(place, Tick(a=2)) == ([1, 2], [])
    assert found_in(place, Tick(a=3)) == ([], [])


def test_an_event_whose_value_cannot_be_hashed_is_asked_about() -> None:
    """Nothing is known about such a value, so every entry of the table is asked."""
    place = table(Tick.a == 1, Tick.a == 2)
    for value in ([1], Contrary(), (1, [2]), (1, Contrary())):
        assert found_in(place, Tick(a=value)) == ([], [0, 1])


def test_a_tuple_as_a_key_does_not_make_all_tuples_trusted() -> None:
    """Whether a tuple can be found by hash depends on its items, even if another tuple is a key already."""
    place = table(Tick.a == (1, 2))
    assert found_in(place, Tick(a=(1, 2))) == ([0], [])
    assert found_in(place, Tick(a=(1, Contrary()))) == ([], [0])


def test_members_of_an_enum_are_keys() -> None:
    """An enum has the equality of `object`, whatever its hash is."""
    place = table(Tick.a == Colour.RED, Tick.a == Colour.BLUE)
    assert found_in(place, Tick(a=Colour.BLUE)) == ([1], [])
    pair = table((Tick.a == Colour.RED) & (Tick.b == 1), (Tick.a == Colour.RED) & (Tick.b == (1, 2)))
    assert found_in(pair, Tick(a=Colour.RED, b=1)) == ([0], [])
    assert found_in(pair, Tick(a=Colour.RED, b=(1, Contrary()))) == ([], [0, 1])


def test_a_path_through_none_finds_nothing() -> None:
    """A comparison whose path leads through None is false, so nobody is asked."""
    place = table(present(Tick.inner).n == 1)
    assert found_in(place, Tick(inner=None)) == ([], [])
    assert found_in(place, Tick(inner=Inner(n=1))) == ([0], [])
    pair = table((Tick.inner.n == 1) & (Tick.a == 0))
    assert found_in(pair, Tick(inner=None)) == ([], [])
    assert found_in(pair, Tick(inner=Inner(n=1))) == ([0], [])


def test_a_field_that_cannot_be_read_is_asked_about() -> None:
    """The condition then raises, and so names whose failure it is."""
    event = Tick.model_construct(b=1)
    del event.__dict__["a"]
    assert found_in(table(Tick.a == 1), event) == ([], [0])
    assert found_in(table(Tick.a > 1), event) == ([], [0])


@pytest.mark.parametrize("value, expected", [(5, [0, 1]), (3, [0]), (9, []), (float("nan"), []), (None, []), (1j, [])])
def test_an_interval_finds_the_values_between_its_bounds(value: Any, expected: list[int]) -> None:
    """A value without an order, such as nan, lies in no interval."""
    place = table((Tick.price > 2) & (Tick.price < 9), (Tick.price >= 5) & (Tick.price <= 5))
    assert sorted(found_in(place, Tick(price=value))[0]) == expected


def test_a_table_is_empty_when_all_entries_are_removed() -> None:
    """A crowd shrinks, then its key goes, then the table has nothing."""
    router: Router[Target] = Router((Tick,))
    targets = [Target(str(number)) for number in range(6)]
    conditions = [Tick.a == 1, Tick.a == 1, (Tick.a == 1) & (Tick.price > 2), (Tick.a == 1) & (Tick.price > 2)]
    for target, condition in zip(targets, [*conditions, Tick.price > 2, Tick.price > 2], strict=True):
        router.add(target, router.interest((Tick,), condition))
    assert set(router.route(Tick).find(Tick(a=1, price=3), [])) == set(targets)
    while targets:
        router.remove(targets.pop(0))
        assert set(router.route(Tick).find(Tick(a=1, price=3), [])) == set(targets)
    assert not router.route(Tick).conditional
