"""Waiting until all that was published before is taken and handled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._life import Life
    from ._observers import Observer


async def drain(life: Life[Any], observers: Iterable[Observer]) -> None:
    """Wait until every mailbox has given out what it holds now, and the observers have handled it."""
    life.enter()
    life.check_here()
    subscriptions = [observer._subscription for observer in observers]
    mailboxes = [*life.members.active, *(one._mailbox for one in subscriptions if one is not None)]
    marks = {mailbox: mailbox.buffer.mark() for mailbox in mailboxes}
    with life.changes() as changed:
        while behind := [mailbox for mailbox, mark in marks.items() if not mailbox.has_passed(mark)]:
            for mailbox in behind:
                mailbox.watch(life.note_take)
            await changed()
        in_hand = [(observer._handling, set(observer._handling.in_hand)) for observer in observers]
        while any(handling.in_hand.keys() & numbers for handling, numbers in in_hand):
            await changed()
