"""Section 2, which events a subscriber wants: classes, unions, conditions and callables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol, runtime_checkable

import pytest

from evenflow import Event, one_of, present, when

from .kit import BigOrder, Order, Shipped, Subject, both, numbers, take_all


class Customer(Event):
    country: str
    city: str | None = None


class Sale(Event):
    n: int
    customer: Customer | None = None
    express: bool = False
    discount: int | None = None


@both
async def test_a_base_class_means_all_its_subclasses() -> None:
    """Events are matched by isinstance, also if their class was made after the subscription."""
    subject = Subject(Order, Shipped)
    orders, big = subject.subscribe(Order), subject.subscribe(BigOrder)

    class Later(BigOrder):
        pass

    for event in (Order(n=0), BigOrder(n=1), Later(n=2), Shipped(n=3)):
        await subject.publish(event)
    assert numbers(take_all(orders)) == [0, 1, 2]
    assert numbers(take_all(big)) == [1, 2]


@both
async def test_no_wants_means_everything() -> None:
    """Without wants a subscription gets every event of the subject."""
    subject = Subject(Order, Shipped)
    subscription = subject.subscribe()
    for event in (Order(n=0), BigOrder(n=1), Shipped(n=3)):
        await subject.publish(event)
    assert numbers(take_all(subscription)) == [0, 1, 3]


@pytest.mark.parametrize("wants", [(BigOrder, Shipped), (BigOrder | Shipped,), (Shipped, BigOrder | Shipped)])
@both
async def test_an_event_is_wanted_if_it_is_of_any_of_the_classes(wants: Any) -> None:
    """Wants are classes and unions; an event that matches two of them is delivered once."""
    subject = Subject(Order, Shipped)
    subscription = subject.subscribe(*wants)
    for event in (Order(n=0), BigOrder(n=1), Shipped(n=3)):
        await subject.publish(event)
    assert numbers(take_all(subscription)) == [1, 3]


@both
async def test_overlapping_wants_deliver_once() -> None:
    """An event that matches a class and its base is delivered once."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, BigOrder)
    assert await subject.publish(BigOrder(n=1)) == 1
    assert numbers(take_all(subscription)) == [1]


CONDITIONS: list[Any] = [
    (lambda: Sale.n == 1, [1]),
    (lambda: Sale.n != 1, [0, 2, 3]),
    (lambda: Sale.n < 2, [0, 1]),
    (lambda: Sale.n <= 2, [0, 1, 2]),
    (lambda: Sale.n > 1, [2, 3]),
    (lambda: Sale.n >= 1, [1, 2, 3]),
    (lambda: one_of(Sale.n, 0, 3), [0, 3]),
    (lambda: (Sale.n > 0) & (Sale.n < 3), [1, 2]),
    (lambda: (Sale.n > 0) & (Sale.n > 2), [3]),
    (lambda: (Sale.n > 2) & (Sale.n > 0), [3]),
    (lambda: (Sale.n <= 2) & (Sale.n < 2) & (Sale.n >= 0) & (Sale.n > 0), [1]),
    (lambda: (Sale.n == 1) & (Sale.n == 2), []),
    (lambda: one_of(Sale.n, 1, 2) & one_of(Sale.n, 2, 3), [2]),
    (lambda: one_of(Sale.n, 1, 2) & (Sale.n > 1), [2]),
    (lambda: (Sale.n > 1) & (Sale.n < 1), []),
    (lambda: (Sale.n == 0) | (Sale.n == 3), [0, 3]),
    (lambda: (Sale.n < 1) | ((Sale.n > 1) & (Sale.n > 2)), [0, 3]),
    (lambda: ~when(Sale.n == 0), [1, 2, 3]),
    (lambda: Sale.express, [1, 3]),
    (lambda: ~when(Sale.express), [0, 2]),
    (lambda: present(Sale.customer).country == "de", [1, 2]),
    (lambda: present(Sale.discount) > 5, [3]),
    (lambda: one_of(Sale.discount, None), [0, 1]),
    (lambda: one_of(present(Sale.customer).city, None), [1, 3]),
    (lambda: one_of(present(Sale.customer).city, None, "bonn"), [1, 2, 3]),
    (lambda: ~one_of(present(Sale.customer).city, None), [0, 2]),
    (lambda: present(Sale.customer).city != "bonn", [1, 3]),
    (lambda: present(present(Sale.customer).city) != "bonn", []),
    (lambda: lambda sale: sale.n in (0, 2), [0, 2]),
    (lambda: lambda sale: [] if sale.n else "truthy", [0]),
]


