"""What this process knows of the log's history, and what it makes of a server that knows less.

    what the server has                          what begins                    whoever has read everything
    what this process knows of, or more          nothing                        goes on
    less: a failover to a replica that was late  a line after what is left      goes on, above all numbers known here
    nothing: it was emptied                      a line after nothing           goes on; whoever was behind is told
    another log: emptied, and made anew          a line after what is there     goes on; whoever was behind is told

Rule 1: numbers and versions never go back: a new line of history begins a leap above the highest that is known here.
Rule 2: an offset of an event that was lost is refused, because the line that it is of has ended before it.
"""

from __future__ import annotations

import logging
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from evenflow._errors import LogError
from evenflow.log._stored import Lineage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger("evenflow.log")

LEAP: Final = 1 << 20
"""How far a new line begins above what is known: other processes may know of later numbers."""

_WHAT: Final = {
    "empty": "is empty, although events were stored in it: all that it had is lost",
    "behind": "has lost events that were stored in it, as after a failover to a replica that was late",
    "foreign": "has another log now, and what this process has stored in it is lost",
}


class History:
    """The lines of history, the highest number, and the highest version.

    Attributes:
        meta: the name of the key that keeps all this.
        lineages: the lines of history, the oldest first.
        high: the highest number of an event that is known of.
        rev: the highest version of a record that is known of.
    """

    def __init__(self, name: str, meta: str, learned: Callable[[Sequence[Lineage]], object]) -> None:
        self.meta: str = meta
        self.lineages: Sequence[Lineage] = ()
        self.high: int = 0
        self.rev: int = 0
        self._name = name
        self._learned = learned

    @property
    def lineage(self) -> str:
        """The line that is written now."""
        return self.lineages[-1].id if self.lineages else ""

    def note(self, seq: int, rev: int = 0) -> None:
        """An event with this number is stored, and a record with this version."""
        self.high = max(self.high, seq)
        self.rev = max(self.rev, rev)

    def arguments(self) -> tuple[Any, ...]:
        """What the script that opens a log must know."""
        lines = " ".join(f"{line.id}@{line.after}" for line in self.lineages)
        return token_hex(8), self.lineage, lines, self.high, self.rev, LEAP

    def learn(self, reply: Sequence[bytes]) -> int:
        """What that script has answered; returns the server's time, in microseconds.

        Raises:
            LogError: the log was written by a later version of evenflow.
        """
        what = reply[0].decode()
        if what == "FORMAT":
            raise LogError(
                f"{self._name} was written by a later evenflow: its format is {reply[1].decode()}, and this one reads"
                " 1; install that version"
            )
        lines, seq, rev, now = reply[1:]
        self.lineages = tuple(_line(text) for text in lines.decode().split(" "))
        self._learned(self.lineages)
        self.note(int(seq), int(rev))
        if what in _WHAT:
            _log.error("%s %s; a new line of its history begins: %s", self._name, _WHAT[what], self.lineage)
        return int(now)


def _line(text: str) -> Lineage:
    name, _, after = text.partition("@")
    return Lineage(name, int(after))
