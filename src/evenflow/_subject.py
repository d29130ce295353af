"""Subject: what events are published to, and subscribed from. Its face: checks arguments, and delegates."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Generic, overload

from ._drain import drain
from ._errors import SubjectClosed, refuses_copying
from ._handlers import check_handler, wants_of_handler, written_at
from ._history import History
from ._life import Life
from ._mailbox import with_context
from ._observers import Observer, ObserverFailed
from ._options import (
    REPLAY_KEYS,
    STALL_AFTER,
    Key,
    SubjectOptions as O,
    checked_context,
    checked_key,
    checked_name,
    checked_reader,
    checked_replay,
    checked_seconds,
    whole,
)
from ._routing import classes_in, names
from ._signatures import T1, T2, T3, T4, E, Subject as Signatures
from ._subscription import Subscription
from ._supervisor import Leaving, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from typing_extensions import TypeForm as F, Unpack

    from ._events import Event
    from ._explain import Explanation
    from ._mailbox import UserFunctions
    from ._routing import Interest
    from ._statistics import SubjectStatistics

_numbers: Final = count(1)


class Subject(Signatures[E], Generic[E]):
    """Pushes events to subscribers that know nothing of each other, each at its own pace.

    ``Subject(OrderPlaced, OrderShipped)`` carries events of these classes and their subclasses, ``Subject()`` any
    ``Event``.
    It can be made at import time, without an event loop, and used as it is; entered with ``async with`` it also runs
    its observers, and can be published to from other threads.
    It belongs to the loop in which something first waits on it, until that loop ends.

    Args:
        types: classes of events, or unions of them.
        name: for logs, statistics and errors.
        replay: how many events a later subscription gets first.
        replay_by: keep that many of each key: a field (``Tick.symbol``) or a callable.
        replay_keys: for at most this many keys; the least recently used is evicted.
        stall_after: seconds after which a subscription that holds a publisher, or a drain, is logged, once.

    Raises:
        TypeError, ValueError: an argument makes no sense; the message says what would.
    """

    @overload
    def __init__(self: Subject[Event], /, **o: Unpack[O[Any]]) -> None: ...
    @overload
    def __init__(self, a: F[E], /, **o: Unpack[O[E]]) -> None: ...
    @overload
    def __init__(self: Subject[T1 | T2], a: F[T1], b: F[T2], /, **o: Unpack[O[T1 | T2]]) -> None: ...
    @overload
    def __init__(
        self: Subject[T1 | T2 | T3], a: F[T1], b: F[T2], c: F[T3], /, **o: Unpack[O[T1 | T2 | T3]]
    ) -> None: ...
    @overload
    def __init__(
        self: Subject[T1 | T2 | T3 | T4], a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, **o: Unpack[O[T1 | T2 | T3 | T4]]
    ) -> None: ...
    @overload
    def __init__(
        self, a: type[E], b: type[E], c: type[E], d: type[E], e: type[E], /, *more: type[E], **o: Unpack[O[E]]
    ) -> None: ...
    def __init__(
        self,
        *types: Any,
        name: str | None = None,
        replay: int = 0,
        replay_by: Key[Any] | None = None,
        replay_keys: int = REPLAY_KEYS,
        stall_after: float = STALL_AFTER,
    ) -> None:
        whole(replay, "replay", 0)
        whole(replay_keys, "replay_keys", 1)
        self._types: tuple[type, ...] = classes_in(*types)
        key = checked_key(replay_by, "replay_by", self._types)
        if key is not None and not replay:
            raise ValueError(
                "replay_by says of which events to keep the last replay=, which is 0; give replay=1 or more"
            )
        self._name = checked_name(name) or f"subject-{next(_numbers)}"
        self._stall_after = checked_seconds(stall_after, "stall_after")
        self._kept = (replay, key, replay_keys)
        self._may_block = True
        self._started = 0
        """Which of its lives began with ``start``, so that ``aclose`` leaves it; 0 for none."""
        self._failures: Subject[ObserverFailed] | None = None
        self._supervisor = Supervisor(self._name)
        self._begin()

    def _begin(self) -> None:
        """Begin a life: the same observers, no history, counters at zero."""
        self._life: Life[E] = Life(
            self._name,
            self._types,
            history=History(*self._kept) if self._kept[0] else None,
            stall_after=self._stall_after,
            unwanted=self._supervisor.unwanted,
            retired=self._supervisor.retired,
            loop_ended=self._supervisor.loop_ended,
        )
        self._supervisor.supervise(self._life)
        if self._failures is not None:
            self._failures._begin()

    @property
    def name(self) -> str:
        """The name it was given, or one that was made up."""
        return self._name

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more events."""
        return self._life.is_closed

    async def publish(self, event: E, /) -> int:
        """Give the event to every subscription that wants it; returns how many did.

        Returns when the event lies in their buffers, not when it is handled.
        It reaches every subscription that is active in that instant, or none.
        Waits only while a full ``overflow="block"`` subscription wants this very event.
        Cancelled, or in a cancelled scope, it raises and nobody got it.

        Raises:
            TypeError: the event is none of the classes that this subject takes.
            SubjectClosed: the subject was closed, before or while this waited.
            Deadlock: everyone who could make room waits for this very publish: at once where only evenflow's own tasks
                can read, else after ``stall_after``.
            RuntimeError: called from another thread, from a second live loop, or by a condition.
        """
        delivery = self._life.delivery
        # first without a second coroutine, which would be a tenth of what a publish to one costs
        outcome = delivery.publish_at_once(event)
        return outcome if isinstance(outcome, int) else await delivery.publish_later(event, outcome)

    def publish_nowait(self, event: E, /) -> int:
        """As ``publish``, without waiting and without a checkpoint.

        Raises:
            anyio.WouldBlock: a full ``overflow="block"`` subscription wants it; nobody got it.
            TypeError, SubjectClosed, RuntimeError: as for ``publish``.
        """
        return self._life.delivery.publish_nowait(event)

    async def publish_many(self, events: Iterable[E], /) -> int:
        """Publish each in its turn; returns the sum. Much cheaper than a loop.

        Each event is a publish of its own; others' may come between.
        The next is drawn from the iterable when the last is placed.
        Cancelled or refused half-way, what went before stays.

        Raises: as for ``publish``.
        """
        if isinstance(events, (list, tuple)):
            return await self._life.delivery.publish_many(tuple(events))
        total = 0
        for event in events:
            total += await self.publish(event)
        return total

    def publish_from_thread(self, event: E, /, *, timeout: float | None = None) -> int:
        """Publish from any thread but the loop's own, to the loop in which the subject was entered.

        Blocks the thread until the event lies in the buffers; backpressure blocks it longer.
        ``timeout`` (seconds) ends that wait; 0 does not wait for room. Each thread's own order is kept.

        Raises:
            TimeoutError: there was no room in time; nobody got the event.
            RuntimeError: called in the loop's own thread, or the subject was not entered.
            SubjectClosed: the subject, or its loop, has ended, before or meanwhile.
            TypeError, Deadlock: as for ``publish``.
        """
        if timeout is not None:
            checked_seconds(timeout, "timeout", zero=True, hint="; to wait without end leave it out")
        loop, courier = self._life.binding.loop, self._supervisor.courier
        if loop is not None and loop.is_here():
            raise RuntimeError(f"publish_from_thread was called in the loop of {self._name}; there use 'await publish'")
        if self._supervisor.lives and (self.is_closed or courier is None):
            raise SubjectClosed(f"{self._name} is closed: it takes no more events; enter it again to open it anew")
        if courier is None:
            raise RuntimeError(
                f"{self._name} was not entered, so there is no loop to publish in; use 'async with' on it in its loop"
            )
        return courier.publish(event, timeout)

    def _subscribe(
        self,
        wants: Any,
        *,
        replay: bool | int = False,
        after: int | None = None,
        gaps: bool = False,
        created_at: tuple[str, int],
        quiet: bool = False,
        **options: Any,
    ) -> Subscription[Any]:
        """Subscribe; with ``after`` to ``Numbered`` events: first those that are kept after this number."""
        interest, functions, options = self._checked(wants, **options)
        options |= {"gaps": bool(gaps), "replay": checked_replay(replay), "after": after, "created_at": created_at}
        life = self._life
        life.check()
        return Subscription(life, life.open(interest, functions, **options), functions, quiet=quiet)

    def _checked(self, wants: Any, where: Any = None, **o: Any) -> tuple[Interest, UserFunctions, dict[str, Any]]:
        """What a subscription was asked to be: what it wants, its own functions, and how its buffer is made."""
        interest = self._life.members.interest(wants, where)
        return interest, *checked_reader(interest, self._types, where, may_block=self._may_block, **o)

    def _observe(
        self, handler: Callable[[Any], object], wants: Any, *, concurrency: int, ordered_by: Any, context: Any, **o: Any
    ) -> Observer:
        self._life.check_unless_closed()
        if wants:
            check_handler(handler)
        elif (annotated := wants_of_handler(handler)) not in (None, Any, object):
            wants = (annotated,)
        interest, functions, options = self._checked(wants, **o)
        given = options.pop("name")
        options["created_at"] = written_at(handler)
        options["carry"] = with_context if checked_context(context) == "publisher" else None
        observer = Observer(
            self._supervisor,
            handler,
            interest,
            functions,
            options,
            concurrency=whole(concurrency, "concurrency", 1),
            ordered_by=checked_key(ordered_by, "ordered_by", interest.wants or self._types),
            name=given or getattr(handler, "__qualname__", None) or repr(handler),
        )
        self._supervisor.add(observer)
        return observer

    @property
    def failures(self) -> Subject[ObserverFailed]:
        """What observers raised, as events; open while this subject is.

        It never makes a handler wait: its subscriptions drop the oldest by default, and ``"block"`` is refused.
        What its own observers raise is only logged.
        """
        if self._failures is None:
            self._life.binding.check()
            self._failures = failures = Subject(ObserverFailed, name=f"{self._name}.failures")
            failures._may_block = False
            self._supervisor.nest(failures._supervisor)
        return self._failures

    async def drain(self, *, observers_only: bool = False) -> None:
        """Wait until all that was published before this call is taken and handled.

        With ``observers_only`` it waits for this subject's observers alone, whatever lies in subscriptions.
        Bounded by the caller's scope alone: a subscription that nobody reads makes it wait. Each one that it has
        waited for longer than ``stall_after`` is logged, once. Cancelling changes nothing.

        Raises:
            Deadlock: called from inside one of this subject's own handlers.
            RuntimeError: called from another thread, or from a second live loop.
        """
        self._supervisor.refuse_inside("drain")
        observers = list(self._supervisor.running)
        await drain(self._life, observers, observers_only=bool(observers_only), stall_after=self._stall_after)

    def close(self, error: BaseException | None = None) -> None:
        """Take no more events; what is buffered is still delivered, then comes the end, or ``error``.

        Publishers that wait get ``SubjectClosed``. The second time it does nothing. Waits for nothing.

        Raises:
            RuntimeError: called from another thread.
        """
        self._life.close(error)
        if not self._supervisor.is_entered:
            self._supervisor.close_failures()

    async def aclose(self) -> None:
        """Close, then wait for the observers to handle what they have not handled yet.

        Bounded by the caller's scope alone; cancelling it leaves the subject closed.

        Raises:
            Deadlock: called from inside one of this subject's own handlers.
        """
        self._supervisor.refuse_inside("aclose")
        if self._supervisor.is_entered and self._supervisor.lives == self._started:
            await self.__aexit__(None, None, None)
        else:
            self.close()
            await self._supervisor.wait_ended()

    async def start(self) -> None:
        """Enter it, for a host that has two hooks instead of an ``async with``: ``aclose`` leaves it.

        On asyncio the two may be called in different tasks, and those of several subjects in any order.
        On trio they are called in one task, the subject that was started last is closed first.

        Raises:
            RuntimeError: it is entered already.
        """
        await self.__aenter__()
        self._started = self._supervisor.lives

    async def __aenter__(self) -> Self:
        if self._supervisor.is_entered or not self.is_closed:
            self._life.check()  # this may find that the loop in which it was entered has ended
        if self._supervisor.is_entered:
            raise RuntimeError(
                f"{self._name} is entered already, and lives once at a time; leave it first, or make a subject for each"
            )
        if self.is_closed:
            self._begin()
        await self._supervisor.enter()
        return self

    async def __aexit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        await self._supervisor.leave(exc)

    if not TYPE_CHECKING:
        __aexit__ = Leaving(__aexit__)

    def explain(self, event: E, /) -> tuple[Explanation, ...]:
        """Why each subscription and observer would, or would not, get this event; nobody gets it.

        Raises:
            TypeError: the event is none of the classes that this subject takes.
        """
        from . import _explain as why  # noqa: PLC0415 -- few programs ask

        life, supervisor = self._life, self._supervisor
        life.check_here()
        members = life.members
        members.check_type(event)
        asked = life.delivery.ask(
            lambda: [
                why.explain(mailbox.name, member.interest, event, mailbox, found_by=members.found_by(mailbox))
                for mailbox, member in members.active.items()
            ]
        )
        if life.is_closed:
            asked = [replace(explanation, wanted=False, reason=why.CLOSED) for explanation in asked]
        why_not = why.NOT_RUNNING if not supervisor.is_entered else why.CLOSED if life.is_closed else why.ENDED
        resting = [one.name for one in list(supervisor.observers) if one not in supervisor.running]
        return (*asked, *(why.Explanation(name, False, why_not, "not asked") for name in resting))

    def statistics(self) -> SubjectStatistics:
        """Plain numbers, as they are now.

        Raises:
            RuntimeError: called from another thread.
        """
        from ._statistics import SubjectStatistics  # noqa: PLC0415 -- making these classes takes 3 ms

        life = self._life
        life.check_here()
        # lists first: a destructor may end one of them while the numbers are put together
        return SubjectStatistics(
            name=self._name,
            published=life.delivery.published,
            deliveries=life.delivery.deliveries,
            waiting_publishers=life.gate.waiting(),
            kept=0 if life.history is None else len(life.history),
            closed=life.is_closed,
            subscriptions=tuple(mailbox.ledger() for mailbox in list(life.members.active)),
            observers=tuple(observer.statistics() for observer in list(self._supervisor.observers)),
        )

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("hand on the subject itself, and to another process the events")

    def __repr__(self) -> str:
        takes = " | ".join(names(self._types)) or "Event"
        active = self._life.members.active
        state = "closed" if self.is_closed else f"{len(active)} subscriptions"
        full = sum(1 for mailbox in list(active) if mailbox.room() <= 0)
        return f"<Subject {self._name} of {takes}, {state}{f', {full} full' if full else ''}>"
