"""What one reader of a group claims, as pure decisions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evenflow.log import _claiming
from evenflow.log._claiming import Claiming, Plain, Reading
from evenflow.log._group_records import DeadRecord, Definition, GroupRecord, Item, Keys, LaneRecord, RetryRecord
from evenflow.log._group_rules import Lanes
from evenflow.log._stored import Record, Row

KEYS = Keys("s", "g")
NOW = 1_000.0
GROUP = GroupRecord(Definition(None, "", None), 10)


def reading(seq: int, lane: str = "", *, error: str = "", broken: bool = False, wanted: bool = True) -> Reading:
    row = Row(seq, "Placed", 1, b"{}", {}, "", 0)
    return Reading(row, error=error, broken=broken, wanted=wanted, lane=lane)


def claiming(room: int = 10, group: GroupRecord = GROUP, **lanes: LaneRecord) -> Claiming:
    known = Lanes(KEYS, {KEYS.lane + name: Record(lane.dump(), 5, None) for name, lane in lanes.items()})
    return Claiming(KEYS, (group, 3), page_id="p", room=room, lanes=known, now=NOW, undecodable_after=100.0)


def seqs(claim: Claiming) -> list[int]:
    return [taken.item.seq for taken in claim.taken]


def lane_after(claim: Claiming, name: str) -> LaneRecord:
    return LaneRecord.parse(claim.draft.puts[KEYS.lane + name].value)


def test_new_events_are_claimed_as_long_as_there_is_room_and_the_position_stops_before_the_next() -> None:
    """What has no room is not passed; what is not wanted is."""
    claim = claiming(2)
    taken = [claim.add_new(reading(seq, wanted=seq != 13)) for seq in (11, 12, 13, 14)]
    assert (taken, seqs(claim), claim.position) == ([True, True, True, False], [11, 12], 13)
    page = claim.finish("m/1", 30.0)
    assert page is not None
    assert [item.seq for item in page.items] == [11, 12]
    assert claim.draft.expect == {"group/s/g": 3, "page/s/g/p": 0}
    assert GroupRecord.parse(claim.draft.puts["group/s/g"].value).position == 13


def test_new_events_with_nothing_to_decide_are_claimed_as_they_are() -> None:
    """The change is the same as if each had been looked at."""
    rows = [reading(seq).row for seq in (11, 13)]
    plain = Plain([row for row in rows if row is not None], [None, None])
    quick, slow = claiming(), claiming()
    quick.add_plain(plain)
    assert slow.add_all(plain.readings())
    for claim in (quick, slow):
        claim.pass_to(20)
    assert quick.finish("m/1", 30.0) == slow.finish("m/1", 30.0)
    assert quick.draft == slow.draft
    assert not quick.only_moves


def test_what_only_moves_the_position_may_wait() -> None:
    """A claim that found nothing it wants changes nothing that anybody must know at once."""
    claim = claiming()
    claim.pass_to(500)
    assert claim.finish("m/1", 30.0) is None
    assert (claim.only_moves, claim.group.position) == (True, 500)


def test_a_new_event_waits_in_its_lane_where_its_key_is_busy() -> None:
    """In another's hand, put off, or held: it is behind the others of its key, and is counted."""
    lanes = {
        "hand": LaneRecord((Item(1),), "other", 1),
        "retry": LaneRecord((Item(2, 2, due=2_000.0),)),
        "held": LaneRecord((), held=(3,)),
    }
    claim = claiming(**lanes)
    for seq, name in enumerate(["hand", "retry", "held", "new", "new"], 11):
        assert claim.add_new(reading(seq, name))
    assert seqs(claim) == [14, 15]
    claim.finish("m/1", 30.0)
    assert [lane_after(claim, name).items[-1].seq for name in lanes] == [11, 12, 13]
    assert (lane_after(claim, "new").in_page, lane_after(claim, "new").page) == (2, "p")
    # the retry was not counted until now
    assert claim.group.waiting == 1 + 2 + 1
    assert claim.draft.puts[KEYS.lane + "retry"].due == 2_000.0


