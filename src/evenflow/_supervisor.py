"""What runs for a subject between entering and leaving it: its observers, and the courier for other threads.

    left normally                       close, wait for the observers and then for those of its failures, leave no task
    left by an exception or a cancel    close, cancel the observers, and the exception goes out as it is

What is buffered for readers stays readable; nobody waits for them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from anyio import Event

from ._crew import Crew
from ._errors import Deadlock
from ._loop import running_loop
from ._observers import HANDLING, Observer, ObserverFailed, Tracing
from ._threads import Courier

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from ._life import Life
    from ._mailbox import Mailbox

_log = logging.getLogger("evenflow.subject")


class Leaving:
    """``__aexit__`` of a subject: an ``async with`` leaves the life that it has begun, and no later one.

    Python looks it up before it enters. Where the loop ends under a block, its coroutine may be closed at any time
    after that, when the subject lives again. ``AsyncExitStack``, which asks the class, gets a plain function.
    """

    def __init__(self, leave: Callable[..., Coroutine[Any, Any, None]]) -> None:
        self._leave = leave

    def __get__(self, subject: Any, _: type, /) -> Callable[..., Coroutine[Any, Any, None]]:
        if subject is None:
            return self._leave
        supervisor: Supervisor = subject._supervisor
        life = supervisor.lives + (not supervisor.is_entered)

        async def leave_that_life(exc_type: type | None, *error: Any) -> None:
            if exc_type is not GeneratorExit or life == supervisor.lives:
                await self._leave(subject, exc_type, *error)

        return leave_that_life


class Supervisor:
    """The observers of a subject, and the tasks that run them."""

    _life: Life[Any]

    def __init__(self, name: str) -> None:
        self.name = name
        self.observers: dict[Observer, None] = {}  # all of them, running or not
        self.running: dict[Observer, None] = {}  # those with tasks; a detached one too, until its handler ends
        self.courier: Courier | None = None  # publishes for other threads, while the subject is entered
        self.lives = 0  # how often the subject was entered
        self._failures: Supervisor | None = None
        """The supervisor of the subject of failures, which is entered and left with this one."""
        self._crew: Crew | None = None
        self._left: Event | None = None
        """Fires when the subject has been left; there while it is being left."""
        self._told_of_observers = False
        self._tracing: Tracing | None = None

    def supervise(self, life: Life[Any]) -> None:
        """The subject begins a life."""
        if self._tracing is not None:
            self._tracing.life_began(life)
        self._life = life

    def trace(self, tracing: Tracing | None) -> None:
        """From now on this follows the events of all observers, in each life; None for nobody."""
        self._tracing = tracing
        for observer in {**self.observers, **self.running}:
            observer._trace(tracing)

    def retired(self, mailbox: Mailbox) -> None:
        """A subscription was closed."""
        if self._tracing is not None:
            self._tracing.retired(mailbox)

    @property
    def is_entered(self) -> bool:
        """Whether the subject is entered."""
        return self._crew is not None

    def add(self, observer: Observer) -> None:
        """Run this observer while the subject is entered."""
        self.observers[observer] = None
        observer._trace(self._tracing)
        if self._crew is not None and not self._life.is_closed:
            self._start(observer, self._crew)

    def remove(self, observer: Observer) -> None:
        """An observer was detached."""
        self._life.check_here()
        self.observers.pop(observer, None)

    def failed(self, failed: ObserverFailed) -> None:
        """A handler raised: it is published to whoever observes failures."""
        for watcher in self._life.gate.watchers:
            watcher.failed(failed)
        failures = self._failures
        if failures is not None and not failures._life.is_closed:
            failures._life.delivery.publish_nowait(failed)

    def ended(self, observer: Observer) -> None:
        """The last task of an observer has ended."""
        self.running.pop(observer, None)
        self._life.note_change()

    def unwanted(self, event: Any) -> None:
        """Nobody wanted an event: log, once, that observers that do not run would have."""
        if self._crew is not None or not self.observers or self._told_of_observers:
            return
        wanting = self._life.delivery.ask(
            lambda: [observer.name for observer in self.observers if observer._would_want(event)]
        )
        if wanting:
            self._told_of_observers = True
            _log.warning(
                "%s: %s was wanted only by observers that do not run (%s); enter the subject, 'async with', for them",
                self.name,
                type(event).__name__,
                ", ".join(wanting),
                extra={"subject": self.name},
            )

    def refuse_inside(self, what: str, handlers: list[Any] | None = None) -> None:
        """Refuse to wait in a handler for that very handler; ``handlers`` are tasks, by default those of this subject.

        Raises:
            Deadlock: called from inside one of them.
        """
        if handlers is None:
            handlers = [handler() for host, handler in HANDLING.get() if host is self]
        if handlers and running_loop().current_task() in handlers:
            raise Deadlock(
                f"{what} of {self.name} was called from inside one of its own handlers, and would wait for that very"
                " handler; call it from outside",
                path=(self.name,),
            )

    def _start(self, observer: Observer, crew: Crew) -> None:
        self.running[observer] = None
        observer._start(crew, self._life)

    def nest(self, failures: Supervisor) -> None:
        """From now on failures are published there."""
        self._failures = failures
        if self._crew is not None:
            failures._join(self._crew)
        elif self._life.is_closed:
            failures._life.close()

    async def enter(self) -> None:
        """Run the observers from now on."""
        for one in self._with_failures():
            one._life.binding.check()
        loop = self._life.enter()
        crew = Crew(self.name, loop)
        await crew.open()
        self.lives += 1
        self._told_of_observers = False
        self.courier = Courier(self.name, self._life.delivery, loop, crew)
        for one in self._with_failures():
            one._join(crew)

    def _join(self, crew: Crew) -> None:
        """Run the observers in this crew."""
        self._life.binding.belong_to(crew.loop)
        self._crew = crew
        for observer in list(self.observers):
            self._start(observer, crew)

    async def wait_ended(self) -> None:
        """Wait until the observers of a closed subject have handled what they are owed."""
        while self.running:
            self._life.enter()
            with self._life.next_change() as change:
                await change.wait()

    async def leave(self, error: BaseException | None) -> None:
        """Close, wait for the observers or cancel them, and leave nothing behind; the second time wait for the first.

        Raises:
            Deadlock: called in a handler of its own, or of its failures; then nothing has changed.
            RuntimeError: called from another thread or loop, or the back end does not allow it here; then too.
        """
        self._life.binding.check()
        crew = self._crew
        if crew is None:  # its loop has ended under it, and the task is only now let go
            return
        # the tasks in whose handlers, or in tasks that these have started, the present code runs
        around = [handler() for host, handler in HANDLING.get() if host._crew is crew]
        self.refuse_inside("leaving", around)
        if self._left is not None:
            await self._left.wait()
            return
        crew.check_end()
        self._left = left = Event()
        self._life.close(leaving=True)
        try:
            if error is None:
                for one in self._with_failures():
                    one._life.close()  # only now, when no more failures come
                    await one.wait_ended()
        finally:
            try:
                await crew.close(around=around)
            finally:
                left.set()
                if crew is self._crew:  # else its loop has ended under it
                    for one in self._with_failures():
                        one._life.close()
                        one._life.left()
                    self._forget_crew()

    def _with_failures(self) -> Iterator[Supervisor]:
        """This one, that of its failures, and so on."""
        one: Supervisor | None = self
        while one is not None:
            yield one
            one = one._failures

    def close_failures(self) -> None:
        """No more failures come, nor failures of these."""
        if self._failures is not None:
            for one in self._failures._with_failures():
                one._life.close()

    def loop_ended(self, life: Life[Any]) -> None:
        """The loop of a life has ended under it: nothing of it will ever run again."""
        if life is not self._life:  # a former one
            return
        for observer in list(self.running):
            observer._abandon()
        self.running.clear()
        if self._crew is not None:
            self._forget_crew()
            self._life.close()
            self.close_failures()

    def _forget_crew(self) -> None:
        for one in self._with_failures():
            one._crew = one.courier = one._left = None
