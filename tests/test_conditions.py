"""Conditions: what can be said about the fields of an event, what it means, and what is refused."""

from __future__ import annotations

import enum
import operator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Generic, Literal, NewType, TypeVar

import pytest
from pydantic import BaseModel, Field, SecretStr

from evenflow import Condition, Event, fields, one_of, present, when

T = TypeVar("T")
Number = TypeVar("Number", int, float)
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Size(enum.StrEnum):
    S = "s"
    L = "l"


class Customer(BaseModel):
    country: str
    age: int | None = None
    boss: Customer | None = None


@dataclass
class Place:
    city: str
    height: float = 0.0


class Order(Event):
    number: int = 1
    region: str = "eu"
    total: Decimal = Decimal(50)
    weight: float = 2.5
    paid: bool = False
    gift: bool | None = None
    discount: Decimal | None = None
    customer: Customer = Customer(country="de")
    payer: Customer | None = None
    place: Place = Place("Bonn")
    tags: list[str] = Field(default_factory=list)
    colour: Colour = Colour.RED
    size: Size = Size.S
    kind: Literal["a", "b"] = "a"
    user: UserId = UserId(7)
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    pet: Cat | Dog | None = None
    secret: SecretStr = SecretStr("x")
    anything: Any = None


class Cat(BaseModel):
    name: str
    lives: int = 9


class Dog(BaseModel):
    name: str


class Rush(Order):
    courier: str = "foot"


class Said(Event):
    room: str


class Joined(Event):
    room: str


Order.model_rebuild()
CONDITIONS: list[tuple[Any, str, bool]] = [
    (Order.number == 1, "Order.number == 1", True),
    (Order.number != 1, "Order.number != 1", False),
    (Order.total > 49, "Order.total > 49", True),
    (Order.total >= 50.0, "Order.total >= 50.0", True),
    (Order.total < Decimal("50.0"), "Order.total < Decimal('50.0')", False),
    (Order.total <= Fraction(100, 2), "Order.total <= Fraction(50, 1)", True),
    (100 > Order.total, "Order.total < 100", True),  # noqa: SIM300 -- so it may be written
    ("eu" == Order.region, "Order.region == 'eu'", True),  # noqa: SIM300 -- as above
    (Order.number == True, "Order.number == True", True),
    (Order.customer.country == "de", "Order.customer.country == 'de'", True),
    (Order.place.city == "Bonn", "Order.place.city == 'Bonn'", True),
    (Order.tags == [], "Order.tags == []", True),
    (Order.colour == Colour.RED, "Order.colour == <Colour.RED: 1>", True),
    (Order.size == "s", "Order.size == 's'", True),
    (Order.user == 7, "Order.user == 7", True),
    (Order.pet.name == "Tom", "Order.pet.name == 'Tom'", False),
    (Order.anything == "x", "Order.anything == 'x'", False),
    (one_of(Order.region, "us", "eu"), "one_of(Order.region, 'us', 'eu')", True),
    (one_of(Order.discount, None), "one_of(Order.discount, None)", True),
    (one_of(Order.discount, 1, 2), "one_of(Order.discount, 1, 2)", False),
    (present(Order.discount) > 5, "present(Order.discount) > 5", False),
    (present(Order.discount) != 5, "present(Order.discount) != 5", False),
    (Order.discount != 5, "Order.discount != 5", True),
    (Order.discount > 5, "Order.discount > 5", False),
    (present(Order.payer).country != "de", "present(Order.payer).country != 'de'", False),
    (Order.payer.country != "de", "Order.payer.country != 'de'", False),
    (when(Order.paid), "Order.paid", False),
    (~when(Order.paid), "~Order.paid", True),
    (when(present(Order.gift)), "present(Order.gift)", False),
    ((Order.number == 1) & (Order.total > 60), "(Order.number == 1) & (Order.total > 60)", False),
    ((Order.number == 1) | Order.paid, "(Order.number == 1) | Order.paid", True),
    (Order.paid & (Order.number == 1), "Order.paid & (Order.number == 1)", False),
    (Order.paid | ~(Order.number == 2), "Order.paid | ~(Order.number == 2)", True),
    (
        ((Order.number == 1) | Order.paid) & ~one_of(Order.region, "us"),
        "((Order.number == 1) | Order.paid) & ~one_of(Order.region, 'us')",
        True,
    ),
]


