"""Readers of groups that wait for each other, so that nothing ever moves.

`group_by` reads no further event while a new group waits to be taken. Whoever takes groups may be busy with one:

    flat_map(..., concurrency=n), map(..., concurrency=n)   InnerStream: takes no group while n of them run
    one task that takes groups and reads them                Taker: `concat_map`, an async `map`, `for_each`, a loop

If all of these wait for groups of the `group_by` that is held up, they wait for ever. That is an error.

what one waits for                                               it
a group of a `group_by` that is held up                          stands still
the same, while an operator runs a task                          may stand still: that may wake or end it
the same, while the reader of that operator does something else  is busy
anything else, or for its reader, or under a time limit          moves
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from anyio import current_effective_deadline, move_on_after

from evenflow._loop import running_loop
from evenflow.streams._channel import let_others_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evenflow.streams._channel import Notifier

STALL_AFTER: Final = 5.0
"""How many seconds streams that may stand still are given, before that is an error."""


class Motion(IntEnum):
    """What is known of streams; of several, the greatest holds."""

    STANDS = 0
    MAY_STAND = 1
    BUSY = 2
    MOVES = 3


class Wait:
    """Somebody waits for a group. ``is_in_vain`` says whether that would be for ever."""

    __slots__ = ("is_in_vain",)

    def __init__(self, is_in_vain: Callable[[], bool]) -> None:
        self.is_in_vain = is_in_vain


class GroupReader:
    """Whoever reads groups: which groups it waits for.

    ``tasks`` is how many tasks its operators run. ``engines`` has, for each operator with tasks, a function that says
    whether its reader waits for it.
    """

    __slots__ = ("engines", "tasks", "waits")

    def __init__(self) -> None:
        self.waits: dict[Wait, None] = {}
        self.tasks = 0
        self.engines: dict[object, Callable[[], bool]] = {}

    def motion(self) -> Motion:
        """Whether it stands still."""
        if not any(wait.is_in_vain() for wait in self.waits):
            return Motion.MOVES
        if not all(reader_waits() for reader_waits in self.engines.values()):
            return Motion.BUSY
        return Motion.MAY_STAND if self.tasks else Motion.STANDS


class InnerStream(GroupReader):
    """An inner stream, or a function of ``map``, while it runs. It is made in the task that reads the stream.

    ``changed`` is notified when it may stand still.
    """

    __slots__ = ("_deadline", "changed")

    def __init__(self, changed: Notifier) -> None:
        super().__init__()
        self.changed = changed
        self._deadline = current_effective_deadline()

    def enter(self) -> Token[InnerStream | None]:
        """Work for this stream from now on; the tasks that are started for it inherit that."""
        return INNER_STREAM.set(self)

    def begin_to_wait(self, is_in_vain: Callable[[], bool]) -> Wait:
        """Note that the stream waits for a group."""
        # A time limit around everything, as a test has it, wakes nobody before it ends them all.
        if current_effective_deadline() < self._deadline:
            return Wait(bool)
        wait = Wait(is_in_vain)
        self.waits[wait] = None
        if is_in_vain():
            self.changed.notify()
        return wait

    def end_wait(self, wait: Wait) -> None:
        """Note that this is over."""
        self.waits.pop(wait, None)


class Taker(GroupReader):
    """A task that takes groups. While it waits for one, by itself or through an operator's task, it takes no other."""

    __slots__ = ("_task",)

    def __init__(self, task: Any) -> None:
        super().__init__()
        self._task = ref(task)

    def is_task(self, task: object) -> bool:
        """Whether this is that task."""
        return self._task() is task

    @property
    def has_ended(self) -> bool:
        """Whether it will take nothing any more."""
        task = self._task()
        return task is None or running_loop().backend.task_has_ended(task)


INNER_STREAM: Final[ContextVar[InnerStream | None]] = ContextVar("evenflow inner stream", default=None)
"""The inner stream that the current task works for, if that counts for a limit."""

TAKER: Final[ContextVar[Taker | None]] = ContextVar("evenflow taker of groups", default=None)
"""The task in this context that takes groups. Other tasks inherit it, and do not work for it by that."""

WORKS_FOR: Final[ContextVar[tuple[Taker, ...]]] = ContextVar("evenflow works for", default=())
"""The takers for which a task of an operator works."""


def taker_of_this_task() -> Taker:
    """Return the current task as somebody who takes groups."""
    task = running_loop().current_task()
    taker = TAKER.get()
    if taker is None or not taker.is_task(task):
        taker = Taker(task)
        TAKER.set(taker)
    return taker


def takers_here() -> tuple[Taker, ...]:
    """Return the takers for which the current task works, itself included."""
    taker = TAKER.get()
    if taker is not None and taker.is_task(running_loop().current_task()):
        return (*WORKS_FOR.get(), taker)
    return WORKS_FOR.get()


def motion_of(readers: Iterable[GroupReader]) -> Motion:
    """Whether all of them stand still; one that moves is enough for all to move on."""
    found = Motion.STANDS
    for reader in readers:
        found = max(found, reader.motion())
        if found is Motion.MOVES:
            break
    return found


async def wait_for_change(changed: Notifier, look: Callable[[], Motion], message: Callable[[], str]) -> None:
    """Wait until ``changed`` is notified, or until it must be looked again.

    Raises:
        RuntimeError: all stand still, and will stay as they are for ever.
    """
    motion = look()
    if motion is Motion.MOVES:
        await changed.wait()
        return
    if motion is Motion.BUSY:
        # The reader of an operator may be on its way back to it.
        await let_others_run()
        if look() is not Motion.BUSY:
            return
    if motion is not Motion.STANDS:
        with move_on_after(STALL_AFTER):
            await changed.wait()
            return
    # What holds them up may be about to be taken.
    await let_others_run()
    if look() <= motion <= Motion.MAY_STAND:
        raise RuntimeError(message())
