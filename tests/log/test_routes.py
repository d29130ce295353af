"""What a subject is routed by, and what a condition says of it."""

from __future__ import annotations

import enum
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from evenflow import Event, one_of, present, when
from evenflow._conditions import Comparison, Condition
from evenflow._fields import Path
from evenflow.log._routes import NULL, Wanted, checked_routed_by, text_of, texts_in


class Status(enum.Enum):
    """Members that equal themselves alone."""

    PAID = "paid"
    OPEN = 1


class Grade(enum.IntEnum):
    """Members that equal numbers."""

    LOW = 1
    HIGH = 2


class Place(enum.StrEnum):
    """Members that equal texts."""

    EU = "eu"
    US = "us"


class Loose(str):
    """Compares in its own way."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str(other).lower() == self.lower()

    __hash__ = str.__hash__


class Customer(Event):
    """A part of an event."""

    country: str | None = None


class Sale(Event):
    """An event with all that can be routed by."""

    region: str = "eu"
    place: Place = Place.EU
    number: int = 0
    is_new: bool = False
    status: Status = Status.PAID
    grade: Grade | None = None
    key: UUID | None = None
    kind: Literal["a", "b"] = "a"
    customer: Customer | None = None
    total: Decimal = Decimal(0)


class Online(Sale):
    """One of its subclasses."""

    site: str = "shop"


class Refund(Event):
    """Another class of the subject, which lacks most of the fields."""

    region: str = "eu"


GRADE: Any = Sale.grade
FIELDS: Any = (Sale.region, Sale.number, Sale.customer.country, Sale.is_new)  # type: ignore[union-attr]  # None has no field; the class has

TEXTS = st.sampled_from(["eu", "us", "", "a.b", "*", ">", "a b", "_", "null", "1", "=", "ü", "x" * 300])
SALES = st.builds(
    Sale,
    region=TEXTS,
    place=st.sampled_from(Place),
    number=st.sampled_from([0, 1, -1, 7, 10**30]),
    is_new=st.booleans(),
    status=st.sampled_from(Status),
    grade=st.sampled_from([None, *Grade]),
    customer=st.sampled_from([None, Customer(), Customer(country="de"), Customer(country="")]),
)
EVENTS = SALES | st.builds(Refund, region=TEXTS) | st.builds(Online, region=TEXTS)

COMPARISONS: st.SearchStrategy[Any] = st.one_of(
    TEXTS.map(lambda text: Sale.region == text),
    TEXTS.map(lambda text: Refund.region == text),
    TEXTS.map(lambda text: Sale.region != text),
    st.lists(TEXTS, min_size=1, max_size=3).map(lambda some: one_of(Sale.region, *some)),
    st.sampled_from([0, 1, 1.0, True, 2.5, Decimal(7), Fraction(1, 2), 10**30]).map(lambda n: Sale.number == n),
    st.sampled_from([0, 1, 5]).map(lambda n: Sale.number > n),
    st.sampled_from([True, False, 1, 0]).map(lambda value: Sale.is_new == value),
    st.just(Sale.is_new).map(lambda found: found),
    st.sampled_from(["de", ""]).map(lambda text: present(present(Sale.customer).country) == text),
    st.sampled_from([None, "de"]).map(lambda text: one_of(present(Sale.customer).country, text)),
)


def _joined(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pairs = st.tuples(parts, parts)
    return pairs.map(lambda two: two[0] & two[1]) | pairs.map(lambda two: two[0] | two[1]) | parts.map(lambda one: ~one)


def conditions() -> st.SearchStrategy[Condition]:
    """Conditions of any kind."""
    as_conditions = COMPARISONS.map(
        lambda found: found if isinstance(found, Condition) else found.__evenflow_condition__()
    )
    return st.recursive(as_conditions, _joined, max_leaves=6)


@given(EVENTS, conditions())
def test_whatever_a_condition_wants_has_one_of_its_texts(event: Event, condition: Condition) -> None:
    """For any event and any condition: what is left out is never wanted."""
    routing = checked_routed_by((*FIELDS, Refund.region), (Sale, Refund))
    assert routing is not None
    route = routing.route(event, 1)
    wanted = Wanted(None, texts_in(condition), lambda _: 1)
    if route is None or (texts := wanted.texts("any", route.fields, route.version)) is None:
        return
    may_be_wanted = all(some is None or text in some for text, some in zip(route.texts, texts, strict=True))
    assert may_be_wanted or not condition(event)


VALUES: list[Any] = [
    None, True, False, 0, 1, 2, -1, "", "1", "eu", "EU", Place.EU, Grade.LOW, Status.PAID, Status.OPEN,
    UUID(int=1), str(UUID(int=1)), Loose("eu"), 1.0, 2.5, Decimal(1), Decimal("2.5"), Fraction(1), float("nan"),
]  # fmt: skip


def test_equal_values_have_one_text() -> None:
    """What a field holds, and what it is compared with: either has no text, or they have the same."""
    for one, other in product(VALUES, VALUES):
        found = text_of(one)
        asked = texts_in(Comparison(Path(Sale, ("region",)), "==", other)).get("region")
        if one == other and found is not None and asked is not None:
            assert asked == {found}


@pytest.mark.parametrize(
    "value, text",
    [
        (None, NULL), (True, "1"), (0, "0"), (-5, "-5"), ("", ""), ("a.b", "a.b"), (Place.EU, "eu"), (Grade.HIGH, "2"),
        (Status.PAID, "paid"), (Status.OPEN, "OPEN"), (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (2.5, None), (1.0, None), (Decimal(1), None), (Loose("eu"), None), ("\ud800", None), (1 << 600, None), (b"", None),
    ],
)  # fmt: skip
def test_each_value_has_the_text_that_is_documented(value: Any, text: str | None) -> None:
    """None is the text of what cannot be in a name: its event is stored without a route."""
    assert text_of(value) == text


@pytest.mark.parametrize(
    "condition, texts",
    [
        (Sale.region == "eu", {"region": {"eu"}}),
        (one_of(Sale.region, "eu", "us"), {"region": {"eu", "us"}}),
        ((Sale.region == "eu") & (Sale.number == 1), {"region": {"eu"}, "number": {"1"}}),
        (one_of(Sale.region, "eu", "us") & one_of(Sale.region, "us", "cn"), {"region": {"us"}}),
        ((Sale.region == "eu") | (Sale.region == "us"), {"region": {"eu", "us"}}),
        ((Sale.region == "eu") | (Sale.number == 1), {}),
        ((Sale.region == "eu") & (Sale.number > 1), {"region": {"eu"}}),
        (~when(Sale.region == "eu"), {}),
        (Sale.region != "eu", {}),
        (Sale.number == 2.5, {}),
        (one_of(Sale.number, 1, 2.5), {}),
        (one_of(GRADE, Grade.LOW, None), {"grade": {NULL, "1"}}),
        (present(Sale.customer).country == "de", {"customer.country": {"de"}}),
    ],
)
def test_what_a_condition_says_of_fields(condition: Any, texts: dict[str, set[str]]) -> None:
    """The table at the head of the file."""
    assert texts_in(condition) == texts


def test_a_callable_says_nothing() -> None:
    """Everything is sent."""
    assert texts_in(None) == {}


def test_an_event_is_routed_by_the_fields_of_its_own_class() -> None:
    """In the order in which they were declared; without any it has no route."""
    routing = checked_routed_by((Online.site, Refund.region, Sale.region), (Sale, Refund))
    assert routing is not None
    route = routing.route(Online(region="us"), 3)
    assert route is not None
    assert (route.fields, route.version, route.texts) == (("site", "region"), 3, ("shop", "us"))
    assert routing.route(Sale(region="us"), 3) == (("region",), 3, ("us",))
    assert routing.route(Refund(region="cn"), 1) == (("region",), 1, ("cn",))
    only = checked_routed_by(Online.site, (Sale,))
    assert only is not None
    assert only.route(Sale(), 1) is None


def test_an_event_whose_field_has_no_text_or_cannot_be_read_has_no_route() -> None:
    """It is stored all the same."""
    routing = checked_routed_by(Sale.region, (Sale,))
    assert routing is not None
    assert routing.route(Sale.model_construct(region=Loose("eu")), 1) is None
    assert routing.route(Sale.model_construct(), 1) is not None
    broken = Sale()
    del broken.__dict__["region"]
    assert routing.route(broken, 1) is None


def test_a_route_of_another_version_or_by_other_fields_leaves_nothing_out() -> None:
    """An upgrade may have changed the value."""
    wanted = Wanted(None, texts_in(Sale.region == "eu"), {"Sale": 2}.get)  # type: ignore[arg-type]  # checkers take a comparison for a bool
    assert wanted.texts("Sale", ("number", "region"), 2) == (None, frozenset({"eu"}))
    assert wanted.texts("Sale", ("region",), 1) is None
    assert wanted.texts("Sale", ("number",), 2) is None
    assert wanted.texts("Unknown", ("region",), 2) is None


def test_what_several_want_is_what_any_of_them_wants() -> None:
    """Of a field that one says nothing of, nothing is said."""
    eu = Wanted(frozenset({"Sale"}), {"region": frozenset({"eu"}), "number": frozenset({"1"})}, lambda _: 1)
    us = Wanted(frozenset({"Refund"}), {"region": frozenset({"us"})}, lambda _: 1)
    assert eu | us == Wanted(frozenset({"Sale", "Refund"}), {"region": frozenset({"eu", "us"})}, lambda _: 1)
    everything = Wanted(None, {}, lambda _: 1)
    assert (eu | everything).is_everything
    assert not us.is_everything


@pytest.mark.parametrize(
    "routed_by, error, words",
    [
        ((), ValueError, "names no field"),
        ("region", TypeError, "must be a field"),
        (lambda event: event.region, TypeError, "must be a field"),
        (Customer.country, ValueError, "the subject carries Sale"),
        (Sale.total, TypeError, "holds Decimal"),
        (Sale.customer, TypeError, "holds Customer or None"),
        ((Sale.region, Sale.number, Sale.is_new, Sale.kind, Sale.key), ValueError, "at most 4 fields"),
    ],
)
def test_what_cannot_be_routed_by_is_refused_where_it_is_written(
    routed_by: Any, error: type[Exception], words: str
) -> None:
    """With the way out."""
    with pytest.raises(error, match=words):
        checked_routed_by(routed_by, (Sale,))


def test_a_subject_without_it_is_routed_by_nothing() -> None:
    """As before."""
    assert checked_routed_by(None, (Sale,)) is None
