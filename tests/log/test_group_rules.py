"""What becomes of a group's events, as pure decisions."""

from __future__ import annotations

import pytest

from evenflow.log._group_records import DeadRecord, Item, Keys, LaneRecord, PageRecord, RetryRecord
from evenflow.log._group_rules import Draft, Fate, Lanes, Outcome, Policy, Settled, settle
from evenflow.log._stored import Outdated, Record, Row

KEYS = Keys("s", "g")
NOW = 1_000.0


def row(seq: int) -> Row:
    return Row(seq, "Placed", 1, b"{}", {}, "", 0)


def outcome(place: int, fate: Fate, *, due: float = 0.0, error: str = "") -> Outcome:
    return Outcome(place, fate, due, error, row(place + 1))


def settled(
    page: PageRecord, *outcomes: Outcome, lanes: dict[str, LaneRecord] | None = None, holds: bool = False
) -> tuple[Draft, Settled]:
    draft = Draft()
    known = Lanes(KEYS, {KEYS.lane + name: Record(lane.dump(), 5, None) for name, lane in (lanes or {}).items()})
    result = settle(draft, KEYS, "p", (page, 7), outcomes, known, Policy(3, holds, NOW))
    known.write(draft, NOW)
    return draft, result


def page(*lanes: str, attempts: int = 1) -> PageRecord:
    return PageRecord("m/1", 30.0, tuple(Item(n + 1, attempts) for n in range(len(lanes))), lanes)


def lane_in(draft: Draft, name: str) -> LaneRecord:
    return LaneRecord.parse(draft.puts[KEYS.lane + name].value)


def test_what_is_done_leaves_a_bit_and_the_last_one_the_page() -> None:
    """A page keeps a bit for each settled event, and is deleted with the last; its version is always expected."""
    draft, result = settled(page("", ""), outcome(1, Fate.DONE))
    assert draft.expect == {"page/s/g/p": 7}
    assert PageRecord.parse(draft.puts["page/s/g/p"].value).open_indexes() == [0]
    draft, _ = settled(result.page, outcome(0, Fate.DONE), outcome(1, Fate.AGAIN))
    assert (draft.deletes, draft.puts) == ({"page/s/g/p"}, {})


@pytest.mark.parametrize(
    "fate, due, attempt, when", [(Fate.AGAIN, 1_005.0, 3, 1_005.0), (Fate.AGAIN, 0.0, 3, NOW), (Fate.BACK, 0.0, 2, NOW)]
)
def test_what_goes_out_again_is_a_retry(fate: Fate, due: float, attempt: int, when: float) -> None:
    """Counted or given back, it has its attempt and its time."""
    draft, _ = settled(page("", attempts=2), outcome(0, fate, due=due))
    put = draft.puts[KEYS.retry_of(1)]
    assert (RetryRecord.parse(put.value).item.attempt, put.due) == (attempt, when)


def test_the_last_attempt_makes_a_dead_letter_and_giving_back_never_does() -> None:
    """After max_attempts an event that fails is a copy in a dead letter; one that is given back goes out again."""
    draft, result = settled(page("", "", attempts=3), outcome(0, Fate.AGAIN, error="no"), outcome(1, Fate.BACK))
    (letter,) = result.dead
    assert DeadRecord.parse(draft.puts[KEYS.dead_of(1)].value) == letter
    assert (letter.attempts, letter.error, letter.at, letter.row) == (3, "no", NOW, row(1))
    assert set(draft.puts) == {KEYS.dead_of(1), KEYS.retry_of(2)}


