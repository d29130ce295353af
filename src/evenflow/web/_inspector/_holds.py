"""How often and how long subscriptions have held publishers, and what else a subject tells whoever looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _words as words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from evenflow._errors import Deadlock
    from evenflow._mailbox import Mailbox
    from evenflow._observers import ObserverFailed

    from ._happenings import Happenings


class Held:
    """How one subscription has held publishers since somebody looks.

    Attributes:
        publishes: how many publishes began to wait for room in it.
        seconds: how long it has held at least one, the present time left out.
        since: since when it holds one; None while it holds nobody.
    """

    __slots__ = ("publishes", "seconds", "since")

    def __init__(self) -> None:
        self.publishes = 0
        self.seconds = 0.0
        self.since: float | None = None


class Holds:
    """Watches one life of a subject; ``evenflow._gate.Watcher``."""

    def __init__(
        self, key: str, name: str, happenings: Happenings, clock: Callable[[], float], *, contents: bool
    ) -> None:
        self._key = key
        self._name = name
        self._happenings = happenings
        self._clock = clock
        self._contents = contents
        self._of: dict[Mailbox, Held] = {}

    def of(self, mailbox: Mailbox) -> Held | None:
        """How it has held publishers; None where it has not."""
        return self._of.get(mailbox)

    def forget(self, mailbox: Mailbox) -> None:
        """It has ended."""
        self._of.pop(mailbox, None)

    def begin(self, missed: Collection[Mailbox]) -> None:
        """These hold publishers already; for how long nobody knows."""
        for mailbox in missed:
            self.holds(mailbox)

    def waits(self, mailboxes: Collection[Mailbox], /) -> None:
        """A publish begins to wait for room in these."""
        for mailbox in mailboxes:
            self._held(mailbox).publishes += 1

    def holds(self, mailbox: Mailbox, /) -> None:
        """It holds a publish from now on."""
        held = self._held(mailbox)
        if held.since is None:
            held.since = self._clock()

    def holds_nobody(self, mailbox: Mailbox, /) -> None:
        """Nobody waits for it any more."""
        held = self._held(mailbox)
        if held.since is not None:
            held.seconds += self._clock() - held.since
            held.since = None

    def refused(self, refusal: Deadlock, /) -> None:
        """A publish was refused, because it would have waited for ever."""
        self._happenings.note("deadlock", self._key, self._name, words.short(", ".join(refusal.path), 1_000))

    def failed(self, failed: ObserverFailed, /) -> None:
        """An observer raised."""
        what, where = words.error(failed.error, contents=self._contents)
        self._happenings.note("failure", self._key, failed.observer.name, what, where)

    def _held(self, mailbox: Mailbox) -> Held:
        held = self._of.get(mailbox)
        if held is None:
            held = self._of[mailbox] = Held()
        return held
