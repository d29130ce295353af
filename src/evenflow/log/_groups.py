"""The groups of one subject: what the face of a log uses.

Made at any time, checked at once; no log needs to be open:

    group_spec(group, interest, carried, delay, *, since=, ack_wait=, max_attempts=, ordered_by=, on_dead=,
               undecodable_after=, redefine=, buffer=, name=) -> GroupSpec                       (_group_spec.py)
        interest: Interest of wants and where;  carried: the subject's classes;  delay(attempt) -> seconds (retry_after)
    Consumer(spec, handler, *, concurrency=1, handle_timeout=None, takes_delivery=False, failed=lambda failure: None)
        failed is called with ConsumerFailed(event, error, consumer, offset, attempt); a Consumer outlives openings

While a log is open:

    heartbeat = Heartbeat(engine, crew, in_thread=True)      one for each opening; ends with the crew, or with stop()
    host = Host(engine=, subject=, decode=, decode_all=, offset_of=, types_of=, position=, crew=, loop=, heartbeat=)
        decode(row) -> event, or DecodeError;  record(row, event) -> Record
        types_of(wants) -> frozenset of wire names, or None for everything
        offset(seq) -> Offset
        await position(since) -> the number that a Since stands for ("start", "now", Offset, datetime)
    groups = SubjectGroups(host, offset, is_closing=False)   one for each subject of an opening
    groups.deliveries(spec) -> Deliveries                    entered with `async with`
    groups.know(consumer)                                    its condition can be asked, whether it runs or not
    await groups.start(consumer)                             runs it; it ends with detach(), or with close()
    await groups.start_later(consumer)                       the same, for one that was added while the log is open
    await groups.close(grace)                                gives back what was not begun; before crew.close()
    await groups.statistics() -> tuple[GroupStatistics, ...]
    await groups.seek(group, seq);  await groups.pause(group);  await groups.resume(group);  await groups.delete(group)
    groups.dead_letters(group) -> Stream[DeadLetter]
    await groups.redrive(group, seqs | "all", *, where=Condition | None, limit=None) -> int
    await groups.discard(group, seqs | "all") -> int
    await groups.settled_through() -> int | None             for retention: no group needs anything up to this number

In a transaction: ``await commit_with(engine, change, deliveries) -> Done`` makes a change and acknowledges deliveries
in the same commit, or raises and does nothing (``_group_transaction.py``).
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from anyio import CancelScope, create_task_group, sleep

from evenflow._errors import LogError

from . import _group_changes as changes
from ._backoff import LONGEST_PAUSE
from ._dead_letters import DeadLetter, DeadLetters, discard, redrive
from ._deliveries import Deliveries
from ._group_reading import news_of, read
from ._group_records import GroupRecord, Keys, last_part
from ._group_statistics import GroupStatistics, count, settled_through
from ._named_stream import named_stream
from ._names import checked_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evenflow._conditions import Condition
    from evenflow.streams._stream import Stream

    from ._consumer import Consumer
    from ._group_records import Definition
    from ._group_spec import GroupSpec, Host
    from ._offsets import Offset
    from ._stored import Row


LOOKS: Final = 5
"""How often the numbers are looked at, until nothing has changed meanwhile."""

MOST_LOOKS: Final = 20
"""How often at most, where a group seems to have nothing left."""

_log = logging.getLogger("evenflow.consumers")


class SubjectGroups:
    """The groups of one subject, while its log is open."""

    def __init__(self, host: Host, offset: Callable[[int], Offset], *, is_closing: bool = False) -> None:
        self._host = host
        self._offset = offset
        self._consumers: dict[Consumer, None] = {}
        self._open: dict[Deliveries[Any], None] = {}
        self._known: dict[tuple[str, Definition], GroupSpec] = {}
        """What the consumers of this process ask for, whether they run or not: what their groups are."""
        self._is_closing = is_closing

    def _keys(self, group: str) -> Keys:
        checked_name(group, "a group")
        return Keys(self._host.subject, group)

    # ------------------------------------------------------------------ readers

    def deliveries(self, spec: GroupSpec) -> Deliveries[Any]:
        """A reader of a group, to be entered with ``async with``."""
        made = Deliveries[Any](
            self._host, spec, entered=lambda: self._enter(made), closed=lambda: self._open.pop(made, None)
        )
        return made

    def _enter(self, deliveries: Deliveries[Any]) -> None:
        if self._is_closing:
            raise RuntimeError(
                f"deliveries of group {deliveries._spec.group} cannot be entered any more: the log is being closed"
            )
        self._open[deliveries] = None

    def know(self, consumer: Consumer) -> None:
        """There is a consumer in this process, which may run in another: what its group is can be asked of it."""
        spec = consumer._spec
        self._known[spec.group, spec.definition] = spec

    async def start(self, consumer: Consumer) -> None:
        """Run a consumer; while the log is being closed, do nothing.

        Raises:
            ValueError: its group is another: its classes, condition or order.
            LogError: the log failed.
        """
        if self._is_closing:
            return
        self._consumers[consumer] = None
        await consumer._start(self._host)

    async def start_later(self, consumer: Consumer) -> None:
        """Run a consumer that was added while the log is open: what is wrong with it is logged, and harms nobody else.

        A log that fails is asked again, with a pause that grows.
        """
        pause = 0.0
        while True:
            try:
                await self.start(consumer)
            except ValueError as error:
                _log.error(
                    "consumer %s of %s does not run: %s",
                    consumer.name,
                    self._host.subject,
                    error,
                    extra=consumer._spec.log_fields(self._host.subject),
                )
            except LogError as error:
                if not pause:
                    _log.warning(
                        "consumer %s of %s cannot begin, and tries again: %s",
                        consumer.name,
                        self._host.subject,
                        error,
                        extra=consumer._spec.log_fields(self._host.subject),
                    )
                pause = min(LONGEST_PAUSE, max(0.1, pause * 2))
                await sleep(pause)
                continue
            return

    def running(self) -> tuple[Consumer, ...]:
        """The consumers that were started."""
        return tuple(self._consumers)

    async def close(self, grace: float | None = None) -> None:
        """End all readers: what was not begun is given back at once, uncounted.

        Handlers that run have ``grace`` seconds, or as long as they take; then they are cancelled, and their events are
        given back, uncounted. Cancelled, this cancels them at once.
        """
        self._is_closing = True
        try:
            async with create_task_group() as tasks:
                for consumer in self._consumers:
                    tasks.start_soon(consumer._stop, grace)
        finally:
            with CancelScope(shield=True):
                for deliveries in list(self._open):
                    await deliveries._end()
            self._consumers.clear()

    # ------------------------------------------------------------------ the groups

    async def statistics(self) -> tuple[GroupStatistics, ...]:
        """The numbers of all groups of the subject, by name: of one moment, unless the log changes all the time.

        Then an event that goes from one place to another between two looks may be missed or counted twice. But that a
        group has nothing left is said only where two looks in a row have found nothing: programs end when they hear it.

        Raises:
            LogError: the log failed.
        """
        engine, found = self._host.engine, tuple[GroupStatistics, ...]()
        for look in range(MOST_LOOKS):
            mark, idle_before = engine.mark(), _idle(found)
            found = await self._all_statistics()
            if engine.mark() == mark or (look >= LOOKS - 1 and _idle(found) <= idle_before):
                break
        return found

    async def _all_statistics(self) -> tuple[GroupStatistics, ...]:
        engine, subject = self._host.engine, self._host.subject
        found = await engine.load(prefix=f"group/{subject}/")
        return tuple([await self._statistics_of(last_part(key), GroupRecord.parse(found[key].value)) for key in found])

    async def _statistics_of(self, name: str, group: GroupRecord) -> GroupStatistics:
        wants = group.definition.wants
        types = None if wants is None else self._host.with_subclasses(wants)
        spec = self._spec_of(name, group)
        condition = None if spec is None else spec.condition
        is_wanted = None if spec is None or condition is None else partial(self._is_wanted, spec)
        news = partial(news_of, self._host, condition, types)
        counts = await count(self._host.engine, self._host.subject, name, group, news, is_wanted)
        age = None if counts.since is None else timedelta(seconds=max(0.0, self._host.engine.wall() - counts.since))
        return GroupStatistics(
            name=name,
            wants=str(group.definition),
            position=self._offset(group.position),
            due=counts.due,
            oldest_due=age,
            in_hand=counts.in_hand,
            retrying=counts.retrying,
            dead=counts.dead,
            members=len(group.members),
            paused=group.paused,
        )

    def _spec_of(self, name: str, group: GroupRecord) -> GroupSpec | None:
        """What a consumer or a reader of a group in this process asks for, if there is one."""
        if (known := self._known.get((name, group.definition))) is not None:
            return known
        read = (deliveries._spec for deliveries in self._open)
        return next((spec for spec in read if (spec.group, spec.definition) == (name, group.definition)), None)

    def _is_wanted(self, spec: GroupSpec, row: Row) -> bool:
        """Whether a group wants an event: one that nobody here can read counts, for somebody has to see to it."""
        reading = read(self._host, spec, row)
        return reading.wanted or bool(reading.error)

    async def seek(self, group: str, seq: int) -> None:
        """Have a group go on after this number; what was claimed and is not settled is not affected.

        Raises:
            ValueError: there is no such group.
            LogError: the log failed.
        """
        await changes.seek(self._host.engine, self._keys(group), seq)

    async def pause(self, group: str) -> None:
        """Have all members of a group fetch no more, until ``resume``; a restart knows. What they have they go on with.

        Raises: as for ``seek``.
        """
        await changes.pause(self._host.engine, self._keys(group), paused=True)

    async def resume(self, group: str) -> None:
        """Have a group go on.

        Raises: as for ``seek``.
        """
        await changes.pause(self._host.engine, self._keys(group), paused=False)

    async def delete(self, group: str) -> None:
        """Forget a group, its retries and its dead letters; whoever reads it gets a ``LogError``.

        Raises: as for ``seek``.
        """
        await changes.delete(self._host.engine, self._keys(group))

    async def settled_through(self) -> int | None:
        """Up to which number no group needs anything any more; None without a group."""
        return await settled_through(self._host.engine, self._host.subject)

    # ------------------------------------------------------------------ dead letters

    def dead_letters(self, group: str) -> Stream[DeadLetter[Any]]:
        """The dead letters of a group, in order, as they are when the first is read."""
        keys = self._keys(group)
        name = f"dead letters of group {group} of {self._host.subject}"
        return named_stream(name, lambda: DeadLetters(self._host, keys, self._offset))

    async def redrive(
        self,
        group: str,
        seqs: Iterable[int] | Literal["all"],
        *,
        where: Condition | None = None,
        limit: int | None = None,
    ) -> int:
        """Send dead letters out again, with attempt 1; returns how many.

        In an ordered group one comes before the others of its key that were not claimed. ``where`` chooses by their
        events: one that nobody here can read is not chosen.

        Raises:
            LogError: the log failed; some may have been sent.
        """
        return await redrive(self._host, self._keys(group), seqs, where=where, limit=limit)

    async def discard(self, group: str, seqs: Iterable[int] | Literal["all"]) -> int:
        """Delete dead letters; a key that they held goes on. Returns how many.

        Raises:
            LogError: the log failed; some may have been deleted.
        """
        return await discard(self._host, self._keys(group), seqs)


def _idle(groups: Iterable[GroupStatistics]) -> set[str]:
    """The groups that have nothing left to do."""
    return {group.name for group in groups if not (group.due or group.in_hand or group.retrying)}
