"""What the tests of the core's parts share: a mailbox by itself, wake-ups that need no event loop, one task's run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import pytest

from evenflow._buffer import RATION
from evenflow._mailbox import NOTHING, Mailbox, Overflow, UserFunctions
from evenflow._readers import WakeUps

POLICIES: list[Overflow] = ["block", "drop_oldest", "drop_newest", "disconnect"]
PLAIN = UserFunctions()
"""The functions of a subscription that has none; mailboxes know them weakly, so they are kept here."""
KEYED = UserFunctions(key=lambda event: event)
"""The functions of a conflated subscription."""

on_both = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def mailbox(
    capacity: int = 2,
    overflow: Overflow = "block",
    *,
    functions: UserFunctions = PLAIN,
    gaps: bool = False,
    unready: set[Mailbox] | None = None,
    holds: Sequence[object] = (),
    name: str = "mailbox",
) -> Mailbox:
    """A mailbox by itself, which holds these events, and whose reader is known to be quick."""
    unready = set() if unready is None else unready
    made = Mailbox(
        capacity=capacity,
        overflow=overflow,
        functions=functions,
        gaps=gaps,
        unready=unready,
        became_ready=unready.discard,
        wake_ups=WakeUps(),
        name=name,
        created_at=("file.py", 1),
    )
    if made.conflated:
        unready.add(made)
    made.buffer.ration = RATION
    for event in holds:
        give(made, event)
    return made


def emptied(box: Mailbox) -> list[Any]:
    """All items that can be taken, in order."""
    items: list[Any] = []
    while (item := box.take([0, 0])) is not NOTHING:
        items.append(item)
    return items


class Bell:
    """A wake-up that only notes that it was fired."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.fired = False

    def done(self) -> bool:
        """Whether it was fired."""
        return self.fired

    def set_result(self, _: None) -> None:
        """Fire."""
        self.fired = True

    def __await__(self) -> Any:
        """Nobody sleeps on it."""
        raise NotImplementedError


def run(main: Callable[[], Awaitable[None]], backend: str) -> None:
    """Run ``main`` in a loop of this library."""
    anyio.run(main, backend=backend)


def give(mailbox: Mailbox, event: object) -> None:
    """Append an event to a ready mailbox, as a publish does, and see whether there is room for more."""
    mailbox.extend((event,))
    mailbox.measure()
