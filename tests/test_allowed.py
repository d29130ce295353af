"""What a client may ask: conditions as JSON, and the fields and operators that they may use."""

from __future__ import annotations

import enum
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ImportString, computed_field

from evenflow import Allowed, Condition, Event, one_of, present, when
from evenflow._allowed import MOST_CHARACTERS, MOST_DEPTH, MOST_TERMS, MOST_VALUES


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Customer(BaseModel):
    country: str = "de"
    age: int | None = None
    boss: Customer | None = None


class Order(Event, name="shop.order"):
    number: int = 1
    region: str = "eu"
    total: Decimal = Decimal(50)
    weight: float = 2.5
    paid: bool = False
    gift: bool | None = None
    discount: Decimal | None = None
    customer: Customer = Customer()
    payer: Customer | None = None
    tags: list[str] = []  # noqa: RUF012 -- pydantic copies it
    colour: Colour = Colour.RED
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    internal: str = "secret"

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way
    @property
    def twice(self) -> Decimal:
        return self.total * 2


class Rush(Order):
    courier: str = "foot"


class Shipped(Event, name="shop.shipped"):
    number: int = 1
    region: str = "eu"


ALLOWED = Allowed(
    Order.number, Order.region, Order.total, Order.weight, Order.paid, Order.gift, Order.discount, Order.customer.country,
    Order.payer, present(Order.payer).country, Order.tags, Order.colour, Order.at,
)  # fmt: skip
MORE = Allowed(Order.region, Order.paid, also=("ne", "not"))
BOTH = Allowed(Order.region, Order.number, Shipped.region, Shipped.number)


def read(document: object, allowed: Allowed = ALLOWED, model: Any = Order) -> Condition:
    return Condition.from_json(model, json.dumps(document), allowed)


@pytest.mark.parametrize(
    "document, condition",
    [
        ({"eq": ["region", "eu"]}, when(Order.region == "eu")),
        ({"and": [{"eq": ["region", "eu"]}, {"gt": ["total", 100]}]}, (Order.region == "eu") & (Order.total > 100)),
        ({"gt": ["total", "12.50"]}, when(Order.total > Decimal("12.50"))),
        ({"gt": ["total", 0.1]}, when(Order.total > Decimal("0.1"))),
        ({"ge": ["at", "2026-01-01T00:00:00Z"]}, when(Order.at >= datetime(2026, 1, 1, tzinfo=UTC))),
        ({"eq": ["colour", 2]}, when(Order.colour == Colour.BLUE)),
        ({"eq": ["customer.country", "de"]}, when(Order.customer.country == "de")),
        ({"in": ["region", ["eu", "us"]]}, one_of(Order.region, "eu", "us")),
        ({"in": ["discount", [None]]}, one_of(Order.discount, None)),
        ({"eq": ["discount", None]}, when(Order.discount == None)),  # noqa: E711 -- a condition
        ({"lt": ["discount!", 5]}, when(present(Order.discount) < 5)),
        ({"eq": ["payer!.country", "de"]}, when(present(Order.payer).country == "de")),
        ({"true": "paid"}, when(Order.paid)),
        ({"true": "gift!"}, when(present(Order.gift))),
        ({"and": [{"true": "paid"}]}, when(Order.paid)),
        ({"eq": ["shop.order:region", "eu"]}, when(Order.region == "eu")),
        ({"or": [{"le": ["number", 1]}, {"true": "paid"}]}, (Order.number <= 1) | when(Order.paid)),
    ],
)
def test_a_text_stands_for_a_condition(document: object, condition: Condition) -> None:
    """What a client writes is the condition that the program would write."""
    assert read(document) == condition


def test_what_a_condition_writes_is_what_the_contract_says() -> None:
    """The form is fixed: clients are written against it."""
    condition = when((Order.region == "eu") & (Order.total > 100))
    assert condition.to_json() == '{"and":[{"eq":["region","eu"]},{"gt":["total",100]}]}'


def test_names_are_qualified_where_a_condition_speaks_of_several_classes() -> None:
    """One name could stand for a field of each of them."""
    condition = when((Order.region == "eu") | (Shipped.number > 5))
    text = condition.to_json()
    assert json.loads(text) == {"or": [{"eq": ["shop.order:region", "eu"]}, {"gt": ["shop.shipped:number", 5]}]}
    for model in (Order | Shipped, (Order, Shipped), [Order | Shipped], Event):
        assert Condition.from_json(model, text, BOTH) == condition


