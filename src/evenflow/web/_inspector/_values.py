"""What the page shows of a state, and of what ``share()`` returns: as of a subject, but nobody observes them.

The value of a state is shown only where contents are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _words as words
from ._subjects import MemoryLook

if TYPE_CHECKING:
    from evenflow import State
    from evenflow._share import Shared

    from ._subjects import Row, Rows


class StateLook(MemoryLook):
    """One state. What a subject counts as published are its changes."""

    def rows(self) -> Rows:
        state: State[Any] = self.source
        own: Row = {"is": "state", "takes": "state"}
        if self._contents:
            own["value"] = words.short(words.event(state.value))
        return self._rows(state._life, own, {})


class SharedLook(MemoryLook):
    """One stream that is shared. What a subject counts as published is what was read from it."""

    def rows(self) -> Rows:
        shared: Shared[Any] = self.source
        return self._rows(shared._subject._life, {"is": "share", "takes": "shared stream"}, {})
