"""A thread's request: withdrawn or claimed, whichever comes first is final."""

from __future__ import annotations

import pytest

from evenflow._threads import Request, _Withdrawn


def request() -> Request:
    """A request that nobody has looked at."""
    return Request("event", patient=True)


def test_what_the_thread_has_withdrawn_the_loop_cannot_claim() -> None:
    """Nobody gets the event."""
    one = request()
    assert one.withdraw()
    assert one.is_withdrawn
    with pytest.raises(_Withdrawn):
        one.claim()


def test_what_the_loop_has_claimed_the_thread_cannot_withdraw() -> None:
    """It waits for the answer, which comes at once."""
    one = request()
    one.claim()
    assert not one.withdraw()
    one.succeed(3)
    assert one.done.is_set()
    assert one.result() == 3


def test_what_the_loop_could_not_do_is_raised_in_the_thread() -> None:
    """The very error."""
    one = request()
    one.fail(KeyError("why"))
    with pytest.raises(KeyError, match="why"):
        one.result()