def test_a_name_stands_for_the_field_of_every_class_that_has_it() -> None:
    """A client that gets several classes need not name them."""
    condition = read({"eq": ["region", "eu"]}, BOTH, Order | Shipped)
    assert condition == (Order.region == "eu") | (Shipped.region == "eu")
    assert read({"eq": ["region", "eu"]}, BOTH, Shipped) == when(Shipped.region == "eu")
    several = read({"in": ["region", ["eu", "us"]]}, BOTH, Order | Shipped)
    assert several == one_of(Order.region, "eu", "us") | one_of(Shipped.region, "eu", "us")


def test_a_field_that_is_a_bool_in_one_class_alone_is_no_condition_by_itself() -> None:
    """The message says what it is in the other class."""

    class Refunded(Event):
        paid: int = 0

    with pytest.raises(ValueError, match="true of 'paid': it is int, and not bool"):
        read({"true": "paid"}, Allowed(Order.paid, Refunded.paid), Order | Refunded)


def test_a_field_is_that_of_the_nearest_class_that_is_allowed() -> None:
    """A subclass is asked by the field of its parent, unless its own was named."""
    assert read({"eq": ["region", "eu"]}, ALLOWED, Rush) == when(Order.region == "eu")
    both = Allowed(Order.region, Rush.region)
    assert read({"eq": ["region", "eu"]}, both, Rush) == when(Rush.region == "eu")


