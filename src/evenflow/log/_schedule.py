"""Events that are published at their time: kept as records until then, and moved into the log when they are due.

Rule 1: a scheduled event is in the log, with an offset, at its time and not before.
Rule 2: it goes out once, whoever is open: moving it is one change, on the condition that it is still there.
Rule 3: its id is taken meanwhile. Withdrawn, the id is free again, and the event never goes out.
"""

from __future__ import annotations

import logging
from datetime import datetime
from math import floor
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar
from uuid import uuid4

from anyio import move_on_after, sleep
from pydantic import TypeAdapter

from evenflow._errors import LogError

from ._offsets import microseconds, moment
from ._stored import ABSENT, Append, Change, IdTaken, Outdated, Put, Reserve, Row
from ._wire import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._engine import Engine

_log = logging.getLogger("evenflow.log")

W_co = TypeVar("W_co", covariant=True)

AT_ONCE: Final = 256
"""Events that are due and go out in one commit."""
_TOPICS: Final = ("scheduled",)
LOOK: Final = 0.5
"""Seconds after which the wall clock is looked at again: somebody may have set it."""


class Scheduled(NamedTuple, Generic[W_co]):
    """An event that goes out at its time.

    Attributes:
        id: its id: what ``unschedule`` takes.
        at: when it goes out, in UTC.
        event: the event.
        headers: what goes along with it.
    """

    id: str
    at: datetime
    event: W_co
    headers: Mapping[str, str]


class Kept(NamedTuple):
    """A scheduled event, as its record has it; ``at`` is in microseconds since 1970."""

    subject: str
    id: str
    at: int
    type: str
    version: int
    data: str
    headers: dict[str, str]
    key: str | None

    def append(self) -> Append:
        """The event as it goes out."""
        data = self.data.encode()
        return Append(
            self.subject,
            self.type,
            self.version,
            data,
            self.headers,
            self.id,
            digest(self.type, self.version, data),
            self.key,
            scheduled=True,
        )

    def is_same(self, other: Kept) -> bool:
        """Whether both are one event at one time; headers do not count."""
        return self._replace(headers={}) == other._replace(headers={})

    def row(self) -> Row:
        """The event as if it were stored at its time."""
        return Row(0, self.type, self.version, self.data.encode(), self.headers, self.id, self.at)


_KEPT: Final[TypeAdapter[Kept]] = TypeAdapter(Kept)


def pause_of(seconds: float) -> float:
    """A pause that is surely not too short, although clocks are rounded: in whole milliseconds, at least one."""
    return (max(0, floor(seconds * 1000)) + 1) / 1000


def _record(subject: str, name: str) -> str:
    return f"scheduled/{subject}/{name}"


def checked_time(at: object, after: object, wall: float) -> int:
    """When an event goes out, in microseconds since 1970.

    Raises:
        TypeError: both are given or none is, or one has the wrong type.
        ValueError: ``at`` is a naive datetime, or ``after`` is less than 0.
    """
    if (at is None) == (after is None):
        raise TypeError("schedule takes either at= (an aware datetime) or after= (seconds)")
    if at is not None:
        if not isinstance(at, datetime):
            raise TypeError(f"at must be an aware datetime, not {at!r}; for seconds from now use after=")
        if at.utcoffset() is None:
            raise ValueError(f"at must be an aware datetime, not the naive {at!r}: add tzinfo=UTC, or .astimezone()")
        return microseconds(at)
    if not isinstance(after, (int, float)) or isinstance(after, bool):
        raise TypeError(f"after must be a number of seconds, not {after!r}")
    if not 0 <= after < 1e11:  # noqa: PLR2004 -- three thousand years
        raise ValueError(f"after must be a number of seconds from 0 on, not {after}")
    return round((wall + after) * 1e6)


async def schedule(engine: Engine, append: Append, at: int, *, exactly: bool = True) -> str:
    """Keep an event until its time; returns its id.

    Where the id belongs to the same event, nothing is done: it is scheduled for this time, or for any where ``exactly``
    is False; or it is stored, as one that has gone out.

    Raises:
        ValueError: the id belongs to another event, or to this one at another time.
    """
    name = append.id or uuid4().hex
    kept = Kept(
        append.subject,
        name,
        at,
        append.type,
        append.version,
        append.data.decode(),
        dict(append.headers),
        append.key,
    )
    key = _record(append.subject, name)
    change = Change(
        expect={key: ABSENT},
        puts={key: Put(_KEPT.dump_json(kept), at / 1e6)},
        reserves=[Reserve(append.subject, name, digest(append.type, append.version, append.data))],
    )
    while True:
        is_same = is_stored = False
        try:
            await engine.commit(change)
        except IdTaken as taken:
            is_same, is_stored = taken.same, not taken.scheduled
        except Outdated:
            pass
        else:
            return name
        if not is_stored:
            found = (await engine.load([key])).get(key)
            if found is None:  # it has gone out since, or was withdrawn
                continue
            there = _KEPT.validate_json(found.value)
            is_same = there.is_same(kept if exactly else kept._replace(at=there.at))
        if is_same:
            return name
        raise ValueError(
            f"the id {name!r} of {append.subject} belongs to an event with other data, or is scheduled for another"
            " time; unschedule that first, if it has not gone out, or take another id"
        )


async def unschedule(engine: Engine, subject: str, name: str) -> bool:
    """Withdraw a scheduled event; returns whether it was there, and so will never go out.

    Raises:
        TypeError: the id is no str.
    """
    if not isinstance(name, str):
        raise TypeError(f"unschedule takes the id that schedule returned, not {name!r}")
    key = _record(subject, name)
    while (found := (await engine.load([key])).get(key)) is not None:
        try:
            await engine.commit(Change(expect={key: found.version}, deletes=[key], frees=[(subject, name)]))
        except Outdated:
            continue
        return True
    return False


async def all_scheduled(engine: Engine, subject: str) -> list[Kept]:
    """All that waits for its time, in the order of the times."""
    kept = [_KEPT.validate_json(r.value) for r in (await engine.load(prefix=f"scheduled/{subject}/")).values()]
    return sorted(kept, key=lambda one: (one.at, one.id))


def as_scheduled(kept: Kept, event: Any) -> Scheduled[Any]:
    """What a user sees of it."""
    return Scheduled(kept.id, moment(kept.at), event, kept.headers)


async def send_what_is_due(engine: Engine) -> None:
    """Move scheduled events into the log at their times, until the log is closed."""
    pause = LOOK
    while True:
        mark = engine.mark()
        try:
            due = await engine.next_due("scheduled/")
            if due is not None and due <= engine.wall():
                await _send(engine)
                pause = LOOK
                continue
        except LogError:
            _log.warning("scheduled events could not be sent; trying again in %.1f s", pause, exc_info=True)
            await sleep(pause)
            pause = min(2 * pause, 60.0)
            continue
        seconds = None if due is None else pause_of(due - engine.wall())
        if seconds is not None and not engine.wall_is_steady:
            seconds = min(seconds, LOOK)
        with move_on_after(seconds):
            await engine.wait(mark, _TOPICS)


async def _send(engine: Engine) -> None:
    """Move what is due; where somebody else has moved some of it, nothing is done, and the next look finds the rest."""
    found = await engine.due("scheduled/", engine.wall(), AT_ONCE)
    appends = [_KEPT.validate_json(record.value).append() for record in found.values()]
    versions = {key: record.version for key, record in found.items()}
    try:
        await engine.commit(Change(expect=versions, deletes=list(found), appends=appends))
    except Outdated:
        return
