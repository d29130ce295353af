"""``frames()``: the bytes of server-sent events, for any framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from evenflow._signatures import caller

from ._cursor import Refused, asked_for
from ._framing import Frames
from ._options import BUFFER, LIFETIME, PING, RESUME, RETRY, SEND_TIMEOUT, checked_options

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta

    from typing_extensions import TypeForm as F, Unpack

    from evenflow._allowed import Allowed
    from evenflow._mailbox import Overflow
    from evenflow._options import Key, Where
    from evenflow._subject import Subject
    from evenflow.log import DurableSubject

    from ._options import Since
    from ._signatures import T1, T2, T3, T4, E, FrameOptions as O, Given, ValueOptions as V, W


@overload
def frames(last_event_id: str | None, source: Subject[E] | DurableSubject[E], /, **o: Unpack[O[E]]) -> Frames: ...
@overload
def frames(
    last_event_id: str | None, source: Subject[Any] | DurableSubject[Any], a: F[T1], /, **o: Unpack[O[T1]]
) -> Frames: ...
@overload
def frames(
    last_event_id: str | None,
    source: Subject[Any] | DurableSubject[Any],
    a: F[T1],
    b: F[T2],
    /,
    **o: Unpack[O[T1 | T2]],
) -> Frames: ...
@overload
def frames(
    last_event_id: str | None,
    source: Subject[Any] | DurableSubject[Any],
    a: F[T1],
    b: F[T2],
    c: F[T3],
    /,
    **o: Unpack[O[T1 | T2 | T3]],
) -> Frames: ...
@overload
def frames(
    last_event_id: str | None,
    source: Subject[Any] | DurableSubject[Any],
    a: F[T1],
    b: F[T2],
    c: F[T3],
    d: F[T4],
    /,
    **o: Unpack[O[T1 | T2 | T3 | T4]],
) -> Frames: ...
@overload
def frames(
    last_event_id: str | None,
    source: Subject[Any] | DurableSubject[Any],
    a: type[W],
    b: type[W],
    c: type[W],
    d: type[W],
    e: type[W],
    /,
    *more: type[W],
    **o: Unpack[O[W]],
) -> Frames: ...
@overload
def frames(last_event_id: str | None, source: Given, /, **o: Unpack[V]) -> Frames: ...
def frames(
    last_event_id: str | None,
    source: Any,
    /,
    *wants: Any,
    where: Where[Any] = None,
    client_where: Allowed | None = None,
    buffer: int = BUFFER,
    overflow: Overflow | None = None,
    conflate: Key[Any] | None = None,
    since: Since = "now",
    resume: bool | timedelta = RESUME,
    ping: float = PING,
    send_timeout: float = SEND_TIMEOUT,
    lifetime: float | None = LIFETIME,
    retry: float = RETRY,
    headers: Collection[str] = (),
    name: str | None = None,
    asked: str | None = None,
) -> Frames:
    """Make the bytes of an event stream, for frameworks that send an async iterator: aiohttp, Litestar, Quart.

    ::

        stream = frames(request.headers.get("Last-Event-ID"), orders, OrderPlaced)
        ... # answer with stream.status and stream.headers, and with the chunks that `async for` gives

    It subscribes at the first read. Everything else, and every option, is as for ``sse``. ``last_event_id`` is what the
    client says; one that cannot be read gives ``evenflow.gap``, and never an error.
    ``send_timeout`` is how long the framework may take between a chunk and the next read; on asyncio nothing of it is
    left then, and the next read ends. The send that hangs is the framework's to end.
    ``asked`` is the client's own condition, the text of ``?where=``, where ``client_where`` says what it may speak of.

    Raises:
        ValueError: the client's condition cannot be read; the message may be shown to it, with status 400.
        TypeError, ValueError, RuntimeError: an argument makes no sense, or the log is not open.
    """
    try:
        options = checked_options(
            source, wants, where, client_where, asked, caller(), buffer=buffer, overflow=overflow,
            conflate=conflate, since=since, resume=resume, ping=ping, send_timeout=send_timeout, lifetime=lifetime,
            retry=retry, headers=headers, name=name,
        )  # fmt: skip
    except Refused as refused:
        raise ValueError(refused.detail) from None
    return Frames(source, options, asked_for(last_event_id, None))
