"""Waiting until all that was published before is taken and handled."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ._backends import Backend
    from ._life import Life
    from ._mailbox import Mailbox
    from ._observers import Observer

_log = logging.getLogger("evenflow.subject")


async def drain(
    life: Life[Any], observers: Iterable[Observer], *, observers_only: bool = False, stall_after: float = math.inf
) -> None:
    """Wait until every mailbox has given out what it holds now, and the observers have handled it.

    With ``observers_only`` the mailboxes are those of the observers. Whatever it has waited for longer than
    ``stall_after`` seconds is logged, once in the life of the subject.
    """
    life.enter()
    life.check_here()
    observers = tuple(observers)
    subscriptions = [observer._subscription for observer in observers]
    mailboxes = [one._mailbox for one in subscriptions if one is not None]
    if not observers_only:
        mailboxes = [*dict.fromkeys((*life.members.active, *mailboxes))]
    marks = {mailbox: mailbox.buffer.mark() for mailbox in mailboxes}
    with life.changes() as changed:
        patience = _Patience(life, stall_after)
        while behind := [mailbox for mailbox, mark in marks.items() if not mailbox.has_passed(mark)]:
            for mailbox in behind:
                mailbox.watch(life.note_take)
            if await patience.has_ended(changed):
                patience.tell(behind, _what_it_holds)
        patience = _Patience(life, stall_after)
        in_hand = [(observer, observer._handling, set(observer._handling.in_hand)) for observer in observers]
        while slow := [observer for observer, handling, numbers in in_hand if handling.in_hand.keys() & numbers]:
            if await patience.has_ended(changed):
                patience.tell((one._subscription._mailbox for one in slow if one._subscription), _what_is_in_hand)


class _Patience:
    """How long a drain waits before it says what for; then it waits on, without a timer."""

    def __init__(self, life: Life[Any], stall_after: float) -> None:
        self._life = life
        self._stall_after = stall_after
        self._until = anyio.current_time() + stall_after

    async def has_ended(self, changed: Callable[[], Awaitable[None]]) -> bool:
        """Wait for the next change; returns whether that took too long, the first time."""
        with anyio.CancelScope(deadline=self._until) as scope:
            await changed()
        if scope.cancelled_caught:
            self._until = math.inf
        return scope.cancelled_caught

    def tell(self, mailboxes: Iterable[Mailbox], state: Callable[[Mailbox, Backend], str]) -> None:
        """Log what is waited for, each mailbox once."""
        backend = self._life.enter().backend
        for mailbox in self._life.not_told_of(mailboxes):
            _log.warning(
                "a drain of %s has waited for %s, made at %s:%s, for more than %g s: %s",
                self._life.name,
                mailbox.name,
                *mailbox.created_at,
                self._stall_after,
                state(mailbox, backend),
            )


def _what_it_holds(mailbox: Mailbox, backend: Backend) -> str:
    is_read = any(not backend.task_has_ended(task) for task in mailbox.line.tasks())
    count = len(mailbox.buffer)
    return f"it holds {count} event{'s' * (count != 1)}, and {'its readers are slow' if is_read else 'nobody reads it'}"


def _what_is_in_hand(_mailbox: Mailbox, _backend: Backend) -> str:
    return "a handler has not returned"
