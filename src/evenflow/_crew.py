"""Tasks that evenflow runs for one of its objects: a subject, a chain, what is shared.

Rule 1: they are the object's own. Whoever opens or ends the object is not cancelled with them, nor they with it.
Rule 2: a task that somebody else cancels ends alone, and is logged.
Rule 3: ending the crew cancels what still runs, and waits for it, whatever happens to the one who waits.

On trio each task is a child of the task that opened the crew, which therefore must end it too, innermost first.
"""

from __future__ import annotations

import logging
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, Event, get_cancelled_exc_class

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Coroutine

    from ._backends import Home
    from ._loop import RunningLoop

_log = logging.getLogger("evenflow.tasks")


@dataclass(eq=False, slots=True)
class Member:
    """One task of a crew."""

    name: str  # what it does, for logs
    ended: Callable[[], None] | None  # what to call when it is over; None when it is
    was_cancelled: bool = False  # whether evenflow has cancelled it
    was_cut_off: bool = False  # whether somebody else has, or what it runs has let out a cancellation of somebody else
    task: object | None = None  # the task, while it runs
    _scope: CancelScope | None = None

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]], task: object) -> None:
        """What the task does."""
        self.task = task
        with CancelScope() as self._scope:
            if self.was_cancelled:
                self._scope.cancel()
            await work()

    def cancel(self) -> None:
        """Cancel it, without waiting for its end."""
        self.was_cancelled = True
        if self._scope is not None:
            self._scope.cancel()


class Crew:
    """The tasks of one object.

    Attributes:
        name: what they run for, for logs and errors.
        loop: the loop they run in.
        context: the context variables of whoever made it.
    """

    def __init__(self, name: str, loop: RunningLoop) -> None:
        self.name = name
        self.loop = loop
        self.context: Context = copy_context()
        self._home: Home = loop.backend.home()
        self._members: dict[Member, None] = {}
        self._one_over: Event | None = None
        self._error: BaseException | None = None

    async def open(self) -> None:
        """Tasks may be started from now on."""
        await self._home.open()

    def start(
        self,
        work: Callable[..., Coroutine[Any, Any, None]],
        *arguments: Any,
        name: str,
        context: Context | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> Member:
        """Start a task, from anywhere in the loop; it runs when the loop turns.

        ``ended`` is called when it is over, even if it was cancelled before it began. It must not raise.
        """
        member = Member(name, ended)
        self._members[member] = None
        run, over = partial(self._run, member, partial(work, *arguments)), partial(self._over, member)
        (context or copy_context()).run(self._home.spawn, run, f"evenflow {name}", over)
        return member

    async def _run(self, member: Member, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self.loop.current_task()
        self.loop.own[task] = None
        try:
            await member.run(work, task)
        except get_cancelled_exc_class():
            # in trio a scope around the crew may cancel it; elsewhere nobody but its own member does so rightly
            if not member.was_cancelled and (self.loop.backend.times_cancelled(task) or not self.loop.is_cancelled()):
                self._note_cut_off(member, "was cancelled")
            raise
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- whoever ends the crew gets it, as from a task group
            _log.error("%s of %s raised what is no Exception", member.name, self.name, exc_info=error)
            self._error = self._error or error
            self.cancel()
        finally:
            self._over(member)

    def _over(self, member: Member) -> None:
        ended, member.ended = member.ended, None
        if ended is None:  # the task has said so itself, before its home
            return
        del self._members[member]
        if member.task is None and not member.was_cancelled:
            self._note_cut_off(member, "was cancelled before it began")
        member.task = None
        ended()
        if self._one_over is not None:
            self._one_over.set()

    def _note_cut_off(self, member: Member, how: str) -> None:
        member.was_cut_off = True
        _log.info("%s of %s %s, and has ended", member.name, self.name, how)

    def check_end(self) -> None:
        """Refuse to end it where the library does not allow it.

        Raises:
            RuntimeError: on trio, in another task than it was opened in, or before what was opened after it.
        """
        self._home.check_end(self.name)

    def cancel(self) -> None:
        """Cancel all tasks, without waiting for their ends."""
        for member in list(self._members):
            member.cancel()

    async def close(self, *, around: Container[object] = ()) -> None:
        """Cancel what still runs, and wait until it has ended, also where this is cancelled; then that goes out.

        ``around`` are tasks of the crew that may wait for whoever calls this: they are cancelled, and not waited for.
        """
        self.cancel()
        interrupted: BaseException | None = None
        while any(member.task is None or member.task not in around for member in self._members):
            self._one_over = Event()
            try:
                with CancelScope(shield=True):
                    await self._one_over.wait()
            except get_cancelled_exc_class() as error:  # noqa: ASYNC103 -- raised below, once all have ended
                interrupted = error
        await self._home.close()
        if interrupted is not None:
            raise interrupted
        if self._error is not None:
            raise self._error
