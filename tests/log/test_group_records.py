"""The records of a group are read as they were written."""

from __future__ import annotations

from hypothesis import given, strategies as st

from evenflow.log._group_records import (
    DeadRecord,
    Definition,
    FirstTime,
    GroupRecord,
    Item,
    Keys,
    LaneRecord,
    PageRecord,
    RetryRecord,
    last_part,
)
from evenflow.log._stored import Row

NUMBERS = st.integers(1, 2**62)
TIMES = st.floats(0, 1e10, allow_nan=False)
TEXTS = st.text(max_size=20)
ITEMS = st.builds(Item, NUMBERS, st.integers(1, 50), st.booleans(), TIMES, TIMES, st.integers(0, 9))
WANTS = st.none() | st.lists(TEXTS, max_size=3).map(tuple)


@given(
    st.builds(
        GroupRecord, st.builds(Definition, WANTS, TEXTS, st.none() | TEXTS), NUMBERS, st.integers(0, 9), st.booleans()
    )
)
def test_a_group_is_read_as_it_was_written(group: GroupRecord) -> None:
    """Its definition, its position, and whether it is paused."""
    assert GroupRecord.parse(group.dump()) == group


@given(st.lists(ITEMS, max_size=8).map(tuple), TIMES, st.integers(0, 255))
def test_a_page_is_read_as_it_was_written(items: tuple[Item, ...], ack_wait: float, done: int) -> None:
    """Its events, their lanes, and a bit for each that is settled."""
    page = PageRecord("member/1", ack_wait, items, ("",) * len(items), done & ((1 << len(items)) - 1))
    again = PageRecord.parse(page.dump())
    assert again == page
    assert again.with_head().dump() == page.dump()
    assert again.member == "member"
    assert [again.is_done(index) for index in range(len(items))] == [
        bool(page.done >> n & 1) for n in range(len(items))
    ]
    assert again.is_over == (
        len(list(again.open_indexes())) == 0 if callable(again.open_indexes) else not again.open_indexes
    )


@given(ITEMS, TEXTS)
def test_a_retry_is_read_as_it_was_written(item: Item, error: str) -> None:
    """With its error."""
    assert RetryRecord.parse(RetryRecord(item, error).dump()) == RetryRecord(item, error)


@given(
    st.builds(
        LaneRecord,
        st.lists(ITEMS, max_size=5).map(tuple),
        TEXTS,
        st.integers(0, 5),
        st.lists(NUMBERS, max_size=3).map(tuple),
        st.integers(0, 5),
    )
)
def test_a_lane_is_read_as_it_was_written(lane: LaneRecord) -> None:
    """In order, with what holds it."""
    assert LaneRecord.parse(lane.dump()) == lane


@given(st.binary(max_size=30), st.dictionaries(TEXTS, TEXTS, max_size=2), TEXTS, TIMES)
def test_a_dead_letter_is_read_as_it_was_written(data: bytes, headers: dict[str, str], error: str, at: float) -> None:
    """Whatever bytes its event has."""
    row = Row(5, "Ordered", 2, data, headers, "id", 1_700_000_000_000_000)
    letter = DeadRecord(row, 3, error, at, "lane", redriven=False)
    assert DeadRecord.parse(letter.dump()) == letter


def test_keys_sort_as_the_numbers_do() -> None:
    """An event's number is padded, and found again behind the last slash."""
    keys = Keys("orders", "g")
    numbers = [2, 10, 9, 1_000_000, 2**62]
    assert sorted(map(keys.retry_of, numbers)) == [keys.retry_of(number) for number in sorted(numbers)]
    assert [int(last_part(keys.dead_of(number))) for number in numbers] == numbers


def test_a_page_of_numbers_in_a_row_is_short() -> None:
    """It is written with each settlement; with a hole, or an event that was tried, it has each number."""
    run = PageRecord("m/1", 30.0, tuple(Item(seq) for seq in range(7, 1_007)), ("",) * 1_000)
    assert len(run.dump()) < 100
    assert PageRecord.parse(run.dump()) == run
    for items in ((Item(1), Item(3)), (Item(1), Item(2, 2)), (Item(2), Item(1))):
        other = PageRecord("m/1", 30.0, items, ("",) * 2)
        assert PageRecord.parse(other.dump()) == other


def test_a_plain_page_makes_no_items() -> None:
    """It equals one of items, is written as one, and read back as plain where that can be seen."""
    plain = PageRecord("m/1", 30.0, FirstTime([7, 8, 9]), ("",) * 3)
    made = PageRecord("m/1", 30.0, (Item(7), Item(8), Item(9)), ("",) * 3)
    assert plain == made
    assert hash(plain.items) == hash(made.items)
    assert (plain.is_plain, made.is_plain) == (True, False)
    assert plain.dump() == made.dump()
    assert PageRecord.parse(plain.dump()).is_plain
    assert [item.seq for item in plain.items[1:]] == [8, 9]
    assert plain.with_head().with_done(5).open_indexes() == [1]


def test_a_page_with_lanes_is_not_plain() -> None:
    """Also where its numbers are in a row: what is done of it concerns its lanes."""
    page = PageRecord("m/1", 30.0, (Item(7), Item(8)), ("a", ""))
    assert PageRecord.parse(page.dump()) == page
    assert not PageRecord.parse(page.dump()).is_plain