@pytest.mark.parametrize("condition, text, answer", CONDITIONS, ids=[text for _, text, _ in CONDITIONS])
def test_what_a_condition_says(condition: Any, text: str, answer: bool) -> None:
    """A condition prints as it was written, answers as Python would, and `~` is exactly `not`."""
    assert isinstance(condition, Condition)
    assert repr(condition) == text
    assert condition(Order()) is answer
    assert (~condition)(Order()) is not answer
    assert ~~condition == condition
    assert condition(Said(room="x")) is False
    assert (~condition)(Said(room="x")) is False
    assert condition(Rush()) is answer


@pytest.mark.parametrize("condition, text, answer", CONDITIONS, ids=[text for _, text, _ in CONDITIONS])
def test_a_condition_reads_back_as_itself(condition: Any, text: str, answer: bool) -> None:
    """Its text is an expression that makes an equal condition with an equal hash."""
    if "<Colour" in text:
        text = "Order.colour == Colour.RED"
    again = eval(text, {**globals(), "Decimal": Decimal, "Fraction": Fraction})
    again = when(again)
    assert again == condition
    assert hash(again) == hash(condition)
    assert len({again, condition}) == 1


def test_conditions_are_equal_when_they_say_the_same_in_the_same_words() -> None:
    """The order of parts, the type of a value and the class matter; brackets inside one operator do not; nan equals itself."""
    nan = float("nan")
    a, b, c = when(Order.number == 1), when(Order.region == "x"), when(Order.paid)
    assert (a & b) & c == a & (b & c)
    assert a & b != b & a
    assert a & b != a | b
    assert when(Order.number == 1) != when(Order.number == True)
    assert when(Order.number == 1) != when(Rush.number == 1)
    assert when(Order.number == 1) != when(Order.number != 1)
    assert when(Order.weight == nan) == when(Order.weight == nan)
    assert when(Order.tags == ["x"]) == when(Order.tags == ["x"])
    assert hash(when(Order.tags == ["x"])) == hash(when(Order.tags == ["x"]))
    assert a != 1
    assert one_of(Order.number, 1, 2) != one_of(Order.number, 2, 1)


def test_an_ordering_that_python_refuses_is_false() -> None:
    """A naive time and an aware one, a text and a number, None or a nan: the answer is false, and nothing is raised."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    for condition in (Order.at > naive, Order.at < naive, Order.at <= naive):
        assert not when(condition)(Order())
    assert not when(Order.anything > 3)(Order(anything="x"))
    assert not when(Order.anything > 3)(Order(anything=None))
    assert not when(Order.anything > 3)(Order(anything=Decimal("NaN")))
    assert not when(Order.weight > 3)(Order(weight=float("nan")))
    assert when(Order.anything != 3)(Order(anything="x"))


def test_other_errors_of_a_comparison_go_out() -> None:
    """What the `==` of a value raises is not caught."""

    class Bad:
        def __eq__(self, other: object) -> bool:
            raise ZeroDivisionError

        __hash__ = None  # type: ignore[assignment]

    with pytest.raises(ZeroDivisionError):
        when(Order.anything == 1)(Order(anything=Bad()))


def test_several_classes_in_one_condition() -> None:
    """Inside a condition, a comparison of another class's field is false, and `~` of it is true."""
    either = when((Said.room == "r") | (Joined.room == "r"))
    assert either(Said(room="r"))
    assert either(Joined(room="r"))
    assert not either(Said(room="x"))
    assert not either(Order())
    assert not when((Said.room == "r") & (Joined.room == "r"))(Said(room="r"))
    mixed = when(~when(Said.room == "r") | (Joined.room == "j"))
    assert mixed(Joined(room="x"))
    assert not mixed(Said(room="r"))
    assert not mixed(Order())


