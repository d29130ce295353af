"""Who lives, and what each member has begun: said by a thread of its own, whatever the loop does.

The thread has two connections. On one it says each second that this process lives, and reads the server's clock. On
the other marks are sent without waiting for an answer (``CLIENT REPLY OFF``): the system delivers them even if the
process dies the moment after.

Rule 1: how long a member was silent is worked out by the server, from its own clock; and a member that this process
        has heard of since is not older than that, should somebody have set the server's clock.
Rule 2: while the server was away nobody could be heard: silence counts from when it is back.
Rule 3: marks that could not be sent are sent once there is a connection again; until then a death is not counted.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from evenflow.log._engine import Pulse

from ._faults import FAULTS
from ._reads import Query, script
from ._scripts import BEAT, PULSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ._address import Address
    from ._names import Names

EVERY: Final = 1.0
"""Seconds between two beats."""
HEARD: Final = 5.0
"""Seconds after which it is not known any more whether a silent member lives."""
LIFE: Final = 86_400_000
"""Milliseconds that a silent member is remembered."""
MARK_TIMEOUT: Final = 0.05
"""Seconds that a mark may take to be sent: the loop waits meanwhile."""


class Clock:
    """The server's clock, as far as this process knows it."""

    def __init__(self, micros: int) -> None:
        self._offset = micros / 1e6 - time.monotonic()

    def learn(self, micros: int, asked: float) -> None:
        """The server said this in answer to a question that was sent then."""
        self._offset = micros / 1e6 - (asked + time.monotonic()) / 2

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.monotonic() + self._offset


