"""Which value of an event a path leads to, and which values a field can hold."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, NewType, Protocol, TypeVar, Union

import pytest
from pydantic import BaseModel, Field, SecretStr

from evenflow import Event
from evenflow._fields import (
    MISSING,
    Path,
    can_hold,
    fields_of,
    members,
    parts_of,
    spoken,
    without_none,
)

UserId = NewType("UserId", int)
Bounded = TypeVar("Bounded", bound=int | None)
Chosen = TypeVar("Chosen", int, str)
Free = TypeVar("Free")


class Colour(enum.Enum):
    RED = 1


class Word(enum.StrEnum):
    A = "a"


class Shape(Protocol):
    side: int


@dataclass
class Place:
    city: str
    tags: list[str]


class Customer(BaseModel):
    country: str = "de"
    place: Place | None = None


class Company(BaseModel):
    country: int = 49


class Order(Event):
    number: int = 1
    customer: Customer | None = None
    buyer: Customer | Company = Customer()
    late: "Later | None" = None
    tags: list[str] = []  # noqa: RUF012 -- pydantic copies it
    either: Customer | int = 1
    anything: Any = None
    nothing: None = None


class Later(BaseModel):
    x: int = 0


class Plain:
    pass


def test_a_path_is_read_as_python_reads_attributes() -> None:
    """Each name is an attribute of what came before it."""
    order = Order(customer=Customer(place=Place("Bonn", [])))
    assert Path(Order, ("number",)).read(order) == 1
    assert Path(Order, ("customer", "place", "city")).read(order) == "Bonn"
    with pytest.raises(AttributeError):
        Path(Order, ("missing",)).read(order)


def test_a_path_through_none_has_no_value_and_one_that_ends_there_has() -> None:
    """None is a value of a field, unless ``present`` rules it out."""
    path = Path(Order, ("customer",))
    assert path.read(Order()) is None
    assert path.marked().read(Order()) is MISSING
    assert path.step("country").read(Order()) is MISSING
    assert path.step("place").read(Order(customer=Customer())) is None
    assert path.step("place").marked().read(Order(customer=Customer())) is MISSING


def test_a_path_prints_with_its_class_and_in_brief() -> None:
    """The text is the expression that makes it, and generic classes need ``fields``."""
    path = Path(Order, ("customer",)).marked().step("country")
    assert str(path) == "present(Order.customer).country"
    assert path.brief == "customer.country"
    assert path.wire_owner == "Order"
    assert str(Path(type("Changed[int]", (), {}), ("after",))) == "fields(Changed[int]).after"


@pytest.mark.parametrize(
    "annotation, expected",
    [
        (int, (int,)),
        (None, (type(None),)),
        (int | None, (int, type(None))),
        (Union[int, str], (int, str)),  # noqa: UP007 -- both ways of writing it
        (Annotated[int | None, Field(gt=0)], (int, type(None))),
        (UserId, (int,)),
        (Bounded, (int, type(None))),
        (Chosen, (int, str)),
        (Free, (Any,)),
        (Annotated[UserId, "x"] | Literal["a"], (int, Literal["a"])),
        (list[int], (list[int],)),
    ],
)
def test_an_annotation_is_taken_apart(annotation: Any, expected: tuple[Any, ...]) -> None:
    """Unions, Annotated, NewType and type variables become the types that they stand for."""
    assert members(annotation) == expected


def test_none_can_be_taken_out_of_a_field() -> None:
    """A field of nothing but None keeps it."""
    assert without_none(members(int | str | None)) == (int, str)
    assert without_none((type(None),)) == (type(None),)


def test_models_and_dataclasses_have_fields() -> None:
    """A model whose types were not known when it was made is completed first; other classes have no fields."""
    assert fields_of(Place) == {"city": str, "tags": list[str]}
    assert parts_of(Path(Order, ("late",))) == (Later, type(None))
    assert fields_of(Plain) is None
    assert fields_of(Place("Bonn", [])) is None


@pytest.mark.parametrize(
    "names, parts",
    [
        ((), (Order,)),
        (("number",), (int,)),
        (("customer",), (Customer, type(None))),
        (("buyer", "country"), (str, int)),
        (("customer", "country"), (str,)),
        (("customer", "place", "city"), (str,)),
        (("anything", "whatever"), (Any,)),
        (("nothing", "whatever"), (Any,)),
    ],
)
def test_a_path_holds_what_any_of_the_outer_types_says(names: tuple[str, ...], parts: tuple[Any, ...]) -> None:
    """For a union of models, the types of both count; None of the outer field does not."""
    assert parts_of(Path(Order, names)) == parts


def test_a_path_that_is_present_does_not_hold_none() -> None:
    """A field of nothing but None keeps it."""
    assert parts_of(Path(Order, ("customer",)).marked()) == (Customer,)
    assert parts_of(Path(Order, ("nothing",)).marked()) == (type(None),)


@pytest.mark.parametrize(
    "names, says",
    [
        (("tags", "country"), r"Order.tags holds list\[str\]"),
        (("either", "country"), "Order.either holds int"),
        (("customer", "place", "country"), "Place has no field 'country'; it has city, tags"),
        (("nubmer",), "Order has no field 'nubmer'; did you mean 'number'"),
    ],
)
def test_what_has_no_fields_is_refused(names: tuple[str, ...], says: str) -> None:
    """The error names the outer field and what it holds, or the fields that there are."""
    with pytest.raises(AttributeError, match=says):
        parts_of(Path(Order, names))


@pytest.mark.parametrize(
    "annotation, value, answer",
    [
        (int, 1, True),
        (int, "x", False),
        (int, 1.5, True),
        (Decimal, Fraction(1, 2), True),
        (bool, 1, True),
        (int | None, None, True),
        (int, None, False),
        (Colour, Colour.RED, True),
        (Colour, 1, True),
        (Colour, 2, False),
        (Word, "a", True),
        (Word, "b", False),
        (Literal["a", "b"], "a", True),
        (Literal["a", "b"], "c", False),
        (Literal[1], True, True),
        (list[str], ["a"], True),
        (list[str], "a", False),
        (Sequence[str], "a", True),
        (SecretStr, "anything", True),
        (Shape, "anything", True),
        (Any, object(), True),
        (object, 1, True),
        (uuid.UUID, "x", False),
        (Customer, Customer(), True),
        (Customer, "x", False),
    ],
)
def test_a_field_can_hold_what_its_annotation_says(annotation: Any, value: object, answer: bool) -> None:
    """All numbers count as one type; where an annotation does not say, everything can be held."""
    assert can_hold(members(annotation), value) is answer


@pytest.mark.parametrize(
    "annotation, value, answer",
    [(Literal["a"], "c", True), (Literal["a"], 1, False), (Literal[1], 2.5, True), (int, 2.5, True), (str, 1, False)],
)
def test_an_ordering_is_with_any_value_of_the_same_type(annotation: Any, value: object, answer: bool) -> None:
    """A literal field can be less than a text that it can never equal."""
    assert can_hold(members(annotation), value, ordering=True) is answer


@pytest.mark.parametrize(
    "annotation, text",
    [(int, "int"), (Decimal | None, "Decimal or None"), (list[str], "list[str]"), (Any, "Any"), (UserId | int, "int")],
)
def test_what_a_field_holds_can_be_said_in_words(annotation: Any, text: str) -> None:
    """The words stand in errors, each type once."""
    assert spoken(members(annotation)) == text
