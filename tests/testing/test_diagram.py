"""Marble diagrams: reading and drawing them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from evenflow.testing._diagram import Diagram, Names, draw, parse


@pytest.mark.parametrize(
    "text, events, end, failed, ticks",
    [
        ("", (), None, False, 0),
        ("---", (), None, False, 3),
        ("-a--b|", ((1, "a"), (4, "b")), 5, False, 6),
        ("-a--b#", ((1, "a"), (4, "b")), 5, True, 6),
        ("a(bc)d|", ((0, "a"), (1, "b"), (1, "c"), (2, "d")), 3, False, 4),
        ("-(a|)", ((1, "a"),), 1, False, 2),
        ("(#)", (), 0, True, 1),
        ("- a  b |", ((1, "a"), (2, "b")), 3, False, 4),
        ("(a b)|", ((0, "a"), (0, "b")), 1, False, 2),
        ("()-", (), None, False, 2),
    ],
)
def test_a_drawing_says_what_happens_at_which_tick(
    text: str, events: tuple[tuple[int, str], ...], end: int | None, failed: bool, ticks: int
) -> None:
    """A character is a tick, a bracket is one tick, a space is none; the end and the error have a tick too."""
    assert parse(text) == Diagram(events, end, failed, ticks)


@pytest.mark.parametrize(
    "text, words, column",
    [
        ("a|b", "nothing happens after the end", 2),
        ("a|-", "nothing happens after the end", 2),
        ("(a|b)", "nothing happens after the end", 3),
        ("-(ab", "no other half", 1),
        ("-ab)", "no other half", 3),
        ("((a))", "no other half", 0),
        ("(a-b)", "no time passes in it", 2),
    ],
)
def test_a_mistake_in_a_drawing_is_pointed_at(text: str, words: str, column: int) -> None:
    """What cannot be read is a ValueError that shows the drawing and points at the mistake."""
    with pytest.raises(ValueError, match=words) as mistake:
        parse(text)
    assert str(mistake.value).splitlines()[1:] == [f"  {text}", f"  {' ' * column}^"]


@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abcxyz123")), max_size=8),
    st.none() | st.integers(0, 5),
    st.booleans(),
)
def test_what_is_drawn_can_be_read(events: list[tuple[int, str]], more: int | None, failed: bool) -> None:
    """Reading what was drawn gives the same diagram."""
    events.sort(key=lambda event: event[0])
    last = max([tick for tick, _ in events], default=0)
    end = None if more is None else last + more
    ticks = (last if end is None else end) + 1
    diagram = Diagram(tuple(events), end, failed and end is not None, ticks)
    assert parse(draw(diagram)) == diagram


def test_values_take_the_place_of_characters() -> None:
    """With values, a character stands for one of them; without values, it stands for itself."""
    diagram = parse("-a-b|")
    assert diagram.valued({"a": 1, "b": None}).events == ((1, 1), (3, None))
    assert diagram.valued({}) == diagram


def test_all_characters_have_a_value_or_none_has() -> None:
    """A forgotten character is an error, so that all events of a stream have the type of its values."""
    with pytest.raises(ValueError, match=r"there is no value for b, c: give all of them, as in b=1, or none"):
        parse("abc|").valued({"a": 1})


@pytest.mark.parametrize("name", ["ab", "", "-", "|"])
def test_a_name_is_one_character(name: str) -> None:
    """A value can only be named by a character that a drawing can show."""
    with pytest.raises(ValueError, match="named by the one character"):
        parse("a|").valued({name: 1})
    with pytest.raises(ValueError, match="named by the one character"):
        Names({name: 1})


def test_values_find_their_names() -> None:
    """A value is drawn as its given name, else as itself if it is one character, else as a free letter."""
    names = Names({"x": ("a", "b"), "y": 1}, taken="A")
    assert [names(value) for value in [("a", "b"), 1, True, 3, "c", "y", "long", "long", "|"]] == list("xyB3cCDDE")
    assert names.lent == [("B", True), ("C", "y"), ("D", "long"), ("E", "|")]


def test_there_are_letters_enough() -> None:
    """Thousands of values without a name still get one each."""
    names = Names({})
    assert len({names(value) for value in range(10, 1_010)}) == 1_000