class Members:
    """This opening as a member, and what it knows of the others."""

    def __init__(
        self, address: Address, names: Names, member: str, clock: Clock, loop_has_ended: Callable[[], bool]
    ) -> None:
        self.member = member
        self.back_at: float = float("-inf")
        """When the server was back last, on the lease clock."""
        self._address = address
        self._names = names
        self._clock = clock
        self._loop_has_ended = loop_has_ended
        self._key = names.begun(member).encode()
        self._lock = threading.Lock()
        self._begun: Counter[tuple[str, int]] = Counter()
        self._noted: dict[int, tuple[str, int]] = {}
        self._numbers = count(1)
        self._marks: Any = None
        self._settled: list[bytes] = []
        self._awake = threading.Event()
        self._is_closed = False
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name=f"evenflow.log beats {names.base}", daemon=True)
        self._seen: dict[str, tuple[bytes, float]] = {}

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def beat(self) -> None:
        """Beat now. From any thread."""
        self._awake.set()

    def stop(self) -> None:
        """Beat no more; the thread says that this member has left, and ends."""
        self._is_closed = True
        self._awake.set()

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    # ------------------------------------------------------------------ marks

    def begin(self, group: str, seqs: Sequence[int]) -> Sequence[int]:
        """Note that events are handed over, with one command; returns a mark for each."""
        made = [next(self._numbers) for _ in seqs]
        with self._lock:
            events = [(group, seq) for seq in seqs]
            self._noted.update(zip(made, events, strict=True))
            self._begun.update(events)
            self._send([_mark(group, seq) for seq in seqs])
        return made

    def settled(self, marks: Sequence[int]) -> None:
        """Take marks back; one that is taken back already stays so."""
        with self._lock:
            for mark in marks:
                event = self._noted.pop(mark, None)
                if event is None:
                    continue
                self._begun[event] -= 1
                if not self._begun[event]:
                    del self._begun[event]
                    self._settled.append(_mark(*event))
            self._awake_if_many()

    def _awake_if_many(self) -> None:
        # what is settled is only tidied up: its page says so already
        if len(self._settled) >= MANY:
            self._awake.set()

    def _send(self, marks: Sequence[bytes] = (), *, always: bool = False) -> None:
        """Send marks, and what was settled before; or, if always, something. With the lock."""
        if self._marks is None:
            return
        packed = [_packed(b"SREM", self._key, self._settled)] if self._settled else []
        if marks:
            packed.append(_packed(b"SADD", self._key, marks))
        elif always and not packed:
            packed = [b"PING\r\n"]  # a server closes what is idle for long, and a mark would be the first to notice
        self._settled = []
        try:
            self._marks.send_packed_command(packed, check_health=False)
        except (*FAULTS, ValueError):
            self._hang_up()

    def _hang_up(self) -> None:
        marks, self._marks = self._marks, None
        _disconnect(marks)
        self._awake.set()

    def begun(self) -> frozenset[tuple[str, int]]:
        """What this member has begun."""
        with self._lock:
            return frozenset(self._begun)

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        connection: Any = None
        while not self._is_closed and not self._loop_has_ended():
            try:
                if connection is None:
                    connection = self._address.blocking()
                    connection.connect()
                self._say(connection, closed=False)
                if self._marks is None:
                    self._open_marks()
                with self._lock:
                    self._send(always=True)
            except (*FAULTS, ValueError):
                _disconnect(connection)
                connection = None
                with self._lock:
                    self._hang_up()
                self._awake.clear()
            self._awake.wait(EVERY)
            self._awake.clear()
        with self._lock:
            if self._settled:
                self._send()
            marks, self._marks = self._marks, None
        _disconnect(marks)
        if connection is not None:
            with suppress(*FAULTS, ValueError):
                self._say(connection, closed=True)
        _disconnect(connection)

    def _say(self, connection: Any, *, closed: bool) -> None:
        asked = time.monotonic()
        connection.send_command("EVAL", BEAT, 1, self._names.meta, self.member, LIFE, int(closed), check_health=False)
        self._clock.learn(int(connection.read_response(disable_decoding=True)), asked)

    def _open_marks(self) -> None:
        marks = self._address.blocking()
        marks.socket_timeout = MARK_TIMEOUT
        marks.connect()
        marks.send_command("CLIENT", "REPLY", "OFF", check_health=False)
        with self._lock:
            self._marks = marks
            self._settled = []
            marks.send_packed_command([_packed(b"DEL", self._key, ())], check_health=False)
            self._send([_mark(group, seq) for group, seq in self._begun])

    # ------------------------------------------------------------------ the others

    def pulses(self, members: Sequence[str]) -> Query:
        """What is known of these members."""

        def parse(replies: list[Any]) -> Mapping[str, Pulse]:
            now = time.monotonic()
            return {name: self._pulse(name, found, now) for name, found in zip(members, replies[0], strict=True)}

        return Query([script(PULSES, self._names.meta, *members)], parse)

    def _pulse(self, member: str, found: Sequence[Any], now: float) -> Pulse:
        if not found:
            self._seen.pop(member, None)
            return Pulse(alive=False, at=float("-inf"), begun=frozenset())
        beat, age, closed, marks = found
        if member == self.member:
            return Pulse(alive=True, at=now, begun=self.begun())
        seen = self._seen.get(member)
        if seen is None:
            self._seen[member] = beat, now - int(age) / 1e6
        elif seen[0] != beat:
            self._seen[member] = beat, now
        at = max(self._seen[member][1], now - int(age) / 1e6, self.back_at)
        alive = False if closed == b"1" else True if now - at < HEARD else None
        return Pulse(alive, at, frozenset(map(_parsed, marks)))


MANY: Final = 64


def _packed(command: bytes, key: bytes, members: Sequence[bytes]) -> bytes:
    """A command as it is sent: redis-py takes three times as long for each event that is handed over alone."""
    parts = [b"*%d\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (2 + len(members), len(command), command, len(key), key)]
    parts += [b"$%d\r\n%b\r\n" % (len(member), member) for member in members]
    return b"".join(parts)


def _mark(group: str, seq: int) -> bytes:
    return f"{seq} {group}".encode()


def _parsed(mark: bytes) -> tuple[str, int]:
    seq, _, group = mark.decode().partition(" ")
    return group, int(seq)


def _disconnect(connection: Any) -> None:
    if connection is not None:
        with suppress(*FAULTS, ValueError):
            connection.disconnect()
