"""What a subject keeps for later subscriptions."""

from __future__ import annotations

from evenflow._history import History


def test_the_last_few_are_kept_in_order() -> None:
    """Without keys: the newest so many."""
    history = History(2, None, 10)
    for event in "abc":
        history.add(event)
    assert history.events() == ["b", "c"]
    assert len(history) == 2


def test_the_last_few_of_each_key_come_in_the_order_of_their_publishing() -> None:
    """Keys do not group what they keep."""
    history = History(1, str.lower, 10)
    for event in ("a", "b", "A", "c"):
        history.add(event, event.lower())
    assert history.events() == ["b", "A", "c"]


def test_the_key_longest_unused_is_let_go() -> None:
    """Used is what was published, not what was read."""
    history = History(1, str.lower, 2)
    for event in ("a", "b", "A", "c"):
        history.add(event, event.lower())
    assert history.events() == ["A", "c"]
    assert len(history) == 2


def test_a_snapshot_does_not_change() -> None:
    """What is published while a replay is read is not in it."""
    history = History(3, None, 10)
    history.add("a")
    snapshot = history.events()
    history.add("b")
    assert snapshot == ["a"]
