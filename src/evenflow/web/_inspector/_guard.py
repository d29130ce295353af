"""Who may look.

Without ``authorize`` only this machine: the peer is a loopback address, the one ``Host`` names this machine (or another
site's page could reach us through a name of its own), and no header says that a proxy passed the request on.
With ``authorize`` whoever it says ``True`` to. Anything else is no: another value, an error, no answer.

The guard stands before everything: pages, streams, actions, static files.
"""

from __future__ import annotations

import logging
import re
from inspect import isawaitable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from . import _words as words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Authorize = Callable[[Request], bool | Awaitable[bool]]

_log = logging.getLogger("evenflow.web")

FORWARDED: Final = frozenset({"forwarded", "via", "x-real-ip"})
FORWARDED_PREFIX: Final = "x-forwarded"
HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:\[\]@/\\?#\s]+)(:\d{1,5})?")

SAFETY: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Headers of every answer."""


class Guard:
    """Stands before an application."""

    def __init__(self, app: ASGIApp, authorize: Authorize | None) -> None:
        self._app = app
        self._authorize = authorize

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer 403."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            return
        if not await self._may_look(Request(scope)):
            why = "403: this inspector answers this machine alone, or whom its authorize= lets in\n"
            await PlainTextResponse(why, 403, headers=SAFETY | {"cache-control": "no-store"})(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                safety = ((name.encode(), value.encode()) for name, value in SAFETY.items())
                message["headers"] = [*message.get("headers", ()), *safety]
            await send(message)

        await self._app(scope, receive, send_safely)

    async def _may_look(self, request: Request) -> bool:
        if self._authorize is None:
            return is_from_here(request)
        try:
            said = self._authorize(request)
            if isawaitable(said):
                said = await said
        except Exception as error:  # noqa: BLE001 -- whatever it raises is no, and is logged
            # its class and place alone: the message may hold a token, or lines that a visitor made
            what, where = words.error(error, contents=False)
            _log.error("authorize= of the inspector raised %s at %s, which is no", what, where)
            return False
        return said is True


def is_from_here(request: Request) -> bool:
    """Whether a request comes from this machine, to this machine, and through nobody."""
    if any(name in FORWARDED or name.startswith(FORWARDED_PREFIX) for name in request.headers):
        return False
    hosts = request.headers.getlist("host")
    return request.client is not None and is_loopback(request.client.host) and len(hosts) == 1 and is_local(hosts[0])


def is_local(host: str) -> bool:
    """Whether a ``Host`` header names this machine."""
    match = HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].lower()
    return name == "localhost" or is_loopback(name.strip("[]"))


def is_loopback(address: str) -> bool:
    """Whether this is an address of the loopback."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def is_same_origin(request: Request) -> bool:
    """Whether a page of this very host has sent the request, as far as a browser says; silence is no."""
    origins, hosts = request.headers.getlist("origin"), request.headers.getlist("host")
    if len(origins) != 1 or len(hosts) != 1 or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    try:
        origin = urlsplit(origins[0])
    except ValueError:
        return False
    whole = f"{origin.scheme}://{origin.netloc}"
    return origin.scheme in ("http", "https") and origins[0] == whole and origin.netloc.lower() == hosts[0].lower()
