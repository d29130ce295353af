"""``websocket()``: what a WebSocket endpoint of FastAPI or Starlette awaits."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, overload

from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocketDisconnect, WebSocketState

from evenflow._signatures import caller

from ._conversation import Conversation
from ._cursor import Refused, asked_for
from ._event_stream import problem
from ._feed import Feed
from ._incoming import Handler, Incoming, checked_limits
from ._item import end
from ._options import BUFFER, LIFETIME, PING, RESUME, RETRY, SEND_TIMEOUT, checked_options
from ._origin import checked_origins, is_allowed
from ._sources import dismissed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Generator, Sequence
    from datetime import timedelta

    from starlette.websockets import WebSocket
    from typing_extensions import TypeForm as F, Unpack

    from evenflow._allowed import Allowed
    from evenflow._mailbox import Overflow
    from evenflow._options import Key, Where
    from evenflow._subject import Subject
    from evenflow.log import DurableSubject

    from ._options import Since
    from ._signatures import T1, T2, T3, T4, E, Given, SocketOptions as O, SocketValueOptions as V, W

_log = logging.getLogger("evenflow.web")

MAX_MESSAGE = 65_536
RATE = 50.0


@overload
async def websocket(socket: WebSocket, source: Subject[E] | DurableSubject[E], /, **o: Unpack[O[E]]) -> None: ...
@overload
async def websocket(
    socket: WebSocket, source: Subject[Any] | DurableSubject[Any], a: F[T1], /, **o: Unpack[O[T1]]
) -> None: ...
@overload
async def websocket(
    socket: WebSocket, source: Subject[Any] | DurableSubject[Any], a: F[T1], b: F[T2], /, **o: Unpack[O[T1 | T2]]
) -> None: ...
@overload
async def websocket(
    socket: WebSocket,
    source: Subject[Any] | DurableSubject[Any],
    a: F[T1],
    b: F[T2],
    c: F[T3],
    /,
    **o: Unpack[O[T1 | T2 | T3]],
) -> None: ...
@overload
async def websocket(
    socket: WebSocket,
    source: Subject[Any] | DurableSubject[Any],
    a: F[T1],
    b: F[T2],
    c: F[T3],
    d: F[T4],
    /,
    **o: Unpack[O[T1 | T2 | T3 | T4]],
) -> None: ...
@overload
async def websocket(
    socket: WebSocket,
    source: Subject[Any] | DurableSubject[Any],
    a: type[W],
    b: type[W],
    c: type[W],
    d: type[W],
    e: type[W],
    /,
    *more: type[W],
    **o: Unpack[O[W]],
) -> None: ...
@overload
async def websocket(socket: WebSocket, source: Given, /, **o: Unpack[V]) -> None: ...
async def websocket(
    socket: WebSocket,
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
    receive: Callable[[Any], Awaitable[object]] | None = None,
    origins: Sequence[str] | Literal["any"] | None = None,
    max_message: int = MAX_MESSAGE,
    rate: float = RATE,
) -> None:
    """Serve a WebSocket: accept it, send events, and hand what the client says to ``receive``, until one side ends it.

    Each event is a text frame ``{"type", "id", "data"}``: the wire name, a cursor and the event's JSON, encoded once
    for all clients of all kinds. The subscription begins before the client is accepted. A client goes on where it was
    by ``?lastEventId=``. Everything that is not said here is as for ``sse``.

    It ends with 1000 after ``evenflow.end`` (the subject was closed: do not come back), 1001 (it was left, the process
    ends, or ``lifetime`` is over), 1008 (too fast), 1009 (too big), 1011 (the source failed), or 1013 after
    ``evenflow.slow`` (too slow). Cancelling it ends the connection as the server does; nothing is left.

    A message that is no JSON of the annotation of ``receive`` is answered with the frame ``evenflow.error``, which has
    the class of the error alone. So is one that ``receive`` raises for, and that is logged. The connection goes on.
    Messages are handled one after another. If the client leaves meanwhile, ``receive`` is cancelled.

    Args:
        socket: the connection, accepted or not; not accepted it can be refused with a text.
        source: as for ``sse``.
        wants: as for ``sse``.
        where: as for ``sse``.
        client_where: what the client may ask in ``?where=``, as JSON; joined to ``where`` by *and*.
        buffer: as for ``sse``.
        overflow: as for ``sse``.
        conflate: as for ``sse``.
        since: as for ``sse``.
        resume: as for ``sse``.
        ping: seconds after which ``evenflow.ping`` is sent when nothing else was; its id is where the client is.
        send_timeout: seconds that one frame may take.
        lifetime: as for ``sse``.
        retry: seconds after which the client should come again, and up to half as many more, in the reason of the code.
        headers: as for ``sse``; then a frame has ``headers``, too.
        name: for logs, statistics and errors.
        receive: an async function; its annotation says what a message is. Without it, messages are discarded.
        origins: the origins of pages that may connect, as in ``["https://app.example.com"]``; ``"any"`` for all.
            Without it, pages of this host. Clients that are no browsers send none, and may.
        max_message: bytes of a message.
        rate: messages a second; one second's worth may come at once.

    Raises:
        TypeError, ValueError, RuntimeError: an argument makes no sense, or the log is not open; nothing was accepted.
    """
    if not hasattr(socket, "query_params"):
        raise TypeError(
            f"websocket() serves a WebSocket of FastAPI or Starlette, as in websocket(socket, orders), not {socket!r}"
        )
    known = checked_origins(origins)
    incoming = Incoming(None if receive is None else Handler(receive), *checked_limits(max_message, rate))
    asked = asked_for(None, socket.query_params.get("lastEventId"))
    try:
        if not is_allowed(known, socket.headers.getlist("origin"), socket.headers.get("host")):
            await dismissed(source)
            await _refuse_origin(socket)
            return
        text = socket.query_params.get("where")
        try:
            options = checked_options(
                source, wants, where, client_where, text, caller(), buffer=buffer, overflow=overflow,
                conflate=conflate, since=since, resume=resume, ping=ping, send_timeout=send_timeout, lifetime=lifetime,
                retry=retry, headers=headers, name=name,
            )  # fmt: skip
            feed = Feed(source, options, asked)
        except Refused as refused:
            await _deny(socket, problem(refused), refused.detail)
            return
        await _serve(socket, feed, incoming, options.retry, is_the_end=asked is not None and asked.is_the_end)
    except WebSocketDisconnect:  # the client has gone before it was accepted, or while it was
        pass
    finally:
        incoming.close()


async def _serve(socket: WebSocket, feed: Feed, incoming: Incoming, retry: float, *, is_the_end: bool) -> None:
    if is_the_end:
        await feed.dismiss()
        await _accept(socket)
        await socket.send_text(end(None).frame)
        await socket.close(1000, "closed")
        return
    async with feed:
        await _accept(socket)
        await Conversation(socket, feed, incoming, retry).run()


async def _accept(socket: WebSocket) -> None:
    if socket.application_state is WebSocketState.CONNECTING:
        with _gone_if_broken():
            await socket.accept()


@contextmanager
def _gone_if_broken() -> Generator[None]:
    """Starlette says so only of a connection that was accepted."""
    try:
        yield
    except OSError:
        raise WebSocketDisconnect(code=1006) from None


async def _refuse_origin(socket: WebSocket) -> None:
    text = (
        "the origin of this page is not allowed here; the endpoint names those that are: websocket(..., origins=[...])"
    )
    sent = ", ".join(socket.headers.getlist("origin"))
    _log.warning(
        "a WebSocket was refused: its Origin is %.100r, and its Host %.100r; see origins=",
        sent,
        socket.headers.get("host"),
    )
    await _deny(
        socket, PlainTextResponse(text, status_code=403, headers={"cache-control": "no-store"}), "origin; see origins="
    )


async def _deny(socket: WebSocket, response: Response, reason: str) -> None:
    """Refuse a connection, with a text where the server can send one before it accepts."""
    is_new = socket.application_state is WebSocketState.CONNECTING
    with _gone_if_broken():
        if is_new and "websocket.http.response" in socket.scope.get("extensions", {}):
            await socket.send_denial_response(response)
        else:
            await socket.close(1008, reason.encode()[:120].decode(errors="ignore"))
