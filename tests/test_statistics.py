"""The numbers of subjects, subscriptions and observers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from evenflow import Event, ObserverStatistics, Subject, SubjectStatistics, SubscriptionStatistics

ALL: list[Any] = [SubscriptionStatistics, ObserverStatistics, SubjectStatistics]


class Tick(Event):
    n: int = 0


@pytest.mark.parametrize("kind", ALL)
def test_every_number_is_explained_in_the_order_in_which_it_stands(kind: Any) -> None:
    """The docstring has a line for each attribute, so that `help()` answers."""
    explained = [line.strip().partition(":")[0] for line in kind.__doc__.partition("Attributes:")[2].splitlines()]
    assert [name for name in explained if name] == [field.name for field in dataclasses.fields(kind)]


@pytest.mark.parametrize("kind", ALL)
def test_numbers_cannot_be_changed(kind: Any) -> None:
    """They are a copy of one moment, and changing them would change nothing else."""
    numbers = kind(*range(len(dataclasses.fields(kind))))
    with pytest.raises(dataclasses.FrozenInstanceError):
        numbers.name = "another"
    assert not hasattr(numbers, "__dict__")


def test_the_numbers_of_a_subscription_add_up() -> None:
    """Whatever became of an event: it was delivered, replaced, dropped or discarded, or it waits."""
    subject = Subject(Tick)
    dropping = subject.subscribe(Tick, buffer=2, overflow="drop_oldest")
    replacing = subject.subscribe(Tick, buffer=2, conflate=Tick.n)
    for n in (1, 2, 2, 2, 3):
        subject.publish_nowait(Tick(n=n))
    assert dropping.receive_nowait().n == 2
    for subscription in (dropping, replacing):
        told = subscription.statistics()
        assert told.wanted == 5
        assert told.wanted == told.delivered + told.replaced + told.dropped + told.discarded + told.waiting
    assert dropping.statistics().dropped == 3
    assert replacing.statistics().replaced == 2
    dropping.close()
    assert dropping.statistics().discarded == 1
    subject.close()


def test_numbers_that_were_read_do_not_change_later() -> None:
    """They say how it was when they were read."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick)
    before = subject.statistics()
    subject.publish_nowait(Tick())
    assert (before.published, subject.statistics().published) == (0, 1)
    assert (before.deliveries, subject.statistics().deliveries) == (0, 1)
    assert before.subscriptions[0].wanted == 0
    subscription.close()
    subject.close()
