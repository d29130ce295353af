"""Whether the class of an event decides what ``isinstance`` says about the event."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sized
from typing import Any

import pytest

from evenflow._routing._classes import always_one, is_subclass, never_one, open_to_strangers, related
from tests.routing.kit import A, B, Base, HasHello, HasX, Lucky, Polite


class Greeting(Polite):
    pass


class Abstract(Base, ABC):
    pass


@pytest.mark.parametrize(
    "cls, wanted, always, never",
    [
        (A, A, True, False),
        (A, Base, True, False),
        (Base, A, False, True),
        (A, B, False, True),
        (A, object, True, False),
        (Greeting, Polite, True, False),
        (A, Polite, False, False),
        (A, Sized, False, False),
        (A, HasX, False, False),
        (Lucky, Lucky, False, False),
        (A, Lucky, False, False),
    ],
)
def test_a_class_decides_unless_isinstance_may_say_otherwise(
    cls: type, wanted: type, always: bool, never: bool
) -> None:
    """Plain classes decide for all their events; for ABCs, Protocols and metaclasses of users, each event is asked."""
    assert always_one(cls, wanted) is always
    assert never_one(cls, wanted) is never


@pytest.mark.parametrize("cls, answer", [(A, False), (int, False), (Polite, True), (HasX, True), (Lucky, True)])
def test_only_some_classes_are_open_to_strangers(cls: type, answer: bool) -> None:
    """An ABC, a Protocol, or a class with its own ``isinstance`` can have instances that do not derive from it."""
    assert open_to_strangers(cls) is answer


def test_classes_are_related_if_one_derives_from_the_other() -> None:
    """It does not matter which of the two is the base."""
    assert related(A, Base)
    assert related(Base, A)
    assert not related(A, B)


def test_asking_for_a_subclass_never_raises() -> None:
    """A Protocol with attributes raises, and so may a hook of the user's: both mean no."""

    class Hook(type):
        def __subclasscheck__(cls, subclass: type) -> bool:
            raise ZeroDivisionError

    hooked: Any = Hook("hooked", (), {})
    assert is_subclass(Greeting, Polite)
    assert not is_subclass(A, HasX)
    assert not is_subclass(A, HasHello)
    assert not is_subclass(A, hooked)
