"""Which subscriptions want an event: classes, callables, and what users' code may do meanwhile."""

from __future__ import annotations

import functools
from abc import ABC
from collections.abc import Sized
from typing import Annotated, Any, Protocol, runtime_checkable
from unittest.mock import AsyncMock

import pytest
from pydantic import BaseModel, Field

from evenflow import Event, one_of
from evenflow._routing import Interest, Router, classes_in


class Base(Event):
    key: int = 0


class A(Base):
    x: int = 0
    flag: bool = False


class B(Base):
    y: int = 0


class C(A):
    z: int = 0


class Both(A, B):
    pass


@runtime_checkable
class HasX(Protocol):
    x: int


@runtime_checkable
class HasHello(Protocol):
    def hello(self) -> str: ...


class NotTold(Protocol):
    x: int


class Polite(ABC):  # noqa: B024 -- to be registered with
    pass


class Moody(type(Event)):  # type: ignore[misc]
    """A metaclass that asks the event."""

    def __instancecheck__(cls, instance: object) -> bool:
        if getattr(instance, "key", 0) == 13:
            raise ZeroDivisionError
        return getattr(instance, "key", 0) == 7


class Lucky(Event, metaclass=Moody):
    pass


class Target:
    """Somebody who wants something."""

    def __init__(self, name: str, where: Any = None) -> None:
        self.name = name
        self.where = where

    def __repr__(self) -> str:
        return self.name

    def ask(self, event: object, /) -> object:
        return self.where(event)


class House:
    """A router, and targets by name."""

    def __init__(self, *types: type) -> None:
        self.router: Router[Target] = Router(types)
        self.targets: dict[str, Target] = {}

    def add(self, name: str, *wants: Any, where: Any = None) -> Target:
        target = self.targets[name] = Target(name, where)
        self.router.add(target, self.router.interest(wants, where))
        return target

    def remove(self, name: str) -> None:
        self.router.remove(self.targets.pop(name))

    def ask(self, event: object) -> tuple[list[str], list[tuple[str, BaseException]]]:
        """Who gets the event, and who failed."""
        route = self.router.route(type(event))
        failures: list[tuple[Target, BaseException]] = []
        found = [target.name for target in (*route.everyone, *route.find(event, failures))]
        assert len(set(found)) == len(found)
        return sorted(found), [(target.name, error) for target, error in failures]

    def got(self, event: object) -> list[str]:
        found, failed = self.ask(event)
        assert failed == []
        return found


def test_a_class_means_all_its_subclasses_whenever_they_come() -> None:
    """Also those made after the subscription, and subscriptions made after the first event."""
    house = House()
    house.add("all")
    house.add("base", Base)
    assert house.got(A()) == ["all", "base"]
    house.add("a", A)
    assert house.got(A()) == ["a", "all", "base"]

    class Late(A):
        pass

    assert house.got(Late()) == ["a", "all", "base"]
    assert house.got(B()) == ["all", "base"]
    house.remove("base")
    assert house.got(Late()) == ["a", "all"]
    house.remove("all")
    house.remove("a")
    assert house.got(Late()) == []


def test_everyone_and_conditional_are_the_same_objects_for_life() -> None:
    """Whoever holds a route sees what comes and goes."""
    house = House()
    route = house.router.route(A)
    everyone, conditional = route.everyone, route.conditional
    assert not everyone
    assert not conditional
    house.add("all")
    house.add("some", A, where=A.x == 1)
    assert [target.name for target in everyone] == ["all"]
    assert conditional
    house.remove("all")
    house.remove("some")
    assert not everyone
    assert not conditional
    assert house.router.route(A) is route
    assert house.router.route(A).everyone is everyone


def test_several_wants_are_found_once() -> None:
    """By union, by `Annotated`, by a class that is two of them."""
    house = House()
    house.add("or", A | B)
    house.add("annotated", Annotated[A | B, Field(discriminator="kind")])
    house.add("two", A, B, where=(A.x == 0) | (B.y == 0))
    house.add("deep", Base, C, where=Base.key == 0)
    assert house.got(Both()) == ["annotated", "deep", "or", "two"]
    assert house.got(Base()) == ["deep"]


def test_wants_and_condition_must_both_hold() -> None:
    """A condition on a base class for a subclass, on a subclass for its base, on two classes for one."""
    house = House()
    house.add("sub", C, where=A.x == 0)
    house.add("super", Base, where=A.x == 0)
    house.add("one of two", A, where=(A.x == 0) | (B.y == 0))
    house.add("everything", where=(A.x == 0) | (B.y == 0))
    house.add("other base", Base, where=(Base.key == 0) & (A.x == 0))
    assert house.got(A()) == ["everything", "one of two", "other base", "super"]
    assert house.got(C()) == ["everything", "one of two", "other base", "sub", "super"]
    assert house.got(B()) == ["everything"]
    assert house.got(Base()) == []
    assert house.got(A(x=1)) == []


