"""What a reader has read and could not claim: kept as far as it is the next, and not without end."""

from __future__ import annotations

from evenflow.log._claiming import Reading
from evenflow.log._read_ahead import Place, ReadAhead
from evenflow.log._stored import Row


def reading(seq: int, *, lane: str = "a", error: str = "") -> Reading:
    """An event of a lane."""
    return Reading(Row(seq, "t", 1, b"{}", {}, "", 0), seq, error, lane=lane)


def place(after: int, epoch: int = 0, types: frozenset[str] | None = None) -> Place:
    """Where new events are looked for."""
    return Place(epoch, after, types)


def next_at(ahead: ReadAhead, where: Place) -> tuple[list[int], int]:
    """The numbers that are kept for a place, and up to where."""
    found, through = ahead.next_at(where)
    return [each.row.seq for each in found if each.row is not None], through


def test_what_stands_behind_the_last_claimed_is_the_next() -> None:
    """It is not read again, by whoever looks at the same place."""
    ahead = ReadAhead(10)
    ahead.keep(place(2), map(reading, (1, 2, 3, 4)), [1], 4)
    assert next_at(ahead, place(2)) == ([3, 4], 4)


def test_at_another_place_nothing_is_kept() -> None:
    """Somebody else has claimed, the group was moved, or a class was defined meanwhile: all is read anew."""
    ahead = ReadAhead(10)
    ahead.keep(place(2), map(reading, (3, 4)), [], 4)
    for other in (place(3), place(2, epoch=1), place(2, types=frozenset({"t"}))):
        assert next_at(ahead, other) == ([], other.after)


def test_what_waits_in_a_lane_is_kept_until_it_is_taken() -> None:
    """An event that was taken, one without a lane, and one that cannot be read are not."""
    ahead = ReadAhead(10)
    read = [reading(1), reading(2), reading(3, lane=""), reading(4, error="no"), reading(5)]
    ahead.keep(place(5), read, [1], 5)
    assert [seq for seq in range(1, 6) if ahead.get(seq) is not None] == [2, 5]
    ahead.keep(place(5), [], [2], 0)
    assert [seq for seq in range(1, 6) if ahead.get(seq) is not None] == [5]


def test_a_claim_that_looks_for_nothing_new_leaves_the_next() -> None:
    """What was read before is still the next."""
    ahead = ReadAhead(10)
    ahead.keep(place(2), map(reading, (3, 4)), [], 4)
    ahead.keep(place(2), [reading(1)], [], 0)
    assert next_at(ahead, place(2)) == ([3, 4], 4)


def test_what_may_have_been_removed_is_read_again() -> None:
    """Up to the floor nothing is kept; where the next events begin before it, they are all read anew."""
    ahead = ReadAhead(10)
    assert ahead.is_empty
    ahead.keep(place(4), map(reading, range(1, 8)), [], 7)
    ahead.forget_through(2)
    assert [seq for seq in range(1, 8) if ahead.get(seq) is not None] == [3, 4]
    assert next_at(ahead, place(4)) == ([5, 6, 7], 7)
    ahead.forget_through(5)
    assert (ahead.get(3), next_at(ahead, place(4))) == (None, ([], 4))
    assert ahead.is_empty


def test_only_so_many_wait() -> None:
    """Memory does not follow what waits: the first are read again."""
    ahead = ReadAhead(3)
    ahead.keep(place(9), map(reading, range(1, 10)), [], 9)
    assert [seq for seq in range(1, 10) if ahead.get(seq) is not None] == [7, 8, 9]
