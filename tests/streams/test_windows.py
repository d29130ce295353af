"""When a batch that is closed by time is due, in virtual time and by the clock on the wall."""

from __future__ import annotations

import anyio
import pytest

from evenflow.streams import _windows
from evenflow.streams._windows import AfterFirst, Windows

from .drawing import on_both_loops

MINUTE = 60_000_000_000


def test_a_batch_without_windows_is_due_a_while_after_its_first_event() -> None:
    """Its time is counted from the event."""
    assert AfterFirst(2.5).due(10.0) == 12.5


def test_in_virtual_time_windows_end_at_the_multiples_of_the_loops_clock() -> None:
    """An event is in the window that ends next, and one at the very end is in the window that ends there."""

    async def main() -> None:
        await anyio.sleep(0.5)
        windows = Windows(3)
        assert windows.due(0.7) == 3.0
        windows.was_due()
        assert windows.due(3.1) == 6.0
        assert windows.due(6.0) == 6.0
        windows.was_due()
        assert windows.due(6.0) == 9.0

    on_both_loops(main)


def test_what_comes_at_the_start_is_in_the_first_window() -> None:
    """Though a window ends at the moment of the start, nothing is closed there."""

    async def main() -> None:
        assert Windows(3).due(anyio.current_time()) == 3.0

    on_both_loops(main)


def test_a_time_that_differs_by_rounding_alone_is_the_same_time() -> None:
    """The end of the third window of a tenth of a second is at 0.1 + 0.2 seconds."""

    async def main() -> None:
        assert Windows(0.1).due(0.1 + 0.2) == 0.3

    on_both_loops(main)


def test_the_end_of_a_window_is_used_once_also_if_its_batch_was_closed_by_size_before() -> None:
    """Only time uses it up: after a full batch, the next is due at the same end."""

    async def main() -> None:
        windows = Windows(3)
        assert windows.due(1.0) == 3.0
        assert windows.due(2.0) == 3.0

    on_both_loops(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_real_time_windows_end_by_the_clock_on_the_wall(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of a minute ends when the wall shows a full minute, and once, though the clock is set back a little."""
    wall = 1_000 * MINUTE + MINUTE // 4

    async def main() -> None:
        monkeypatch.setattr(_windows, "current_time", lambda: 500.0)
        monkeypatch.setattr(_windows, "time_ns", lambda: wall)
        windows = Windows(60)
        assert windows.due(500.0) == pytest.approx(545)
        assert windows.due(544.0) == pytest.approx(545)
        windows.was_due()
        # The minute was full a millisecond ago, and the wall is behind by two.
        monkeypatch.setattr(_windows, "current_time", lambda: 545.001)
        monkeypatch.setattr(_windows, "time_ns", lambda: 1_001 * MINUTE - 1_000_000)
        assert windows.due(545.001) == pytest.approx(605.002)
        # Set back by an hour, it goes by what the wall shows.
        monkeypatch.setattr(_windows, "time_ns", lambda: 941 * MINUTE - 1_000_000)
        assert windows.due(545.001) == pytest.approx(545.002)

    anyio.run(main, backend=backend)
