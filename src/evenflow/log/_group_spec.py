"""What a reader of a group asks for, checked; and what groups need to know of their subject."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from evenflow._events import wire_name
from evenflow._options import checked_buffer, checked_name, whole

from ._backoff import checked_wait
from ._definition import Order, checked_order, definition_of
from ._names import checked_name as log_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from evenflow._conditions import Condition
    from evenflow._crew import Crew
    from evenflow._loop import RunningLoop
    from evenflow._routing import Interest

    from ._engine import Engine
    from ._group_records import Definition
    from ._heartbeat import Heartbeat
    from ._offsets import Offset
    from ._routes import Wanted
    from ._stored import Row

OnDead: TypeAlias = Literal["continue", "hold_key"]
"""What a dead letter does to the other events of its key: let them go on, or hold them until somebody decides."""

ACK_WAIT: Final = 30.0
MAX_ATTEMPTS: Final = 12
UNDECODABLE_AFTER: Final = timedelta(days=1)


def _nothing(_types: frozenset[str] | None, _condition: Condition | None, /) -> None:
    """The server can leave out nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A subject, as its groups know it.

    Attributes:
        engine: what stores the log.
        subject: the subject's name.
        decode: the event of a row; raises ``DecodeError`` where nobody here can read it.
        decode_all: the event of each row; something else, or an error, where one cannot be read.
        offset_of: the offset of a number.
        types_of: the wire names of these classes and of their subclasses; None for no classes: everything.
        position: the number that a ``since`` stands for.
        crew: what tasks run in.
        loop: the loop that they run in.
        heartbeat: says that this process lives.
        with_subclasses: these wire names, and those of the subclasses of their classes.
        wanted: what the server may be told of these wire names and this condition; None if it can leave out nothing.
    """

    engine: Engine
    subject: str
    decode: Callable[[Row], Any]
    decode_all: Callable[[Sequence[Row]], list[Any]]
    offset_of: Callable[[int], Offset]
    types_of: Callable[[tuple[type, ...]], frozenset[str] | None]
    position: Callable[[Any], Awaitable[int]]
    crew: Crew
    loop: RunningLoop
    heartbeat: Heartbeat
    with_subclasses: Callable[[Iterable[str]], frozenset[str]] = frozenset
    wanted: Callable[[frozenset[str] | None, Condition | None], Wanted | None] = _nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """What one reader of a group asks for.

    Attributes:
        group: the group's name.
        name: the reader's, for logs.
        wants: the classes that it wants; empty for all.
        condition: what their events must meet.
        order: by what they are ordered.
        definition: all of this, as it is kept.
        since: where the group begins, if it is made now.
        ack_wait: seconds that a delivery may stay unsettled, or the process silent.
        max_attempts: how often an event is handed over before it is a dead letter; None for ever.
        delay: seconds until the next attempt, by the number of the one that failed.
        on_dead: what a dead letter does to its key.
        undecodable_after: seconds until an event that nobody can read is a dead letter.
        redefine: whether the group may be another one.
        buffer: how many events are fetched ahead.
    """

    group: str
    name: str
    wants: tuple[type, ...]
    condition: Condition | None
    order: Order | None
    definition: Definition
    since: Any
    ack_wait: float
    max_attempts: int | None
    delay: Callable[[int], float]
    on_dead: OnDead
    undecodable_after: float
    redefine: bool
    buffer: int

    def log_fields(self, subject: str) -> dict[str, str]:
        """What a log record of this reader says beside its words."""
        return {"subject": subject, "group": self.group, "subscription": self.name}


def group_spec(
    group: str,
    interest: Interest,
    carried: tuple[type, ...],
    delay: Callable[[int], float],
    *,
    since: Any = "start",
    ack_wait: float = ACK_WAIT,
    max_attempts: int | None = MAX_ATTEMPTS,
    ordered_by: Any = None,
    on_dead: OnDead = "continue",
    undecodable_after: timedelta = UNDECODABLE_AFTER,
    redefine: bool = False,
    buffer: int = 64,
    name: str | None = None,
) -> GroupSpec:
    """Check what a reader of a group asks for; needs no open log.

    ``interest`` is its wants and its condition, ``carried`` the subject's classes, ``delay`` what ``retry_after`` says.

    Raises:
        TypeError: an argument is of the wrong kind, as a ``where`` or an ``ordered_by`` that is a callable.
        ValueError: an argument makes no sense.
    """
    if interest.asks:
        raise TypeError(
            f"where of group {group!r} must be a condition (OrderPlaced.total > 100), not a callable: it is kept with"
            " the group, so that every process asks the same"
        )
    order = checked_order(ordered_by, interest.wants or carried)
    wants = frozenset(map(wire_name, interest.wants)) or None
    if on_dead not in ("continue", "hold_key"):
        raise ValueError(f"on_dead must be 'continue' or 'hold_key', not {on_dead!r}")
    if on_dead == "hold_key" and order is None:
        raise ValueError("on_dead='hold_key' needs ordered_by=: without an order no key can be held")
    if not isinstance(undecodable_after, timedelta):
        raise TypeError(f"undecodable_after must be a timedelta, not {undecodable_after!r}")
    if undecodable_after < timedelta(0):
        raise ValueError(f"undecodable_after must not be negative, and is {undecodable_after}")
    if max_attempts is not None:
        whole(max_attempts, "max_attempts", 1, "; None is as often as it takes")
    return GroupSpec(
        group=log_name(group, "a group"),
        name=checked_name(name) or group,
        wants=interest.wants,
        condition=interest.condition,
        order=order,
        definition=definition_of(wants, interest.condition, order),
        since=since,
        ack_wait=_positive(ack_wait, "ack_wait"),
        max_attempts=max_attempts,
        delay=delay,
        on_dead=on_dead,
        undecodable_after=undecodable_after.total_seconds(),
        redefine=bool(redefine),
        buffer=checked_buffer(buffer),
    )


def _positive(seconds: object, name: str) -> float:
    """A duration in seconds, finite and more than zero."""
    if isinstance(seconds, (int, float)) and not 0 < seconds < math.inf:
        raise ValueError(f"{name} must be more than 0 seconds, and finite, not {seconds}")
    return checked_wait(seconds, name)
