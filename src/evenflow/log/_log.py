"""Log: what holds durable subjects, and is opened and closed. Its face: checks arguments, and delegates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from evenflow._errors import refuses_copying
from evenflow._routing import classes_in

from ._coding import Kind
from ._how_left import is_cancellation
from ._names import checked_max_event_bytes, checked_name, refuse_unknown
from ._opening import Opening, checked_consumers, checked_grace, refuse_unknown_groups
from ._openings import Openings
from ._retain import Retain, refuse_without_key
from ._routes import checked_routed_by
from ._running import Running
from ._schemas import Schemas
from ._subject import DurableSubject
from ._transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Generator, Hashable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType
    from typing import Self

    from typing_extensions import TypeForm as F, Unpack

    from ._capabilities import Capabilities, Capability
    from ._consumer import Consumer
    from ._engine import Engine
    from ._log_statistics import LogStatistics
    from ._subject import DurableSubjectOptions as O, OnUndecodable

E = TypeVar("E")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")


class Log(ABC):
    """Events that outlive the process.

    It can be made at import time: nothing is opened yet. Entered with ``async with`` it is opened, in the loop that
    runs, and its consumers run; left, it is closed. It lives more than once, and once at a time.

    Attributes:
        capabilities: what this engine keeps, and what it cannot do.
    """

    capabilities: Capabilities

    def __init__(self, name: str, *, max_event_bytes: int) -> None:
        self._openings: Openings = Openings(checked_name(name, "a log"), self.capabilities, type(self).__name__)
        self._max_event_bytes = checked_max_event_bytes(max_event_bytes)
        self._subjects: dict[str, DurableSubject[Any]] = {}
        self._make_engine: Callable[[], Engine] = self._engine

    @abstractmethod
    def _engine(self) -> Engine:
        """A new engine, not opened yet."""

    @contextmanager
    def _with_engine(self, engine: Callable[[], Engine], capabilities: Capabilities | None = None) -> Generator[None]:
        """Within this block another engine, which can do other things, is opened: for tests."""
        before = self._make_engine, self.capabilities
        self._make_engine = engine
        self._say_capabilities(capabilities or self.capabilities)
        try:
            yield
        finally:
            self._make_engine, can = before
            self._say_capabilities(can)

    def _opens_only_what_is_there(self) -> None:
        """From now on opening it makes no log where there is none: for commands whose user may have mistyped a name."""
        make = self._make_engine

        def engine() -> Engine:
            made = make()
            made.creates = False
            return made

        self._make_engine = engine

    def _say_capabilities(self, capabilities: Capabilities) -> None:
        self.capabilities = self._openings.capabilities = capabilities

    @property
    def name(self) -> str:
        """The log's name: what its events call their source."""
        return self._openings.name

    def require(self, *needs: Capability) -> None:
        """Refuse this engine if it lacks anything that the application needs; call it at start.

        Raises:
            Unsupported: the message names all that is missing.
        """
        self._openings.require(*needs)

    @overload
    def subject(self, name: str, a: F[E], /, **o: Unpack[O]) -> DurableSubject[E]: ...
    @overload
    def subject(self, name: str, a: F[T1], b: F[T2], /, **o: Unpack[O]) -> DurableSubject[T1 | T2]: ...
    @overload
    def subject(self, name: str, a: F[T1], b: F[T2], c: F[T3], /, **o: Unpack[O]) -> DurableSubject[T1 | T2 | T3]: ...
    @overload
    def subject(
        self, name: str, a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, **o: Unpack[O]
    ) -> DurableSubject[T1 | T2 | T3 | T4]: ...
    @overload
    def subject(
        self, name: str, a: type[E], b: type[E], c: type[E], d: type[E], e: type[E], /, *more: type[E], **o: Unpack[O]
    ) -> DurableSubject[E]: ...
    def subject(
        self,
        name: str,
        /,
        *types: Any,
        retain: Retain | None = None,
        on_undecodable: OnUndecodable = "raise",
        routed_by: Hashable | None = None,
        **unknown: object,
    ) -> DurableSubject[Any]:
        """A subject of this log: what events are published to, and read from, by its name.

        Asked for again with the same classes and options it is the same object.

        Args:
            name: letters, digits, ``_`` and ``-``, at most 64.
            types: classes of events, or unions of them; at least one.
            retain: what is kept, for how long; everything without it.
            on_undecodable: what a reader does with an event that cannot be read: ``"raise"`` ends it, ``"skip"``
                counts it.
            routed_by: a field, or a tuple of fields, whose values are part of the name under which a server keeps an
                event: a server that has names (NATS) does not send what a condition on such a field excludes. The
                other engines ask the condition here, and the events that a reader gets are the same.

        Raises:
            TypeError, ValueError: an argument makes no sense, two classes have one wire name, or the subject was made
                with others.
        """
        checked_name(name)
        if not types:
            raise TypeError(f"subject {name!r} of log {self.name} needs at least one class of events")
        refuse_unknown("subject", unknown, ("retain", "on_undecodable", "routed_by"))
        kind = self._kind(name, classes_in(*types), retain, on_undecodable, routed_by)
        known = self._subjects.get(name)
        if known is None:
            for other in self._subjects.values():
                kind.schemas.refuse_clash(other._kind.schemas)
            self._subjects[name] = known = DurableSubject[Any](
                self._openings, kind, self._max_event_bytes, self._consumer_was_added
            )
            if (opening := self._openings.present()) is not None:
                opening.keep_short(kind)
        elif known._kind._replace(schemas=kind.schemas) != kind:
            raise ValueError(
                f"log {self.name} has the subject {name!r} already, as {known!r}; ask for it with the same classes and"
                " options, or give this one another name"
            )
        return known

    def _kind(
        self,
        name: str,
        types: tuple[type, ...],
        retain: Retain | None,
        on_undecodable: OnUndecodable,
        routed_by: Hashable | None,
    ) -> Kind:
        if on_undecodable not in ("raise", "skip"):
            raise ValueError(f"on_undecodable must be 'raise' or 'skip', not {on_undecodable!r}")
        if retain is not None and not isinstance(retain, Retain):
            raise TypeError(f"retain must be a Retain(...), such as Retain(age=timedelta(days=30)), not {retain!r}")
        if retain is not None and retain.last_by is not None:
            self.require("last_by")
            refuse_without_key(retain, types)
        routing = checked_routed_by(routed_by, types)
        return Kind(name, types, Schemas(name, types), retain, on_undecodable == "skip", routing)

    @asynccontextmanager
    async def opened(
        self, *, consumers: bool | Collection[str] = True, grace: float | None = None
    ) -> AsyncGenerator[Self]:
        """Open it, and close it at the end of the block.

        Args:
            consumers: whether consumers run; or the names of the groups whose consumers do. A name that no consumer
                has, where others have one, is refused: consumers that are named are added before the log is opened.
            grace: seconds that handlers have to end; without it they have as long as they take. Then they are
                cancelled, and their events are given back, uncounted. A block that is cancelled does so at once, and
                so does one that raises where there is no ``grace``.

        Raises:
            TypeError, ValueError: an option is wrong, or no consumer has a group that is named.
            RuntimeError: it is open already, or is being opened.
            Unsupported: the loop is trio's, which this engine does not know.
            LogError: it cannot be opened; the message says why.
        """
        opening = await self._open(consumers, checked_grace(grace))
        end = grace
        try:
            yield self
        except BaseException as error:
            if grace is None or is_cancellation(error):
                end = 0.0
            raise
        finally:
            await self._openings.close(opening, end)

    async def _open(self, consumers: bool | Collection[str], grace: float | None = None) -> Opening:
        which = checked_consumers(consumers)
        self._openings.refuse_strange_loop()
        self._openings.claim()
        try:
            refuse_unknown_groups(self.name, which, self._consumed())
            running = Running(self.name, self._make_engine())
            await running.open()
        except BaseException:
            self._openings.end()
            raise
        opening = Opening(running, grace=grace, consumers=which)
        self._openings.begin(opening)
        try:
            kinds = [subject._kind for subject in self._subjects.values()]
            opening.begin(kinds, schedules=self.capabilities.schedule)
            await self._start_consumers(opening)
        except BaseException:
            await self._openings.close(opening, 0.0)
            raise
        return opening

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Several things in one commit, at the end of the block: events, acknowledgements.

        All or nothing: raised or cancelled in the block, nothing is done. No lock is held while the block runs.

        Raises:
            Unsupported: the engine has no transactions.
        """
        self.require("transactions")
        return Transaction(self._openings)

    async def statistics(self) -> LogStatistics:
        """Plain numbers, as they are now: of the log, its subjects and their groups.

        Raises:
            RuntimeError: the log is not open.
            LogError: the log failed.
        """
        return await self._openings.open().statistics()

    async def start(self, *, consumers: bool | Collection[str] = True) -> None:
        """Open it, for a host that has two hooks instead of an ``async with``: ``aclose`` closes it."""
        await self._open(consumers)

    async def aclose(self, *, grace: float | None = None) -> None:
        """Close it; ``grace`` as for ``opened``. It returns once everything has ended, however it was opened.

        Called while it is being closed already, it waits for that: of several the shortest ``grace`` counts. Cancelled,
        handlers are cancelled at once, as for ``opened``. Leaving the block of a log that was closed in it does
        nothing more. A log that is not open, as in a forked child, is left alone.

        Raises:
            Deadlock: called from inside a handler of this log, for which it would wait; then nothing has changed.
            RuntimeError: it was opened in another loop or thread; on trio, in another task; then too.
        """
        grace = checked_grace(grace)
        opening = self._openings.present()
        if opening is not None:
            await self._openings.close(opening, grace)

    async def __aenter__(self) -> Self:
        await self._open(consumers=True)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose(grace=None if exc is None else 0.0)

    async def _start_consumers(self, opening: Opening) -> None:
        for subject in [*self._subjects.values()]:
            for consumer in [*subject._consumers]:
                groups = opening.groups(subject._kind)
                groups.know(consumer)
                if opening.runs(consumer):
                    await groups.start(consumer)

    def _consumed(self) -> set[str]:
        """The groups that consumers have."""
        return {consumer._spec.group for subject in self._subjects.values() for consumer in [*subject._consumers]}

    def _consumer_was_added(self, subject: DurableSubject[Any], consumer: Consumer) -> None:
        """Run it at once, if the log is open and runs consumers."""
        opening = self._openings.present()
        if opening is None or opening.is_over:
            return
        runs = opening.runs(consumer)
        if runs:
            self._openings.open()
        elif not opening.running.loop.is_here():
            return
        groups = opening.groups(subject._kind)
        groups.know(consumer)
        if runs:
            opening.running.run(groups.start_later, consumer, name=f"start of consumer {consumer.name}")

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("make a log for each process, of the same file or server")

    def __repr__(self) -> str:
        state = "open" if self._openings.is_open else "not open"
        return f"<{type(self).__name__} {self.name}, {len(self._subjects)} subjects, {state}>"
