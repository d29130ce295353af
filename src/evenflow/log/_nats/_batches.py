"""An atomic batch on its way: several messages that the server stores all, next to one another, or none of.

Rule 1: the first message has the id of the batch. Sent again, the server refuses a batch that it has made before, and
        then its messages are looked for: each of them tells its batch and its place there.
Rule 2: sent again it is another batch for the server, which may still have half of the one before.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from ._faults import BUSY, MADE, Busy, Lost, Reply, reply_of
from ._line import REPLY
from ._values import BATCH, MSG_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._line import Line
    from ._plan import Out
    from ._reads import Reads
    from ._requests import Commit
    from ._values import Message

PLACE: Final = "Nats-Batch-Sequence"
COMMIT: Final = "Nats-Batch-Commit"
LONGEST_ID: Final = 64


class Batch:
    """Some changes, and their messages.

    Attributes:
        name: its id, the same each time it is sent.
        commits: the changes, in order.
        messages: theirs, in order.
        high: the highest sequence that was known before it was sent first.
    """

    def __init__(self, name: str, commits: Sequence[Commit]) -> None:
        self.name = name
        self.commits = [commit for commit in commits if not commit.is_done]
        self.messages: list[Out] = [out for commit in self.commits if commit.plan for out in commit.plan.messages]
        self.high: int | None = None
        self._times = count(1)

    def next_id(self) -> str:
        """The id of the next attempt."""
        return f"{self.name}.{next(self._times)}"[-LONGEST_ID:]

    def has(self, message: Message) -> bool:
        """Whether a stored message is one of this batch's, or was sent alone under its id."""
        headers = message.headers
        return headers.get(BATCH, "").rpartition(".")[0] == self.name or headers.get(MSG_ID) == self.name


async def sent(line: Line, reads: Reads, batch: Batch) -> tuple[Reply, int]:
    """Send a batch; returns what the server says, and the sequence of its first message, if it is stored.

    Raises:
        Lost: there is no answer; it may be stored.
        Busy: it cannot be stored now, and is not.
    """
    if batch.high is None:
        batch.high = reads.history.high
    reply = await _send(line, batch)
    if reply.kind == BUSY:
        raise Busy(reply.words)
    if reply.kind == MADE:
        return reply, await _find(reads, batch)
    return reply, reply.seq - len(batch.messages) + 1


async def _send(line: Line, batch: Batch) -> Reply:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def heard(found: Any) -> None:
        if not answer.done():
            answer.set_result(found)

    token = line.listen(heard)
    name, last = batch.next_id(), len(batch.messages)
    try:
        for place, out in enumerate(batch.messages, 1):
            headers = {**out.headers, BATCH: name, PLACE: str(place)}
            if place == 1:
                headers[MSG_ID] = batch.name
            if place == last:
                headers[COMMIT] = "1"
            line.post(out.subject, out.data, headers, token if place == last else None)
        async with asyncio.timeout(REPLY + last / 1_000):
            found = await answer
    except TimeoutError as error:
        raise line.drop("no answer to a batch came in time") from error
    finally:
        line.forget(token)
    if isinstance(found, Lost):
        raise found
    return reply_of(found.data, found.headers)


async def _find(reads: Reads, batch: Batch) -> int:
    """The sequence of the first message of a batch that was made before."""
    subjects = {out.subject: None for out in batch.messages}
    for message in (await reads.last(list(subjects))).values():
        if batch.has(message):
            return message.seq - int(message.headers.get(PLACE, 1)) + 1
    high = batch.high or 0
    while True:
        found = await reads.after(reads.names.events, high, 200)
        for message in found.messages:
            if batch.has(message):
                return message.seq - int(message.headers.get(PLACE, 1)) + 1
        if not found.messages or not found.pending:
            # it has no events, and all its records were replaced since: no record has ever had the versions told now
            return -len(batch.messages)
        high = found.messages[-1].seq