def test_the_next_of_a_lane_waits_for_what_goes_out_again() -> None:
    """An event of a lane that goes out again stays first, and takes those behind it out of the page."""
    lane = LaneRecord((Item(1), Item(2), Item(3), Item(9)), "p", 3, counted=1)
    draft, result = settled(page("a", "a", "a"), outcome(1, Fate.AGAIN, due=1_009.0), lanes={"a": lane})
    assert result.taken_back == [2]
    assert result.page.open_indexes() == [0]
    now = lane_in(draft, "a")
    assert [item.seq for item in now.items] == [1, 2, 3, 9]
    assert (now.in_page, now.page, draft.puts["lane/s/g/a"].due) == (1, "p", None)
    draft, _ = settled(result.page, outcome(0, Fate.DONE), lanes={"a": now})
    assert (lane_in(draft, "a").page, draft.puts["lane/s/g/a"].due) == ("", 1_009.0)
    assert draft.expect["lane/s/g/a"] == 5


def test_a_lane_ends_with_its_last_event() -> None:
    """Of a key that has nothing any more nothing is kept."""
    draft, _ = settled(page("a", "b"), outcome(0, Fate.DONE), lanes={"a": LaneRecord((Item(1),), "p", 1)})
    assert "lane/s/g/a" in draft.deletes


def test_a_dead_letter_holds_its_lane_only_where_it_was_asked_to() -> None:
    """By default the lane goes on; with hold_key it is due no more, and its events leave the page."""
    lane = LaneRecord((Item(1), Item(2)), "p", 2)
    draft, result = settled(page("a", "a"), outcome(0, Fate.DEAD), lanes={"a": lane})
    assert (lane_in(draft, "a").in_page, result.taken_back, lane_in(draft, "a").held) == (1, [], ())
    draft, result = settled(page("a", "a"), outcome(0, Fate.DEAD), lanes={"a": lane}, holds=True)
    assert (result.taken_back, lane_in(draft, "a").held, draft.puts["lane/s/g/a"].due) == ([1], (1,), None)
    assert result.dead[0].lane == "a"


def test_a_copy_is_deleted_once_its_event_is_done() -> None:
    """A redriven event has its event in its dead letter, until it was handled."""
    copied = PageRecord("m/1", 30.0, (Item(1, copied=True), Item(2, copied=True)), ("", ""))
    draft, _ = settled(copied, outcome(0, Fate.DONE), outcome(1, Fate.AGAIN))
    assert draft.deletes == {KEYS.dead_of(1), "page/s/g/p"}
    assert RetryRecord.parse(draft.puts[KEYS.retry_of(2)].value).item.copied


@pytest.mark.parametrize(
    "item",
    [Item(1), Item(2, 3), Item(3, 1, True), Item(4, 1, False, 5.5), Item(5, 2, True, 1.0, 2.0, 3), Item(6, tries=1)],
)
def test_an_item_is_the_same_after_it_was_stored(item: Item) -> None:
    """Whatever it knows of itself it knows afterwards, in each kind of record."""
    assert RetryRecord.parse(RetryRecord(item, "é").dump()) == RetryRecord(item, "é")
    assert LaneRecord.parse(LaneRecord((item,), "p", 1, (7,), 2).dump()) == LaneRecord((item,), "p", 1, (7,), 2)
    record = PageRecord("m/1", 2.5, (item, Item(9)), ("", "a"), 2)
    assert PageRecord.parse(record.dump()) == record == PageRecord.parse(record.with_head().dump())


def test_a_dead_letter_keeps_any_bytes() -> None:
    """The event of a dead letter is kept as it is, whatever is in it."""
    letter = DeadRecord(Row(3, "T", 2, b'\xff\n"\n', {"a": "ü"}, "id", 17), 4, "bad\nline", 1.5, "lane", redriven=True)
    assert DeadRecord.parse(letter.dump()) == letter


@pytest.mark.parametrize(
    "lane", [LaneRecord(), LaneRecord((Item(1),), "another", 1), LaneRecord((Item(1), Item(2)), "p", 2)]
)
def test_a_lane_that_knows_better_than_the_page_makes_it_outdated(lane: LaneRecord) -> None:
    """The lane was loaded after the page: it has gone on, or is in another page, so the page is another's."""
    with pytest.raises(Outdated) as caught:
        settled(page("a"), outcome(0, Fate.DONE), lanes={"a": lane})
    assert caught.value.keys == ("page/s/g/p",)
