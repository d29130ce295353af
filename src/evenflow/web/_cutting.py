"""Cutting off a client that reads nothing.

An application that ends in the middle of a send leaves the connection to its server. The server closes it when all that
it holds is written, which is never with a client that reads nothing; and uvicorn, told to end, waits for that.
ASGI has no message for it. But the transport of asyncio can be reached under uvicorn, whose own object has it, and
whose method ``receive`` is. Starlette's middlewares of the kind ``@app.middleware("http")`` wrap it: what is wrapped is
a variable of the wrapping function that is called ``...receive``, or an attribute of its request.
Where the transport cannot be reached nothing is done: hypercorn cuts such a client off by itself, and granian with an
option.

    a send took longer than ``send_timeout``, or half a second at a shutdown    it is cut off
    the goodbye of a WebSocket took longer than a second                        it is cut off
    the stream has ended at a shutdown, and not all is written                  it is cut off a moment later
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from ._later import later

if TYPE_CHECKING:
    from starlette.types import Receive


MOST_WRAPPERS: Final = 20
"""Two for each middleware; one that wraps itself must not be searched for ever."""


class Transport(Protocol):
    """What is asked of a transport of asyncio."""

    def abort(self) -> None:
        """Close it, and discard what was not written."""
        ...

    def get_write_buffer_size(self) -> int:
        """How many bytes were not written yet."""
        ...


def cut_off(receive: Receive) -> None:
    """Cut off the client that ``receive`` hears of."""
    if (transport := _transport_of(receive)) is not None:
        transport.abort()


def cut_off_if_stuck(receive: Receive, seconds: float) -> None:
    """Cut it off after so many seconds, if something that was sent is still not written then."""
    if (transport := _transport_of(receive)) is not None and transport.get_write_buffer_size():
        later(seconds, partial(_abort_if_stuck, transport))


async def _abort_if_stuck(transport: Transport) -> None:
    if transport.get_write_buffer_size():
        transport.abort()


def _transport_of(receive: Receive) -> Transport | None:
    for _ in range(MOST_WRAPPERS):
        owner = getattr(receive, "__self__", None)
        transport: Transport | None = getattr(owner, "transport", None)
        if hasattr(transport, "abort") and hasattr(transport, "get_write_buffer_size"):
            return transport
        receive = getattr(owner, "_receive", None) or _wrapped_by(receive)
    return None


def _wrapped_by(receive: Receive) -> Any:
    names = getattr(getattr(receive, "__code__", None), "co_freevars", ())
    cells = getattr(receive, "__closure__", None) or ()
    for name, cell in zip(names, cells, strict=False):
        if name.endswith("receive"):
            with suppress(ValueError):  # it has no value yet
                return cell.cell_contents
    return None
