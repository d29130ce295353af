"""Offsets: places in a subject of a log, and where one may be used."""

from __future__ import annotations

import copy
import operator
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, strategies as st

from evenflow.log._offsets import (
    Offset,
    checked_since,
    checked_until,
    lineage_of,
    microseconds,
    moment,
    offsets_of,
    seq_in,
)

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
OFFSETS = st.builds(Offset, NAMES, NAMES, st.integers(0, 2**63 - 1))
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HISTORY = [("a1", 0), ("b7", 3), ("c3", 10)]
"""a1 wrote up to 3, b7 up to 10, and c3 writes now."""


@given(OFFSETS)
def test_an_offset_is_read_back_from_its_text(offset: Offset) -> None:
    """`Offset.parse(str(offset))` is the same offset, and the text can stand in a URL as it is."""
    text = str(offset)
    assert Offset.parse(text) == offset
    assert text.isascii()
    assert set(text) & set(" /?#%&:\"'") == set()


def test_an_offset_shows_what_it_is() -> None:
    """Its text has the subject, the lineage and the number; it can be pickled and copied, and is frozen."""
    offset = Offset("orders", "k3x9", 17)
    assert str(offset) == "orders.k3x9.17"
    assert repr(offset) == "Offset('orders.k3x9.17')"
    assert pickle.loads(pickle.dumps(offset)) == offset == copy.deepcopy(offset)
    assert len({offset, Offset.parse("orders.k3x9.17")}) == 1
    with pytest.raises(AttributeError):
        offset.seq = 18  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        "", "17", "orders", "orders.17", "orders..17", ".k3.17", "orders.k3.", "orders.k3.-1", "orders.k3.+1", "orders.k3.1_0",
        "orders.k3.017", "orders.k3. 17", "orders.k3.17 ", "orders.k3.17.1", "orders.k3.1e3", "or ders.k3.17", "orders.k.3.17",
        "orders.k3.٣", "orders.k3.²", f"orders.k3.{2**63}", f"orders.k3.{'9' * 5000}", f"{'a' * 65}.k3.17",
    ],
)  # fmt: skip
def test_a_text_that_is_no_offset_is_refused(text: str) -> None:
    """What `str` would not have written is a ValueError."""
    with pytest.raises(ValueError, match="is not an offset"):
        Offset.parse(text)


@pytest.mark.parametrize("text", [None, 17, b"orders.k3.17", Offset("orders", "k3", 17)])
def test_only_a_text_is_parsed(text: Any) -> None:
    """Anything else is a TypeError."""
    with pytest.raises(TypeError, match="takes the text"):
        Offset.parse(text)


@pytest.mark.parametrize(
    "parts, error",
    [
        (("or.ders", "k3", 1), ValueError),
        (("orders", "", 1), ValueError),
        (("orders", "k3", -1), ValueError),
        (("orders", "k3", 2**63), ValueError),
        (("orders", "k3", "1"), TypeError),
        (("orders", "k3", True), TypeError),
        (("orders", "k3", 1.0), TypeError),
        (("orders", 3, 1), TypeError),
        ((3, "k3", 1), TypeError),
    ],
)
def test_an_offset_that_could_not_be_read_back_cannot_be_made(parts: Any, error: type[Exception]) -> None:
    """Its parts are checked where it is made."""
    with pytest.raises(error):
        Offset(*parts)


def test_offsets_of_one_subject_are_ordered_by_their_numbers() -> None:
    """By number and not by text, and across lineages as well."""
    nine, ten = Offset("orders", "a", 9), Offset("orders", "a", 10)
    assert nine < ten
    assert nine <= ten
    assert ten > nine
    assert ten >= nine
    assert not ten < nine
    assert Offset("orders", "b", 9) < ten
    assert max(ten, nine, Offset("orders", "z", 3)) == ten


@given(st.lists(st.builds(Offset, st.just("orders"), st.sampled_from("ab"), st.integers(0, 3)), min_size=2))
def test_the_order_agrees_with_equality(offsets: list[Offset]) -> None:
    """Of two offsets exactly one holds: less, equal, greater; sorting is by number."""
    one, other = offsets[:2]
    assert [one < other, one == other, one > other].count(True) == 1
    assert (one <= other) == (not one > other)
    assert (one >= other) == (not one < other)
    assert [offset.seq for offset in sorted(offsets)] == sorted(offset.seq for offset in offsets)


def test_offsets_of_two_subjects_are_not_ordered() -> None:
    """Comparing them is a ValueError that says so with both; they are merely unequal."""
    one, other = Offset("orders", "a", 1), Offset("stock", "a", 1)
    assert one != other
    for compare in (lambda: one < other, lambda: one <= other, lambda: one > other, lambda: one >= other):
        with pytest.raises(ValueError, match="within one subject") as caught:
            compare()
        assert "orders.a.1" in str(caught.value)
        assert "stock.a.1" in str(caught.value)


def test_an_offset_is_compared_with_offsets_only() -> None:
    """A number or a text is a TypeError, as for any two things without an order."""
    offset: Any = Offset("orders", "a", 1)
    for other in (1, "orders.a.2", None):
        assert offset != other
        for compare in (operator.lt, operator.le, operator.gt, operator.ge):
            with pytest.raises(TypeError, match="not supported"):
                compare(offset, other)


