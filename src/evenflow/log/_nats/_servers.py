"""Where the servers are, and how a connection to one is made. Only here, and in ``_faults``, is nats-py imported.

Rule 1: a connection never reconnects by itself: nats-py would send the rest of a half-sent batch to the next server.
Rule 2: connecting is bounded; a server that refuses is not tried for ever, and the next one is tried.
Rule 3: servers are shown only without their secrets.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

from nats.aio.client import Client

from ._faults import FAULTS, Lost, words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    Told = Callable[[str, bytes, Mapping[str, str] | None], object]
    """Is told the subject, the data and the headers of a message."""

_log = logging.getLogger("evenflow.log")

SCHEMES: Final = ("nats", "tls", "ws", "wss")
"""The schemes of URLs that nats-py understands."""
CONNECT: Final = 5.0
"""Seconds that connecting may take."""
PING: Final = 2
"""Seconds between two questions whether the server is still there; after two without an answer it is away."""

_OURS: Final = frozenset(
    {
        "allow_reconnect", "closed_cb", "connect_timeout", "disconnected_cb", "error_cb", "max_outstanding_pings",
        "max_reconnect_attempts", "ping_interval", "reconnected_cb", "reconnect_time_wait", "servers",
    }
)  # fmt: skip


def masked(url: str, /) -> str:
    """The URL as it may be shown: without a user, a password or a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{'***@' if '@' in parts.netloc else ''}{parts.netloc.rpartition('@')[2]}{parts.path}"


def words_in(url: str, /) -> dict[str, str]:
    """What is after the question mark of a URL."""
    return dict(parse_qsl(urlsplit(url).query))


def _is_text(one: object) -> bool:
    return isinstance(one, str)


def split(servers: str | Sequence[str], /) -> tuple[list[str], dict[str, str]]:
    """The servers, and what a question mark of theirs says of the log.

    Raises:
        TypeError: they are no URLs.
        ValueError: there are none, or one has another scheme.
    """
    given: object = servers  # a program without a type checker gives anything
    if not isinstance(given, str | list | tuple):
        raise TypeError(f"servers must be a URL such as nats://localhost:4222, or a list of them, not {servers!r}")
    found = [servers] if isinstance(servers, str) else list(servers)
    if not all(map(_is_text, found)):
        raise TypeError("servers must be URLs such as nats://localhost:4222, each of them a str")
    urls = [url.strip() for one in found for url in one.split(",")]
    said: dict[str, str] = {}
    for place, url in enumerate(urls):
        said |= words_in(url)
        urls[place] = url.partition("?")[0]
        if urlsplit(url).scheme not in SCHEMES:
            raise ValueError(
                f"the URL of a NATS server begins with {', '.join(f'{name}://' for name in SCHEMES)}; {masked(url)!r}"
                " does not"
            )
    if not urls:
        raise ValueError("servers must be at least one URL such as nats://localhost:4222")
    return urls, said


