"""What a subscription wants: what is refused where it is written, and what is taken."""

from __future__ import annotations

import functools
from typing import Annotated, Any
from unittest.mock import AsyncMock

import pytest

from evenflow import Event, one_of
from evenflow._routing import Interest, Router, classes_in, is_async
from tests.routing.kit import A, B, Base, Both, C, HasX, Lucky, NamedRouter, NotTold, Polite, Target


def where(event: object) -> bool:
    """Answers at once."""
    return True


async def async_where(event: object) -> bool:
    """Must be awaited."""
    return True


class AsyncCallable:
    async def __call__(self, event: object) -> bool:
        return True


@pytest.mark.parametrize(
    "wants, condition, error, message",
    [
        ((int,), None, ValueError, "is ever an int: the subject carries A, B; want one of these, a base or a subclass"),
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
    """The error says what was given and what to write instead, and nothing is subscribed."""
    named = NamedRouter(A, B)
    with pytest.raises(error, match=message):
        named.add("nonsense", *wants, where=condition)
    assert len(named.router) == 0


def test_a_condition_on_what_the_subject_never_carries_is_refused() -> None:
    """A condition on a class that the subject never carries is refused, even if no class is wanted by name."""
    router: Router[Target] = Router((B,))
    with pytest.raises(ValueError, match="speaks of A, and the subject carries B"):
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
    """Base classes, subclasses, Protocols and ABCs can be wanted, with conditions on either class."""
    assert isinstance(Router[Target]((A, B)).interest(wants, condition), Interest)


def test_classes_in_unions() -> None:
    """A union names each of its classes once, in order."""
    assert classes_in(A | B, A, Annotated[C | B, "x"]) == (A, B, C)
    assert classes_in() == ()


def test_an_interest_says_what_it_is() -> None:
    """An interest prints as a user would say it."""
    router: Router[Target] = Router(())
    assert str(router.interest((A | B,), None)) == "A | B"
    assert str(router.interest((), None)) == "everything"
    assert str(router.interest((A,), one_of(A.x, 1))) == "A where one_of(A.x, 1)"
    assert str(router.interest((A,), where)) == "A where a callable says so"


def test_what_was_checked_once_is_refused_all_the_same() -> None:
    """A subject remembers what was in order, and not what was refused."""
    router: Router[Target] = Router((A, B))
    assert router.interest((A,), A.x == 1) == router.interest((A,), A.x == 1)
    for _ in range(2):
        with pytest.raises(ValueError, match="says nothing of B"):
            router.interest((A, B), A.x == 1)
        with pytest.raises(ValueError, match="is ever an int"):
            router.interest((int,), None)


async def numbers() -> Any:
    """An async generator."""
    yield 1


@pytest.mark.parametrize(
    "function, answer",
    [
        (where, False),
        (int, False),
        (functools.partial(where), False),
        (async_where, True),
        (numbers, True),
        (functools.partial(functools.partial(async_where)), True),
        (AsyncCallable(), True),
        (AsyncCallable, False),
    ],
)
def test_async_functions_are_known_without_calling_them(function: Any, answer: bool) -> None:
    """A coroutine function is known by itself, inside a partial, and as the ``__call__`` of an object."""
    assert is_async(function) is answer
