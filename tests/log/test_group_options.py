"""What a user says of a group or consumer: read off the handler, or refused where it is written."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.log import Delivery
from evenflow.testing import MemoryLog

from .events import Ordered, Shipped


def subject() -> Any:
    """A subject of two classes, whose log is not open."""
    return MemoryLog().subject("orders", Ordered, Shipped)


def test_wants_are_read_off_the_annotation() -> None:
    """Of an event, of a delivery, of a union; a handler without one takes everything."""
    orders = subject()

    async def event(_: Ordered) -> None: ...
    async def delivery(_: Delivery[Ordered]) -> None: ...
    async def both(_: Delivery[Ordered | Shipped]) -> None: ...
    async def bare(_: Delivery) -> None: ...  # type: ignore[type-arg]  # as users write it
    async def anything(_): ...  # type: ignore[no-untyped-def]  # as users write it

    made = [orders.consume(f"g{n}", handler) for n, handler in enumerate((event, delivery, both, bare, anything))]
    assert [consumer._spec.wants for consumer in made] == [(Ordered,), (Ordered,), (Ordered, Shipped), (), ()]
    assert [consumer._takes_delivery for consumer in made] == [False, True, True, True, False]
    assert made[0].name.endswith("event")


def test_wants_that_are_named_need_no_annotation() -> None:
    """One that cannot be read does not matter then."""

    def handle(_: Unknown) -> None: ...  # type: ignore[name-defined]  # noqa: F821 -- on purpose

    orders = subject()
    assert orders.consume("g", handle, Ordered, name="billing").name == "billing"
    with pytest.raises(TypeError, match=r"Unknown.*@subject.consumer\('group', OrderPlaced\)"):
        orders.consume("g", handle)


class Mailer:
    """Handlers that are none."""

    def send(self, event: Ordered) -> None: ...

    @classmethod
    def post(cls, event: Ordered) -> None: ...


def _yields(_: Ordered) -> Any:
    yield


@pytest.mark.parametrize(
    "handler, says",
    [
        (3, "a consumer is a function that takes an event, not 3"),
        (
            Ordered,
            "a consumer is a function .* give the function first: subject.consume\\('group', handler, OrderPlaced",
        ),
        (_yields, "a consumer has no yield"),
        (lambda: None, "cannot be called with one event, as a consumer is"),
        (Mailer.send, "register it where there is one, .*: subject.consume\\('group', self.send, OrderPlaced\\)"),
        (Mailer.__dict__["post"], "register it after the class: subject.consume\\('group', Mailer.post\\)"),
    ],
    ids=["no function", "class", "generator", "no parameter", "method", "classmethod"],
)
def test_a_wrong_handler_is_told_of_consumers(handler: Any, says: str) -> None:
    """By ``consume`` and by the decorator, and not a word of observers."""
    for consume in (
        lambda: subject().consume("g", handler, Ordered),
        lambda: subject().consumer("g", Ordered)(handler),
    ):
        with pytest.raises(TypeError, match=says) as caught:
            consume()
        assert "observe" not in str(caught.value)


def test_nonsense_is_refused_where_it_is_written() -> None:
    """Options and handlers."""
    orders = subject()

    def handle(_: Ordered) -> None: ...

    for options in (
        {"ack_wait": 0},
        {"max_attempts": 0},
        {"retry_after": "soon"},
        {"retry_after": []},
        {"ordered_by": lambda order: order.n},
        {"on_dead": "hold_key"},
        {"concurrency": 0},
        {"handle_timeout": -1},
        {"since": "later"},
        {"speed": 3},
    ):
        with pytest.raises((TypeError, ValueError)):
            orders.consume("g", handle, **options)
    for handler in (Ordered, 5, lambda: None):
        with pytest.raises(TypeError):
            orders.consume("g", handler)
    with pytest.raises(TypeError, match="'billing'"):
        orders.consumer(handle)
