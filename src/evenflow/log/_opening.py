"""A log while it is open: the newest end of each of its subjects, their groups, and what goes on by itself.

Opening a log anew makes a new one; whatever belongs to a former one has ended with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, cast

from anyio import CancelScope, Event, create_task_group, current_time, get_cancelled_exc_class

from evenflow._errors import Deadlock

from ._coding import Decoder, Kind
from ._group_spec import Host
from ._groups import SubjectGroups
from ._heartbeat import Heartbeat
from ._log_statistics import DurableSubjectStatistics, LogStatistics
from ._names import checked_name
from ._retention import Retention
from ._schedule import send_what_is_due
from ._schemas import Schemas
from ._tail import Tail

if TYPE_CHECKING:
    from collections.abc import Collection

    from ._consumer import Consumer
    from ._engine import Engine
    from ._running import Running

_log = logging.getLogger("evenflow.log")


class Opening:
    """One opening of a log.

    Attributes:
        running: its engine and its tasks.
        engine: what stores it.
        grace: seconds that handlers have to end when it is closed; None for as long as they take.
        consumers: whether consumers run; or the names of the groups whose consumers do.
        is_over: whether handlers have ended, so that nothing is begun any more.
    """

    def __init__(self, running: Running, *, grace: float | None, consumers: bool | frozenset[str]) -> None:
        self.running = running
        self.engine: Engine = running.engine
        self.grace = grace
        self.consumers = consumers
        self._heartbeat = Heartbeat(running.engine, running.crew, in_thread=not running.engine.wall_is_steady)
        self._patience = CancelScope()
        """Around the wait for handlers: another who waits for the end may have less patience than who closes it."""
        self._closed = Event()
        self.is_over: bool = False
        self._tails: dict[str, Tail] = {}
        self._groups: dict[str, SubjectGroups] = {}

    def begin(self, kinds: Iterable[Kind], *, schedules: bool) -> None:
        """Begin what goes on by itself: sending what is due, and retention."""
        if schedules:
            self.running.run(send_what_is_due, self.engine, name="schedule")
        for kind in kinds:
            self.keep_short(kind)

    def keep_short(self, kind: Kind) -> None:
        """Keep a subject as short as it was asked for."""
        if kind.retain is not None and not self.running.is_closing:
            retention = Retention(self.engine, kind.subject, kind.retain, self.groups(kind).settled_through)
            self.running.run(retention.run, name=f"retention of {kind.subject}")

    def runs(self, consumer: Consumer) -> bool:
        """Whether this opening runs the consumer; not while it is being closed."""
        if self.running.is_closing:
            return False
        return self.consumers if isinstance(self.consumers, bool) else consumer._spec.group in self.consumers

    def tail(self, kind: Kind) -> Tail:
        """The newest end of a subject."""
        found = self._tails.get(kind.subject)
        if found is None:
            found = self._tails[kind.subject] = Tail(self.running, kind, Decoder(self.running, kind))
        return found

    def note_stored(self, subject: str, seq: int) -> None:
        """This process has stored an event: whoever reads is that far behind."""
        if (tail := self._tails.get(subject)) is not None and tail.newest < seq:
            tail.newest = seq

    def groups(self, kind: Kind) -> SubjectGroups:
        """The groups of a subject."""
        found = self._groups.get(kind.subject)
        if found is None:
            found = self._groups[kind.subject] = self._groups_of(kind.subject, Decoder(self.running, kind))
        return found

    def groups_by_name(self, subject: str) -> SubjectGroups:
        """The groups of a subject whose classes nobody here knows: to look at them, and to change them."""
        found = self._groups.get(subject)
        return found or self._groups_of(subject, Decoder(self.running, Kind(subject, (), Schemas(subject, ()))))

    def _groups_of(self, subject: str, decoder: Decoder) -> SubjectGroups:
        running = self.running
        host = Host(
            engine=self.engine,
            subject=subject,
            decode=decoder.event,
            decode_all=decoder.events,
            offset_of=decoder.offset_of,
            types_of=decoder.names_of,
            position=partial(running.position, subject),
            crew=running.crew,
            loop=running.loop,
            heartbeat=self._heartbeat,
            with_subclasses=decoder.with_subclasses,
            wanted=decoder.wanted,
        )
        return SubjectGroups(host, partial(running.offset, subject), is_closing=running.is_closing)

    async def statistics(self) -> LogStatistics:
        """The numbers of the log.

        Raises:
            LogError: the log failed.
        """
        size, subjects = await self.engine.size(), list[DurableSubjectStatistics]()
        offset = self.running.offset
        stored = set(await self.engine.subjects())
        read = {key.split("/")[1] for key in await self.engine.load(prefix="group/")}
        for name in sorted(stored | read):
            end, floor = await self.engine.end(name), await self.engine.floor(name)
            groups = await self.groups_by_name(name).statistics()
            subjects.append(DurableSubjectStatistics(name, offset(name, end), offset(name, floor), groups))
        return LogStatistics(self.running.name, size.events, size.bytes, size.wal_bytes, tuple(subjects))

    def check_close(self) -> None:
        """Refuse to close it where that would wait for its caller, or is not allowed.

        Raises:
            Deadlock: called from inside a handler of its own.
            RuntimeError: the back end does not allow it here.
        """
        task = self.running.loop.current_task()
        for consumer in (one for groups in self._groups.values() for one in groups.running()):
            if consumer._handles_in(task):
                raise Deadlock(
                    f"log {self.running.name} was closed from inside a handler of its consumer {consumer.name}, and"
                    " would wait for that very handler; close it from outside",
                    path=(consumer.name,),
                )
        self.running.check_close()

    async def close(self, grace: float | None = None) -> None:
        """End what reads, the tasks, and the engine; handlers have ``grace`` seconds, or what the opening says.

        Raises:
            RuntimeError: the back end does not allow it here; then nothing has changed.
        """
        self.running.begin_close()
        grace = self.grace if grace is None else grace
        try:
            with self._patience:
                async with create_task_group() as tasks:
                    for groups in self._groups.values():
                        tasks.start_soon(groups.close, grace)
        finally:
            self.is_over = True
            for tail in self._tails.values():
                tail.close()
            await self.running.close()

    def note_closed(self) -> None:
        """It is closed: tell whoever waits for that."""
        self._closed.set()

    async def wait_closed(self, grace: float | None) -> None:
        """Wait until whoever closes it has done so; handlers have no more time than ``grace`` from now on.

        Cancelled, they are cancelled at once, and the cancellation goes out once it is closed.
        """
        self._hurry(grace)
        try:
            await self._closed.wait()
        except get_cancelled_exc_class():
            self._hurry(0.0)
            with CancelScope(shield=True):
                await self._closed.wait()
            raise

    def _hurry(self, grace: float | None) -> None:
        if grace is not None:
            self._patience.deadline = min(self._patience.deadline, current_time() + grace)


def checked_consumers(given: object) -> bool | frozenset[str]:
    """Whether consumers run, or the names of the groups whose consumers do.

    Raises:
        TypeError: it is neither a bool nor names.
        ValueError: one of them cannot be the name of a group.
    """
    if isinstance(given, bool):
        return given
    if isinstance(given, str) or not isinstance(given, Iterable):
        hint = f"; for one group say [{given!r}]" if isinstance(given, str) else ""
        raise TypeError(f"consumers must be True, False or the names of groups, not {given!r}{hint}")
    return frozenset([checked_name(name, "a group") for name in cast("Iterable[object]", given)])


def refuse_unknown_groups(log: str, given: bool | frozenset[str], known: Collection[str]) -> None:
    """Refuse names of groups that no consumer has, where others have one: they are misspelled, or came too early.

    Where there is no consumer at all, they are still to come; that is logged.

    Raises:
        ValueError: the message names them, and those that there are.
    """
    if isinstance(given, bool) or given <= set(known):
        return
    strangers = ", ".join(map(repr, sorted(given - set(known))))
    if known:
        raise ValueError(
            f"log {log} has no consumer of {strangers}, so nothing would run for that; it has consumers of"
            f" {', '.join(map(repr, sorted(known)))}. Name one of these, or add the consumer before the log is opened"
        )
    _log.warning("log %s has no consumers yet: of %s nothing runs until they are added", log, strangers)


def checked_grace(given: object) -> float | None:
    """Seconds that handlers have to end; None for as long as they take.

    Raises:
        TypeError: it is no number.
        ValueError: it is less than 0.
    """
    if given is None:
        return None
    if not isinstance(given, (int, float)) or isinstance(given, bool):
        raise TypeError(f"grace must be a number of seconds, or None for as long as handlers take, not {given!r}")
    if not given >= 0:
        raise ValueError(f"grace must be at least 0 seconds, not {given}")
    return float(given)