def test_a_condition_on_a_subclass_is_false_for_its_base() -> None:
    """A field belongs to the class on which it was read."""
    assert when(Rush.number == 1)(Rush())
    assert not when(Rush.number == 1)(Order())
    assert when(Order.number == 1)(Rush())


def test_a_field_that_a_subclass_declares_anew_is_compared_as_it_is_there() -> None:
    """The value that the event has is compared, whatever its class says."""

    class Odd(Order):
        number: str = "1"  # type: ignore[assignment]
        paid: int = 5  # type: ignore[assignment]

    assert not when(Order.number == 1)(Odd())
    assert when(Order.number != 1)(Odd())
    assert not when(Order.number > 0)(Odd())
    assert when(Order.paid)(Odd())


REFUSED: list[tuple[str, type[Exception], str]] = [
    ("Order.number == 'x'", TypeError, "is int and cannot hold 'x' .str."),
    ("Order.region == 1", TypeError, "is str and cannot hold 1"),
    ("Order.region < 1", TypeError, "is str and cannot hold 1"),
    ("Order.total == None", TypeError, "cannot hold None"),
    ("Order.total > 'x'", TypeError, "is Decimal and cannot hold 'x'"),
    ("Order.discount == 'x'", TypeError, "is Decimal or None and cannot hold"),
    ("Order.colour == 1.5", TypeError, "is Colour"),
    ("Order.colour == Size.S", TypeError, "is Colour"),
    ("Order.size == 'xl'", TypeError, "is Size"),
    ("Order.kind == 'c'", TypeError, "cannot hold 'c'"),
    ("one_of(Order.kind, 'a', 'typo')", TypeError, "cannot hold 'typo'"),
    ("one_of(Order.region, 'a', None)", TypeError, "cannot hold None"),
    ("Order.user == 'x'", TypeError, "is int"),
    ("Order.tags == 'x'", TypeError, "cannot hold 'x'"),
    ("Order.customer == 'x'", TypeError, "is Customer"),
    ("Order.at == datetime(2026, 1, 1).date()", TypeError, "is datetime"),
    ("fields(Changed[Customer]).after == 1", TypeError, "is Customer"),
    ("present(Order.discount) == None", TypeError, "can never hold; ask one_of"),
    ("Order.number == Order.number", TypeError, "compares two fields.*use a callable"),
    ("one_of(Order.number, Order.user)", TypeError, "compares two fields.*use a callable"),
    ("one_of(Order.region)", ValueError, "names no value"),
    ("one_of('eu', 'eu')", TypeError, "takes a field"),
    ("present(3)", TypeError, "takes a field"),
    ("1 < Order.number < 3", TypeError, "use & | ~"),
    ("(Order.number == 1) and Order.paid", TypeError, "use & | ~"),
    ("(Order.number == 1) or Order.paid", TypeError, "use & | ~"),
    ("Order.paid and Order.paid", TypeError, "use & | ~"),
    ("not (Order.number == 1)", TypeError, "use & | ~"),
    ("not Order.paid", TypeError, "use & | ~"),
    ("1 if Order.number == 1 else 2", TypeError, "use & | ~"),
    ("(Order.number == 1) & True", TypeError, "plain bool"),
    ("True | (Order.number == 1)", TypeError, "plain bool"),
    ("(Order.number == 1) & (lambda event: True)", TypeError, "callable cannot be joined"),
    ("(Order.number == 1) & 'x'", TypeError, "not a condition"),
    ("Order.number == 1 & Order.paid", TypeError, "put each comparison in brackets|not a condition"),
    ("Order.region & Order.paid", TypeError, "only a bool field is a condition by itself"),
    ("~Order.region", TypeError, "only a bool field"),
    ("when(Order.gift)", TypeError, r"write present\(Order.gift\)"),
    ("when(True)", TypeError, "plain bool True"),
    ("when(lambda event: True)", TypeError, "a callable goes into `where`"),
    ("Order.region.upper()", AttributeError, "use a callable"),
    ("Order.region.startswith", AttributeError, "use a callable"),
    ("Order.customer.model_dump()", AttributeError, "no field 'model_dump'"),
    ("Order.tags.x", AttributeError, "use a callable"),
    ("Order.pet.lives", AttributeError, "Dog has no field 'lives'"),
    ("Order.number + 1", TypeError, "use a callable"),
    ("1 + Order.number", TypeError, "use a callable"),
    ("Order.total * Order.number", TypeError, "use a callable"),
    ("-Order.number", TypeError, "use a callable"),
    ("abs(Order.number)", TypeError, "use a callable"),
    ("round(Order.total)", TypeError, "use a callable"),
    ("int(Order.total)", TypeError, "use a callable"),
    ("len(Order.tags)", TypeError, "use a callable"),
    ("Order.tags[0]", TypeError, "use a callable"),
    ("list(Order.tags)", TypeError, "use a callable"),
    ("'x' in Order.tags", TypeError, "use a callable"),
    ("Order.number ^ Order.number", TypeError, "use a callable"),
]


