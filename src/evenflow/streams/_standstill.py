"""Inner streams that wait for each other: `flat_map` with a limit, or `concat_map`, over the groups of `group_by`.

`flat_map` reads no further group while as many streams run as it may run, and `concat_map` none while one runs.
`group_by` reads no further event while a group waits to be read. If then all the streams that run wait for groups of
that `group_by`, nothing ever moves.

what an inner stream waits for                                             it
a group of a `group_by` that is held up                                    stands still
the same with a time limit, or while an operator of it runs a task         may stand still: that may wake or end it
anything else, or for its reader                                           moves
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from anyio import current_effective_deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evenflow.streams._channel import Notifier


class Motion(IntEnum):
    """What is known of streams; of several, the greatest holds."""

    STANDS = 0
    MAY_STAND = 1
    MOVES = 2


class Wait:
    """An inner stream waits for a group. ``is_in_vain`` says whether it would wait for ever."""

    __slots__ = ("has_limit", "is_in_vain")

    def __init__(self, is_in_vain: Callable[[], bool], *, has_limit: bool) -> None:
        self.is_in_vain = is_in_vain
        self.has_limit = has_limit


class InnerStream:
    """An inner stream while it runs: which groups it waits for. It is made in the task that reads the stream.

    ``tasks`` is how many tasks its operators run. ``changed`` is notified when it may stand still. If that
    is None, no other stream runs beside this one, and whoever reads the group looks itself.
    """

    __slots__ = ("_deadline", "changed", "tasks", "waits")

    def __init__(self, changed: Notifier | None) -> None:
        self.changed = changed
        self.waits: dict[Wait, None] = {}
        self.tasks = 0
        self._deadline = current_effective_deadline()

    def enter(self) -> Token[InnerStream | None]:
        """Work for this stream from now on; the tasks that are started for it inherit that."""
        self._deadline = current_effective_deadline()
        return INNER_STREAM.set(self)

    def begin_to_wait(self, is_in_vain: Callable[[], bool]) -> Wait:
        """Note that the stream waits for a group."""
        # A time limit around everything, as a test has it, wakes nobody before it ends them all.
        wait = Wait(is_in_vain, has_limit=current_effective_deadline() < self._deadline)
        self.waits[wait] = None
        if self.changed is not None and is_in_vain():
            self.changed.notify()
        return wait

    def motion(self) -> Motion:
        """Whether it stands still."""
        in_vain = [wait for wait in self.waits if wait.is_in_vain()]
        if not in_vain:
            return Motion.MOVES
        return Motion.MAY_STAND if self.tasks or any(wait.has_limit for wait in in_vain) else Motion.STANDS


INNER_STREAM: Final[ContextVar[InnerStream | None]] = ContextVar("evenflow inner stream", default=None)
"""The inner stream that the current task works for, if that counts for a limit."""


def motion_of(streams: Iterable[InnerStream]) -> Motion:
    """Whether all of them stand still; one that moves is enough for all to move on."""
    found = Motion.STANDS
    for stream in streams:
        found = max(found, stream.motion())
        if found is Motion.MOVES:
            break
    return found
