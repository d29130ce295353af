"""Why a subscription would get an event, or would not, in plain words."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from evenflow import Event, Subject, one_of, present
from evenflow._explain import CLOSED, ENDED, NOT_RUNNING, Explanation, explain
from evenflow._routing import Router


class Customer(BaseModel):
    country: str = "de"


class Order(Event):
    region: str = "us"
    total: Decimal = Decimal(50)
    paid: bool = False
    discount: int | None = None
    customer: Customer | None = None
    note: Any = ""


class Invoice(Event):
    number: int = 0


class Target:
    def __init__(self, where: Any) -> None:
        self.where = where

    def ask(self, event: object, /) -> object:
        return self.where(event)


class Broken:
    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError("no")

    __hash__ = None  # type: ignore[assignment]


def cancels(event: object) -> bool:
    """It raises what no `except Exception` catches."""
    raise asyncio.CancelledError("there")


REASONS: list[tuple[Any, Any, Event, bool, str]] = [
    ((Order,), Order.region == "eu", Order(), False, "region is 'us', wanted 'eu'"),
    ((Order,), Order.region == "us", Order(), True, "region is 'us', as wanted"),
    ((Order,), Order.region != "us", Order(), False, "region is 'us', wanted anything but 'us'"),
    ((Order,), Order.total > 100, Order(), False, "total is Decimal('50'), wanted > 100"),
    ((Order,), one_of(Order.region, "a", "b"), Order(), False, "region is 'us', wanted one of 'a', 'b'"),
    ((Order,), Order.paid, Order(), False, "paid is False, wanted it to be true"),
    ((Order,), ~(Order.region == "us"), Order(), False, "region is 'us', wanted not 'us'"),
    ((Order,), present(Order.discount) > 5, Order(), False, "discount is None, wanted > 5"),
    ((Order,), present(Order.customer).country == "de", Order(), False, "customer is None, wanted 'de'"),
    (
        (Order,),
        (Order.region == "eu") & (Order.total > 100) & (Order.total < 900),
        Order(),
        False,
        "region is 'us', wanted 'eu' and total is Decimal('50'), wanted > 100",
    ),
    ((Order,), (Order.region == "eu") | (Order.total > 10), Order(), True, "total is Decimal('50'), as wanted"),
    (
        (Order,),
        ~((Order.region == "us") & (Order.total > 10)),
        Order(),
        False,
        "region is 'us', as wanted and total is Decimal('50'), as wanted, but ~ wants the opposite",
    ),
    ((Order,), None, Invoice(), False, "it is an Invoice, wanted Order"),
    ((Order,), None, Order(), True, "every Order is wanted"),
    ((), None, Order(), True, "every event is wanted"),
    ((), Order.region == "eu", Invoice(), False, "it is an Invoice, and the condition speaks of Order"),
    (
        (),
        (Order.region == "eu") | (Invoice.number == 1),
        Invoice(),
        False,
        "it is an Invoice and has no Order.region, wanted 'eu' and number is 0, wanted 1",
    ),
    ((), lambda event: True, Order(), True, "its callable says yes"),
    ((), lambda event: False, Order(), False, "its callable says no"),
    (
        (),
        lambda event: 1 / 0,
        Order(),
        False,
        "its callable raised ZeroDivisionError: division by zero; that ends the subscription",
    ),
    (
        (),
        Order.note == 1,
        Order(note=Broken()),
        False,
        "its condition raised ZeroDivisionError: no; that ends the subscription",
    ),
    (
        (),
        cancels,
        Order(),
        False,
        "its callable raised CancelledError: there; that ends the subscription",
    ),
]


@pytest.mark.parametrize("wants, where, event, wanted, reason", REASONS, ids=[reason for *_, reason in REASONS])
def test_the_reason_names_what_is_and_what_was_wanted(
    wants: Any, where: Any, event: Event, wanted: bool, reason: str
) -> None:
    """Only the parts that decide are named; what users' code raises is a reason too."""
    router: Router[Target] = Router(())
    target, interest = Target(where), router.interest(wants, where)
    router.add(target, interest)
    told = explain("mail", interest, event, target, found_by=router.found_by(target))
    assert told == Explanation("mail", wanted, reason, router.found_by(target))


def test_a_huge_value_is_shortened() -> None:
    """A reason stays short enough to be read in a log."""
    router: Router[Target] = Router(())
    interest = router.interest((), Order.region == "x" * 10_000)
    assert len(explain("x", interest, Order(region="y" * 10_000), Target(None), found_by="").reason) < 200


def test_an_explanation_is_a_sentence() -> None:
    """Its text has the name, the answer, the reason, and how the subscription is found."""
    said = Explanation("mail", False, "region is 'us', wanted 'eu'", "by region")
    assert str(said) == "mail: no, region is 'us', wanted 'eu' (found by region)"


def test_nobody_gets_an_event_of_a_closed_subject() -> None:
    """The reason is that the subject is closed, whatever a subscription would have wanted."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    subject.close()
    assert [(told.wanted, told.reason) for told in subject.explain(Order())] == [(False, CLOSED)]
    subscription.close()


@pytest.mark.asyncio
async def test_an_observer_that_has_ended_says_so() -> None:
    """While the subject is entered, an observer that does not run has ended; before that, it has not begun."""
    subject = Subject(Order)

    subject.observe(print, Order, buffer=1, overflow="disconnect")
    assert [told.reason for told in subject.explain(Order())] == [NOT_RUNNING]
    async with subject:
        for _ in range(3):
            subject.publish_nowait(Order())
        await anyio.wait_all_tasks_blocked()
        assert [told.reason for told in subject.explain(Order())] == [ENDED]
