"""The words of an engine: what is a change by default, and what its refusals say."""

from __future__ import annotations

from evenflow.log._stored import Append, Change, IdTaken, Outdated


def test_an_empty_change_changes_nothing_and_shares_nothing_that_can_be_changed() -> None:
    """Defaults are read-only, so no change can leak into another."""
    change = Change()
    assert not any(change)
    assert type(change.puts).__name__ == type(Append("s", "t", 1, b"").headers).__name__ == "mappingproxy"


def test_refusals_name_what_they_refuse() -> None:
    """``Outdated`` has the keys, ``IdTaken`` the subject, the id and whether it is scheduled."""
    assert Outdated(["a/b"]).keys == ("a/b",)
    assert "a/b" in str(Outdated(["a/b"]))
    taken = IdTaken("orders", "x", scheduled=True)
    assert (taken.subject, taken.id, taken.scheduled, taken.same) == ("orders", "x", True, False)
    assert "is scheduled and has not gone out" in str(taken.refusal())
    assert "an event with other data" in str(IdTaken("orders", "x", scheduled=False).refusal())
