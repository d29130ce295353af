"""The last events of one subject, or values of a state, as they come.

Only where contents are shown, and only while somebody looks at them.

It is a subscription of the inspector's own, which drops the oldest event when it is full and holds nobody. While it is
there, `publish` counts it among those that wanted the event.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from anyio import ClosedResourceError, EndOfStream, sleep
from starlette.responses import PlainTextResponse

from evenflow import State
from evenflow._errors import EvenflowError

from . import _words as words
from ._connection import Connection
from ._hub import encoded

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from evenflow import Subject, Subscription
    from evenflow._mailbox import Mailbox
    from evenflow._share import Shared
    from evenflow.log import DurableSubject

    Tailed = Subject[Any] | DurableSubject[Any] | State[Any] | Shared[Any]

KEPT: Final = 50
"""Events between two frames; of more, the last are shown."""
EVERY: Final = 0.25
"""Seconds between two frames."""


class LiveTail:
    """An ASGI response: server-sent events, each with some events of the subject."""

    def __init__(self, source: Tailed, hidden: set[Mailbox]) -> None:
        self._source = source
        self._hidden = hidden

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what comes until the viewer goes, or the subject ends."""
        try:
            subscription = _subscribed(self._source)
        except (EvenflowError, RuntimeError):
            await PlainTextResponse("it cannot be read from here now\n", 409)(scope, receive, send)
            return
        self._hidden.add(subscription._mailbox)
        connection = Connection(scope, receive, send)
        try:
            async with subscription:
                await connection.run(partial(_events, subscription, connection))
        finally:
            self._hidden.discard(subscription._mailbox)


def _subscribed(source: Tailed) -> Subscription[Any]:
    if isinstance(source, State):
        return source.subscribe()
    return source.subscribe(buffer=KEPT, overflow="drop_oldest", name="inspector")


async def _events(subscription: Subscription[Any], connection: Connection) -> None:
    batches = subscription.batches()
    await connection.send(b"retry: 1000\n\n")
    while not connection.is_over():
        try:
            events = await batches.receive()
        except (EndOfStream, ClosedResourceError, EvenflowError):
            return
        at = round(time.time(), 2)
        shown = [{"class": type(one).__qualname__, "at": at, "text": words.event(one)} for one in events]
        await connection.send(encoded({"events": shown}))
        await sleep(EVERY)
