"""Gaps, and keys whose look-up never raises."""

from __future__ import annotations

import pytest

from evenflow._items import Hashed, hashed, wider


class Counted:
    """A key that counts how often its hash is computed."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.asked = 0

    def __hash__(self) -> int:
        self.asked += 1
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counted) and other.value == self.value


class Incomparable:
    """A key that cannot be compared."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise ValueError("no")


def test_a_hash_is_asked_for_once() -> None:
    """The hash is computed once, however often the key is looked up."""
    key = Counted(1)
    wrapped = hashed(key)
    table = {wrapped: "here"}
    assert table[wrapped] == "here"
    assert wrapped in table
    assert key.asked == 1


def test_equal_keys_are_one_key() -> None:
    """As in any dict, 1, 1.0 and True are one key, and so are objects that are equal."""
    assert {hashed(1): "x"}[hashed(1.0)] == "x"
    assert {hashed(True): "x"}[hashed(1)] == "x"
    assert {hashed(Counted(1)): "x"}[hashed(Counted(1))] == "x"
    assert hashed(Counted(1)) != hashed(Counted(2))


def test_words_and_whole_numbers_stay_as_they_are() -> None:
    """Hashing and comparing them runs no code of users, so they need no wrapper."""
    assert hashed("a") == "a"
    assert type(hashed("a")) is str
    assert type(hashed(3)) is int


def test_keys_that_cannot_be_compared_are_different_keys() -> None:
    """Looking one up raises nothing, so it cannot interrupt a publish."""
    table = {Hashed(Incomparable()): 1}
    assert Hashed(Incomparable()) not in table


def test_a_key_that_cannot_be_hashed_is_refused_when_it_is_wrapped() -> None:
    """The error comes before anything is delivered."""
    with pytest.raises(TypeError, match="unhashable"):
        hashed([])


def test_a_gap_grows_by_one_and_keeps_its_beginning() -> None:
    """The time of the first event stays, and the time of the last one changes."""
    gap = wider(None)
    assert (gap.count, gap.first_at) == (1, gap.last_at)
    more = wider(gap)
    assert more.count == 2
    assert more.first_at == gap.first_at
    assert more.last_at >= gap.last_at
