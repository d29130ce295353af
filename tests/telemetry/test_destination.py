"""How a subject is named in spans and metrics."""

from __future__ import annotations

from evenflow import Subject
from evenflow.telemetry._destination import Destination


def test_a_span_is_named_by_its_operation_and_its_subject() -> None:
    """That is the convention: first what is done, then to what."""
    assert Destination("orders").span_name("publish") == "publish orders"


def test_a_subject_without_a_name_is_anonymous() -> None:
    """A name that evenflow made up is another in each run, and so no part of the name of a span."""
    orders = Destination(Subject().name)
    assert orders.span_name("publish") == "publish"
    assert orders.attributes("publish")["messaging.destination.anonymous"] is True
    assert "messaging.destination.anonymous" not in Destination("orders").attributes("publish")


def test_an_operation_has_a_name_and_a_type() -> None:
    """The name is evenflow's word, the type is the conventions' own."""
    assert Destination("orders").attributes("publish") == {
        "messaging.system": "evenflow",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "orders",
    }
