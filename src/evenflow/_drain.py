"""Waiting until all that was published before is taken and handled."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import anyio

from ._deadlock import how_it_is_read

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._life import Life
    from ._mailbox import Mailbox
    from ._observers import Observer

_log = logging.getLogger("evenflow.subject")


async def drain(life: Life[Any], observers: list[Observer], *, observers_only: bool, stall_after: float) -> None:
    """Wait until every mailbox has given out what it holds now, and the observers have handled it.

    With ``observers_only`` the mailboxes are those of the observers. Whatever it has waited for longer than
    ``stall_after`` seconds is logged, once in the life of the subject.
    """
    loop = life.enter()
    life.check_here()
    reading = [(one, one._subscription._mailbox) for one in observers if one._subscription is not None]
    mailboxes = dict.fromkeys(mailbox for _, mailbox in reading)
    if not observers_only:
        mailboxes = dict.fromkeys((*life.members.active, *mailboxes))
    marks = {mailbox: mailbox.buffer.mark() for mailbox in mailboxes}

    def holding() -> list[Mailbox]:
        waited = [mailbox for mailbox, mark in marks.items() if not mailbox.buffer.has_passed(mark)]
        behind = [mailbox for mailbox in waited if not mailbox.discarded]
        for mailbox in behind:
            mailbox.watch(life.note_take)
        return behind

    def what_it_holds(mailbox: Mailbox) -> str:
        count = len(mailbox.buffer)
        return f"it holds {count} event{'s' * (count != 1)}, and {how_it_is_read(mailbox, loop.backend)}"

    await _until_none(life, holding, what_it_holds, stall_after)
    in_hand = [(mailbox, one._handling, set(one._handling.in_hand)) for one, mailbox in reading]

    def handling() -> list[Mailbox]:
        return [mailbox for mailbox, one, numbers in in_hand if (one.in_hand.keys() & numbers) - one.cut_off]

    await _until_none(life, handling, lambda _: "a handler has not returned", stall_after)


async def _until_none(
    life: Life[Any], find: Callable[[], list[Mailbox]], state: Callable[[Mailbox], str], stall_after: float
) -> None:
    """Wait until ``find`` finds nothing; log what that takes too long for, then wait on without a timer."""
    until = anyio.current_time() + stall_after
    while True:
        with life.next_change() as change:
            if not (found := find()):
                return
            with anyio.CancelScope(deadline=until) as scope:
                await change.wait()
        if scope.cancelled_caught:
            until = math.inf
            for mailbox in life.not_told_of(found):
                _log.warning(
                    "a drain of %s has waited for %s, made at %s:%s, for more than %g s: %s",
                    life.name,
                    mailbox.name,
                    *mailbox.created_at,
                    stall_after,
                    state(mailbox),
                    extra={"subject": life.name, "subscription": mailbox.name},
                )
