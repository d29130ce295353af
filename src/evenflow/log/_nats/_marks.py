"""The mark of an opening, who waits for it, and how another process's change is noticed.

The server says the headers of each message that it has stored (``republish``). While somebody waits, this process asks
for one of these: a subscription that ends by itself. So a busy log costs an idle reader a few headers, not all of them.

Rule 1: this process's own changes are told at once.
Rule 2: what is stored between one subscription and the next is said to nobody: whoever waits looks again once the
        server has the next one.
Rule 3: between two of them there is a short pause: a busy log does not wake everybody for each change.
Rule 4: after a lost connection something may have changed.
Rule 5: the task that hears goes on whatever happens: an error is logged, and each step of it has a limit.
Rule 6: whoever waits for some events only is told of these only, unless somebody else waits for all there is. What was
        waited for a moment ago is listened to, too: whoever reads now waits for it again soon.
Rule 7: in a cluster the other servers hear of a subscription a little later than the server that has it: whoever waits
        looks a second time, a second after that.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from evenflow.log._mark import Mark

from ._faults import FAULTS, Lost, words
from ._line import REPLY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from evenflow._loop import RunningLoop

    from ._line import Line
    from ._names import Names
    from ._stream import History

_log = logging.getLogger("evenflow.log")

PAUSE: Final = 0.01
PAUSE_AFTER_ERROR: Final = 0.5
"""Seconds after an error that nobody expects, before it is tried again."""
MOST_SUBJECTS: Final = 32
"""Subjects that are listened to at a time: where more are waited for, everything is listened to."""
LONGEST: Final = 30.0
"""Seconds after which whoever waits looks again, whatever was said: what a server says of messages it may drop."""
SECOND_LOOK: Final = 1.0
"""Seconds after which the other servers of a cluster should know of a subscription."""
RECENT: Final = 5.0
"""Seconds for which what was waited for is still listened to."""
EVERYTHING: Final[frozenset[str] | None] = None


class Marks(Mark["frozenset[str] | None"]):
    """The mark of one opening."""

    def __init__(self, loop: RunningLoop) -> None:
        super().__init__(loop)
        self.rev: int = 0
        """The sequence of this process's own newest change, which was told already."""
        self.when_others_wait: Callable[[], object] = _nothing
        """Is called when somebody waits for what nobody listens to."""
        self._heard: frozenset[str] | None = EVERYTHING
        self._recent: dict[frozenset[str] | None, float] = {}
        """What was waited for lately, and when last, on the loop's clock."""

    async def wait(self, mark: int, heard: frozenset[str] | None = EVERYTHING) -> int:
        """Wait until the mark is another one; ``heard`` is where the server says what is waited for."""
        return await self.wait_about(mark, heard)

    def note_waiting(self, about: frozenset[str] | None) -> None:
        """Somebody begins to wait for this."""
        self._recent[about] = self._loop.now()
        if self._heard is not None and (about is None or not about <= self._heard):
            self.when_others_wait()

    def changed(self) -> None:
        """Something may have changed."""
        self.moved()

    def awaited(self, most: int) -> frozenset[str] | None:
        """Where the server says what is waited for, at most so many subjects; None for all of it."""
        since = self._loop.now() - RECENT
        self._recent = {heard: at for heard, at in self._recent.items() if at > since}
        wanted = {*self._waiting.values(), *self._recent}
        found = frozenset[str]().union(*(heard for heard in wanted if heard is not None))
        self._heard = EVERYTHING if None in wanted or not 0 < len(found) <= most else found
        return self._heard


def _nothing() -> None:
    """Nobody listens yet."""


class Ear:
    """Hears what the server has stored."""

    def __init__(self, line: Line, names: Names, marks: Marks, history: History) -> None:
        self._line = line
        self._names = names
        self._marks = marks
        self._history = history
        self._told = asyncio.Event()
        marks.when_others_wait = self._told.set

    async def listen(self) -> None:
        """The task that hears, until it is cancelled."""
        while True:
            await self._marks.until_awaited()
            try:
                async with asyncio.timeout(LONGEST):
                    await self._line.until_up()
                await self._listen_once()
            except (Lost, *FAULTS):
                await asyncio.sleep(PAUSE)
            except Exception as error:  # noqa: BLE001 -- whoever waits would wait for ever, and the crew would end
                _log.error("%s cannot be heard just now: %s", self._names.heard, words(error), exc_info=error)
                await asyncio.sleep(PAUSE_AFTER_ERROR)
            else:
                await asyncio.sleep(PAUSE)

    async def _listen_once(self) -> None:
        client = self._line.client
        self._told.clear()
        try:
            heard = await self._ask_to_hear(client)
        except TimeoutError:
            if self._line.is_up and self._line.client is client:
                self._line.drop(f"no answer within {REPLY:g} s")
            raise
        self._marks.changed()  # what was stored before, and was said to nobody
        await self._until_told(client, SECOND_LOOK)
        if not self._told.is_set():
            self._marks.changed()
            await self._until_told(client, LONGEST)
        for each in heard:
            with suppress(*FAULTS):  # it may have ended by itself
                await _in_time(each.unsubscribe())

    async def _until_told(self, client: Any, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._line.is_up and self._line.client is client and not self._told.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.5):  # a connection that ends says nothing here
                            await self._told.wait()

    async def _ask_to_hear(self, client: Any) -> list[Any]:
        """Subscribe, and wait until the server has done so.

        nats-py sends a PING at once, but keeps a SUB until its own task sends it: the SUB goes out behind the first
        PING. Only the answer to the second says that the server knows the subscription.
        """
        heard: list[Any] = []
        awaited = self._marks.awaited(MOST_SUBJECTS)
        for subject in (self._names.heard,) if awaited is None else sorted(awaited):
            heard.append(await _in_time(client.subscribe(subject, cb=self._hear)))
            await _in_time(heard[-1].unsubscribe(limit=1))
        await _in_time(client.flush())
        await _in_time(client.flush())
        return heard

    async def _hear(self, message: Any) -> None:
        headers: dict[str, str] = message.headers or {}
        self._told.set()
        with suppress(KeyError, ValueError):
            seq, subject = int(headers["Nats-Sequence"]), headers["Nats-Subject"]
            self._history.note(seq, event=subject.startswith(self._names.events[:-1]))
            if seq > self._marks.rev:
                self._marks.changed()


async def _in_time(work: Awaitable[Any]) -> Any:
    """What this gives, if it ends in time. nats-py may swallow the cancellation by which a limit ends it.

    Raises:
        TimeoutError: it took too long.
    """
    async with asyncio.timeout(REPLY) as limit:
        found = await work
    if limit.expired():
        raise TimeoutError
    return found
