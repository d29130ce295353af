"""One route: which subscriptions want an event of one class, and whose failure it is if users' code raises."""

from __future__ import annotations

import asyncio
from collections.abc import Sized

import pytest
from pydantic import BaseModel

from evenflow._routing import Route, wanted
from evenflow._routing._interest import Interest
from tests.routing.kit import A, B, HasHello, HasX, Lucky, Moody, NamedRouter, Polite, Target


def test_protocols_are_told_by_the_event() -> None:
    """A runtime-checkable Protocol wants every event that has its attributes, whatever the class of the event."""

    class Plain(BaseModel):
        x: int = 0

        def hello(self) -> str:
            return "hello"

    named = NamedRouter(object)
    named.add("x", HasX)
    named.add("hello", HasHello)
    named.add("x and more", HasX, where=A.x == 1)
    named.add("x or B", HasX, B)
    assert named.got(A(x=1)) == ["x", "x and more", "x or B"]
    assert named.got(A(x=2)) == ["x", "x or B"]
    assert named.got(B()) == ["x or B"]
    assert named.got(Plain()) == ["hello", "x", "x or B"]
    named.remove("x")
    assert named.got(A(x=1)) == ["x and more", "x or B"]


def test_abstract_classes_are_told_by_what_derives_and_what_is_registered() -> None:
    """An abstract class wants its subclasses and registered classes, even if they are registered after their first event."""

    class Greeting(Polite):
        pass

    class Stranger:
        pass

    named = NamedRouter(object)
    named.add("polite", Polite)
    named.add("sized", Sized)
    assert named.got(Greeting()) == ["polite"]
    assert [target.name for target in named.router.route(Greeting).everyone] == ["polite"]
    assert named.got(Stranger()) == []
    Polite.register(Stranger)
    assert named.got(Stranger()) == ["polite"]
    assert named.got([]) == ["sized"]


@pytest.mark.parametrize("error", [ZeroDivisionError, GeneratorExit, asyncio.CancelledError])
def test_a_metaclass_may_look_at_the_event_and_may_raise(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a metaclass raises is a failure of those who want that class, and of nobody else."""
    monkeypatch.setattr(Moody, "error", error)
    named = NamedRouter()
    named.add("lucky", Lucky)
    named.add("lucky with x", Lucky, where=A.x == 0)
    named.add("all")
    assert named.got(A(key=7)) == ["all", "lucky", "lucky with x"]
    assert named.got(A(key=8)) == ["all"]
    found, failed = named.ask(A(key=13))
    assert found == ["all"]
    assert sorted(name for name, _ in failed) == ["lucky", "lucky with x"]
    assert {type(raised) for _, raised in failed} == {error}


def test_callables_are_asked_and_may_raise() -> None:
    """A callable that raises, or whose answer has no truth value or must be awaited, is a failure of its target alone."""

    class Undecided:
        def __bool__(self) -> bool:
            raise ArithmeticError

    async def later(event: object) -> bool:
        return True

    named = NamedRouter()
    named.add("yes", where=lambda event: event.x == 0)
    named.add("truthy", where=lambda event: "x")
    named.add("no", where=lambda event: [])
    named.add("raises", where=lambda event: 1 / 0)
    named.add("undecided", where=lambda event: Undecided())
    named.add("later", where=lambda event: later(event))
    named.add("exits", where=lambda event: (_ for _ in ()).throw(GeneratorExit))
    found, failed = named.ask(A())
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
    """An interrupt that comes while a callable runs is not caught."""
    named = NamedRouter()
    named.add("interrupted", where=lambda event: (_ for _ in ()).throw(error))
    with pytest.raises(error):
        named.ask(A())


def test_an_event_that_cannot_be_read_fails_those_that_read_it() -> None:
    """A missing field is a failure of those whose condition reads it, as it is when the condition is asked."""
    named = NamedRouter()
    named.add("x", A, where=A.x == 0)
    named.add("x order", A, where=A.x > 0)
    named.add("key", A, where=A.key == 0)
    named.add("all", A)
    broken = A.model_construct(key=0)
    del broken.__dict__["x"]
    found, failed = named.ask(broken)
    assert found == ["all", "key"]
    assert {name: type(error) for name, error in failed} == {"x": AttributeError, "x order": AttributeError}


def test_a_failure_counts_only_for_those_who_are_not_found_otherwise() -> None:
    """Whoever wants all events of a class gets the event, even if the ``isinstance`` of another wanted class raises."""
    named = NamedRouter()
    named.add("both", A, Lucky)
    named.add("lucky", Lucky)
    found, failed = named.ask(A(key=13))
    assert found == ["both"]
    assert [name for name, _ in failed] == ["lucky"]


def test_a_coroutine_that_a_callable_returns_is_closed() -> None:
    """It is refused without a warning that it was never awaited."""

    async def later() -> bool:
        return True

    coroutine = later()
    with pytest.raises(TypeError, match="must be awaited"):
        wanted(Interest((), None, asks=True), A(), Target("later", lambda event: coroutine))
    assert coroutine.cr_frame is None


def test_a_route_says_how_many_it_knows() -> None:
    """Its repr is for debugging."""
    route: Route[Target] = Route(A)
    route.everyone[Target("all")] = None
    assert repr(route) == "<Route of A: 1 want all, 0 classes to look up>"
