"""By which fields the events of each subject were ever routed: so nobody leaves out an event whose name it cannot read.

A *layout* is a type, the fields that its events are routed by, and the version of its class. One message for a subject
has all layouts that events of it have: each is put there before the first event that has it.

Rule 1: an event is sent only once its layout is known to be stored.
Rule 2: a reader that filters looks at the layouts behind its events. Where there are new ones, it reads again: events
        that have a new layout are stored later than that, and so are never passed over.
Rule 3: a layout is never removed. There are few: one for each class, each version of it and each ``routed_by``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from evenflow._errors import LogError

from ._faults import BUSY, CHANGED, Busy, reply_of
from ._values import EXPECTED, ROLLUP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenflow.log._engine import Append

    from ._line import Line
    from ._names import Names
    from ._reads import Reads
    from ._values import Message


class Layout(NamedTuple):
    """A way in which events are routed."""

    type: str
    fields: tuple[str, ...]
    version: int


class Layouts:
    """The layouts of a log's subjects, as far as this process has seen them."""

    def __init__(self, name: str, line: Line, names: Names) -> None:
        self._name = name
        self._line = line
        self._names = names
        self._known: dict[str, tuple[int, frozenset[Layout]]] = {}
        """Of each subject the sequence of the message, and what it says."""

    def of(self, subject: str) -> frozenset[Layout] | None:
        """Those of a subject; None if nobody has looked yet."""
        known = self._known.get(subject)
        return None if known is None else known[1]

    def learn(self, subject: str, message: Message | None) -> frozenset[Layout]:
        """This is what the log says; returns what is known now."""
        seq, known = self._known.setdefault(subject, (0, frozenset()))
        if message is None or message.seq <= seq:
            return known
        found: list[Any] = json.loads(message.data)
        known = frozenset(Layout(type_, tuple(fields), version) for type_, fields, version in found)
        self._known[subject] = message.seq, known
        return known

    def missing(self, appends: Iterable[Append]) -> dict[str, set[Layout]]:
        """The layouts of events that are not known to be stored, by subject."""
        found: dict[str, set[Layout]] = {}
        for append in appends:
            if (route := append.route) is None:
                continue
            layout = Layout(append.type, route.fields, route.version)
            known = self._known.get(append.subject)
            if known is None or layout not in known[1]:
                found.setdefault(append.subject, set()).add(layout)
        return found

    async def add(self, reads: Reads, subject: str, layouts: set[Layout]) -> None:
        """Have these stored. Done again it does nothing.

        Raises:
            LogError: that is refused.
            Busy, Lost: it cannot be done now, or is not known to be.
        """
        at = self._names.routes(subject)
        while True:
            known = self.learn(subject, (await reads.last([at])).get(at))
            if layouts <= known:
                return
            together = sorted(known | layouts)
            headers = {ROLLUP: "sub", EXPECTED: str(self._known[subject][0])}
            (answer,) = await self._line.ask(at, json.dumps(together).encode(), headers=headers)
            reply = reply_of(answer.data, answer.headers)
            if reply.kind == BUSY:
                raise Busy(reply.words)
            if reply.kind and reply.kind != CHANGED:
                raise LogError(f"{self._name} refuses to store how events are routed: {reply.words}", stored=False)
            if not reply.kind:
                reads.history.note(reply.seq)
