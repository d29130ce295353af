"""One life of a subject, from opening to end: its loop, its members, its gate, its delivery and its history.

Entering a closed subject anew makes a new life. What belongs to a former life keeps it, and is read to its end.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet

from anyio import ClosedResourceError, EndOfStream, Event

from ._binding import LoopBinding
from ._delivery import Delivery
from ._ends import failure
from ._fork import forget_in_child
from ._gate import Gate
from ._mailbox import Mailbox, UserFunctions
from ._members import Members
from ._numbers import Numbered, Numbers
from ._readers import WakeUps
from ._routing import wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from typing import Unpack

    from ._ends import End
    from ._history import History
    from ._loop import RunningLoop
    from ._mailbox import MailboxOptions
    from ._routing import Interest

E = TypeVar("E")


class Life(Generic[E]):
    """The parts of a subject that begin and end together."""

    def __init__(
        self,
        name: str,
        types: tuple[type, ...],
        *,
        history: History | None = None,
        stall_after: float,
        loop_ended: Callable[[Life[E]], None],
        unwanted: Callable[[E], None] = lambda _: None,
        retired: Callable[[Mailbox], None] = lambda _: None,
        from_thread: str = "publish_from_thread",
    ) -> None:
        self.name = name
        self.history = history  # what is kept for later subscriptions, if anything
        self.end: End = EndOfStream  # what readers get after their buffers, once it is closed
        self.binding: LoopBinding = LoopBinding(name, self._loop_ended, from_thread)
        self.members: Members[E] = Members(name, types, None if history is None else history.key)
        self.gate: Gate = Gate(self.note_take)
        self._watchers: list[Event] = []
        """Whoever waits for a change: an event that is taken, dropped, replaced or handled, or an end."""
        self.delivery: Delivery[E] = Delivery(
            name,
            members=self.members,
            gate=self.gate,
            binding=self.binding,
            history=history,
            detach=self._finish,
            watchers=self._watchers,
            changed=self.note_change,
            unwanted=unwanted,
            stall_after=stall_after,
        )
        self._tell_loop_ended = loop_ended
        self._tell_retired = retired
        self._wake_ups = WakeUps()
        self._opened = 0
        self.numbers: Numbers = Numbers(self.delivery, history)
        self.was_left: bool = False
        """Whether it was closed because it was left, and so may begin anew; else somebody has closed it."""
        self._told_of: WeakSet[Mailbox] = WeakSet()
        """Those that a drain has waited for too long."""
        forget_in_child(self)

    def open(
        self,
        interest: Interest,
        functions: UserFunctions,
        *,
        replay: bool | int = False,
        after: int | None = None,
        name: str | None = None,
        **options: Unpack[MailboxOptions],
    ) -> Mailbox:
        """A mailbox for a new subscription, which is active from now on.

        With ``after`` it gets ``Numbered`` events: first those that are kept after this number.
        """
        kept: list[Any] = []
        if after is not None:
            kept, replay = self.delivery.ask(partial(self.numbers.after, after)), True
        elif replay and self.history is not None:
            kept = self.delivery.ask(self.history.events)
        numbers = None if after is None else self.numbers
        mailbox = self.mailbox(functions, name=name, numbers=numbers, **options)
        if not self.is_closed:
            self.members.add(mailbox, interest)
        if kept:
            self._give_replay(mailbox, interest, kept, replay)
        if self.is_closed:
            mailbox.finish(self.end)
        return mailbox

    def mailbox(
        self,
        functions: UserFunctions,
        *,
        name: str | None = None,
        numbers: Numbers | None = None,
        **options: Unpack[MailboxOptions],
    ) -> Mailbox:
        """A mailbox that is no member yet."""
        self._opened += 1
        return Mailbox(
            functions=functions,
            name=name or f"{self.name}/{self._opened}",
            unready=self.members.unready,
            became_ready=self.members.became_ready,
            wake_ups=self._wake_ups,
            numbers=numbers,
            **options,
        )

    def _give_replay(self, mailbox: Mailbox, interest: Interest, kept: list[Any], replay: bool | int) -> None:
        """Give it those of the kept events that it wants, as many of the last as it asks for."""
        try:
            numbered = type(kept[0]) is Numbered
            events = self.delivery.ask(
                lambda: [one for one in kept if wanted(interest, one.event if numbered else one, mailbox)]
            )
        except (KeyboardInterrupt, SystemExit):
            self._discard(mailbox)
            raise
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- what `where` raises ends the subscription
            self._finish(mailbox, error)
        else:
            mailbox.buffer.give_replay(events if replay is True else events[-replay:])

    def detach(self, mailbox: Mailbox) -> None:
        """Close a subscription: what is buffered is discarded."""
        self.binding.check()
        if self.delivery.busy:
            self.delivery.deferred.append(partial(self._discard, mailbox))
        else:
            self._discard(mailbox)

    def detach_later(self, mailbox: Mailbox) -> None:
        """A subscription lost its last reference, in whatever thread and in the middle of whatever."""
        self.delivery.deferred.append(partial(self._discard, mailbox))
        loop = self.binding.loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended: whoever looks next does it
                loop.call_soon(self.delivery.run_deferred)

    def _discard(self, mailbox: Mailbox, end: End = ClosedResourceError) -> None:
        was_discarded = mailbox.discarded
        rest = mailbox.discard(end)
        self._forget(mailbox)
        if not was_discarded:
            self._tell_retired(mailbox)
        del rest  # only now may the events' own destructors run

    def _finish(self, mailbox: Mailbox, end: End) -> None:
        """End a subscription: what is buffered can still be read."""
        mailbox.finish(failure(end))
        self._forget(mailbox)

    def _forget(self, mailbox: Mailbox) -> None:
        self.members.remove(mailbox)
        if self.gate.queue:
            self.delivery.ask(partial(self.gate.gone, mailbox))
        self.note_change()

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more events."""
        return self.delivery.closed

    def close(self, error: BaseException | None = None, *, leaving: bool = False) -> None:
        """Take no more events; what is buffered is still delivered, then comes the end, or ``error``."""
        self.check_here()
        self.was_left = self.was_left or (leaving and not self.is_closed)
        if error is not None and not isinstance(error, BaseException):
            raise TypeError(f"close takes an exception for the readers, or nothing, not {error!r}")
        # asked, so that what a destructor closes meanwhile is detached afterwards
        self.delivery.deferred.append(partial(self.delivery.ask, partial(self._close, error)))
        self.delivery.run_deferred()

    def _close(self, error: BaseException | None) -> None:
        if self.is_closed:
            return
        self.end = EndOfStream if error is None else error
        self.delivery.close()
        for mailbox in list(self.members.active):
            mailbox.finish(self.end)
        self.note_change()

    def _loop_ended(self) -> None:
        """The loop has ended: whoever waited there waits no more."""
        self.delivery.ask(self._free_all)
        self._tell_loop_ended(self)

    def _free_all(self) -> None:
        self.gate.abandon()
        self._wake_ups.forget()
        self._watchers.clear()
        for mailbox in self.members.active:
            mailbox.free_all()

    def left(self) -> None:
        """The subject was left: nothing of it waits any more, so another loop may use it."""
        self.binding.release()

    def _forked(self) -> None:
        """This is the copy in a child process: what waited, read or observed in the parent is not here."""
        self.binding.release()
        self.numbers.begin_anew()  # the parent goes on with the others
        self.delivery.forked()
        self._loop_ended()
        end = ClosedResourceError(f"a subscription of {self.name} belongs to the process that made it: subscribe here")
        for mailbox in list(self.members.active):
            mailbox.discard(end)
        self.members.forget_all()
        self.delivery.run_deferred()

    def enter(self) -> RunningLoop:
        """Somebody waits here: belong to the running loop."""
        return self.binding.bind()

    def check(self) -> None:
        """Refuse a call from a foreign thread or loop, and one from a condition; do what was deferred."""
        self.binding.check()
        self.delivery.check_idle()

    def check_unless_closed(self) -> None:
        """As ``check``, but not where it has ended: it may be read in one loop while the next begins in another."""
        if not self.is_closed:
            self.check()

    def check_here(self) -> None:
        """Refuse a call from a foreign thread or loop; do what was deferred, if it can be done now."""
        self.binding.check()
        self.delivery.run_deferred()

    def not_told_of(self, mailboxes: Iterable[Mailbox]) -> list[Mailbox]:
        """Those of which nobody was told yet that a drain waits for them; they are told of now."""
        new = [mailbox for mailbox in mailboxes if mailbox not in self._told_of]
        self._told_of.update(new)
        return new

    def note_take(self, mailbox: Mailbox) -> None:
        """A reader has taken an event from a mailbox that somebody waits for."""
        self.delivery.ask(lambda: self.gate.freed(mailbox))
        self.note_change()
        if not self._watchers and mailbox not in self.gate.missed:
            mailbox.watch(None)

    def note_change(self) -> None:
        """Something was taken, handled, or has ended."""
        for event in self._watchers:
            event.set()

    @contextmanager
    def next_change(self) -> Generator[Event]:
        """Gives what fires at the next change; entered before a look, so that no change after that is missed."""
        event = Event()
        self._watchers.append(event)
        try:
            yield event
        finally:
            with suppress(ValueError):  # the loop has ended
                self._watchers.remove(event)