def test_a_lane_that_is_due_gives_its_first_events_up_to_one_that_is_not_due() -> None:
    """Those behind stay, and go on being the lane's."""
    lane = LaneRecord((Item(1, 2, due=900.0), Item(2), Item(3, due=1_500.0), Item(4)), counted=4)
    claim = claiming(group=replace(GROUP, waiting=4), a=lane)
    claim.add_lane("a", [reading(seq, "a") for seq in (1, 2, 3, 4)], 4)
    assert [(taken.item.seq, taken.item.attempt, taken.item.due) for taken in claim.taken] == [(1, 2, 0.0), (2, 1, 0.0)]
    claim.finish("m/1", 30.0)
    after = lane_after(claim, "a")
    assert ([item.seq for item in after.items], after.in_page, after.page) == ([1, 2, 3, 4], 2, "p")
    assert claim.group.waiting == 2


def test_what_cannot_be_read_is_put_off_uncounted_with_a_growing_pause_until_it_is_dead() -> None:
    """First a second, then two, at most a minute; after undecodable_after a dead letter with no attempt."""
    claim = claiming()
    assert claim.add_new(reading(11, error="no"))
    put = claim.draft.puts[KEYS.retry_of(11)]
    first = RetryRecord.parse(put.value)
    assert (put.due, first.item.attempt, first.item.seen, first.error) == (NOW + 1, 1, NOW, "no")
    claim = claiming()
    claim.add_retry(RetryRecord(first.item._replace(tries=3)), 8, reading(11, error="no"))
    assert claim.draft.puts[KEYS.retry_of(11)].due == NOW + 8
    assert claim.draft.expect[KEYS.retry_of(11)] == 8
    claim = claiming()
    claim.add_retry(RetryRecord(first.item._replace(seen=NOW - 100)), 8, reading(11, error="no"))
    letter = DeadRecord.parse(claim.draft.puts[KEYS.dead_of(11)].value)
    assert (letter.attempts, letter.error, KEYS.retry_of(11) in claim.draft.deletes) == (0, "no", True)


def test_an_event_whose_key_is_known_at_last_takes_its_place_in_its_lane() -> None:
    """It comes before later ones of its key, but not before what is in hand."""
    lane = LaneRecord((Item(20), Item(8), Item(12)), "other", 1)
    claim = claiming(a=lane)
    claim.add_retry(RetryRecord(Item(10, seen=5.0, tries=2)), 8, reading(10, "a"))
    claim.finish("m/1", 30.0)
    assert [item.seq for item in lane_after(claim, "a").items] == [20, 8, 10, 12]
    assert lane_after(claim, "a").items[2] == Item(10)


def test_an_unreadable_first_event_holds_back_its_lane_alone() -> None:
    """What is behind it waits; once it is dead the lane goes on, unless dead letters hold their key."""
    lane = LaneRecord((Item(1), Item(2)))
    claim = claiming(a=lane)
    claim.add_lane("a", [reading(1, error="no"), reading(2)], 2)
    claim.finish("m/1", 30.0)
    assert (seqs(claim), claim.draft.puts[KEYS.lane + "a"].due) == ([], NOW + 1)
    for on_dead, expected in (("continue", [2]), ("hold_key", [])):
        claim = claiming(group=replace(GROUP, on_dead=on_dead), a=lane)
        claim.add_lane("a", [reading(1, error="no", broken=True), reading(2)], 2)
        assert (seqs(claim), [letter.row.seq for letter in claim.dead]) == (expected, [1])
        claim.finish("m/1", 30.0)
        assert lane_after(claim, "a").held == ((1,) if on_dead == "hold_key" else ())


def test_what_the_log_has_no_more_is_passed_and_told() -> None:
    """A retry, or an event of a lane, that retention has removed."""
    claim = claiming(a=LaneRecord((Item(1), Item(2))))
    claim.add_retry(RetryRecord(Item(5)), 8, Reading(None))
    claim.add_lane("a", [Reading(None), reading(2)], 2)
    assert (claim.gone, seqs(claim)) == ([5, 1], [2])


def test_too_many_that_wait_choke_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit the position stops before what would wait, and passes what would not."""
    monkeypatch.setattr(_claiming, "MOST_WAITING", 1)
    claim = claiming(a=LaneRecord((Item(1),), "other", 1))
    answers = [claim.add_new(reading(seq, lane)) for seq, lane in ((11, "a"), (12, "b"), (13, "a"))]
    assert (answers, claim.position, seqs(claim)) == ([True, True, False], 12, [12])