@pytest.mark.parametrize(
    "document, message",
    [
        ([], "a condition is an object with one operator"),
        ({}, "a condition is an object with one operator"),
        ({"eq": ["region", "eu"], "gt": ["total", 1]}, "one operator"),
        ({"matches": ["region", "e.*"]}, "the operator 'matches' is not allowed; allowed: and, eq"),
        ({"ne": ["region", "eu"]}, "the operator 'ne' is not allowed"),
        ({"not": {"eq": ["region", "eu"]}}, "the operator 'not' is not allowed"),
        ({"eq": ["internal", "x"]}, "the field 'internal' is not allowed; allowed: number, region"),
        ({"eq": ["customer", {}]}, "the field 'customer' is not allowed"),
        ({"eq": ["customer.age", 5]}, "the field 'customer.age' is not allowed"),
        ({"eq": ["__class__", 5]}, "the field '__class__' is not allowed"),
        ({"eq": ["Shipped:region", "eu"]}, "the field 'Shipped:region' is not allowed"),
        ({"eq": ["region!!", "eu"]}, "is not allowed"),
        ({"eq": [5, 5]}, "a field is named by a text, not a number"),
        ({"eq": ["region"]}, r"eq takes \[field, value\], not a list"),
        ({"eq": "region"}, r"eq takes \[field, value\], not 'region'"),
        ({"eq": ["number", "x"]}, "eq of 'number': Input should be a valid integer"),
        ({"eq": ["colour", 3]}, "eq of 'colour': Input should be 1 or 2"),
        ({"eq": ["number", None]}, "eq of 'number': Input should be"),
        ({"eq": ["discount!", None]}, "eq of 'discount!': it is Decimal and cannot be null"),
        ({"in": ["region", "eu"]}, "it takes a list of values"),
        ({"in": ["region", []]}, "it takes a list of values"),
        ({"in": ["region", ["eu"], ["str", "str"]]}, "one kind for each value"),
        ({"eq": ["number", 1, "code"]}, "a kind of value is one of bool"),
        ({"eq": ["region", 5, "int"]}, "it is str and cannot be a number"),
        ({"eq": ["total", "NaN", "decimal"]}, "nan equals nothing"),
        ({"eq": ["total", "sNaN", "decimal"]}, "nan equals nothing"),
        ({"true": "region"}, "true of 'region': it is str, and not bool"),
        ({"true": "gift"}, "it is bool or None, and not bool"),
        ({"true": ["paid"]}, "a field is named by a text"),
        ({"and": []}, "and takes a list of conditions with at least one"),
        ({"or": {"true": "paid"}}, "or takes a list of conditions"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_echoed_at_length(document: object, message: str) -> None:
    """Whatever a client writes wrong is a ValueError that names it."""
    with pytest.raises(ValueError, match=message) as caught:
        read(document)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text", ["", "{", "nonsense", "[" * 5000, '{"eq": NaN}', '"\\ud800"', "\ud800", "9" * 5000, "null"]
)
def test_a_text_that_is_no_json_is_refused(text: str) -> None:
    """So is one that no parser should be given."""
    with pytest.raises(ValueError, match=r"the condition is no JSON|one operator"):
        Condition.from_json(Order, text, ALLOWED)


def test_a_long_text_is_not_read() -> None:
    """Its length is looked at first."""
    with pytest.raises(ValueError, match=f"at most {MOST_CHARACTERS} are read"):
        Condition.from_json(Order, " " * (MOST_CHARACTERS + 1), ALLOWED)


def test_terms_depth_and_values_are_limited() -> None:
    """At the limit a condition is read, beyond it a ValueError."""
    term: dict[str, Any] = {"true": "paid"}
    read({"and": [term] * MOST_TERMS})
    with pytest.raises(ValueError, match=f"more than {MOST_TERMS} terms"):
        read({"and": [term] * (MOST_TERMS + 1)})
    read({"in": ["number", list(range(MOST_VALUES))]})
    with pytest.raises(ValueError, match=f"at most {MOST_VALUES} are read"):
        read({"in": ["number", list(range(MOST_VALUES + 1))]})
    for _ in range(MOST_DEPTH - 1):
        term = {"or": [term]}
    read(term)
    with pytest.raises(ValueError, match=f"nested more than {MOST_DEPTH} deep"):
        read({"or": [term]})


def test_more_operators_only_where_it_is_said() -> None:
    """`ne` and `not` cost each publish, so they have to be allowed by name."""
    assert read({"ne": ["region", "eu"]}, MORE) == when(Order.region != "eu")
    assert read({"not": {"true": "paid"}}, MORE) == ~when(Order.paid)
    assert read({"not": {"not": {"true": "paid"}}}, MORE) == when(Order.paid)
    with pytest.raises(ValueError, match="the operator 'ne'"):
        read({"ne": ["region", "eu"]}, Allowed(Order.region, also=["not"]))


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: Allowed(), ValueError, "names no field"),
        (
            lambda: Allowed("region"),
            TypeError,
            "takes fields read on a class of events, as in OrderPlaced.status, not 'region'",
        ),
        (lambda: Allowed(Order), TypeError, "takes fields"),
        (lambda: Allowed(Order.total > 5), TypeError, "takes fields"),
        (lambda: Allowed(Order.twice), TypeError, "computed from an event"),
        (lambda: Allowed(Order.region, also="ne"), TypeError, "also= names operators"),
        (lambda: Allowed(Order.region, also=("like",)), ValueError, "also= can allow ne and not, not 'like'"),
        (lambda: Condition.from_json(Customer, "{}", ALLOWED), TypeError, "no field of Customer is allowed"),
        (lambda: Condition.from_json("Order", "{}", ALLOWED), TypeError, "'Order' is not a class of events"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Condition.from_json(Order, b"{}", ALLOWED), TypeError, "a condition as JSON is a str"),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_what_the_program_says_wrong_is_refused_where_it_is_said(
    make: Any, error: type[Exception], message: str
) -> None:
    """A mistake of the program's is no ValueError of a client's."""
    with pytest.raises(error, match=message):
        make()


def test_a_field_that_imports_modules_cannot_be_allowed() -> None:
    """A client would have the program import what it likes."""

    class Loads(Event):
        target: ImportString[Any]
        plain: ImportString = None  # type: ignore[type-arg]  # of anything

    with pytest.raises(TypeError, match=r"Loads\.plain holds an ImportString"):
        Allowed(Loads.plain)


def test_a_condition_without_json_says_which_value_it_is() -> None:
    """What could not be read back as the same is not written."""
    for condition in (when(Order.weight == float("nan")), one_of(Order.total, 1, Decimal("NaN"))):
        with pytest.raises(ValueError, match=r"has no JSON: .* could not be read back as a value of Order"):
            condition.to_json()


def test_allowed_is_shown_as_it_is_written() -> None:
    """So that a log line says what a client may ask."""
    assert repr(MORE) == "Allowed(Order.region, Order.paid, also=('ne', 'not'))"


def test_a_class_that_is_finished_later_can_be_named_now() -> None:
    """Its annotations are read when the first condition comes."""

    class Early(Event):
        later: Later

    allowed = Allowed(Early.later)

    class Later(BaseModel):
        x: int = 1

    Early.model_rebuild(_types_namespace={"Later": Later})
    assert read({"eq": ["later", {"x": 2}]}, allowed, Early) == when(Early.later == Later(x=2))
