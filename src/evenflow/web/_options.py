"""What an endpoint asks for, checked once, before anything begins."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from evenflow._fields import members
from evenflow._options import checked_seconds
from evenflow.log._names import checked_headers

from ._narrowing import narrowed

if TYPE_CHECKING:
    from datetime import datetime

    from evenflow.log import Offset

Since: TypeAlias = "Offset | datetime | Literal['start', 'now']"

BUFFER: Final = 1_024
"""Events: a middleware that takes a turn for each message does not cut off a healthy client in a burst of 1,000."""

RESUME: Final = timedelta(hours=1)
PING: Final = 15.0
SEND_TIMEOUT: Final = 20.0
LIFETIME: Final = 3_600.0
RETRY: Final = 3.0

LATEST_RETRY: Final = 1_000_000.0
"""Seconds, nearly twelve days: a browser counts the milliseconds of a timer in 31 bits."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an endpoint asks for. Seconds, where it is a duration.

    Attributes:
        wants: classes of events.
        where: which of them.
        buffer: how many events wait for the client at most.
        overflow: what happens when they are more; None is what fits the source.
        conflate: an event replaces the one of its key that waits.
        since: where a client begins that says nothing.
        resume: how far back one may go on; True as far as events are kept, None never.
        ping: how long nothing is sent at most.
        send_timeout: how long one send may take.
        lifetime: how long a client is served before it must come again.
        retry: after how long it should come again.
        headers: which headers of durable events the client gets.
        name: of the subscription.
        created_at: the file and line of the call.
    """

    wants: tuple[Any, ...] = ()
    where: Any = None
    buffer: int = BUFFER
    overflow: Any = None
    conflate: Any = None
    since: Any = "now"
    resume: timedelta | Literal[True] | None = RESUME
    ping: float = PING
    send_timeout: float = SEND_TIMEOUT
    lifetime: float = LIFETIME
    retry: float = RETRY
    headers: tuple[str, ...] = ()
    name: str | None = None
    created_at: tuple[str, int] = ("<unknown>", 0)

    def classes(self) -> tuple[Any, ...]:
        """The classes of events that are wanted; none where all are."""
        return tuple(part for want in self.wants for part in members(want))

    def refuse_choosing(self) -> None:
        """For a source that cannot choose events.

        Raises:
            TypeError: it was asked to.
        """
        if self.wants or self.where is not None or self.conflate is not None:
            raise TypeError(
                "a State, a shared stream and a stream give all that they have: choose events with the operators of the"
                " stream (of_type, filter), or give a subject"
            )
        self.refuse_headers()

    def refuse_headers(self) -> None:
        """For a source whose events have no headers.

        Raises:
            ValueError: some were asked for.
        """
        if self.headers:
            raise ValueError(f"only the events of a durable subject have headers; leave out headers={self.headers!r}")


def checked_options(
    source: Any,
    wants: tuple[Any, ...],
    where: Any,
    client_where: object,
    asked: str | None,
    created_at: tuple[str, int],
    *,
    buffer: int,
    overflow: Any,
    conflate: Any,
    since: Any,
    resume: object,
    ping: object,
    send_timeout: object,
    lifetime: object,
    retry: object,
    headers: object,
    name: Any,
) -> Options:
    """The options of an endpoint, with what a client asks by ``?where=``: the text ``asked``.

    Raises:
        Refused: the client's text is no condition that it may use.
        TypeError, ValueError: an option makes no sense; the message says what would.
    """
    wants, where = narrowed(source, wants, where, client_where, asked)
    return Options(
        wants=wants,
        where=where,
        buffer=buffer,
        overflow=overflow,
        conflate=conflate,
        since=since,
        resume=_checked_resume(resume),
        ping=checked_seconds(ping, "ping"),
        send_timeout=checked_seconds(send_timeout, "send_timeout"),
        lifetime=math.inf if lifetime is None else checked_seconds(lifetime, "lifetime"),
        retry=_checked_retry(retry),
        headers=_checked_headers(headers),
        name=name,
        created_at=created_at,
    )


def _checked_retry(retry: object) -> float:
    seconds = checked_seconds(retry, "retry", hint="")
    if seconds > LATEST_RETRY:
        raise ValueError(
            f"retry must be at most {LATEST_RETRY:_.0f} seconds, not {retry}; to tell clients not to come back, close"
            " the subject"
        )
    return seconds


def _checked_resume(resume: object) -> timedelta | Literal[True] | None:
    if isinstance(resume, bool):
        return True if resume else None
    if not isinstance(resume, timedelta):
        raise TypeError(f"resume must be a timedelta, True (as far as events are kept) or False, not {resume!r}")
    if resume <= timedelta(0):
        raise ValueError(f"resume must be more than nothing, not {resume!r}; False is never")
    return resume


def _checked_headers(headers: object) -> tuple[str, ...]:
    if isinstance(headers, str) or not isinstance(headers, Collection):
        raise TypeError(f"headers must be the names of headers, as in headers=('traceparent',), not {headers!r}")
    names = tuple(cast("Collection[object]", headers))
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"headers must be the names of headers, not {name!r}")
    return tuple(checked_headers(dict.fromkeys(names, "")))  # no event has others
