"""DurableSubject: what events are published to and read from, by name, in a log. Its face: checks, and delegates."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypedDict, TypeVar
from weakref import WeakSet

from evenflow._errors import refuses_copying
from evenflow._mailbox import UserFunctions
from evenflow._options import BUFFER, checked_reader
from evenflow._routing import Router, names
from evenflow._subject import Subject
from evenflow._subscription import Subscription

from ._coding import Decoder, Encoder, Kind
from ._consumer import Consumer, ConsumerFailed
from ._delivery import Inside
from ._feed import Feed
from ._group_administration import GroupAdministration
from ._group_options import consumer_of, spec_of
from ._group_signatures import Grouping
from ._named_stream import named_stream
from ._offsets import checked_since, checked_until, moment
from ._reader import Reader
from ._schedule import Scheduled, all_scheduled, as_scheduled, checked_time, schedule, unschedule
from ._signatures import Reading
from ._stored import Change, IdTaken
from ._threads import publish_from_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
    from contextvars import Context
    from datetime import datetime, timedelta

    from evenflow._handling import Handled
    from evenflow.streams._stream import Stream

    from ._deliveries import Deliveries
    from ._delivery import Delivery
    from ._offsets import Offset
    from ._openings import Openings
    from ._record import Record
    from ._retain import Retain
    from ._stored import Append

E = TypeVar("E")

OnUndecodable: TypeAlias = Literal["raise", "skip"]
"""What a reader does with an event that cannot be read: end with ``DecodeError``, or count it and go on."""

IN_ONE_COMMIT = 1_000
"""Events of ``publish_many`` that are stored in one commit."""


class Tracing(Inside, Protocol):
    """Who follows the events of a durable subject, such as `evenflow.telemetry`."""

    def stamp(self, headers: Mapping[str, str] | None, /) -> Mapping[str, str] | None:
        """The headers of an event that is being published, from those that its publisher gave."""
        ...

    def handle(
        self, consumer: Consumer, delivery: Delivery[Any], context: Context, call: Callable[[Context], Handled], /
    ) -> Handled:
        """Handle a delivery by ``call``, in this context or another."""
        ...


class DurableSubjectOptions(TypedDict, total=False):
    """Keyword arguments of ``Log.subject``."""

    retain: Retain | None
    on_undecodable: OnUndecodable
    routed_by: Hashable | None


class DurableSubject(Reading[E], Grouping[E], GroupAdministration[E], Generic[E]):
    """Events of some classes, in one order, in a log.

    It is made by ``Log.subject``, and used while that log is open. It is a ``Publisher`` and a ``Source``.
    """

    def __init__(
        self,
        openings: Openings,
        kind: Kind,
        max_event_bytes: int,
        consumer_was_added: Callable[[DurableSubject[Any], Consumer], None],
    ) -> None:
        self._openings = openings
        self._kind = kind
        self._name: str = kind.subject
        self._types: tuple[type, ...] = kind.types
        self._encoder: Encoder = Encoder(kind, max_event_bytes)
        self._router: Router[Any] = Router(kind.types)
        """Checks what is wanted; who is live is known to the tail."""
        self._consumers: dict[Consumer, None] = {}
        self._tell_of_consumer = consumer_was_added
        self._failures: Subject[ConsumerFailed] | None = None
        self._watchers: tuple[Callable[[ConsumerFailed], object], ...] = ()
        """Who is told what consumers raised, beside ``failures``; they must be quick, and raise nothing."""
        self._tracing: Tracing | None = None
        self._readers: WeakSet[Deliveries[Any]] = WeakSet()
        """The deliveries that were asked for, to be followed too."""
        self._sent = 0
        """Events that this process has stored or scheduled; only ever read by whoever asks for it."""

    @property
    def name(self) -> str:
        """Its name in the log."""
        return self._name

    async def publish(self, event: E, /, *, id: str | None = None, headers: Mapping[str, str] | None = None) -> Offset:  # noqa: A002 -- the word of CloudEvents
        """Store an event; returns its offset once it is as durable as the log's settings promise.

        Two events of one subject with one ``id`` are one: the second is not stored, and the first's offset returned.
        Waits for no reader. Cancelled before it was handed over, it is not stored; later the cancellation goes out once
        the outcome is known, and the event may be stored: publish it again with the same ``id``, and it is there once.

        Args:
            event: of one of the subject's classes.
            id: what makes the event unique: at most 256 characters.
            headers: what goes along beside it, as CloudEvents extensions: names ``[a-z0-9]{1,20}``.

        Raises:
            TypeError: the event is none of the classes that this subject takes.
            ValueError: it is too large, the headers are none, or the id belongs to another event.
            RuntimeError: the log is not open.
            LogError: it failed; ``stored`` says whether it is known to be stored.
        """
        opening = self._openings.open()
        change = Change(appends=(self._encoder.append(event, id, headers),))
        try:
            done = await opening.engine.commit(change)
        except IdTaken as taken:
            raise taken.refusal() from None
        self._sent += 1
        opening.note_stored(self._name, done.seqs[0])
        return opening.running.offset(self._name, done.seqs[0])

    async def publish_many(
        self,
        events: Iterable[E],
        /,
        *,
        id: Callable[[E], str] | None = None,  # noqa: A002 -- the word of CloudEvents
        headers: Mapping[str, str] | None = None,
    ) -> list[Offset]:
        """Store many events, in order, a commit for each 1,000; returns their offsets. Much cheaper than a loop.

        Cancelled or refused half-way, what was committed before stays: with an ``id`` for each event an import can be
        run again. Otherwise as ``publish``.

        Args:
            events: of the subject's classes; the next are drawn when the last are stored.
            id: the id of each event.
            headers: of all of them.

        Raises: as for ``publish``.
        """
        opening = self._openings.open()
        if id is not None and not callable(id):
            raise TypeError(f"id of publish_many must be a function that gives each event's id, not {id!r}")
        offsets: list[Offset] = []
        rest = iter(events)
        while batch := self._encoder.appends(islice(rest, IN_ONE_COMMIT), id, headers):
            offsets += opening.running.offsets(self._name, await self._append(batch))
        return offsets

    def publish_from_thread(
        self,
        event: E,
        /,
        *,
        id: str | None = None,  # noqa: A002 -- the word of CloudEvents
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Offset:
        """Publish from any thread but the loop's own, in the loop in which the log was opened; blocks the thread.

        Raises:
            TimeoutError: it was not handed over within ``timeout`` seconds; it is not stored.
            Uncertain: it was handed over, and its outcome was not known in time.
            RuntimeError: called in the loop's own thread, or the log is not open.
            TypeError, ValueError, LogError: as for ``publish``.
        """
        running = self._openings.open_for_threads().running
        append = self._encoder.append(event, id, headers)
        return running.offset(self._name, publish_from_thread(running, partial(self._append, [append]), timeout)[0])

    async def _append(self, appends: list[Append]) -> Sequence[int]:
        try:
            opening = self._openings.open()
            done = await opening.engine.commit(Change(appends=appends))
        except IdTaken as taken:
            raise taken.refusal() from None
        self._sent += len(appends)
        opening.note_stored(self._name, max(done.seqs))
        return done.seqs

    async def schedule(
        self,
        event: E,
        /,
        *,
        at: datetime | None = None,
        after: float | None = None,
        id: str | None = None,  # noqa: A002 -- the word of CloudEvents
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Have an event published at its time, by whichever process has the log open then, or opens it next.

        It is in the log, with an offset, at its time and not before. Until then it is in ``scheduled``, ``unschedule``
        withdraws it, and its id is taken. What is due goes out within a second, in the order of the times.

        Args:
            event: of one of the subject's classes.
            at: when: an aware datetime; what is past goes out at once.
            after: or in how many seconds.
            id: two events with one id are one, as for ``publish``: scheduled again it does nothing, also once it has
                gone out, and with ``after`` it keeps its first time. One is made up without it.
            headers: as for ``publish``.

        Returns: its id.

        Raises:
            TypeError, ValueError: an argument makes no sense, or the id belongs to another event, or to this one at
                another time (``at``).
            Unsupported: the engine keeps no schedule.
            RuntimeError: the log is not open.
            LogError: it failed; ``stored`` says whether it is known to be scheduled.
        """
        engine = self._openings.open_for("schedule")
        due = checked_time(at, after, engine.wall())
        name = await schedule(engine, self._encoder.append(event, id, headers), due, exactly=at is not None)
        self._sent += 1
        return name

    async def unschedule(self, id: str) -> bool:  # noqa: A002 -- the word of CloudEvents
        """Withdraw a scheduled event: True means that it will never go out, False that it is not there (any more).

        Raises:
            Unsupported: the engine keeps no schedule.
            RuntimeError: the log is not open.
            LogError: it failed.
        """
        return await unschedule(self._openings.open_for("schedule"), self._name, id)

    def scheduled(self) -> Stream[Scheduled[E]]:
        """What waits for its time at the first read, in the order of the times; a stream that ends.

        Raises:
            Unsupported: (when read) the engine keeps no schedule.
            DecodeError, LogError: (when read) as for ``subscribe``.
        """
        return named_stream(f"scheduled events of {self._name}", self._all_scheduled)

    async def _all_scheduled(self) -> AsyncIterator[Scheduled[E]]:
        decoder = Decoder(self._openings.open().running, self._kind)
        for kept in await all_scheduled(self._openings.open_for("schedule"), self._name):
            yield as_scheduled(kept, decoder.event(kept.row()))

    async def end(self) -> Offset:
        """The offset of the newest event; of nothing yet, where there is none.

        To publish and then read what came after, take ``since=await subject.end()`` before.

        Raises:
            RuntimeError: the log is not open.
            LogError: the log has failed.
        """
        opening = self._openings.open()
        return opening.running.offset(self._name, await opening.engine.end(self._name))

    def _subscribe(
        self,
        wants: Any,
        where: Any,
        since: Any,
        buffer: int,
        overflow: Any,
        conflate: Any,
        gaps: bool,
        name: Any,
        created_at: tuple[str, int],
        *,
        records: bool,
    ) -> Subscription[Any]:
        opening = self._openings.open()
        interest = self._router.interest(wants, where)
        checked_since(since)
        tail = opening.tail(self._kind)
        functions, options = checked_reader(
            interest, self._types, where, buffer=buffer, overflow=overflow, conflate=conflate, name=name
        )
        mailbox = tail.life.mailbox(
            functions,
            **options,
            gaps=(lambda: moment(round(opening.engine.wall() * 1e6))) if gaps else False,
            carry=tail.record if records else None,
            created_at=created_at,
        )
        feed = Feed(opening.running, tail, mailbox, interest, since=since, gaps=bool(gaps), skips=self._kind.skips)
        return Subscription(tail.life, mailbox, functions, feed=feed)

    def _check_reading(
        self, wants: Any, where: Any, since: Any, buffer: int, overflow: Any, conflate: Any, name: Any
    ) -> None:
        """Refuse what ``_subscribe`` would refuse; from any thread."""
        self._openings.open_for_threads()
        interest = self._router.interest(wants, where)
        checked_since(since)
        checked_reader(interest, self._types, where, buffer=buffer, overflow=overflow, conflate=conflate, name=name)

    async def _is_within(self, offset: Offset, back: timedelta | None) -> bool:
        """Whether reading may go on after an offset: at most so far back, and everything after it is kept.

        Raises:
            ValueError: the offset is none of this subject's, or of another line of the log.
            RuntimeError: the log is not open.
            LogError: the log failed.
        """
        opening = self._openings.open()
        engine = opening.engine
        seq = await opening.running.position(self._name, offset)
        if seq > await engine.end(self._name) or seq < await engine.floor(self._name):
            return False
        return back is None or seq >= await engine.place(self._name, int((engine.wall() - back.total_seconds()) * 1e6))

    def _read(self, wants: Any, where: Any, since: Any, until: Any) -> Stream[Record[Any]]:
        interest = self._router.interest(wants, where)
        checked_since(since)
        checked_until(until)
        functions = UserFunctions(where if interest.asks else None)
        reader = partial(Reader, self._openings.open, self._kind, interest, functions, since, until)
        return named_stream(f"read of {self._name}: {interest}, since {since} until {until}", reader)

    def _first(self, wants: Any, where: Any, since: Any, created_at: tuple[str, int]) -> Coroutine[Any, Any, Any]:
        self._router.interest(wants, where)
        checked_since(since)
        return self._first_of(wants, where, since, created_at)

    async def _first_of(self, wants: Any, where: Any, since: Any, created_at: tuple[str, int]) -> Any:
        found = self._subscribe(wants, where, since, BUFFER, None, None, False, None, created_at, records=False)
        async with found:
            return await found.receive()

    # ------------------------------------------------------------------ groups

    def _deliveries(self, group: str, wants: tuple[Any, ...], options: dict[str, Any]) -> Deliveries[Any]:
        groups = self._openings.open().groups(self._kind)
        made = groups.deliveries(spec_of(self._router, self._types, group, wants, **options))
        made._trace(self._tracing)
        self._readers.add(made)
        return made

    def _consume(
        self, group: str, handler: Callable[[Any], object], wants: tuple[Any, ...], options: dict[str, Any]
    ) -> Consumer:
        made = consumer_of(self._router, self._types, group, handler, wants, self._tell_failed, **options)
        self._consumers[made] = None
        if self._tracing is not None:
            made._trace(partial(self._tracing.handle, made))
        self._tell_of_consumer(self, made)
        return made

    def _trace(self, tracing: Tracing | None) -> None:
        """From now on this follows what is published here, and handled by consumers; None for nobody."""
        self._tracing = tracing
        self._encoder.stamp_with(None if tracing is None else tracing.stamp)
        for consumer in [*self._consumers]:
            consumer._trace(None if tracing is None else partial(tracing.handle, consumer))
        for deliveries in [*self._readers]:
            deliveries._trace(tracing)

    def _tell_failed(self, failed: ConsumerFailed) -> None:
        for watcher in self._watchers:
            watcher(failed)
        if self._failures is not None and not self._failures.is_closed:
            self._failures.publish_nowait(failed)

    @property
    def failures(self) -> Subject[ConsumerFailed]:
        """What consumers raised, as events; its subscriptions never make a handler wait."""
        if self._failures is None:
            self._failures = Subject(ConsumerFailed, name=f"{self._name}.failures")
            self._failures._may_block = False
        return self._failures

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("ask a log of the other process for the subject of this name")

    def __repr__(self) -> str:
        return f"<DurableSubject {self._name} of {' | '.join(names(self._types))}, log {self._openings.name}>"
