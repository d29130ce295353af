"""One connection of the loop's, which is made again whenever it is lost, and the answers that come over it.

Rule 1: each question has a subject of its own for its answers: an answer that comes too late is nobody's.
Rule 2: a connection on which an answer does not come in time is dropped, and with it all that waits for answers.
Rule 3: that the servers are away is said once, and that one is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from itertools import count
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from anyio import sleep

from ._faults import FAULTS, Lost, words
from ._servers import hang_up
from ._values import lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._servers import Servers

    Heard = Callable[[Any], object]
    """Is told each ``Answer``; an exception in its place means that none will come."""
    Headers = Mapping[str, str] | bytes | None
    """The headers of a message that is sent; as bytes they are as they are sent."""

_log = logging.getLogger("evenflow.log")

REPLY: Final = 5.0
"""Seconds that a server may take for an answer, before it counts as away."""
MOST_BYTES: Final = 1 << 16
"""Bytes that are handed to nats-py at once, unless one message has more."""
LONGEST_PAUSE: Final = 1.0
"""Seconds between two attempts to connect."""


class Answer(NamedTuple):
    """What a server has answered; without headers they are None."""

    data: bytes
    headers: Mapping[str, str] | None


def packed(subject: str, data: bytes, reply: str, headers: Headers) -> bytes:
    """A message as it is sent."""
    if headers is None:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(data), data)
    head = headers if isinstance(headers, bytes) else f"NATS/1.0\r\n{lines_of(headers)}\r\n".encode()
    size = len(head)
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject.encode(), reply.encode(), size, size + len(data), head, data)


class Line:
    """A connection to one of the servers.

    Attributes:
        made: how often it was connected.
        max_payload: bytes that the server takes for one message, its headers included.

    Args:
        name: of the log and its servers, for logs.
        told: is told whether a server can be reached, when that changes.
    """

    def __init__(self, servers: Servers, name: str, told: Callable[[bool], object]) -> None:
        self.servers = servers
        self.made: int = 0
        self.max_payload: int = 1 << 20
        self._name = name
        self._told = told
        self._client: Any = None
        self._inbox = ""
        self._tokens = count(1)
        self._waiting: dict[str, Heard] = {}
        self._is_away: bool | None = None
        self._is_over = False
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._outbox: deque[tuple[str, bytes, str, Headers]] = deque()
        self._posted = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Whether it is connected, as far as is known."""
        return self._client is not None and not self._client.is_closed

    @property
    def client(self) -> Any:
        """The connection.

        Raises:
            Lost: there is none.
        """
        if not self.is_up:
            raise Lost(f"{self.servers.shown} is not connected")
        return self._client

    # ------------------------------------------------------------------ up and down

    async def until_up(self) -> None:
        """Wait until it is connected."""
        while not self.is_up:
            self.look()
            await self._up.wait()

    async def keep_up(self) -> None:
        """The task that connects anew, until it is cancelled."""
        pause = 0.0
        while True:
            while self.is_up:
                await self._down.wait()
                self._down.clear()  # a connection that was dropped before says only now that it has ended
                self.look()
            try:
                await self.connect()
                pause = 0.0
            except Lost as lost:
                self.note_away(str(lost))
                pause = min(LONGEST_PAUSE, max(0.02, 2 * pause))
                await sleep(pause)

    async def connect(self) -> None:
        """Connect once.

        Raises:
            Lost: that failed.
        """
        self.drop("it is connected anew")
        self._down.clear()
        client = await self.servers.connect(closed=self._note_closed)
        self._inbox = f"{self.servers.inbox}.{token_hex(8)}"
        try:
            answers = await client.subscribe(
                f"{self._inbox}.*", cb=self._hear_message, pending_msgs_limit=0, pending_bytes_limit=0
            )
        except FAULTS as error:
            await hang_up(client)  # noqa: ASYNC120 -- a cancellation goes out instead
            raise Lost(f"{self.servers.shown}: {words(error)}") from error
        client.tell(answers, self._hear)
        self._client = client
        self.max_payload = client.max_payload
        self.made += 1
        if self._is_away and not self._is_over:
            _log.warning("%s is back", self._name)
        if self._is_away is not False and not self._is_over:
            self._told(True)
        self._is_away = False
        self._up.set()

    async def _note_closed(self) -> None:
        self._down.set()

    def look(self) -> None:
        """The connection may have ended without anybody having noticed."""
        if self._client is not None and self._client.is_closed:
            self.drop("the connection was closed")

    def note_away(self, why: str) -> None:
        """No server can be reached."""
        if not self._is_away and not self._is_over:
            _log.warning("%s is away, and is looked for until it is back: %s", self._name, why)
            self._told(False)
        self._is_away = True

    def end(self) -> None:
        """The log is being closed: nothing more is said."""
        if not self._is_over:
            self._is_over = True
            self._told(False)

    def drop(self, why: str) -> Lost:
        """Let go of the connection; returns what whoever waits for an answer gets."""
        lost = Lost(f"{self.servers.shown}: {why}")
        client, self._client = self._client, None
        self._up.clear()
        self._down.set()
        self._outbox.clear()
        if client is None:
            return lost
        self.note_away(why)
        closing = asyncio.ensure_future(hang_up(client))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        waiting, self._waiting = self._waiting, {}
        for heard in waiting.values():
            heard(lost)
        return lost

    async def close(self) -> None:
        """Let go of the connection, and wait until that is done."""
        self.drop("it is closed")
        if self._closing:
            await asyncio.wait(self._closing, timeout=1.0)

    # ------------------------------------------------------------------ asking

    def _hear(self, subject: str, data: bytes, headers: Mapping[str, str] | None) -> None:
        heard = self._waiting.get(subject[len(self._inbox) + 1 :])
        if heard is not None:
            heard(Answer(data, headers))

    async def _hear_message(self, message: Any) -> None:
        """As ``_hear``, from a nats-py that does not tell it at once."""
        self._hear(message.subject, message.data, message.headers)

    def listen(self, heard: Heard) -> str:
        """A token for answers that are told to ``heard``, until ``forget`` is called."""
        token = str(next(self._tokens))
        self._waiting[token] = heard
        return token

    def forget(self, token: str) -> None:
        """No further answer is wanted."""
        self._waiting.pop(token, None)

    def post(self, subject: str, data: bytes, headers: Headers = None, token: str | None = None) -> None:
        """Have a message sent, behind those before it; with a token, its answers come there. Does not wait.

        nats-py swallows a cancellation that comes while it sends: only ``keep_sending`` calls it.

        Raises:
            Lost: there is no connection.
        """
        if not self.is_up:
            raise Lost(f"{self.servers.shown} is not connected")
        self._outbox.append((subject, data, "" if token is None else f"{self._inbox}.{token}", headers))
        self._posted.set()

    async def keep_sending(self) -> None:
        """The task that sends, until it is cancelled."""
        while True:
            await self._posted.wait()
            self._posted.clear()
            try:
                while self._outbox:
                    await self._send_some(self.client)
            except FAULTS as error:
                self.drop(words(error))
            except Lost:
                self._outbox.clear()

    async def _send_some(self, client: Any) -> None:
        send, flush = getattr(client, "_send_command", None), getattr(client, "_flush_pending", None)
        if send is None or flush is None:  # another nats-py has other insides
            subject, data, reply, headers = self._outbox.popleft()
            if isinstance(headers, bytes):
                headers = client._parse_header_lines(headers.partition(b"\r\n")[2])
            await client.publish(subject, data, reply, headers)
            return
        # its publish takes twice as long as all else that is done for an event: it looks at each header with a pattern
        # (nats-py 2.16, publish_many: 8,300 events a second with it, 13,000 without)
        pieces, size = list[bytes](), 0
        while self._outbox and size < MOST_BYTES:
            pieces.append(packed(*self._outbox.popleft()))
            size += len(pieces[-1])
        await send(b"".join(pieces))
        await flush()

    async def ask(
        self,
        subject: str,
        data: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        whole: bool = False,
        within: float = REPLY,
    ) -> list[Any]:
        """Ask, and return the answer; ``whole``: all messages of it, up to one that has a status.

        Raises:
            Lost: no answer came.
        """
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        found: list[Any] = []

        def heard(answer: Any) -> None:
            if over.done():
                return
            if isinstance(answer, Lost):
                over.set_exception(answer)
                return
            found.append(answer)
            if not whole or (answer.headers and "Status" in answer.headers):
                over.set_result(None)

        token = self.listen(heard)
        try:
            async with asyncio.timeout(within):
                self.post(subject, data, headers, token)
                await over
        except TimeoutError as error:
            raise self.drop(f"no answer within {within:g} s") from error
        finally:
            self.forget(token)
            with suppress(asyncio.CancelledError, Lost):
                if over.done():
                    over.exception()
        return found
