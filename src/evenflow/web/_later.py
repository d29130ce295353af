"""Something that is done later, in the loop of asyncio that runs here, though nobody waits for it.

trio has no such thing: there a task owns what it has entered, and another one cannot leave it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio.lowlevel import current_token

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import Callable, Coroutine

    Work = Callable[[], Coroutine[Any, Any, object]]


def later(seconds: float, work: Work) -> TimerHandle | None:
    """Do ``work`` after so many seconds, unless it is cancelled; it raises nothing. On trio nothing is done."""
    loop: Any = current_token().native_token
    if not hasattr(loop, "call_later"):
        return None
    handle: TimerHandle = loop.call_later(seconds, _begin, loop, work)
    return handle


def _begin(loop: Any, work: Work) -> None:
    loop.create_task(work())  # what it waits for keeps it: asyncio knows its tasks weakly
