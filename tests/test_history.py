"""What a subject keeps for later subscriptions."""

from __future__ import annotations

from evenflow._history import History


def test_the_last_few_are_kept_in_order() -> None:
    """Without keys, the newest events are kept."""
    history = History(2, None, 10)
    for event in "abc":
        history.add(event)
    assert history.events() == ["b", "c"]
    assert len(history) == 2


def test_the_last_few_of_each_key_come_in_the_order_in_which_they_were_published() -> None:
    """Events are not grouped by their keys."""
    history = History(1, str.lower, 10)
    for event in ("a", "b", "A", "c"):
        history.add(event, event.lower())
    assert history.events() == ["b", "A", "c"]


def test_the_least_recently_published_key_is_evicted() -> None:
    """Only publishing an event of a key counts as using it, not reading it."""
    history = History(1, str.lower, 2)
    for event in ("a", "b", "A", "c"):
        history.add(event, event.lower())
    assert history.events() == ["A", "c"]
    assert len(history) == 2


def test_a_snapshot_does_not_change() -> None:
    """A replay does not contain what is published while it is read."""
    history = History(3, None, 10)
    history.add("a")
    snapshot = history.events()
    history.add("b")
    assert snapshot == ["a"]


def test_numbers_are_those_of_the_order_in_which_events_were_published() -> None:
    """Of the last events, and of the last of each key; an evicted key is forgotten up to its newest event."""
    plain = History(3, None, 10)
    for event in "abcde":
        plain.add(event)
    assert plain.numbered(5) == [(3, "c"), (4, "d"), (5, "e")]
    assert plain.forgotten(5) == 2
    by_key = History(1, str.lower, 2)
    for event in "aAbc":
        by_key.add(event, event.lower())
    assert by_key.numbered(4) == [(3, "b"), (4, "c")]
    assert by_key.forgotten(4) == 2
