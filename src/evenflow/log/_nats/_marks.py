"""The mark of an opening, who waits for it, and how another process's change is noticed.

The server says the headers of each message that it has stored (``republish``). While somebody waits, this process asks
for one of these: a subscription that ends by itself. So a busy log costs an idle reader a few headers, not all of them.

Rule 1: this process's own changes are told at once.
Rule 2: what is stored between one subscription and the next is said to nobody: whoever waits looks again once the next
        one is there.
Rule 3: between two of them there is a short pause: a busy log does not wake everybody for each change.
Rule 4: after a lost connection something may have changed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from evenflow._errors import LogError

from ._faults import FAULTS, Lost

if TYPE_CHECKING:
    from ._line import Line
    from ._names import Names
    from ._stream import History

PAUSE: Final = 0.01
LONGEST: Final = 30.0
"""Seconds after which whoever waits looks again, whatever was said: what a server says of messages it may drop."""


class Marks:
    """The mark of one opening."""

    def __init__(self) -> None:
        self.mark: int = 0
        self.rev: int = 0
        """The sequence of this process's own newest change, which was told already."""
        self._waiting: set[asyncio.Future[None]] = set()
        self._awaited = asyncio.Event()
        self._error: LogError | None = None

    async def wait(self, mark: int) -> int:
        """Wait until the mark is another one."""
        if self.mark != mark:
            await checkpoint()
            self._check()
            return self.mark
        await checkpoint_if_cancelled()
        while self.mark == mark:
            self._check()
            sleeper = asyncio.get_running_loop().create_future()
            self._waiting.add(sleeper)
            self._awaited.set()
            try:
                await sleeper
            finally:
                self._waiting.discard(sleeper)
        self._check()
        return self.mark

    def changed(self) -> None:
        """Something may have changed."""
        self.mark += 1
        waiting, self._waiting = self._waiting, set()
        for sleeper in waiting:
            if not sleeper.done():
                sleeper.set_result(None)

    def close(self, why: str) -> None:
        """Nothing will change any more."""
        self._error = LogError(why)
        self.changed()

    def _check(self) -> None:
        if self._error is not None:
            raise LogError(str(self._error))

    async def until_awaited(self) -> None:
        """Wait until somebody waits."""
        while not self._waiting:
            self._awaited.clear()
            await self._awaited.wait()


class Ear:
    """Hears what the server has stored."""

    def __init__(self, line: Line, names: Names, marks: Marks, history: History) -> None:
        self._line = line
        self._names = names
        self._marks = marks
        self._history = history
        self._told = asyncio.Event()

    async def listen(self) -> None:
        """The task that hears, until it is cancelled."""
        while True:
            await self._marks.until_awaited()
            await self._line.until_up()
            with suppress(Lost, *FAULTS):
                await self._listen_once()
            await asyncio.sleep(PAUSE)

    async def _listen_once(self) -> None:
        client = self._line.client
        self._told.clear()
        heard = await client.subscribe(self._names.heard, cb=self._hear)
        await heard.unsubscribe(limit=1)
        await client.flush(5)
        self._marks.changed()  # what was stored before, and was said to nobody
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):
                while self._line.is_up and self._line.client is client and not self._told.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.5):  # a connection that ends says nothing here
                            await self._told.wait()
        with suppress(*FAULTS):  # it may have ended by itself
            await heard.unsubscribe()

    async def _hear(self, message: Any) -> None:
        headers: dict[str, str] = message.headers or {}
        self._told.set()
        with suppress(KeyError, ValueError):
            seq, subject = int(headers["Nats-Sequence"]), headers["Nats-Subject"]
            self._history.note(seq, event=subject.startswith(self._names.events[:-1]))
            if seq > self._marks.rev:
                self._marks.changed()
