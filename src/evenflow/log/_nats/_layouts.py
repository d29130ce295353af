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

from ._values import EXPECTED, ROLLUP

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from evenflow.log._stored import Append

    from ._values import Message


class Layout(NamedTuple):
    """A way in which events are routed."""

    type: str
    fields: tuple[str, ...]
    version: int


class Layouts:
    """The layouts of a log's subjects, as far as this process has seen them."""

    def __init__(self) -> None:
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

    def with_added(self, subject: str, layouts: Collection[Layout]) -> tuple[bytes, dict[str, str]] | None:
        """The message that has these beside those that are known; None if they are known."""
        seq, known = self._known[subject]
        if known.issuperset(layouts):
            return None
        return json.dumps(sorted(known.union(layouts))).encode(), {ROLLUP: "sub", EXPECTED: str(seq)}
