"""A change of this process that somebody waits for while it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenflow.log._request import Request
from evenflow.log._stored import NONE

from ._plan import must_look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evenflow.log._stored import Change, Done

    from ._event import EventPlan
    from ._plan import Id, Plan


class Commit(Request):
    """A change that somebody waits for.

    Attributes:
        change: what is to be made.
        made: is called with the outcome once it is made.
        name: the id under which it is sent, the same each time.
        alone: whether it goes into a batch of its own.
        must_look: whether ids and deletions must be looked up before it is sent.
        ids: what is known of its ids.
        deletions: the sequences of the messages that deleted records have left.
        plan: its messages.
        token: where the answer to its message comes.
        sent_at: when its message was sent last.
        in_doubt: whether an answer to it was lost.
    """

    __slots__ = (
        "alone", "change", "deletions", "ids", "in_doubt", "made", "must_look", "name", "plan", "sent_at", "token",
    )  # fmt: skip

    def __init__(self, change: Change, made: Callable[[Done], object] | None, name: str) -> None:
        super().__init__()
        self.change = change
        self.made = made
        self.name = name
        self.alone = must_look(change)
        self.must_look = self.alone
        self.ids: Mapping[str, Id] = NONE
        self.deletions: Mapping[str, int] = NONE
        self.plan: Plan | EventPlan | None = None
        self.token: str = ""
        self.sent_at = 0.0
        self.in_doubt = False

    @property
    def size(self) -> int:
        """Bytes of its events."""
        return sum(len(append.data) for append in self.change.appends)

    def finish(self, done: Done) -> None:
        """It is made."""
        if self.made is not None and not self.is_done:
            self.made(done)
        self.succeed(done)
