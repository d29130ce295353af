"""What the tests of logs share: a few events, and how to wait for what a log does by itself.

What a log does by itself, or in another process, has no event to wait for: ``until`` asks again and again, and fails
after a while. No test relies on how long something takes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from evenflow._events import Event
from evenflow.testing.conformance._suite import case

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenflow.log._capabilities import Capability
    from evenflow.log._log import Log

PATIENCE = 60.0
"""How many seconds something may take that must come soon."""


class Ordered(Event):
    """The event most tests publish."""

    n: int
    region: str = "eu"


class BigOrdered(Ordered):
    """A subclass of Ordered."""


class Shipped(Event):
    """An event that is not related to Ordered."""

    n: int


class Maker(Protocol):
    """Makes logs on one storage: each is what another process would open."""

    def __call__(self) -> Log:
        """One more log on this storage."""
        ...


on_every_log = case()
"""Run this test on each log."""
on_every_log_in_real_time = case(real=True)
"""As ``on_every_log``, for tests with threads."""


def on_every_log_that_has(*needs: Capability) -> Callable[..., Any]:
    """As ``on_every_log``, on those that can do this."""
    return case(needs=needs)


def on_every_log_that_lacks(*lacks: Capability) -> Callable[..., Any]:
    """As ``on_every_log``, on those that cannot do this."""
    return case(lacks=lacks)


async def until(condition: Callable[[], object | Awaitable[object]]) -> None:
    """Wait until something holds, which must be soon; the condition may be async."""
    with anyio.fail_after(PATIENCE):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await anyio.sleep(0.01)


async def take(subscription: Any, count: int) -> list[Any]:
    """The next events of a subscription; each must come within a while."""
    found: list[Any] = []
    with anyio.fail_after(PATIENCE):
        for _ in range(count):
            found.append(await subscription.receive())
    return found


def numbers(events: Iterable[Any]) -> list[int]:
    """The numbers of these events."""
    return [event.n for event in events]
