"""What a reader is told of removed events: once each, and nothing where it begins with what is there."""

from __future__ import annotations

from evenflow.log._floor import Floor
from evenflow.log._stored import Page


def page(floor: int) -> Page:
    """A page of a subject from which everything up to this number may be gone."""
    return Page((), 100, floor)


def test_whoever_begins_at_the_start_takes_what_is_there() -> None:
    """What was removed before is none of its affair; what is removed later is."""
    floor = Floor("start")
    assert not floor.has_risen(page(10), 0)
    assert not floor.has_risen(page(10), 0)
    assert floor.has_risen(page(20), 12)


def test_whoever_begins_elsewhere_is_told_once() -> None:
    """A position below the floor is told, and then known."""
    floor = Floor("now")
    assert not floor.has_risen(page(5), 5)
    assert floor.has_risen(page(10), 5)
    assert not floor.has_risen(page(10), 5)
    assert not floor.has_risen(page(11), 11)