@pytest.mark.parametrize(
    "seq, lineage", [(0, "a1"), (1, "a1"), (3, "a1"), (4, "b7"), (10, "b7"), (11, "c3"), (99, "c3")]
)
def test_an_event_keeps_the_lineage_in_which_it_was_stored(seq: int, lineage: str) -> None:
    """So its offset is the same before and after the log began another lineage, and in a copy."""
    assert lineage_of(seq, HISTORY) == lineage
    assert seq_in(Offset("orders", lineage, seq), "orders", HISTORY) == seq


@pytest.mark.parametrize("seqs", [(), (2,), range(1, 4), range(3, 5), (11, 2, 4), (12, 99)])
def test_many_offsets_are_those_of_each_event(seqs: tuple[int, ...]) -> None:
    """In the order of the numbers that are given, on both sides of each fork."""
    made = [Offset("orders", lineage_of(seq, HISTORY), seq) for seq in seqs]
    assert offsets_of(seqs, "orders", HISTORY) == made


@pytest.mark.parametrize("lineage, seq, left", [("a1", 4, 3), ("a1", 11, 3), ("b7", 11, 10)])
def test_an_offset_from_after_the_fork_is_refused(lineage: str, seq: int, left: int) -> None:
    """It is of another copy: the message names the offset, the lineage, where it was left, and the way out."""
    with pytest.raises(ValueError) as caught:
        seq_in(Offset("orders", lineage, seq), "orders", HISTORY)
    for word in (f"orders.{lineage}.{seq}", repr(lineage), f"after {left}", "'c3'", f"orders.{lineage}.{left}"):
        assert word in str(caught.value)


def test_the_way_out_of_a_fork_can_be_used() -> None:
    """The offset that the message offers is taken by the same log."""
    with pytest.raises(ValueError) as caught:
        seq_in(Offset("orders", "a1", 5), "orders", HISTORY)
    offered = str(caught.value).partition("Offset.parse('")[2].partition("'")[0]
    assert seq_in(Offset.parse(offered), "orders", HISTORY) == 3


def test_an_offset_of_another_log_is_refused() -> None:
    """A lineage that the log does not know is named, beside those that it knows."""
    with pytest.raises(ValueError, match=r"orders\.zz\.1 .*'zz'.* does not know.*'a1', 'b7', 'c3'"):
        seq_in(Offset("orders", "zz", 1), "orders", HISTORY)


def test_an_offset_of_another_subject_is_refused() -> None:
    """Both subjects are named, whatever the lineage is."""
    with pytest.raises(ValueError, match="'stock', not of 'orders'"):
        seq_in(Offset("stock", "a1", 1), "orders", HISTORY)


def test_the_newest_lineage_has_no_end() -> None:
    """An offset of the lineage that is written now is never from after a fork."""
    assert seq_in(Offset("orders", "c3", 2**63 - 1), "orders", HISTORY) == 2**63 - 1
    assert seq_in(Offset("orders", "a1", 7), "orders", [("a1", 0)]) == 7


@given(st.lists(st.integers(0, 20), min_size=1, max_size=4), st.integers(0, 25))
def test_the_offset_of_a_stored_event_is_always_taken(forks: list[int], seq: int) -> None:
    """Whatever the history, a log takes the offset that it gave to an event of its own."""
    history = [(f"l{n}", after) for n, after in enumerate(sorted(forks))]
    assert seq_in(Offset("orders", lineage_of(seq, history), seq), "orders", history) == seq


@pytest.mark.parametrize("place", [Offset("orders", "a", 1), NOW, NOW.astimezone(timezone(timedelta(hours=2)))])
def test_a_place_is_an_offset_or_an_aware_time(place: Any) -> None:
    """It is returned as it is."""
    assert checked_since(place) is place
    assert checked_until(place) is place


def test_places_have_words() -> None:
    """Reading begins at "start" or "now", and ends at "end"."""
    assert (checked_since("start"), checked_since("now"), checked_until("end")) == ("start", "now", "end")


@pytest.mark.parametrize("check", [checked_since, checked_until])
@pytest.mark.parametrize(
    "place, error, word",
    [
        (NOW.replace(tzinfo=None), ValueError, "naive .*add tzinfo=UTC"),
        ("yesterday", ValueError, "'yesterday'"),
        ("orders.a.1", ValueError, "Offset.parse reads a text"),
        (17, TypeError, "not 17"),
        (NOW.date(), TypeError, "aware datetime"),
        (None, TypeError, "not None"),
    ],
)
def test_any_other_place_is_refused(check: Any, place: Any, error: type[Exception], word: str) -> None:
    """A naive datetime is refused with the way out: nobody guesses a zone."""
    with pytest.raises(error, match=word):
        check(place)


def test_each_end_has_its_own_words() -> None:
    """Reading cannot end at "now" or begin at "end"."""
    with pytest.raises(ValueError, match="until must be 'end'"):
        checked_until("now")
    with pytest.raises(ValueError, match="to must be 'start' or 'now'"):
        checked_since("end", "to")


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_kept_to_the_microsecond(time: datetime) -> None:
    """From a datetime to microseconds since 1970 and back nothing is rounded, before 1970 as well."""
    assert moment(microseconds(time)) == time


@pytest.mark.parametrize("text", ["x" * 1_000_000, "a.b." + "9" * 1_000_000, "." * 1_000_000])
def test_the_message_about_a_hostile_text_is_short(text: str) -> None:
    """It may come from a header of a request: it is refused quickly, and does not fill a log file."""
    with pytest.raises(ValueError, match="is not an offset") as caught:
        Offset.parse(text)
    assert len(str(caught.value)) < 400
