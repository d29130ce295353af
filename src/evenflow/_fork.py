"""What a forked child process must forget: its memory is a copy of the parent's, and no loop of the parent runs in it.

Only the hook knows of a fork: to ask for the process at each publish would cost a tenth of it.
"""

from __future__ import annotations

import os
import sys
from typing import Final, Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """What belongs to a running loop, and so to one process."""

    def _forked(self) -> None:
        """This is the copy in a child process: forget the parent's loop, and everything that waits there."""
        ...


_KNOWN: Final[WeakSet[Forkable]] = WeakSet()
"""All that are alive. A fork copies the whole process, so this belongs to the process."""


def forget_in_child(one: Forkable) -> None:
    """Call ``_forked`` in each child process; keeps nothing alive."""
    _KNOWN.add(one)


def _in_child() -> None:
    for one in list(_KNOWN):
        one._forked()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_in_child)
