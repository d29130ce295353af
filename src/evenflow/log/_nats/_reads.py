"""What is asked of the stream and changes nothing: asked again until it is answered, or its time is over.

Rule 1: with one replica the server that answers has everything that this process knows of.
Rule 2: a follower may be behind. What is asked by subject tells how far it is, and is asked again until it is far
        enough; what looks like the end of the stream is asked of its leader.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from evenflow._errors import LogError
from evenflow.log._stored import Away

from ._faults import BUSY, CHANGED, END, MISSING, NO_RESPONDERS, Busy, Lost, reply_of
from ._layouts import Layouts
from ._values import Message, message_from, message_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from ._line import Line
    from ._names import Names
    from ._stream import Api, History

T = TypeVar("T")
U = TypeVar("U")

MOST_SUBJECTS: Final = 500
"""How many subjects are asked for at once: a server answers with 1,024 messages at most."""
MOST_BYTES: Final = 1 << 22
BUSY_PAUSE: Final = 0.05
BEHIND_PAUSE: Final = 0.01
BEHIND: Final = 100
"""How often a server may be behind, before the connection may be at fault."""


class Found(NamedTuple):
    """Messages in the order of their sequences.

    Attributes:
        messages: those that were found.
        pending: how many more there are; 0 at the end, as far as the server knows that has answered.
    """

    messages: list[Message]
    pending: int


def _status(answer: Any) -> str | None:
    headers: Mapping[str, str] = answer.headers or {}
    return headers.get("Status")


class Reads:
    """Asks the stream.

    Args:
        name: of the log and its servers, for errors.
        timeout: seconds that a question may take.
    """

    def __init__(self, name: str, line: Line, names: Names, api: Api, history: History, timeout: float) -> None:
        self.names = names
        self.history = history
        self.api = api
        self.layouts: Layouts = Layouts()
        self.has_followers: bool = False
        self._name = name
        self._line = line
        self._timeout = timeout
        self._closed: str | None = None

    def close(self, why: str) -> None:
        """Ask nothing more."""
        self._closed = why

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it again until it is answered.

        Raises:
            Away: the server could not be reached in time.
            LogError: it failed.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timeout
        while loop.time() < until:
            if self._closed is not None:
                raise LogError(self._closed)
            try:
                async with asyncio.timeout_at(until):
                    await self._line.until_up()
                return await work()
            except Busy:
                await asyncio.sleep(BUSY_PAUSE)
            except (Lost, TimeoutError):
                pass
            except (ValueError, TypeError, IndexError, KeyError) as error:
                raise LogError(f"{self._name} holds something else than evenflow has stored: {error!r}") from error
        raise Away(f"{self._name} could not be reached for {self._timeout:g} s: nothing was done")

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str]) -> bool:
        """Store a message that may be stored twice; False if another one is there than its headers expect.

        Raises:
            LogError: it is refused.
            Busy, Lost: it cannot be stored now.
        """
        (answer,) = await self._line.ask(subject, data, headers=headers)
        reply = reply_of(answer.data, answer.headers)
        if reply.kind == BUSY:
            raise Busy(reply.words)
        if reply.kind == CHANGED:
            return False
        if reply.kind:
            raise LogError(f"{self._name} refuses to store it: {reply.words}", stored=False)
        self.history.note(reply.seq)
        return True

    async def both(self, one: Callable[[], Awaitable[T]], other: Callable[[], Awaitable[U]]) -> tuple[T, U]:
        """Ask both at the same time, until both are answered. Raises: as for ``patiently``."""

        async def ask() -> tuple[T, U]:
            first, second = await asyncio.gather(one(), other(), return_exceptions=True)
            if isinstance(first, BaseException):
                raise first
            if isinstance(second, BaseException):
                raise second
            return first, second

        return await self.patiently(ask)

    # ------------------------------------------------------------------ one question

    async def _direct(self, body: Mapping[str, Any], *, whole: bool) -> list[Any]:
        answers = await self._line.ask(
            f"{self.api.prefix}DIRECT.GET.{self.names.stream}", json.dumps(body).encode(), whole=whole
        )
        status = _status(answers[-1])
        if status == NO_RESPONDERS:
            raise Busy("the stream has no leader now")
        if status not in {None, END, MISSING}:  # what it has answered is not all there is
            raise Busy(f"the server answers with status {status}")
        return answers

    async def after(self, pattern: str, seq: int, count: int, size: int = MOST_BYTES) -> Found:
        """At most ``count`` messages behind a sequence, of about ``size`` bytes together."""
        body = {"seq": seq + 1, "next_by_subj": pattern, "batch": count, "max_bytes": size}
        *answers, last = await self._direct(body, whole=True)
        messages = [message_of(answer) for answer in answers]
        pending = int(last.headers.get("Nats-Num-Pending", 0))
        if self.has_followers and not pending:
            more = await self._from_leader(
                {"seq": max(seq, messages[-1].seq if messages else 0) + 1, "next_by_subj": pattern}
            )
            if more is not None:
                return Found([*messages, more], 1)
        return Found(messages, pending)

    async def _from_leader(self, body: Mapping[str, Any]) -> Message | None:
        found = await self.api.ask("STREAM.MSG.GET", body)
        if "error" in found:
            return None
        message = message_from(found["message"])
        self.history.note(message.seq)
        return message

    async def first(self, pattern: str, *, seq: int | None = None, time: str = "") -> tuple[Message, int] | None:
        """The first message from a sequence or a time on, and how many come after it."""
        start = {"start_time": time} if seq is None else {"seq": seq}
        *answers, last = await self._direct({**start, "next_by_subj": pattern, "batch": 1}, whole=True)
        if not answers:
            return None
        return message_of(answers[0]), int(last.headers.get("Nats-Num-Pending", 0))

    async def newest(self, pattern: str) -> Message | None:
        """The newest message."""
        if self.has_followers:
            return await self._from_leader({"last_by_subj": pattern})
        (answer,) = await self._direct({"last_by_subj": pattern}, whole=False)
        if _status(answer) == MISSING:
            return None
        return message_of(answer)

    async def last(self, subjects: Collection[str]) -> dict[str, Message]:
        """The newest message of each of these subjects, none of which is a pattern; a deleted one has one, too."""
        found: dict[str, Message] = {}
        wanted = list(dict.fromkeys(subjects))
        for start in range(0, len(wanted), MOST_SUBJECTS):
            found.update(await self._last(wanted[start : start + MOST_SUBJECTS]))
        return found

    async def _last(self, subjects: list[str]) -> dict[str, Message]:
        known = self.history.high
        for _ in range(BEHIND):
            # the log's own record is always there: so the answer always says how far the server is
            *answers, last = await self._direct({"multi_last": [self.names.meta, *subjects]}, whole=True)
            if int(last.headers.get("Nats-UpTo-Sequence", 0)) >= known:
                messages = [message_of(answer) for answer in answers]
                return {message.subject: message for message in messages if message.subject in set(subjects)}
            if not self.has_followers:
                raise LogError(f"{self._name} has lost what was stored in it, as after a power cut: open the log again")
            await asyncio.sleep(BEHIND_PAUSE)
        raise Busy("the servers that answer are behind")

    async def scan(self, patterns: Collection[str], after: int = 0) -> list[Message]:
        """All messages of these patterns behind a sequence: of each subject the newest alone."""
        found: dict[str, Message] = {}
        for pattern in patterns:
            seq = after
            while True:
                part = await self.after(pattern, seq, MOST_SUBJECTS)
                found.update((message.subject, message) for message in part.messages)
                if not part.pending or not part.messages:
                    break
                seq = part.messages[-1].seq
        return sorted(found.values(), key=lambda message: message.seq)
