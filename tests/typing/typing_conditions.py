"""What type checkers know of conditions: fields on the class, one_of, when, present, fields."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar, assert_type

from pydantic import BaseModel

from evenflow import Condition, Event, Subject, Subscription, fields, one_of, present, when

T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Customer(BaseModel):
    country: str
    age: int | None = None


class Placed(Event, name="shop.placed"):
    order_id: int
    region: str
    total: Decimal
    weight: float
    at: datetime
    colour: Colour
    kind: Literal["a", "b"]
    customer: Customer
    paid: bool = False
    discount: Decimal | None = None
    payer: Customer | None = None
    gift: bool | None = None


class Shipped(Event):
    region: str


class User(BaseModel):
    name: str


class Changed(Event, Generic[T]):
    before: T | None = None
    after: T


# A field read on the class has the type of its value, and a comparison is a bool.
assert_type(Placed.total, Decimal)
assert_type(Placed.customer.country, str)
assert_type(Placed.discount, Decimal | None)
assert_type(Placed.total > 100, bool)
assert_type(Placed.customer.country == "de", bool)
assert_type((Placed.total > 100) & (Placed.region == "eu"), bool)
assert_type((Placed.total > 100) | Placed.paid, bool)

# A misspelled field, a field of another type, a path through None.
Placed.regoin == "eu"  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
Placed.customer.contry == "de"  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
Placed.total > "x"  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
Placed.region == 3  # type: ignore[comparison-overlap]  # pyright: ignore[reportUnnecessaryComparison]
Placed.discount > 5  # type: ignore[operator]  # pyright: ignore[reportOptionalOperand]
Placed.payer.country == "de"  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]

# An event is frozen, and is made by keywords.
placed = Placed(
    order_id=1,
    region="eu",
    total=Decimal(1),
    weight=1.0,
    at=datetime.now().astimezone(),
    colour=Colour.RED,
    kind="a",
    customer=Customer(country="de"),
)
assert_type(placed.total, Decimal)
placed.region = "us"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
Shipped()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Shipped("eu")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# when: the same condition, typed as a Condition.
assert_type(when(Placed.total > 100), Condition)
assert_type(when(Placed.paid), Condition)
assert_type(~when(Placed.paid), Condition)
assert_type(when(Placed.total > 100) & (Placed.region == "eu"), Condition)
assert_type((Placed.region == "eu") & when(Placed.total > 100), Condition)
assert_type(when(Placed.total > 100) | Placed.paid, Condition)
assert_type(when(Placed.total > 100)(placed), bool)
when("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
when(lambda event: True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# present: an optional field as one that is never None.
assert_type(present(Placed.discount), Decimal)
assert_type(present(Placed.discount) > 5, bool)
assert_type(present(Placed.payer).country == "de", bool)
assert_type(present(present(Placed.payer).age) > 18, bool)
assert_type(present(Placed.gift), bool)
present(Placed.payer).contry == "de"  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

# one_of: values that the field can hold.
assert_type(one_of(Placed.region, "eu", "us"), Condition)
assert_type(~one_of(Placed.region, "eu", "us"), Condition)
assert_type(one_of(Placed.discount, None), Condition)
assert_type(one_of(Placed.total, 1, Decimal(2)), Condition)
assert_type(one_of(Placed.weight, 1, 2.5), Condition)
assert_type(one_of(Placed.colour, Colour.RED, Colour.BLUE), Condition)
assert_type(one_of(Placed.order_id, 1, 2) & (Placed.region == "eu"), Condition)
assert_type(one_of(Placed.order_id, 1, 2) | Placed.paid, Condition)
one_of(Placed.region, 3)  # type: ignore[misc]  # pyright: ignore[reportCallIssue, reportArgumentType]
one_of(Placed.colour, "red")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

# fields: the fields of a generic event.
assert_type(fields(Changed[User]).after, User)
assert_type(fields(Changed[User]).after.name == "x", bool)
assert_type(present(fields(Changed[User]).before).name == "x", bool)
assert_type(fields(Placed).total > 1, bool)
fields(Changed[User]).aftr  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

# As `where`.
orders: Subject[Placed | Shipped] = Subject(Placed, Shipped)
assert_type(orders.subscribe(Placed, where=Placed.total > 100), Subscription[Placed])
assert_type(orders.subscribe(Placed, where=Placed.paid), Subscription[Placed])
assert_type(orders.subscribe(Placed, where=~when(Placed.paid)), Subscription[Placed])
assert_type(orders.subscribe(Placed, where=one_of(Placed.region, "eu")), Subscription[Placed])
assert_type(orders.subscribe(Placed, where=lambda order: order.total > 100), Subscription[Placed])
assert_type(
    orders.subscribe(Placed, Shipped, where=(Placed.region == "eu") | (Shipped.region == "eu")),
    Subscription[Placed | Shipped],
)
orders.subscribe(Placed, where="x")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


class Base(Event):
    """An event whose field a subclass declares anew."""

    number: int = 0


class Redeclared(Base):
    number: int = 1
    extra: Any = None


assert_type(Redeclared.number == 1, bool)
assert_type(Redeclared(number=2).number, int)