@pytest.mark.parametrize("number", range(len(CONDITIONS)))
@both
async def test_where_selects_events(number: int) -> None:
    """Each kind of condition, and a callable, selects exactly the events for which it is true."""
    make, expected = CONDITIONS[number]
    sales = [
        Sale(n=0),
        Sale(n=1, customer=Customer(country="de"), express=True),
        Sale(n=2, customer=Customer(country="de", city="bonn"), discount=5),
        Sale(n=3, customer=Customer(country="fr"), discount=6, express=True),
    ]
    subject = Subject(Sale)
    subscription = subject.subscribe(Sale, where=make())
    for sale in sales:
        await subject.publish(sale)
    assert numbers(take_all(subscription)) == expected


@both
async def test_a_condition_without_wants_selects_events_of_its_class() -> None:
    """A condition is false for events of none of the classes that its fields belong to."""
    subject = Subject(Order, Shipped)
    subscription = subject.subscribe(where=Order.n >= 0)
    for event in (Order(n=0), Shipped(n=1), BigOrder(n=2)):
        await subject.publish(event)
    assert numbers(take_all(subscription)) == [0, 2]


@both
async def test_a_condition_on_two_classes_selects_events_of_both() -> None:
    """`(A.x == v) | (B.x == v)` does what it says."""
    subject = Subject(Order, Shipped, Sale)
    subscription = subject.subscribe(where=(Order.n == 1) | (Shipped.n == 2))
    for n in range(4):
        for kind in (Order, Shipped, Sale):
            await subject.publish(kind(n=n))
    assert [(type(event), event.n) for event in take_all(subscription)] == [(Order, 1), (Shipped, 2)]


@both
async def test_wants_and_where_must_both_hold() -> None:
    """A subclass can be wanted with a condition on a field of the base class."""
    subject = Subject(Order)
    subscription = subject.subscribe(BigOrder, where=Order.n > 1)
    for n in range(4):
        await subject.publish(Order(n=n))
        await subject.publish(BigOrder(n=n))
    assert [(type(event), event.n) for event in take_all(subscription)] == [(BigOrder, 2), (BigOrder, 3)]


@both
async def test_a_callable_where_is_called_only_for_wanted_classes() -> None:
    """It is not called for events of other classes."""
    subject = Subject(Order, Shipped)
    asked: list[Any] = []

    def where(event: Any) -> bool:
        asked.append(event)
        return True

    subscription = subject.subscribe(Shipped, where=where)
    await subject.publish(Order(n=0))
    await subject.publish(Shipped(n=1))
    assert asked == take_all(subscription) == [Shipped(n=1)]


@both
async def test_where_runs_in_the_publishers_task() -> None:
    """The callable was called when publish_nowait returns."""
    subject = Subject(Order)
    asked: list[int] = []
    subscription = subject.subscribe(Order, where=lambda event: asked.append(event.n) is None)
    subject.publish_nowait(Order(n=1))
    assert asked == [1]
    assert numbers(take_all(subscription)) == [1]


@runtime_checkable
class HasRegion(Protocol):
    region: str


class Marked(ABC):
    @abstractmethod
    def mark(self) -> str: ...


