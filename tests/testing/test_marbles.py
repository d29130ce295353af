"""marbles and drawn: a stream from a drawing, a drawing of a stream."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow.streams import stream
from evenflow.testing import Drawing, MarbleError, drawn, marbles, record
from tests.testing.kit import both

DRAWINGS = ["|", "#", "-a--b|", "a-(bc)-#", "(ab|)", "--(a#)", "abc---|"]


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_drawing_of_marbles_is_the_drawing(drawing: str) -> None:
    """Drawing a stream that was made from a drawing gives the same drawing."""

    @both
    async def test() -> None:
        assert await drawn(marbles(drawing)) == drawing

    for backend in ("asyncio", "trio"):
        test(backend=backend)


@both
async def test_events_have_their_values() -> None:
    """With values, each character becomes its value; without values, the characters are the events."""
    assert (await record(marbles("-a--b|", a=1, b=(2, 3)))).events == ((1.0, 1), (4.0, (2, 3)))
    assert (await record(marbles("-a--b|"))).values == ["a", "b"]


@both
async def test_a_tick_is_a_second_or_what_it_is_said_to_be() -> None:
    """`tick` changes both making and drawing."""
    assert (await record(marbles("---a|", tick=0.1))).events == ((0.3, "a"),)
    assert await drawn(marbles("---a|", tick=0.1), tick=0.1) == "---a|"
    assert await drawn(marbles("---a--|"), tick=3) == "-a|"


@both
async def test_it_begins_when_it_is_read() -> None:
    """The first tick is at the first read, however late that is."""
    stream = marbles("-a|")
    await anyio.sleep(100)
    assert await drawn(stream) == "-a|"


@both
async def test_a_slow_reader_loses_nothing() -> None:
    """An event that is due waits until it is read."""
    times = []
    async with marbles("abc---d|") as stream:
        async for event in stream:
            times.append((anyio.current_time(), event))
            await anyio.sleep(2.5)
    assert times == [(0, "a"), (2.5, "b"), (5, "c"), (7.5, "d")]


@both
async def test_a_cancelled_read_loses_nothing() -> None:
    """After a cancelled read, the next one returns the event that was due."""
    async with marbles("---a-b|") as stream:
        with anyio.move_on_after(2):
            await stream.receive()
        assert anyio.current_time() == 2
        assert [await stream.receive(), await stream.receive()] == ["a", "b"]
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()


@both
async def test_each_start_begins_anew() -> None:
    """`repeat` and `retry` start the drawing again when they start the stream again."""
    assert await drawn(marbles("-a-b|").repeat(2)) == "-a-b-a-b|"
    assert await drawn(marbles("-a#").retry(3)) == "-a-a-a#"


@both
async def test_the_error_can_be_chosen() -> None:
    """`#` is a MarbleError, or the error that was given."""
    with pytest.raises(MarbleError):
        await marbles("#").to_list()
    with pytest.raises(LookupError, match="mine"):
        await marbles("#", error=LookupError("mine")).to_list()


@both
async def test_without_an_end_it_goes_on_for_ever() -> None:
    """A drawing without `|` and `#` never ends, and `ticks` limits how long it is watched."""
    assert await drawn(marbles("-a"), ticks=5) == "-a---"
    assert await drawn(marbles("-a-b|"), ticks=3) == "-a-"
    assert await drawn(marbles("-a-b|"), ticks=50) == "-a-b|"


@both
async def test_what_has_no_name_gets_a_letter() -> None:
    """A value that is not one character is drawn as its name, or as a letter of the legend."""
    drawing = await drawn(marbles("-a-b|", a=1000, b=2000))
    assert drawing == "-A-B|"
    assert isinstance(drawing, Drawing)
    assert drawing.legend == (("A", 1000), ("B", 2000))
    assert await drawn(marbles("-a-b|", a=1000, b=2000), x=1000, y=2000) == "-x-y|"


@both
async def test_a_drawing_keeps_its_error() -> None:
    """A drawing has the error that `#` stands for."""
    error = ValueError("no")
    assert (await drawn(marbles("a#", error=error))).error is error
    assert (await drawn(marbles("a|"))).error is None


@both
async def test_what_happens_between_two_ticks_cannot_be_drawn() -> None:
    """An event between two ticks is an error that says what to do."""
    with pytest.raises(ValueError, match=r"'a' came at 1\.5 s, between two ticks of 1 s: give a smaller tick="):
        await drawn(marbles("-a").delay(0.5), ticks=5)
    with pytest.raises(ValueError, match=r"the end came at 1 s, between two ticks of 2 s"):
        await drawn(marbles("-|"), tick=2)


@both
async def test_nonsense_is_refused_where_it_is_written() -> None:
    """A tick of no time, or no ticks at all, is an error that says what was given."""
    with pytest.raises(ValueError, match="tick must be a number of seconds above 0, not 0"):
        marbles("a|", tick=0)
    with pytest.raises(ValueError, match="tick must be a number of seconds above 0, not -1"):
        await drawn(marbles("a|"), tick=-1)
    with pytest.raises(ValueError, match="ticks must be at least 1, not 0"):
        await drawn(marbles("a|"), ticks=0)


@both
async def test_what_is_due_can_be_had_without_waiting() -> None:
    """`batches()` gets all events that are due."""
    batches = []
    async with marbles("abc--d|").batches() as stream:
        async for batch in stream:
            batches.append(batch)
            await anyio.sleep(2)
    assert batches == [("a",), ("b", "c"), ("d",)]


@pytest.mark.parametrize("options", [{"error": "boom"}, {"error": KeyboardInterrupt()}, {"tick": "1"}])
def test_marbles_refuses_what_is_no_error_and_no_time(options: dict[str, Any]) -> None:
    """It is refused where the drawing is written, and not when the stream comes to it."""
    with pytest.raises(TypeError, match=r"expected an exception|a number of seconds above 0"):
        marbles("-a#", **options)


@pytest.mark.parametrize("drawing", [5, None, b"-a-"])
def test_a_drawing_is_a_string(drawing: Any) -> None:
    """The error says what a drawing looks like."""
    with pytest.raises(TypeError, match="marbles expected a drawing such as"):
        marbles(drawing)


@both
async def test_what_is_no_stream_is_not_drawn_as_an_error() -> None:
    """A list that was meant to be a stream is a mistake in the test, and no `#`."""
    for wrong in ([1, 2], 5, None, "abc"):
        given: Any = wrong
        with pytest.raises(TypeError, match=r"expected a stream, not .*: make one of it with stream\(\)"):
            await drawn(given)
        with pytest.raises(TypeError, match="expected a stream"):
            await record(given)
    ticks: Any = "3"
    with pytest.raises(TypeError, match="ticks must be a number of ticks"):
        await drawn(marbles("a|"), ticks=ticks)
    with pytest.raises(TypeError, match="until must be a number of seconds"):
        await record(marbles("a|"), until=ticks)


class Incomparable:
    """Cannot be compared, as an array cannot."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value is ambiguous")

    __hash__ = None  # type: ignore[assignment]  # as such classes have it


@both
async def test_events_that_cannot_be_compared_can_be_drawn() -> None:
    """Each gets a letter of its own."""
    first, second = Incomparable(), Incomparable()
    assert await drawn(stream([first, second, first])) == "(ABA|)"
    assert await drawn(stream([first, second, first]), x=second) == "(AxA|)"
