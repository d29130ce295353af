"""The router: classes of events, and the targets that want events of each."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from evenflow._routing import Router
from tests.routing.kit import A, B, Base, Both, C, Child, NamedRouter, Target, Tick


def test_a_class_means_all_its_subclasses_whenever_they_come() -> None:
    """A subclass may be made after the subscription, and a subscription after the first event of the subclass."""
    named = NamedRouter()
    named.add("all")
    named.add("base", Base)
    assert named.got(A()) == ["all", "base"]
    named.add("a", A)
    assert named.got(A()) == ["a", "all", "base"]

    class Late(A):
        pass

    assert named.got(Late()) == ["a", "all", "base"]
    assert named.got(B()) == ["all", "base"]
    named.remove("base")
    assert named.got(Late()) == ["a", "all"]
    named.remove("all")
    named.remove("a")
    assert named.got(Late()) == []


def test_everyone_and_conditional_are_the_same_objects_for_life() -> None:
    """Whoever keeps a route sees every subscription that is added or removed later."""
    named = NamedRouter()
    route = named.router.route(A)
    everyone, conditional = route.everyone, route.conditional
    assert not everyone
    assert not conditional
    named.add("all")
    named.add("some", A, where=A.x == 1)
    assert [target.name for target in everyone] == ["all"]
    assert conditional
    named.remove("all")
    named.remove("some")
    assert not everyone
    assert not conditional
    assert named.router.route(A) is route
    assert named.router.route(A).everyone is everyone


def test_several_wants_are_found_once() -> None:
    """A subscription to several classes gets an event once, even if the event is of two of them."""
    named = NamedRouter()
    named.add("or", A | B)
    named.add("annotated", Annotated[A | B, Field(discriminator="kind")])
    named.add("two", A, B, where=(A.x == 0) | (B.y == 0))
    named.add("deep", Base, C, where=Base.key == 0)
    assert named.got(Both()) == ["annotated", "deep", "or", "two"]
    assert named.got(Base()) == ["deep"]


def test_wants_and_condition_must_both_hold() -> None:
    """An event must be of a wanted class, and meet the condition, whichever of the two is narrower."""
    named = NamedRouter()
    named.add("sub", C, where=A.x == 0)
    named.add("super", Base, where=A.x == 0)
    named.add("one of two", A, where=(A.x == 0) | (B.y == 0))
    named.add("everything", where=(A.x == 0) | (B.y == 0))
    named.add("other base", Base, where=(Base.key == 0) & (A.x == 0))
    assert named.got(A()) == ["everything", "one of two", "other base", "super"]
    assert named.got(C()) == ["everything", "one of two", "other base", "sub", "super"]
    assert named.got(B()) == ["everything"]
    assert named.got(Base()) == []
    assert named.got(A(x=1)) == []


def test_a_subclass_is_found_by_what_is_said_of_its_base() -> None:
    """A condition on a base class finds events of a subclass, for those who want the base and those who want the subclass."""
    router: Router[Target] = Router((Tick,))
    target, narrow = Target(), Target()
    router.add(target, router.interest((Tick,), Tick.a == 1))
    router.add(narrow, router.interest((Child,), Tick.a == 1))
    assert router.route(Child).find(Child(a=1), []) == [target, narrow]
    assert router.route(Tick).find(Tick(a=1), []) == [target]


def test_the_plain_answer_is_there_too() -> None:
    """A replay and an explanation ask one target without the index, and what the callable raises comes out."""
    named = NamedRouter()
    yes, no = named.add("yes", A, where=A.x == 0), named.add("no", B)
    raises = named.add("raises", where=lambda event: 1 / 0)
    interest = named.router.interest
    assert named.router.wanted(interest((A,), A.x == 0), A(), yes)
    assert not named.router.wanted(interest((B,), None), A(), no)
    with pytest.raises(ZeroDivisionError):
        named.router.wanted(interest((), raises.where), A(), raises)


def test_removing_a_target_twice_changes_nothing() -> None:
    """Removing a target twice does nothing the second time."""
    named = NamedRouter()
    target = named.add("x", A)
    named.router.remove(target)
    named.router.remove(target)
    assert len(named.router) == 0


def test_a_subject_without_classes_carries_every_event() -> None:
    """No classes mean `Event`, so a class that is no event is refused."""
    router: Router[Target] = Router(())
    assert router.interest((A,), None).wants == (A,)
    with pytest.raises(ValueError, match="the subject carries Event"):
        router.interest((int,), None)


def test_coming_and_going_touches_only_the_classes_that_are_wanted() -> None:
    """The routes of other classes are not written to when a subscription is added or removed."""
    named = NamedRouter()
    route = named.router.route(B)
    before = (route.everyone, dict(route.everyone), route.conditional, dict(route.conditional))
    named.add("a", A)
    named.add("some a", A, where=A.x == 1)
    assert (route.everyone, dict(route.everyone), route.conditional, dict(route.conditional)) == before
    assert named.got(B()) == []
