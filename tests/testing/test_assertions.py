"""Assertions on drawings, which show both drawings one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evenflow.testing import assert_drawn, marbles
from evenflow.testing._assertions import difference
from tests.testing.kit import both, project

if TYPE_CHECKING:
    from pathlib import Path


@both
async def test_a_stream_that_does_what_is_drawn_passes() -> None:
    """It has the same events at the same ticks and the same end; spaces and brackets around one event mean nothing."""
    await assert_drawn(marbles("-a--(bc)|"), "-a--(bc)|")
    await assert_drawn(marbles("-a--b|"), "- a -- (b) |")
    await assert_drawn(marbles("-a#"), "-a#")
    await assert_drawn(marbles("-a--b|", a=10, b=20), "-x--y|", x=10, y=20)
    await assert_drawn(marbles("-a", tick=0.1), "-a---", tick=0.1)


@both
async def test_a_drawing_without_an_end_is_compared_as_far_as_it_goes() -> None:
    """What comes after the drawing does not matter."""
    await assert_drawn(marbles("-a--b|"), "-a-")


@pytest.mark.parametrize(
    "actual, expected, shown",
    [
        (
            "-a---b|",
            "-a--b-|",
            ["  expected  -a--b-|", "  drawn     -a---b|", "                ^"],
        ),
        (
            "-(ab)-c|",
            "-a-c|",
            ["  expected  -a   -c|", "  drawn     -(ab)-c|", "             ^"],
        ),
        (
            "-a-#",
            "-a-|",
            ["  expected  -a-|", "  drawn     -a-#", "               ^", "  # = MarbleError('#')"],
        ),
        (
            "-a-",
            "-a|",
            ["  expected  -a|", "  drawn     -a---------------------", "              ^"],
        ),
        (
            "|",
            "--|",
            ["  expected  --|", "  drawn     |", "            ^"],
        ),
    ],
)
def test_where_they_differ_both_are_shown(actual: str, expected: str, shown: list[str]) -> None:
    """The error shows one above the other, with one column for one time, and marks the first difference."""

    @both
    async def test() -> None:
        with pytest.raises(AssertionError) as failed:
            await assert_drawn(marbles(actual), expected)
        assert str(failed.value).splitlines() == ["the stream is not as drawn", *shown]

    for backend in ("asyncio", "trio"):
        test(backend=backend)


@both
async def test_letters_are_explained() -> None:
    """The error says what a letter stands for, whether the name was given or found."""
    with pytest.raises(AssertionError) as failed:
        await assert_drawn(marbles("-a-b|", a="long", b="longer"), "-x-A|", x="long")
    assert str(failed.value).splitlines()[1:] == [
        "  expected  -x-A|",
        "  drawn     -x-B|",
        "               ^",
        "  x = 'long'",
        "  B = 'longer'",
    ]


@both
async def test_what_is_no_drawing_is_refused() -> None:
    """A mistake in the expected drawing is a ValueError, not a failed test."""
    with pytest.raises(ValueError, match="not a marble diagram"):
        await assert_drawn(marbles("a|"), "(a|")
    with pytest.raises(ValueError, match="named by the one character"):
        await assert_drawn(marbles("a|"), "a|", xy=1)


def test_what_is_no_drawing_is_shown_as_an_empty_one() -> None:
    """A text that is not a drawing differs from the first tick on."""
    assert difference("-a|", "not a drawing (") == ["  expected", "  drawn     -a|", "            ^"]


def test_pytest_shows_a_comparison_so_too(tmp_path: Path) -> None:
    """`assert await drawn(...) == "..."`, either way round, shows both drawings one above the other."""
    ran = project(
        tmp_path,
        """
        import pytest
        from evenflow.testing import drawn, marbles

        @pytest.mark.virtual_time
        async def test_left():
            assert await drawn(marbles("-a---b|")) == "-a--b-|"

        @pytest.mark.virtual_time
        async def test_right():
            assert "-a-not a drawing(" == await drawn(marbles("-a-b|", a=100, b=200))
        """,
    )
    assert "2 failed" in ran.stdout, ran.stdout + ran.stderr
    assert "expected  -a--b-|\nE           drawn     -a---b|\nE                         ^\n" in ran.stdout, ran.stdout
    assert "A = 100" in ran.stdout
