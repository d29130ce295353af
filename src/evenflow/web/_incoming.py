"""What a client sends: how much, how fast, and what it means.

Rule 1: whoever reads the connection never waits for whoever handles a message, so that a client that leaves is noticed.
Rule 2: a message that is too big, or one too many, ends the connection; nothing of it is handled.
Rule 3: a message that is not valid, or that ``receive`` fails on, is an error for that client alone, and told by the
        class of the error. The connection goes on.

    rate    one second's worth may come at once, and wait to be handled; the next ones as fast as the rate says
"""

from __future__ import annotations

import logging
import math
from functools import lru_cache
from inspect import iscoroutinefunction, isfunction
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from anyio import WouldBlock, create_memory_object_stream, current_time
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from evenflow._handlers import wants_of_handler

from ._encoding import ERROR
from ._item import Item

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_log = logging.getLogger("evenflow.web")

Excess: TypeAlias = Literal["too big", "too fast"]

MOST_WAITING: Final = 1_000
"""Messages of one client, whatever its rate."""


class Incoming:
    """The messages of one client.

    Args:
        handler: what gets each message; None discards them.
        max_message: bytes.
        rate: messages a second.
    """

    def __init__(self, handler: Handler | None, max_message: int, rate: float) -> None:
        self._handler = handler
        self._max_message = max_message
        self._rate = rate
        self._burst = math.ceil(min(max(rate, 1.0), MOST_WAITING))
        self._credit = float(self._burst)
        self._at = -math.inf
        self._put, self._waiting = create_memory_object_stream[str | bytes](self._burst)

    def take(self, message: Mapping[str, Any]) -> Excess | None:
        """Take a message of the connection; returns why it ends, if it does. Never waits."""
        content: str | bytes = message.get("bytes") or message.get("text") or ""
        if len(content) > self._max_message or _size(content) > self._max_message:
            return "too big"
        now = current_time()
        if self._rate != math.inf:
            self._credit = min(float(self._burst), self._credit + (now - self._at) * self._rate)
            self._at = now
            if self._credit < 1:
                return "too fast"
            self._credit -= 1
        if self._handler is None:
            return None
        try:
            self._put.send_nowait(content)
        except WouldBlock:
            return "too fast"
        return None

    async def handle_all(self, tell: Callable[[Item], Awaitable[object]]) -> None:
        """Handle message after message, until it is cancelled."""
        handler = self._handler
        while handler is not None:
            content = await self._waiting.receive()
            try:
                await handler(content)
            except ValidationError as error:
                await tell(_told(error))
            except Exception as error:  # noqa: BLE001 -- the program may raise anything, and only this client is told
                _log.exception("what receive= gets from a web client failed")
                await tell(_told(error))

    def close(self) -> None:
        """Discard what waits."""
        self._put.close()
        self._waiting.close()


class Handler:
    """``receive=``: called with what a message means.

    Raises:
        TypeError: its parameter has no annotation that messages could be read by.
    """

    def __init__(self, receive: Callable[[Any], Awaitable[object]]) -> None:
        self._receive = receive
        kind = wants_of_handler(receive)
        if isfunction(receive) and not iscoroutinefunction(receive) and _returns_nothing(receive):
            raise TypeError(f"receive={receive!r} must be an async function: what it returns is awaited")
        if kind is None:
            raise TypeError(
                f"receive={receive!r} must say what it takes, as in `async def said(say: Say)`; messages are"
                " validated by that"
            )
        self._adapter = _adapter(kind)

    async def __call__(self, content: str | bytes) -> None:
        await self._receive(self._adapter.validate_json(content))


def _returns_nothing(function: Callable[..., object]) -> bool:
    return function.__annotations__.get("return", "") in (None, "None")


def _adapter(kind: Any) -> TypeAdapter[Any]:
    try:
        return _known_adapter(kind)
    except Exception as error:
        raise TypeError(f"messages cannot be read as {kind!r}: {error}") from error


@lru_cache(maxsize=64)
def _known_adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _size(content: str | bytes) -> int:
    return len(content) if isinstance(content, bytes) else len(content.encode(errors="surrogatepass"))


def _told(error: Exception) -> Item:
    """What the client is told: the class, and never the text."""
    return Item(None, ERROR, to_json({"error": type(error).__name__}))


def checked_limits(max_message: object, rate: object) -> tuple[int, float]:
    """How big and how many messages of a client may be.

    Raises:
        TypeError, ValueError: one of them makes no sense.
    """
    if not isinstance(max_message, int) or isinstance(max_message, bool):
        raise TypeError(f"max_message must be a number of bytes, not {max_message!r}")
    if max_message < 1:
        raise ValueError(f"max_message must be at least 1 byte, not {max_message}")
    if not isinstance(rate, (int, float)) or isinstance(rate, bool):
        raise TypeError(f"rate must be a number of messages a second, not {rate!r}")
    if not rate > 0:
        raise ValueError(f"rate must be more than 0 messages a second, not {rate}; leave out receive= to take none")
    return max_message, float(rate)