class Changed(Event, Generic[T]):
    after: T


@pytest.mark.parametrize("text, error, message", REFUSED, ids=[text for text, _, _ in REFUSED])
def test_nonsense_is_refused_when_it_is_written(text: str, error: type[Exception], message: str) -> None:
    """Each mistake is an error that says what to write instead."""
    with pytest.raises(error, match=f"(?s){message}"):
        eval(text, {**globals()})


@pytest.mark.parametrize(
    "text",
    [
        "Order.number == 1.5",
        "Order.weight == 1",
        "Order.paid == 1",
        "Order.number == Decimal(1)",
        "Order.number > float('nan')",
        "Order.colour == Colour.BLUE",
        "Order.size == Size.L",
        "Order.secret == 'whoever knows'",
        "Order.kind < 'c'",
        "Order.at > datetime(2026, 1, 1)",
        "Order.customer == Customer(country='x')",
        "Order.anything == object()",
        "fields(Changed).after == 1",
        "Order.customer.boss.boss.country == 'x'",
        "Order.discount == None",
    ],
)
def test_what_a_field_may_hold_is_taken(text: str) -> None:
    """All numbers count as one type; constraints refuse nothing, and nor do types that say nothing."""
    assert isinstance(eval(text, {**globals()}), Condition)


def answered(op: Any, found: Any, value: Any) -> bool:
    """What Python answers, or false if it refuses: a Decimal has no order with a nan."""
    try:
        return bool(op(found, value))
    except InvalidOperation:
        return False


@pytest.mark.parametrize("op", [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge])
def test_every_comparison_is_pythons_own(op: Any) -> None:
    """For each operator and each pair of numbers, of whatever types, the answer is that of the operator."""
    numbers = [0, 1, True, 1.0, 2.5, Decimal(1), Decimal("2.5"), Fraction(5, 2), float("inf"), float("nan")]
    for value in numbers:
        condition = op(Order.anything, value)
        for found in numbers:
            assert condition(Order(anything=found)) is answered(op, found, value), (found, value)


def test_any_of_one_of_is_by_equality_alone() -> None:
    """A nan is not equal to itself, so it is none of the values."""
    nan = float("nan")
    assert not one_of(Order.weight, nan)(Order(weight=nan))
    assert one_of(Order.number, 1.0, 5)(Order())


def test_fields_print_and_hash() -> None:
    """The text of a field says where it was read, and equal fields have equal hashes."""
    field: Any = Order.customer.country
    assert repr(field) == "Order.customer.country"
    assert hash(field) == hash(Order.customer.country)
    assert repr(fields(Changed[int]).after) == "fields(Changed[int]).after"
    assert not callable(field)
