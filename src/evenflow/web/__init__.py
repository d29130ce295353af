"""Events for browsers and other clients: server-sent events, WebSocket, and bytes for any framework.

What needs Starlette is imported when it is first asked for, so that ``frames`` works without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from evenflow import Allowed as Allowed

from ._frames import frames as frames
from ._framing import Frames as Frames

if TYPE_CHECKING:
    from ._inspector import inspector as inspector
    from ._sse import sse as sse
    from ._websocket import websocket as websocket

__all__ = ["Allowed", "Frames", "frames", "inspector", "sse", "websocket"]

_WITH_STARLETTE: Final = {"inspector": "._inspector", "sse": "._sse", "websocket": "._websocket"}


def __getattr__(name: str) -> object:
    if (file := _WITH_STARLETTE.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(file, __name__), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "starlette":
            raise
        raise ImportError(f"{__name__}.{name} needs Starlette: pip install 'evenflow[web]'") from error
