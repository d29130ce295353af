"""What can be documented, and what is refused with the way out."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow import Event, Subject
from evenflow.asyncapi._subjects import documented, has_own_name
from evenflow.testing import MemoryLog


class Placed(Event, name="shop.placed"):
    n: int


class AlsoPlaced(Event, name="shop.placed"):
    n: int


def test_a_log_stands_for_its_subjects_and_each_subject_is_documented_once() -> None:
    """Sorted by name, with the classes by wire name."""
    log = MemoryLog(name="shop")
    second, first = log.subject("second", Placed), log.subject("first", Placed | int)
    found = documented(second, log, first, Subject(Placed, name="memory"))
    assert [each.name for each in found] == ["first", "memory", "second"]
    assert [list(each.codecs) for each in found] == [["int", "shop.placed"], ["shop.placed"], ["shop.placed"]]
    assert found[0].facts == {"durable": True, "log": "shop"}


def test_two_classes_with_one_wire_name_are_refused_with_both_their_names() -> None:
    """In one subject, and in one document."""
    both = rf"{__name__}.*Placed.* and {__name__}.*Placed"
    with pytest.raises(ValueError, match=both):
        documented(Subject(Placed, AlsoPlaced, name="one"))
    with pytest.raises(ValueError, match=both):
        documented(Subject(Placed, name="one"), Subject(AlsoPlaced, name="other"))


@pytest.mark.parametrize(
    "subjects, error, says",
    [
        ([], ValueError, "no subject to document"),
        ([MemoryLog()], ValueError, "no subject to document"),
        ([Placed], TypeError, "is made of subjects and logs, not of"),
        ([Subject(Placed)], ValueError, r"needs one: Subject\(..., name='orders'\)"),
        ([Subject(Placed, name="a"), Subject(int, name="a")], ValueError, "two subjects have the name 'a'"),
    ],
)
def test_what_cannot_be_documented_is_refused(subjects: list[Any], error: type[Exception], says: str) -> None:
    """With the way out."""
    with pytest.raises(error, match=says):
        documented(*subjects)


def test_a_subject_of_abstract_classes_alone_has_nothing_to_document() -> None:
    """Until the modules with their subclasses are imported."""
    from abc import ABC, abstractmethod

    class Abstract(Event, ABC):
        @abstractmethod
        def says(self) -> str: ...

    with pytest.raises(ValueError, match="import the modules that define its events"):
        documented(Subject(Abstract, name="abstract"))


def test_a_name_that_evenflow_chose_is_no_name_of_its_own() -> None:
    """It is another one in each run."""
    assert not has_own_name(Subject(Placed))
    assert has_own_name(Subject(Placed, name="subject"))
