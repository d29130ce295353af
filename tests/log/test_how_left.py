"""How the block of a delivery was left, and what is kept of it."""

from __future__ import annotations

import anyio
import pytest

from evenflow.log._how_left import described, is_cancellation
from tests.contract.kit import both


@both
async def test_only_the_end_of_the_task_is_a_cancellation() -> None:
    """Alone, or with others of its kind; an error beside it is a failure of the handler."""
    cancelled = anyio.get_cancelled_exc_class()
    with anyio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(cancelled) as caught:
            await anyio.sleep_forever()
        ended: BaseException = caught.value
        await anyio.lowlevel.checkpoint()
    assert is_cancellation(ended)
    assert is_cancellation(KeyboardInterrupt())
    assert is_cancellation(BaseExceptionGroup("", [ended, SystemExit()]))
    assert not is_cancellation(ValueError())
    assert not is_cancellation(BaseExceptionGroup("", [ended, ValueError()]))


def test_an_error_is_kept_as_a_line() -> None:
    """Its class, and what it says, if it says anything."""
    assert described(ValueError("no money")) == "ValueError: no money"
    assert described(KeyError()) == "KeyError"
