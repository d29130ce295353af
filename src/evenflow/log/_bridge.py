"""Bridge: moves events from one subject to another, in order.

    source        begins                                after a crash
    of a log      at the start, or where it was         after the last event that it knows to be in the target
    in memory     when it is entered                    what was in its buffer is lost

    the target         what the bridge does
    is slow            waits, and reads no further: backpressure reaches a source in memory, a log is its own buffer
    fails              tries again with a pause that grows; said once
    refuses an event   makes it a dead letter of its group (a log), or logs it (in memory), and goes on with the next
    is closed          ends; leaving the block raises what the target said

Rule 1: an event is acknowledged in the source after the target has it: it may come twice, and is never left out.
        A target that is of a log stores it once: the event takes an id along.
Rule 2: one bridge of a name moves at a time, over all processes; the others stand by.
Rule 3: an event goes to no subject of a log where it has been: a header says its path. In memory there are no headers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict, TypeVar, overload

from anyio import EndOfStream, Event, sleep

from evenflow._crew import Crew
from evenflow._errors import LogError, SubjectClosed, refuses_copying
from evenflow._loop import running_loop
from evenflow._subject import Subject

from ._backoff import LONGEST_PAUSE
from ._bridge_ends import IN_ONE_GO, LogOrigin, LogTarget, MemoryOrigin, MemoryTarget
from ._group_options import spec_of
from ._names import checked_name
from ._subject import DurableSubject

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from typing_extensions import TypeForm as F, Unpack

    from evenflow._conditions import Condition

    from ._bridge_ends import Item, Origin, Target

E = TypeVar("E")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")

_log = logging.getLogger("evenflow.bridge")

FIRST_PAUSE: Final = 0.1
"""Seconds after a failure of the target; doubled each time."""


class BridgeOptions(TypedDict, total=False):
    """The options of ``bridge``."""

    where: Condition | int | None
    name: str | None


O: TypeAlias = BridgeOptions  # noqa: E741 -- as in the other signatures
Either: TypeAlias = "Subject[E] | DurableSubject[E]"


@dataclass(frozen=True, slots=True)
class BridgeStatistics:
    """The numbers of a bridge since it was entered.

    Attributes:
        name: its name.
        running: whether it moves events.
        moved: events that the target has got.
        returning: events that had come from the target, and so were not sent back.
        refused: events that the target cannot take.
        in_hand: events that were read, and that the target does not have yet.
        failing: the class of the error with which the target fails now; None while all is well.
    """

    name: str
    running: bool
    moved: int
    returning: int
    refused: int
    in_hand: int
    failing: type[Exception] | None


class Bridge:
    """Moves events while it is entered with ``async with``; see ``bridge``."""

    def __init__(self, name: str, origin: Callable[[], Origin], target: Target, ends: tuple[str, str]) -> None:
        self._name = name
        self._ends = ends
        self._fields = {"subject": ends[0], "group": name}
        """What its log records carry."""
        self._make_origin = origin
        self._target = target
        self._origin: Origin | None = None
        self._crew: Crew | None = None
        self._ended = Event()
        self._error: Exception | None = None
        self._moved = self._returning = self._refused = self._in_hand = 0
        self._failing: type[Exception] | None = None

    @property
    def name(self) -> str:
        """Its name, which is also that of its group in a source that is of a log."""
        return self._name

    def statistics(self) -> BridgeStatistics:
        """What it has done. How many events of a log are still to be moved is in ``await source.groups()``."""
        return BridgeStatistics(
            name=self._name,
            running=self._crew is not None and not self._ended.is_set(),
            moved=self._moved,
            returning=self._returning,
            refused=self._refused,
            in_hand=self._in_hand,
            failing=self._failing,
        )

    async def __aenter__(self) -> Self:
        """Begin to move.

        Raises:
            RuntimeError: it was entered already, or a log is not open.
            ValueError: the group of this name is another: its classes, its condition or its order.
            LogError: the source's log failed.
        """
        if self._crew is not None:
            raise RuntimeError(f"bridge {self._name} moves already; make another with bridge(...)")
        origin = self._make_origin()
        crew = Crew(f"bridge {self._name}", running_loop())
        await crew.open()
        self._crew, self._origin = crew, origin
        try:
            await origin.open()
        except BaseException:
            self._crew = self._origin = None
            await crew.close()
            raise
        self._ended, self._error = Event(), None
        self._moved = self._returning = self._refused = self._in_hand = 0
        crew.start(self._run, origin, name="moving", ended=self._ended.set)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Left normally, what it has fetched is moved first, and an error that ended it is raised."""
        crew, origin = self._crew, self._origin
        assert crew is not None
        assert origin is not None
        crew.check_end()
        try:
            if exc is None:
                origin.stop()
                await self._ended.wait()
        finally:
            self._crew = self._origin = None
            try:
                await crew.close()
            finally:
                await origin.close()
        if exc is None and self._error is not None:
            raise self._error

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("each call of bridge() makes another")

    def __repr__(self) -> str:
        state = "not entered" if self._crew is None else "has ended" if self._ended.is_set() else "moving"
        source, target = self._ends
        return f"<Bridge {self._name} from {source} to {target}, {state}, {self._moved} moved>"

    # ------------------------------------------------------------------ moving

    async def _run(self, origin: Origin) -> None:
        try:
            while True:
                items, block = await origin.take()
                news = [item for item in items if not self._target.has(item)]
                self._returning += len(items) - len(news)
                self._in_hand = len(news)
                async with block:
                    await self._move(origin, news)
        except EndOfStream:
            pass
        except Exception as error:  # noqa: BLE001 -- raised by leaving the block
            self._error = error
            what = type(error).__name__
            _log.error("bridge %s has ended: %s: %s", self._name, what, error, extra=self._fields)

    async def _move(self, origin: Origin, items: list[Item]) -> None:
        pause = 0.0
        while items:
            try:
                count, refusal = await self._target.put(items)
            except SubjectClosed:
                raise
            except LogError as error:
                pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * pause))
                await self._wait(error, pause)
                continue
            self._note_well()
            pause = 0.0
            self._moved += count
            items = items[count:]
            if refusal is not None:
                self._refused += 1
                await origin.refuse(items[0], refusal)
                items = items[1:]
            self._in_hand = len(items)

    async def _wait(self, error: LogError, pause: float) -> None:
        if self._failing is None:
            text = "bridge %s cannot reach its target, and tries again: %s"
            _log.warning(text, self._name, error, extra=self._fields)
        self._failing = type(error)
        await sleep(pause)

    def _note_well(self) -> None:
        if self._failing is not None:
            self._failing = None
            _log.info("bridge %s reaches its target again", self._name, extra=self._fields)