def test_protocols_are_told_by_the_event() -> None:
    """A runtime-checkable Protocol wants what has its attributes, whatever its class."""

    class Plain(BaseModel):
        x: int = 0

        def hello(self) -> str:
            return "hello"

    house = House(object)
    house.add("x", HasX)
    house.add("hello", HasHello)
    house.add("x and more", HasX, where=A.x == 1)
    house.add("x or B", HasX, B)
    assert house.got(A(x=1)) == ["x", "x and more", "x or B"]
    assert house.got(A(x=2)) == ["x", "x or B"]
    assert house.got(B()) == ["x or B"]
    assert house.got(Plain()) == ["hello", "x", "x or B"]
    house.remove("x")
    assert house.got(A(x=1)) == ["x and more", "x or B"]


def test_abstract_classes_are_told_by_what_derives_and_what_is_registered() -> None:
    """Also what is registered long after its first event."""

    class Greeting(Polite):
        pass

    class Stranger:
        pass

    house = House(object)
    house.add("polite", Polite)
    house.add("sized", Sized)
    assert house.got(Greeting()) == ["polite"]
    assert [target.name for target in house.router.route(Greeting).everyone] == ["polite"]
    assert house.got(Stranger()) == []
    Polite.register(Stranger)
    assert house.got(Stranger()) == ["polite"]
    assert house.got([]) == ["sized"]


def test_a_metaclass_may_look_at_the_event_and_may_raise() -> None:
    """What it raises is put down to those who want that class, and to nobody else."""
    house = House()
    house.add("lucky", Lucky)
    house.add("lucky with x", Lucky, where=A.x == 0)
    house.add("all")
    assert house.got(A(key=7)) == ["all", "lucky", "lucky with x"]
    assert house.got(A(key=8)) == ["all"]
    found, failed = house.ask(A(key=13))
    assert found == ["all"]
    assert sorted(name for name, _ in failed) == ["lucky", "lucky with x"]
    assert {type(error) for _, error in failed} == {ZeroDivisionError}


def test_callables_are_asked_and_may_raise() -> None:
    """One that raises, or whose answer has no truth, or must be awaited, fails alone."""

    class Undecided:
        def __bool__(self) -> bool:
            raise ArithmeticError

    async def later(event: object) -> bool:
        return True

    house = House()
    house.add("yes", where=lambda event: event.x == 0)
    house.add("truthy", where=lambda event: "x")
    house.add("no", where=lambda event: [])
    house.add("raises", where=lambda event: 1 / 0)
    house.add("undecided", where=lambda event: Undecided())
    house.add("later", where=lambda event: later(event))
    house.add("exits", where=lambda event: (_ for _ in ()).throw(GeneratorExit))
    found, failed = house.ask(A())
    assert found == ["truthy", "yes"]
    assert {name: type(error) for name, error in failed} == {
        "raises": ZeroDivisionError,
        "undecided": ArithmeticError,
        "later": TypeError,
        "exits": GeneratorExit,
    }
    assert "must be awaited" in str(dict(failed)["later"])


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_goes_through(error: type[BaseException]) -> None:
    """An interrupt that hits a callable is nobody's failure."""
    house = House()
    house.add("interrupted", where=lambda event: (_ for _ in ()).throw(error))
    with pytest.raises(error):
        house.ask(A())


def test_a_callable_may_subscribe_and_close_meanwhile() -> None:
    """The answer is for those that were there when the event came."""
    house = House()

    def disturb(event: object) -> bool:
        for number in range(20):
            house.add(f"new {number}", A, where=A.x == 0)
        house.remove("other")
        house.remove("plain")
        house.router.route(B)
        return True

    house.add("disturbs", where=disturb)
    house.add("other", where=lambda event: True)
    house.add("plain", A)
    found, failed = house.ask(A())
    assert failed == []
    assert "disturbs" in found
    assert not any(name.startswith("new") for name in found)
    house.remove("disturbs")
    assert len(house.got(A())) == 20


def test_an_event_that_cannot_be_read_fails_those_that_read_it() -> None:
    """A field that is missing raises for those whose condition reads it, as plain evaluation does."""
    house = House()
    house.add("x", A, where=A.x == 0)
    house.add("x order", A, where=A.x > 0)
    house.add("key", A, where=A.key == 0)
    house.add("all", A)
    broken = A.model_construct(key=0)
    del broken.__dict__["x"]
    found, failed = house.ask(broken)
    assert found == ["all", "key"]
    assert {name: type(error) for name, error in failed} == {"x": AttributeError, "x order": AttributeError}