class QuickClient(Client):
    """A connection that outlives a cancelled ping, and reads headers four times as fast: an event has fifteen.

    What comes for the subscription of the answers is told at once. nats-py makes an object of each message, and puts it
    into a queue for a task, which takes longer than all that is done with an answer to a publish.
    """

    _answers: int = -1
    """The number of the subscription whose messages are told to ``_told``; -1 for none."""

    def tell(self, subscription: Any, told: Told) -> None:
        """Messages of a subscription are told like this from now on; a nats-py with other insides goes on as before."""
        self._told = told
        self._answers = getattr(subscription, "_id", -1) if hasattr(self, "_process_headers") else -1

    @property
    def says(self) -> Mapping[str, Any]:
        """What the server has said of itself; from a nats-py with other insides its version alone is known."""
        if known := vars(self).get("_server_info"):
            return cast("Mapping[str, Any]", known)
        version = self.connected_server_version
        return {"version": f"{version.major}.{version.minor}.{version.patch}"}

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """A message. nats-py ends the connection where this raises, and logs what a task for it raises."""
        if sid != self._answers:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        inside: Any = self  # its own methods have no types
        try:
            self._told(subject.decode(), data, await inside._process_headers(headers) if headers else None)
        except Exception as error:  # noqa: BLE001 -- an answer that is none must not end the connection
            await self._error_cb(error)

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """Headers, by their names. nats-py looks at each letter of each name; older ones do not call this."""
        found: dict[str, str] = {}
        for line in raw.decode(errors="replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                found[name] = value.strip()
        return found

    async def _process_pong(self) -> None:
        """An answer to a ping. nats-py stops reading for good where whoever waited for it was cancelled meanwhile."""
        pongs: list[Any] | None = vars(self).get("_pongs")  # private: another version may have none
        if pongs and pongs[0].done():
            pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()


class Servers:
    """The servers of a log.

    Attributes:
        shown: their URLs, without secrets.
        forbidden: what a server has said last that this user may not do; empty if nothing.

    Raises:
        TypeError: an option is one that evenflow sets itself.
    """

    def __init__(self, urls: Sequence[str], options: Mapping[str, Any]) -> None:
        if taken := sorted(_OURS & options.keys()):
            raise TypeError(f"evenflow connects, waits and connects anew by itself: {', '.join(taken)} cannot be given")
        if unknown := sorted(options.keys() - signature(Client.connect).parameters.keys()):
            raise TypeError(f"a log on NATS has no option {', '.join(unknown)}, and neither has nats.connect")
        self._urls = list(urls)
        self._options = dict(options)
        self.shown: str = ", ".join(map(masked, urls))
        self.forbidden: str = ""

    @property
    def inbox(self) -> str:
        """What the subjects of answers begin with."""
        prefix = self._options.get("inbox_prefix", "_INBOX")
        return prefix.decode() if isinstance(prefix, bytes) else str(prefix)

    async def connect(self, *, closed: Callable[[], Awaitable[None]] | None = None) -> Any:
        """A connection to the first server that takes it; the next call begins with another one.

        Raises:
            Lost: none does; the message says why.
        """
        lost = Lost("there is no server")
        for _ in self._urls:
            url = self._urls[0]
            try:
                return await self._connect(url, closed)
            except Lost as found:
                lost = found
            self._urls.append(self._urls.pop(0))
        raise lost

    def _note_forbidden(self, url: str, said: str) -> None:
        """Whatever a user may not publish has no answer: only here is the reason known. Each is said once."""
        if _is_forbidden(said) and said != self.forbidden:
            self.forbidden = said
            _log.warning("%s refuses what a log does: %s", masked(url), said)

    async def _connect(self, url: str, closed: Callable[[], Awaitable[None]] | None) -> Any:
        client, errors = QuickClient(), list[Exception]()

        async def hear(error: Exception) -> None:
            errors[:] = [error]
            self._note_forbidden(url, words(error))

        try:
            async with asyncio.timeout(CONNECT):
                await client.connect(
                    [url],
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=int(CONNECT),
                    ping_interval=PING,
                    max_outstanding_pings=2,
                    error_cb=hear,
                    closed_cb=closed,
                    **self._options,
                )
        except FAULTS as error:
            await hang_up(client)  # noqa: ASYNC120 -- a cancellation goes out instead
            why = errors[0] if errors else error
            said = f"no answer within {CONNECT:g} s" if isinstance(why, TimeoutError) else words(why)
            raise Lost(f"cannot connect to {masked(url)}: {said}") from why
        except BaseException:
            await hang_up(client)
            raise
        return client


def _is_forbidden(said: str) -> bool:
    return "permissions violation" in said.lower()


async def hang_up(client: Any) -> None:
    """Close a connection, whatever state it is in, and end its tasks; what is still to be sent is given up soon.

    nats-py waits until everything is sent, which a server that stands still never lets happen; and cut off in the
    middle of closing it leaves its tasks behind.
    """
    if client is None:
        return
    names = ("_reading_task", "_flusher_task", "_ping_interval_task")
    subscriptions: list[Any] = list(getattr(client, "_subs", {}).values())
    before = [getattr(client, name, None) for name in names]
    with suppress(*FAULTS, AttributeError):
        async with asyncio.timeout(0.5):
            await client.close()
    writer = getattr(getattr(client, "_transport", None), "_io_writer", None)
    if writer is not None:
        writer.transport.abort()
    tasks = [*before, *(getattr(client, name, None) for name in names)]
    tasks += [getattr(one, "_wait_for_msgs_task", None) for one in subscriptions]
    left: list[asyncio.Task[Any]] = [task for task in tasks if task is not None and not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=0.5)
    for ended in tasks:
        if ended is not None and ended.done() and not ended.cancelled():
            ended.exception()  # that of a lost connection, which the loop would log as one that nobody has looked at
