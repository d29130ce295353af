"""The server's time, and when each member was heard of."""

from __future__ import annotations

import time

from evenflow.log._heard import HEARD, Heard, ServerClock
from evenflow.log._stored import Pulse


def test_a_silent_member_is_as_old_as_the_server_says_unless_it_was_heard_of_since() -> None:
    """A server's clock that somebody sets makes nobody old who still beats, once it was looked at before."""
    heard, now = Heard[int](), 1_000.0

    def look(beat: int, silent: float, at: float, *, closed: bool = False) -> tuple[bool | None, float]:
        pulse = heard.pulse("other", beat, silent, at, closed=closed, begun=[("g", 7)])
        assert pulse.begun == {("g", 7)}
        return pulse.alive, round(at - pulse.at, 3)

    assert look(1, 3.0, now) == (True, 3.0)
    assert look(1, 9.0, now + 6) == (None, 9.0)
    assert look(2, 3_600.0, now + 7) == (True, 0.0)
    assert look(2, 3_601.0, now + 8) == (True, 1.0)
    assert look(2, 3_607.0, now + 8 + HEARD) == (None, 1 + HEARD)
    assert look(2, 1.0, now + 20, closed=True)[0] is False
    heard.back_at = now + 30
    assert look(2, 3_600.0, now + 31) == (True, 1.0)
    assert heard.nobody("other") == Pulse(alive=False, at=float("-inf"), begun=frozenset())
    heard.back_at = 0.0
    assert look(3, 9.0, now + 40) == (None, 9.0)


def test_the_clock_is_the_servers() -> None:
    """As it was when it was asked, half a round trip ago, and runs on without being asked."""
    clock = ServerClock(1_000.0)
    assert 1_000 <= clock.wall() < 1_001
    asked = time.monotonic() - 2
    clock.learn(2_000.0, asked)
    assert 2_000.9 <= clock.wall() < 2_002