@overload
def bridge(source: Either[E], target: Either[E], /, **o: Unpack[O]) -> Bridge: ...
@overload
def bridge(source: Either[Any], target: Either[T1], a: F[T1], /, **o: Unpack[O]) -> Bridge: ...
@overload
def bridge(source: Either[Any], target: Either[T1 | T2], a: F[T1], b: F[T2], /, **o: Unpack[O]) -> Bridge: ...
@overload
def bridge(
    source: Either[Any], target: Either[T1 | T2 | T3], a: F[T1], b: F[T2], c: F[T3], /, **o: Unpack[O]
) -> Bridge: ...
@overload
def bridge(
    source: Either[Any], target: Either[T1 | T2 | T3 | T4], a: F[T1], b: F[T2], c: F[T3], d: F[T4], /, **o: Unpack[O]
) -> Bridge: ...
def bridge(
    source: Either[Any],
    target: Either[Any],
    /,
    *wants: Any,
    where: Condition | int | None = None,
    name: str | None = None,
) -> Bridge:
    """Move events from one subject to another, in order, as long as the bridge is entered.

    ``async with bridge(orders, remote_orders, OrderPlaced) as b:`` moves each ``OrderPlaced`` at least once. Out of a
    log it goes on where it was, in this process or another: its position is that of a group of the source, which is
    called ``name``. In a target that is of a log each event is stored once, under an id made of the source and the
    event's own id; headers go along. Between subjects of logs bridges may run in a circle: an event is not moved to a
    subject where it has been, which its header ``evenflowpath`` says. In memory it has no headers: through a subject
    there it would go round for ever.

    Args:
        source: a ``Subject`` or a ``DurableSubject``.
        target: a ``Subject`` or a ``DurableSubject``; a log must be open, a subject need not be entered.
        wants: the classes to move; none are all.
        where: which of their events.
        name: what it is called; by default ``bridge-to-`` and the target's name.

    Raises:
        TypeError: the source or the target is no subject, or ``where`` is no condition.
        ValueError: the two are one, or the name cannot be that of a group.
    """
    for end in (source, target):
        if not isinstance(end, Subject | DurableSubject):
            raise TypeError(
                f"a bridge is built between subjects, in memory or of a log, and not {end!r}; for a stream, use"
                " stream.publish_to(subject)"
            )
    if source is target:
        raise ValueError(f"a bridge from {source.name} to itself would never end")
    name = checked_name(f"bridge-to-{target.name}" if name is None else name, "a bridge")
    to: Target = LogTarget(target) if isinstance(target, DurableSubject) else MemoryTarget(target)
    return Bridge(name, _origin_of(source, wants, where, name), to, (source.name, target.name))


def _origin_of(source: Either[Any], wants: tuple[Any, ...], where: Any, name: str) -> Callable[[], Origin]:
    """What makes the near end: anew each time that the bridge is entered. What is wrong with it is refused now."""
    if isinstance(source, DurableSubject):
        options: dict[str, Any] = {"ordered_by": (), "max_attempts": None, "buffer": 2 * IN_ONE_GO, "name": name}
        spec = spec_of(source._router, source._types, name, wants, where=where, **options)

        def in_log() -> Origin:
            deliveries = source._openings.open().groups(source._kind).deliveries(spec)
            return LogOrigin(name, source, deliveries, f"{source._openings.name}.{source.name}.")

        return in_log
    source._life.members.interest(wants, where)

    def in_memory() -> Origin:
        feed = partial(source.subscribe, where=where, buffer=IN_ONE_GO, name=name, replay=False)
        return MemoryOrigin(name, source.name, partial(feed, *wants))

    return in_memory
