"""record: what a stream yielded, and when."""

from __future__ import annotations

import math

import anyio
import pytest

from evenflow.streams import stream
from evenflow.testing import Recording, marbles, record
from tests.testing.kit import both


@both
async def test_events_and_the_end_have_their_times() -> None:
    """Each event, and the end, has the seconds since the recording began."""
    recording = await record(marbles("-a--(bc)-|"))
    assert recording == Recording(((1, "a"), (4, "b"), (4, "c")), ended=6, error=None)
    assert recording.values == ["a", "b", "c"]
    assert recording.times == [1, 4, 4]


@both
async def test_an_error_is_recorded_with_its_time() -> None:
    """What the stream raises is recorded, not raised."""
    error = LookupError("gone")
    assert await record(marbles("-a-#", error=error)) == Recording(((1, "a"),), ended=3, error=error)


@both
async def test_times_begin_with_the_recording() -> None:
    """The start of the recording is 0, whatever the clock says."""
    await anyio.sleep(17)
    assert (await record(marbles("-a|"))).times == [1]


@both
async def test_times_are_exact() -> None:
    """Three tenths of a second are 0.3."""
    assert (await record(marbles("abcd|", tick=0.1))).times == [0, 0.1, 0.2, 0.3]


@both
async def test_it_stops_when_it_is_told_to() -> None:
    """What comes at `until` or later is not recorded, and nor is the end."""
    assert await record(marbles("-a-b-c|"), until=3) == Recording(((1, "a"),))
    assert await record(marbles("-a|"), until=2) == Recording(((1, "a"),))
    assert await record(marbles("-a|"), until=2.5) == Recording(((1, "a"),), ended=2)


@both
async def test_the_stream_is_closed() -> None:
    """The stream is closed, however the recording ends."""
    closed = []
    recorded = marbles("-a-b|").finally_do(lambda: closed.append(anyio.current_time()))
    await record(recorded, until=2)
    assert closed == [2]
    with pytest.raises(anyio.ClosedResourceError):
        await recorded.receive()


@both
async def test_being_cancelled_is_no_error_of_the_stream() -> None:
    """Cancelling is not recorded; only what the stream raises is."""
    with anyio.move_on_after(2) as scope:
        await record(marbles("-a"))
    assert scope.cancelled_caught


@both
async def test_a_stream_that_never_waits_is_recorded_too() -> None:
    """A plain iterable yields all its events at 0."""
    assert (await record(stream([1, 2]))).events == ((0, 1), (0, 2))


@both
async def test_no_time_is_refused() -> None:
    """`until` is a number of seconds above 0."""
    for until in (0, -1, math.nan):
        with pytest.raises(ValueError, match="until must be a number of seconds above 0"):
            await record(marbles("a|"), until=until)
