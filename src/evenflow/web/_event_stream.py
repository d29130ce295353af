"""Server-sent events as a response of Starlette and FastAPI.

Everything that can be refused is refused by ``sse()`` itself: an exception after the response has begun would reach
the client as an empty answer. The subscription begins when the response is sent, and ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import CancelScope, create_task_group
from pydantic_core import to_json
from starlette.responses import Response

from ._blocks import HEADERS, Blocks
from ._cursor import Refused, asked_for
from ._cutting import cut_off, cut_off_if_stuck
from ._feed import GRACE, Feed

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from ._options import Options


class EventStream(Response):
    """The response: it reads as long as the client is there."""

    def __init__(self, feed: Feed, retry: float) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._feed = feed
        self._retry = retry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the source ends, or the client goes."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await self._feed.dismiss()
            await send(start)
            await send({"type": "http.response.body", "body": b""})
        else:
            async with self._feed as feed:
                if await _begins(feed, send, start):
                    await self._serve(receive, send)
                else:
                    cut_off(receive)
                if feed.why == "shutdown":
                    cut_off_if_stuck(receive, GRACE)
        if self.background is not None:
            await self.background()

    async def _serve(self, receive: Receive, send: Send) -> None:
        failure: Exception | None = None
        async with create_task_group() as group:

            def give_up() -> None:
                cut_off(receive)
                group.cancel_scope.cancel()

            group.start_soon(_leave_when_gone, receive, group.cancel_scope)
            group.start_soon(self._feed.keeping_time(give_up))
            try:
                await _send_all(self._feed, self._retry, send)
            except OSError:  # the client has gone in the middle of a send
                pass
            except Exception as error:  # noqa: BLE001 -- it goes out as it is, in no group
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure


class Ended(Response):
    """The response to a client that comes back after the end."""

    def __init__(self, feed: Feed) -> None:
        super().__init__(status_code=204, headers={"cache-control": "no-store"})
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and leave nothing of the source."""
        await self._feed.dismiss()
        await super().__call__(scope, receive, send)


async def _begins(feed: Feed, send: Send, start: Message) -> bool:
    try:
        return await feed.send(send, start)
    except OSError:  # the client has gone before it got anything
        return False


async def _send_all(feed: Feed, retry: float, send: Send) -> None:
    blocks = Blocks(feed, retry)
    while (chunk := await blocks.next()) is not None:
        if not await feed.send(send, {"type": "http.response.body", "body": chunk, "more_body": True}):
            return
    await feed.send(send, {"type": "http.response.body", "body": b"", "more_body": False})


async def _leave_when_gone(receive: Receive, scope: CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def event_stream(request: Request, source: Any, options: Options) -> Response:
    """The response to this request: events, 204 for whoever comes back after the end, or 400."""
    asked = asked_for(request.headers.get("last-event-id"), request.query_params.get("lastEventId"))
    try:
        feed = Feed(source, options, asked)
    except Refused as refused:
        return problem(refused)
    if asked is not None and asked.is_the_end:
        return Ended(feed)
    return EventStream(feed, options.retry)


def problem(refused: Refused) -> Response:
    """What a client is answered that has asked for what cannot be (RFC 9457)."""
    body = to_json({"title": "Bad Request", "status": 400, "detail": refused.detail})
    return Response(
        body,
        status_code=400,
        media_type="application/problem+json",
        headers={"cache-control": "no-store", "x-content-type-options": "nosniff"},
    )
