"""Entries, and crowds of them at one place."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow._routing._entries import Crowd, Entry
from evenflow._routing._interest import Interest


def entry(name: str, *, exact: bool) -> Entry[str]:
    """An entry of a target that is only a name."""
    made: Entry[str] = Entry(name, Interest((), None, asks=False))
    made.exact = exact
    return made


def collected(place: Entry[str] | Crowd[str]) -> tuple[list[str], list[str]]:
    """The targets that certainly want an event, and those that must be asked."""
    found: dict[str, object] = {}
    asked: dict[Entry[str], None] = {}
    place.collect("an event", found, asked)
    return list(found), [one.target for one in asked]


@pytest.mark.parametrize("exact, expected", [(True, (["x"], [])), (False, ([], ["x"]))])
def test_an_entry_is_found_for_certain_or_asked(exact: bool, expected: Any) -> None:
    """Only an exact entry certainly wants the event that leads to it."""
    assert collected(entry("x", exact=exact)) == expected


def test_a_crowd_says_all_its_entries_once() -> None:
    """Adding an entry twice changes nothing."""
    crowd: Crowd[str] = Crowd()
    entries = [entry("sure", exact=True), entry("maybe", exact=False)]
    for one in (*entries, *entries):
        crowd.add(one)
    assert collected(crowd) == (["sure"], ["maybe"])
    assert len(crowd) == 2
    assert crowd.entries() == entries


def test_a_crowd_is_empty_when_its_entries_are_removed() -> None:
    """Removing an entry twice changes nothing."""
    crowd: Crowd[str] = Crowd()
    sure, maybe = entry("sure", exact=True), entry("maybe", exact=False)
    crowd.add(sure)
    crowd.add(maybe)
    for one in (sure, sure, maybe, maybe):
        crowd.remove(one)
    assert not crowd
    assert collected(crowd) == ([], [])


def test_an_entry_can_stand_where_a_crowd_could() -> None:
    """It is a crowd of one."""
    one = entry("x", exact=True)
    assert list(one.entries()) == [one]
