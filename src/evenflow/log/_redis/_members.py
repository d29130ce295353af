"""Who lives, and what each member has begun: said by a thread of its own, whatever the loop does.

The thread has two connections. On one it says each second that this process lives, and reads the server's clock. On
the other marks are sent without waiting for an answer (``CLIENT REPLY OFF``): the system delivers them even if the
process dies the moment after.

Marks that could not be sent are sent once there is a connection again; until then a death is not counted.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from evenflow.log._begun import Begun, Run
from evenflow.log._heard import EVERY, Heard, ServerClock
from evenflow.log._stored import Pulse

from ._faults import FAULTS
from ._reads import Query, script
from ._scripts import BEAT, PULSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ._address import Address
    from ._names import Names

LIFE: Final = 86_400_000
"""Milliseconds that a silent member is remembered."""
MARK_TIMEOUT: Final = 0.05
"""Seconds that a mark may take to be sent: the loop waits meanwhile."""


class Members:
    """This opening as a member, and what it knows of the others."""

    def __init__(
        self, address: Address, names: Names, member: str, clock: ServerClock, loop_has_ended: Callable[[], bool]
    ) -> None:
        self.member = member
        self.heard = Heard[bytes]()
        self._address = address
        self._names = names
        self._clock = clock
        self._loop_has_ended = loop_has_ended
        self._key = names.begun(member).encode()
        self._lock = threading.Lock()
        self._begun = Begun()
        self._texts: Counter[bytes] = Counter()
        """How many runs each mark at the server stands for: one event can be begun twice."""
        self._untold: dict[bytes, bool] = {}
        """The marks of which the server has not heard whether they are there now."""
        self._marks: Any = None
        self._awake = threading.Event()
        self._is_closed = False
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name=f"evenflow.log beats {names.base}", daemon=True)

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
        with self._lock:
            run, made = self._begun.begin(group, seqs)
            if seqs:
                self._add(run)
                self._send()
        return made

    def settled(self, marks: Sequence[int]) -> None:
        """Take marks back; one that is taken back already stays so."""
        with self._lock:
            over, left = self._begun.settle(marks)
            for run in over:
                self._remove(run)
            for run in left:
                self._add(run)
            # what is settled is only tidied up: its page says so already
            if len(self._untold) >= MANY:
                self._awake.set()

    def _add(self, run: Run) -> None:
        text = _mark(run)
        self._texts[text] += 1
        self._untold[text] = True

    def _remove(self, run: Run) -> None:
        text = _mark(run)
        self._texts[text] -= 1
        if not self._texts[text]:
            del self._texts[text]
            self._untold[text] = False

    def _send(self, *, always: bool = False) -> None:
        """Send what the server has not heard; or, if always, something. With the lock."""
        if self._marks is None:
            return
        packed: list[bytes] = []
        for command, there in ((b"SREM", False), (b"SADD", True)):
            if marks := [mark for mark, is_there in self._untold.items() if is_there is there]:
                packed.append(_packed(command, self._key, marks))
        if always and not packed:
            packed = [b"PING\r\n"]  # a server closes what is idle for long, and a mark would be the first to notice
        self._untold = {}
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
            return self._begun.events()

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
            if self._untold:
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
        self._clock.learn(int(connection.read_response(disable_decoding=True)) / 1e6, asked)

    def _open_marks(self) -> None:
        marks = self._address.blocking()
        marks.socket_timeout = MARK_TIMEOUT
        marks.connect()
        marks.send_command("CLIENT", "REPLY", "OFF", check_health=False)
        with self._lock:
            self._marks = marks
            self._untold = dict.fromkeys(self._texts, True)
            marks.send_packed_command([_packed(b"DEL", self._key, ())], check_health=False)
            self._send()

    # ------------------------------------------------------------------ the others

    def pulses(self, members: Sequence[str]) -> Query:
        """What is known of these members."""

        def parse(replies: list[Any]) -> Mapping[str, Pulse]:
            now = time.monotonic()
            return {name: self._pulse(name, found, now) for name, found in zip(members, replies[0], strict=True)}

        return Query([script(PULSES, self._names.meta, *members)], parse)

    def _pulse(self, member: str, found: Sequence[Any], now: float) -> Pulse:
        if not found:
            return self.heard.nobody(member)
        beat, age, closed, marks = found
        if member == self.member:
            return Pulse(alive=True, at=now, begun=self.begun())
        begun = [event for mark in marks for event in _parsed(mark)]
        return self.heard.pulse(member, beat, int(age) / 1e6, now, closed=closed == b"1", begun=begun)


MANY: Final = 64


def _packed(command: bytes, key: bytes, members: Sequence[bytes]) -> bytes:
    """A command as it is sent: redis-py takes three times as long for each event that is handed over alone."""
    parts = [b"*%d\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (2 + len(members), len(command), command, len(key), key)]
    parts += [b"$%d\r\n%b\r\n" % (len(member), member) for member in members]
    return b"".join(parts)


def _mark(run: Run) -> bytes:
    """A run as the server keeps it: ``7 billing``, or ``7-9,12 billing``."""
    spans: list[str] = []
    first = last = run.seqs[0]
    for seq in (*run.seqs[1:], 0):
        if seq == last + 1:
            last = seq
            continue
        spans.append(f"{first}-{last}" if last > first else f"{first}")
        first = last = seq
    return f"{','.join(spans)} {run.group}".encode()


def _parsed(mark: bytes) -> list[tuple[str, int]]:
    """The events that a mark stands for."""
    spans, _, group = mark.decode().partition(" ")
    found: list[tuple[str, int]] = []
    for span in spans.split(","):
        first, _, last = span.partition("-")
        found += [(group, seq) for seq in range(int(first), int(last or first) + 1)]
    return found


def _disconnect(connection: Any) -> None:
    if connection is not None:
        with suppress(*FAULTS, ValueError):
            connection.disconnect()