@both
async def test_protocols_and_abcs_may_be_wanted() -> None:
    """A runtime-checkable Protocol and an ABC are matched by isinstance, though the subject carries neither."""
    subject = Subject(Order, Shipped)
    Marked.register(Shipped)
    wants_any: Any = subject.subscribe
    regional, marked = wants_any(HasRegion), wants_any(Marked)
    await subject.publish(Order(n=1))
    await subject.publish(Shipped(n=2))
    assert numbers(take_all(regional)) == [1]
    assert numbers(take_all(marked)) == [2]


async def async_where(event: Any) -> bool:
    """An async function, which `where` must not be."""
    return True


class AsyncCallable:
    async def __call__(self, event: Any) -> bool:
        """An async callable, which `where` must not be either."""
        return True


WRONG: list[Any] = [
    pytest.param((Customer,), {}, (TypeError, ValueError), id="a class the subject does not carry"),
    pytest.param((Order | Customer,), {}, (TypeError, ValueError), id="a union with a class it does not carry"),
    pytest.param((int,), {}, (TypeError, ValueError), id="a class that is no event"),
    pytest.param(("Order",), {}, TypeError, id="a string"),
    pytest.param((1,), {}, TypeError, id="a number"),
    pytest.param((Order(n=1),), {}, TypeError, id="an instance"),
    pytest.param((None,), {}, TypeError, id="None as a want"),
    pytest.param((), {"where": True}, TypeError, id="True"),
    pytest.param((), {"where": False}, TypeError, id="False"),
    pytest.param((), {"where": 1}, TypeError, id="an int"),
    pytest.param((), {"where": "n > 1"}, TypeError, id="a string as where"),
    pytest.param((), {"where": async_where}, TypeError, id="an async function"),
    pytest.param((), {"where": AsyncCallable()}, TypeError, id="an async callable object"),
    pytest.param(
        (Shipped,), {"where": lambda: Order.n > 1}, (TypeError, ValueError), id="a condition on another class"
    ),
    pytest.param(
        (Order, Shipped), {"where": lambda: Order.n > 1}, (TypeError, ValueError), id="a want no part speaks of"
    ),
    pytest.param((), {"where": lambda: Customer.country == "de"}, (TypeError, ValueError), id="a class not carried"),
]


@pytest.mark.parametrize("method", ["subscribe", "first", "observe"])
@pytest.mark.parametrize("wants, options, error", WRONG)
@both
async def test_wrong_wants_and_wheres_are_refused_at_the_call(
    wants: Any, options: Any, error: Any, method: str
) -> None:
    """Each is an error with a message, and nothing is subscribed."""
    subject = Subject(Order, Shipped, name="orders")
    options = dict(options)
    where = options.get("where")
    if callable(where) and getattr(where, "__name__", "") == "<lambda>":
        options["where"] = where()
    call: Any = getattr(subject, method)
    with pytest.raises(error) as caught:
        if method == "observe":
            call(lambda event: None, *wants, **options)
        else:
            call(*wants, **options)
    assert len(str(caught.value)) > 20
    assert len(subject.statistics().subscriptions) == 0
    assert await subject.publish(Order(n=1)) == 0


@both
async def test_a_base_class_of_what_the_subject_carries_may_be_wanted() -> None:
    """A subject of a subclass may be asked for its base class."""
    narrow = Subject(BigOrder)
    subscription: Any = narrow.subscribe(Order)
    await narrow.publish(BigOrder(n=1))
    assert numbers(take_all(subscription)) == [1]


def test_a_field_that_does_not_exist_is_an_attribute_error() -> None:
    """A misspelled field fails when the condition is written."""
    misspelled: Any = Order
    with pytest.raises(AttributeError):
        misspelled.regin == "eu"  # noqa: B015 -- it raises


def test_and_or_not_and_if_on_a_condition_are_a_type_error() -> None:
    """The message says to use `&`, `|` and `~`."""
    for condition in (
        lambda: (Order.n > 1) and (Order.n < 3),
        lambda: (Order.n > 1) or (Order.n < 3),
        lambda: not (Order.n > 1),
        lambda: 1 if Order.n > 1 else 2,
        lambda: 1 < Order.n < 3,
    ):
        with pytest.raises(TypeError, match=r"&"):
            condition()