def test_the_plain_answer_is_there_too() -> None:
    """For replay, for explaining, for tests: without the index, and it raises what was raised."""
    house = House()
    yes, no = house.add("yes", A, where=A.x == 0), house.add("no", B)
    raises = house.add("raises", where=lambda event: 1 / 0)
    interest = house.router.interest
    assert house.router.wanted(interest((A,), A.x == 0), A(), yes)
    assert not house.router.wanted(interest((B,), None), A(), no)
    with pytest.raises(ZeroDivisionError):
        house.router.wanted(interest((), raises.where), A(), raises)


def test_removing_a_stranger_is_nobodys_mistake() -> None:
    """Twice is once."""
    house = House()
    target = house.add("x", A)
    house.router.remove(target)
    house.router.remove(target)
    assert len(house.router) == 0


def where(event: object) -> bool:
    """A plain callable."""
    return True


async def async_where(event: object) -> bool:
    """One that must be awaited."""
    return True


class AsyncCallable:
    async def __call__(self, event: object) -> bool:
        return True


@pytest.mark.parametrize(
    "wants, condition, error, message",
    [
        ((int,), None, ValueError, "is ever a int: the subject carries A, B; want one of these, a base or a subclass"),
        ((list[int],), None, TypeError, "not a class of events"),
        ((3,), None, TypeError, "not a class of events"),
        (("A",), None, TypeError, "not a class of events"),
        ((None,), None, TypeError, "None is not an event"),
        ((A | None,), None, TypeError, "None is not an event"),
        ((Any,), None, TypeError, "name a common base, or none at all"),
        ((NotTold,), None, TypeError, "@runtime_checkable"),
        ((A,), True, TypeError, "plain bool True"),
        ((A,), "x", TypeError, "where takes a condition"),
        ((A,), A, TypeError, "where takes a condition"),
        ((A,), A.x, TypeError, "only a bool field"),
        ((A,), async_where, TypeError, "is async"),
        ((A,), functools.partial(async_where), TypeError, "is async"),
        ((A,), AsyncCallable(), TypeError, "is async"),
        ((A,), AsyncMock(), TypeError, "is async"),
        ((A, B), A.x == 1, ValueError, "says nothing of B"),
        ((B,), A.x == 1, ValueError, "says nothing of B"),
        ((), Lucky.__base__, TypeError, "where takes a condition"),
    ],
)
def test_nonsense_is_refused_when_it_is_written(
    wants: Any, condition: Any, error: type[Exception], message: str
) -> None:
    """Each with an error that says what was given and the way out; nothing is left behind."""
    house = House(A, B)
    with pytest.raises(error, match=message):
        house.add("nonsense", *wants, where=condition)
    assert len(house.router) == 0


def test_a_condition_on_what_the_subject_never_carries_is_refused() -> None:
    """Also where no class is wanted by name."""
    router: Router[Target] = Router((B,))
    with pytest.raises(ValueError, match="speaks of no class that the subject carries: B"):
        router.interest((), A.x == 1)


@pytest.mark.parametrize(
    "wants, condition",
    [
        ((Base,), A.x == 1),
        ((C,), A.x == 1),
        ((A,), C.z == 1),
        ((A, B), (A.x == 1) | (B.y == 1)),
        ((Both,), A.x == 1),
        ((HasX,), A.x == 1),
        ((), where),
        ((Event,), A.flag),
        ((object,), None),
        ((Polite,), None),
    ],
)
def test_what_makes_sense_is_taken(wants: Any, condition: Any) -> None:
    """Bases, subclasses, Protocols and ABCs; conditions on either."""
    assert isinstance(Router[Target]((A, B)).interest(wants, condition), Interest)


def test_classes_in_unions() -> None:
    """Each class once, in the order in which it was named."""
    assert classes_in(A | B, A, Annotated[C | B, "x"]) == (A, B, C)
    assert classes_in() == ()


def test_an_interest_says_what_it_is() -> None:
    """For names, logs and errors."""
    router: Router[Target] = Router(())
    assert str(router.interest((A | B,), None)) == "A | B"
    assert str(router.interest((), None)) == "everything"
    assert str(router.interest((A,), one_of(A.x, 1))) == "A where one_of(A.x, 1)"
    assert str(router.interest((A,), where)) == "A where a callable says so"
    assert "Route of A" in repr(router.route(A))
