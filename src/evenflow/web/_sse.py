"""``sse()``: what an endpoint of FastAPI or Starlette returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from evenflow._signatures import caller

from ._cursor import Refused
from ._event_stream import event_stream, problem
from ._options import BUFFER, LIFETIME, PING, RESUME, RETRY, SEND_TIMEOUT, checked_options

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta

    from starlette.requests import Request
    from starlette.responses import Response
    from typing_extensions import TypeForm as F, Unpack

    from evenflow._allowed import Allowed
    from evenflow._mailbox import Overflow
    from evenflow._options import Key, Where
    from evenflow._subject import Subject
    from evenflow.log import DurableSubject

    from ._options import Since
    from ._signatures import T1, T2, T3, T4, E, EventOptions as O, Given, ValueOptions as V, W


@overload
def sse(request: Request, source: Subject[E] | DurableSubject[E], /, **o: Unpack[O[E]]) -> Response: ...
@overload
def sse(request: Request, source: Subject[Any] | DurableSubject[Any], a: F[T1], /, **o: Unpack[O[T1]]) -> Response: ...
@overload
def sse(
    request: Request, source: Subject[Any] | DurableSubject[Any], a: F[T1], b: F[T2], /, **o: Unpack[O[T1 | T2]]
) -> Response: ...
@overload
def sse(
    request: Request,
    source: Subject[Any] | DurableSubject[Any],
    a: F[T1],
    b: F[T2],
    c: F[T3],
    /,
    **o: Unpack[O[T1 | T2 | T3]],
) -> Response: ...
@overload
def sse(
    request: Request,
    source: Subject[Any] | DurableSubject[Any],
    a: F[T1],
    b: F[T2],
    c: F[T3],
    d: F[T4],
    /,
    **o: Unpack[O[T1 | T2 | T3 | T4]],
) -> Response: ...
@overload
def sse(
    request: Request,
    source: Subject[Any] | DurableSubject[Any],
    a: type[W],
    b: type[W],
    c: type[W],
    d: type[W],
    e: type[W],
    /,
    *more: type[W],
    **o: Unpack[O[W]],
) -> Response: ...
@overload
def sse(request: Request, source: Given, /, **o: Unpack[V]) -> Response: ...
def sse(
    request: Request,
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
) -> Response:
    """Answer a request with events, as server-sent events, until the source ends or the client goes.

    Each is ``id:`` (a cursor), ``event:`` (the wire name) and ``data:`` (the event's JSON, as a log stores it), encoded
    once for all clients. The subscription begins when the response is sent, and ends with it.

    A client goes on where it was, at most ``resume`` back, by ``Last-Event-ID``, which wins, or ``?lastEventId=``.
    Where that cannot be, it first gets ``evenflow.gap``, and begins at ``since``; a query that is no cursor is answered
    with 400.
    ``evenflow.end`` is for a subject that was closed and a stream that ended, and whoever comes back is answered
    with 204.
    Otherwise the connection is closed, and the browser comes back: the subject was left, the process ends, ``lifetime``
    is over, or the client was too slow (``evenflow.slow``).

    Args:
        request: the request that is answered.
        source: a subject, a durable subject, a ``State``, what ``share()`` returns, a stream or an async iterable; the
            last four give all that they have.
        wants: classes of events, or unions of them; all, where none is named.
        where: a condition on fields, or a quick plain callable.
        client_where: which fields a client's own condition may speak of, the JSON in ``?where=``: it narrows ``where``,
            and never widens it. One that cannot be read is answered with 400.
        buffer: how many events wait for a client at most.
        overflow: what happens when they are more: as for ``Subject.subscribe``; the default lets the client go
            (``"disconnect"``), for a durable subject it reads on from the log.
        conflate: an event replaces one of the same key that waits.
        since: where a client begins that says nothing: with what comes, or with all that is kept; for a durable subject
            also an offset or a time.
        resume: how far back a client may go on; True as far as events are kept. A subject in memory keeps no times: how
            far its ``replay`` goes.
        ping: seconds after which a comment is sent when nothing else was.
        send_timeout: seconds that one send may take.
        lifetime: seconds after which a client must come again, so that rights are asked again; None is never.
        retry: seconds after which it comes again, and up to half as many more.
        headers: which headers of durable events the client gets; then ``data:`` is ``{"headers": ..., "data": ...}``.
        name: for logs, statistics and errors.

    Raises:
        TypeError, ValueError, RuntimeError: an argument makes no sense, or the log is not open. Nothing was sent.
    """
    if not hasattr(request, "query_params"):
        raise TypeError(
            f"sse() answers a request of FastAPI or Starlette, as in sse(request, orders), not {request!r}; frames() is"
            " for other frameworks"
        )
    text = request.query_params.get("where")
    try:
        options = checked_options(
            source, wants, where, client_where, text, caller(), buffer=buffer, overflow=overflow,
            conflate=conflate, since=since, resume=resume, ping=ping, send_timeout=send_timeout, lifetime=lifetime,
            retry=retry, headers=headers, name=name,
        )  # fmt: skip
    except Refused as refused:
        return problem(refused)
    return event_stream(request, source, options)
