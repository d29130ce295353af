"""Who lives, and what each member has begun: said by a thread with a loop and a connection of its own.

The thread publishes this member's record each second, and within 50 ms of what was begun. It asks for no answer: what
is lost with a connection is said again on the next one.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from evenflow.log._begun import Begun
from evenflow.log._heard import EVERY, Heard, ServerClock
from evenflow.log._stored import Pulse

from ._faults import FAULTS, Lost
from ._servers import hang_up
from ._values import ROLLUP, TTL, micros

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ._names import Names
    from ._servers import Servers
    from ._values import Message

LOOK: Final = 0.05
ASK: Final = 10.0
"""Seconds between two looks at the server's clock."""
LIFE: Final = 86_400
"""Seconds that a silent member is remembered."""
LONGEST_PAUSE: Final = 1.0


class Members:
    """This opening as a member, and what it knows of the others.

    Args:
        info: the subject that tells the server's time.
    """

    def __init__(
        self,
        servers: Servers,
        names: Names,
        member: str,
        clock: ServerClock,
        info: str,
        loop_has_ended: Callable[[], bool],
    ) -> None:
        self.member = member
        self.heard = Heard[int]()
        self._servers = servers
        self._names = names
        self._clock = clock
        self._info = info
        self._loop_has_ended = loop_has_ended
        self._lock = threading.Lock()
        self._begun = Begun()
        self._beats = 0
        self._said: tuple[int, bytes] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="evenflow log beats", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; the thread says that this member has left, and ends."""
        self._stop.set()

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    # ------------------------------------------------------------------ from the application's side

    def beat(self) -> None:
        """Have it said that this member lives. From any thread."""
        self._beats += 1

    def begin(self, group: str, seqs: Sequence[int]) -> Sequence[int]:
        """Have it said that events were handed over; returns a mark for each."""
        with self._lock:
            return self._begun.begin(group, seqs)[1]

    def settled(self, marks: Sequence[int]) -> None:
        """Take marks back."""
        with self._lock:
            self._begun.settle(marks)

    def begun(self) -> frozenset[tuple[str, int]]:
        """What this member has begun."""
        with self._lock:
            return self._begun.events()

    def said(self, *, closed: bool) -> tuple[bytes, dict[str, str]]:
        """The record of this member."""
        value = {"closed": closed, "begun": sorted(self.begun())}
        return json.dumps(value).encode(), {ROLLUP: "sub", TTL: f"{LIFE}s"}

    # ------------------------------------------------------------------ the thread

    async def _run(self) -> None:
        client: Any = None
        pause, next_at, ask_at = LOOK, 0.0, 0.0
        while not self._stop.is_set() and not self._loop_has_ended():
            try:
                if client is None or client.is_closed:
                    client, self._said = await self._servers.connect(), None
                if time.monotonic() >= ask_at:
                    await self._ask(client)
                    ask_at = time.monotonic() + ASK
                if await self._say(client, always=time.monotonic() >= next_at):
                    next_at = time.monotonic() + EVERY
                pause = LOOK
            except (*FAULTS, Lost, ValueError, KeyError):
                await hang_up(client)
                client, pause = None, min(LONGEST_PAUSE, 2 * pause)
            await asyncio.sleep(pause)
        if client is not None:
            await self._leave(client)

    async def _say(self, client: Any, *, always: bool) -> bool:
        data, headers = self.said(closed=False)
        if not always and (self._beats, data) == self._said:
            return False
        self._said = self._beats, data
        await client.publish(self._names.member(self.member), data, headers=headers)
        return True

    async def _ask(self, client: Any) -> None:
        asked = time.monotonic()
        answer = await client.request(self._info, b"", timeout=2)
        self._clock.learn(micros(json.loads(answer.data)["ts"]) / 1e6, asked)

    async def _leave(self, client: Any) -> None:
        data, headers = self.said(closed=True)
        try:
            await client.request(self._names.member(self.member), data, headers=headers, timeout=2)
        except FAULTS:
            pass
        await hang_up(client)

    # ------------------------------------------------------------------ the others

    def pulses(self, members: Sequence[str], found: Mapping[str, Message]) -> dict[str, Pulse]:
        """What is known of these members, from their records."""
        now, wall = time.monotonic(), self._clock.wall()
        return {member: self._pulse(member, found.get(self._names.member(member)), now, wall) for member in members}

    def _pulse(self, member: str, record: Message | None, now: float, wall: float) -> Pulse:
        if member == self.member:
            return Pulse(alive=True, at=now, begun=self.begun())
        if record is None:
            return self.heard.nobody(member)
        said = json.loads(record.data)
        silent = max(0.0, wall - record.time / 1e6)
        begun = [(group, seq) for group, seq in said["begun"]]
        return self.heard.pulse(member, record.seq, silent, now, closed=said["closed"], begun=begun)
