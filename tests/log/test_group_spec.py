"""What a reader of a group asks for: the defaults of the contract, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evenflow.log._backoff import DEFAULT
from evenflow.log._group_options import spec_of
from evenflow.testing import MemoryLog

from .events import Ordered, Shipped


def spec(*wants: Any, **options: Any) -> Any:
    """What a reader of group ``g`` asks for."""
    orders = MemoryLog().subject("orders", Ordered, Shipped)
    return spec_of(orders._router, orders._types, "g", wants, **options)


def test_the_defaults_are_those_of_the_contract() -> None:
    """What a group does where nobody says otherwise."""
    made = spec()
    assert (made.since, made.ack_wait, made.max_attempts, made.buffer) == ("start", 30.0, 12, 64)
    assert (made.on_dead, made.order, made.redefine, made.name) == ("continue", None, False, "g")
    assert made.undecodable_after == timedelta(days=1).total_seconds()
    assert made.delay(1) == pytest.approx(1, rel=0.11)
    assert callable(DEFAULT)


def test_what_is_kept_says_what_the_group_is() -> None:
    """Wants, condition and order."""
    made = spec(Ordered, where=Ordered.n > 5, ordered_by=(Ordered.region, Ordered.n))
    text = str(made.definition)
    for word in ("Ordered", "n > 5", "region"):
        assert word in text


@pytest.mark.parametrize(
    "options, words",
    [
        ({"where": lambda order: True}, "condition"),
        ({"ordered_by": lambda order: order.n}, "field"),
        ({"on_dead": "hold_key"}, "ordered_by"),
        ({"on_dead": "explode", "ordered_by": ()}, "explode"),
        ({"undecodable_after": 5}, "timedelta"),
        ({"ack_wait": 0}, "ack_wait must be more than 0 seconds, and finite, not 0"),
        ({"ack_wait": float("inf")}, "finite, not inf"),
        ({"ack_wait": "x"}, "ack_wait must be a number of seconds, not 'x'"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"buffer": 0}, "buffer"),
    ],
)
def test_nonsense_is_refused_with_the_way_out(options: dict[str, Any], words: str) -> None:
    """Where it is written, without an open log."""
    with pytest.raises((TypeError, ValueError), match=words):
        spec(Ordered, **options)


def test_a_groups_name_is_a_name() -> None:
    """As a subject's."""
    orders = MemoryLog().subject("orders", Ordered)
    for wrong in ("", "a/b", "x" * 65):
        with pytest.raises(ValueError, match="a group"):
            spec_of(orders._router, orders._types, wrong, ())
