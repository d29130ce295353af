"""A group, its readers in several processes, and what a simple model says must be true of it.

The model knows the events, what was handed over to whom, and what became of it as far as the reader was told.

    at least once      what is not acknowledged, nor a dead letter, is handed over in the end
    no late settlement once an ack has returned, the event is not handed over again; whoever settles what has gone out
                       again gets LeaseLost
    one at a time      an event is in one hand, and so is a key
    order by key       an event is handed over once those of its key before it are settled
    attempts           count what was handed over and not given back
    nothing left       in the end there are no pages, retries and lanes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio

from evenflow._errors import LeaseLost, LogError
from evenflow.log._deliveries import Deliveries
from evenflow.log._group_records import LaneRecord
from evenflow.log._stored import Change, Done
from evenflow.testing._memory_store import MemoryStore

from ..kit import Placed, Process

ACK_WAIT = 10.0
MAX_ATTEMPTS = 3
KEYS = 3


@dataclass(eq=False)
class Known:
    """An event, as the model knows it."""

    seq: int
    key: str
    attempts: int = 0
    """How many hand-overs counted."""
    state: str = "open"
    """open, acked, dead, gone, or unknown (a settlement failed)."""
    is_relaxed: bool = False
    """It was there when the group was moved: it may be there twice, or not at all."""


@dataclass(eq=False)
class Held:
    """A delivery in somebody's hands."""

    delivery: Any
    process: Process
    known: Known
    until: float


@dataclass(eq=False)
class Reader:
    deliveries: Deliveries[Any]
    process: Process
    held: list[Held] = field(default_factory=list)


class Faults:
    """Makes the commits of an engine fail: before they are made, or after."""

    def __init__(self, process: Process, fired: Callable[[], None]) -> None:
        self.fired = fired
        self.left = 0
        self.after = False
        self._commit = process.engine.commit
        process.engine.commit = self.commit  # type: ignore[method-assign]

    async def commit(self, change: Change, /, *, made: Callable[[Done], object] | None = None) -> Done:
        if not self.left:
            return await self._commit(change, made=made)
        self.left -= 1
        self.fired()
        if self.after:
            await self._commit(change)
            raise LogError("the answer was lost")
        raise LogError("it did not arrive")


class World:
    def __init__(self, ordered: bool, hold: bool) -> None:
        self.store = MemoryStore()
        self.ordered = ordered
        self.options: dict[str, Any] = {"ack_wait": ACK_WAIT, "max_attempts": MAX_ATTEMPTS, "retry_after": 2.0}
        if ordered:
            self.options |= {"ordered_by": Placed.customer, "on_dead": "hold_key" if hold else "continue"}
        self.hold = ordered and hold
        self.processes: list[Process] = []
        self.faults: dict[Process, Faults] = {}
        self.readers: list[Reader] = []
        self.events: dict[int, Known] = {}
        self.n = 0
        self.paused = False

    # ------------------------------------------------------------------ steps

    async def start(self, processes: int = 2) -> None:
        for _ in range(processes):
            await self.open_process()

    async def open_process(self) -> Process:
        process = Process(self.store)
        await process.engine.open()
        await process.crew.open()
        self.processes.append(process)
        self.faults[process] = Faults(process, partial(self.in_doubt, process))
        return process

    async def publish(self, key: int, count: int) -> None:
        events = []
        for _ in range(count):
            self.n += 1
            events.append(Placed(n=self.n, customer=str(key)))
        self._no_faults()
        for seq in await self.processes[0].publish(*events):
            self.events[seq] = Known(seq, str(key))

    async def open_reader(self, which: int, buffer: int) -> None:
        process = self.processes[which % len(self.processes)]
        self._no_faults()
        deliveries = process.deliveries("g", Placed, buffer=buffer, **self.options)
        await deliveries.__aenter__()
        self.readers.append(Reader(deliveries, process))

    async def close_reader(self, which: int) -> None:
        if not self.readers:
            return
        reader = self.readers.pop(which % len(self.readers))
        self._no_faults()
        for held in reader.held:
            # given back, uncounted
            if not held.delivery._is_lost and held.known.state == "open":
                held.known.attempts -= 1
        await reader.deliveries.aclose()
        for held in reader.held:
            # what was not settled is given back, and nobody else may settle it
            await self._must_be_lost(held)

    async def receive(self, which: int) -> None:
        if not self.readers:
            return
        reader = self.readers[which % len(self.readers)]
        with anyio.move_on_after(0.01):
            await self._took(reader, await reader.deliveries.receive())

    async def receive_batch(self, which: int, size: int) -> None:
        for _ in range(size):
            await self.receive(which)

    async def _took(self, reader: Reader, delivery: Any) -> None:
        known = self.events[delivery.offset.seq]
        now = anyio.current_time()
        if not known.is_relaxed:
            assert known.state in ("open", "unknown"), f"{delivery} was {known.state}, and goes out again"
        for other in self._all_held():
            if other.known is known and not known.is_relaxed:
                await self._must_be_lost(other)
        held = Held(delivery, reader.process, known, now + ACK_WAIT)
        reader.held.append(held)
        if known.state == "open" and not known.is_relaxed:
            assert delivery.attempt == known.attempts + 1, f"{delivery} after {known.attempts} counted attempts"
        known.attempts, known.state = delivery.attempt, "open"
        assert delivery.attempt <= MAX_ATTEMPTS
        if self.ordered and not known.is_relaxed:
            self._check_order(held)

    def _check_order(self, held: Held) -> None:
        for other in self.events.values():
            if other.key != held.known.key or other is held.known or other.is_relaxed:
                continue
            if other.seq < held.known.seq:
                assert other.state != "open", f"{held.delivery} before {other}"
                assert not (self.hold and other.state == "dead"), f"{held.delivery} passes {other}, which holds its key"
        for other_held in self._all_held():
            if other_held is held or other_held.known.key != held.known.key or other_held.known.is_relaxed:
                continue
            if other_held.known.state == "unknown":  # it was settled, perhaps, and the answer was lost
                continue
            assert other_held.delivery._is_lost or other_held.process.engine._heart is None, (
                f"{held.delivery} while {other_held.delivery} is in hand"
            )

    async def settle(self, which: int, index: int, how: str) -> None:
        readers = [reader for reader in self.readers if reader.held]
        if not readers:
            return
        reader = readers[which % len(readers)]
        held = reader.held.pop(index % len(reader.held))
        known, lost = held.known, held.delivery._is_lost
        late = anyio.current_time() > held.until + 4
        try:
            match how:
                case "ack":
                    await held.delivery.ack()
                case "retry":
                    await held.delivery.retry(after=1.0)
                case "reject":
                    await held.delivery.reject("why")
                case "release":
                    await held.delivery.release()
                case _:
                    async with held.delivery:
                        await anyio.sleep(ACK_WAIT * 2)
        except LeaseLost:
            assert lost or late or known.is_relaxed or held.delivery._is_lost
            return
        except LogError:
            known.state = "unknown"
            reader.held.append(held)
            return
        assert not lost, f"{held.delivery} was lost, and could be settled"
        if known.state != "unknown":  # else an earlier settlement, whose answer was lost, may be the one that counts
            self._settled(known, how)

    def _settled(self, known: Known, how: str) -> None:
        if how in ("ack", "block"):
            known.state = "acked"
        elif how == "reject" or (how == "retry" and known.attempts >= MAX_ATTEMPTS):
            known.state = "dead"
        else:
            known.attempts -= how == "release"
            known.state = "open"

    async def kill(self, which: int) -> None:
        if len(self.processes) < 2:
            return
        process = self.processes.pop(1 + which % (len(self.processes) - 1))
        process.engine.kill()
        for reader in [reader for reader in self.readers if reader.process is process]:
            self.readers.remove(reader)
            for held in reader.held:
                # nobody hears what becomes of it: it counts, or it is a dead letter
                if held.known.attempts >= MAX_ATTEMPTS and held.known.state == "open":
                    held.known.state = "unknown"
        await process.crew.close()
        await self.open_process()

    async def fail(self, which: int, count: int, after: bool) -> None:
        faults = self.faults[self.processes[which % len(self.processes)]]
        faults.left, faults.after = count, after

    async def wait(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    def note_lapsed(self) -> None:
        # what lapsed at its last attempt is a dead letter
        for held in self._all_held():
            if held.delivery._is_lost and held.known.attempts >= MAX_ATTEMPTS and held.known.state == "open":
                held.known.state = "unknown"

    async def pause(self, paused: bool) -> None:
        if self.readers:
            self._no_faults()
            self.paused = paused
            await (self.processes[0].groups.pause("g") if paused else self.processes[0].groups.resume("g"))

    async def seek(self, to: int) -> None:
        if not self.readers:
            return
        self._no_faults()
        to = min(to, len(self.events))
        for known in self.events.values():
            known.is_relaxed = True
            if known.seq > to:
                known.state = "open"
        await self.processes[0].groups.seek("g", to)

    async def redrive(self, *, discard: bool) -> None:
        self._no_faults()
        groups = self.processes[0].groups
        dead = [seq for seq, *_ in await self.processes[0].dead()]
        if discard:
            await groups.discard("g", "all")
        else:
            await groups.redrive("g", "all")
        for seq in dead:
            self.events[seq].state = "gone" if discard else "open"
            self.events[seq].attempts = 0
            # it goes out after others of its key, where that went on
            self.events[seq].is_relaxed = self.events[seq].is_relaxed or not self.hold

    # ------------------------------------------------------------------ the end

    async def finish(self) -> None:
        """Close all but one, which acknowledges what comes: all that is left does."""
        if not self.readers:
            return
        self._no_faults()
        await self.pause(False)
        for faults in self.faults.values():
            faults.left = 0
        while self.readers:
            await self.close_reader(0)
        last = await self.open_process()
        if self.hold:
            await self.redrive(discard=False)
        await self.open_reader(len(self.processes) - 1, 4)
        reader = self.readers[-1]
        with anyio.move_on_after(300):
            while True:
                delivery = await reader.deliveries.receive()
                await self._took(reader, delivery)
                reader.held.clear()
                await delivery.ack()
                self.events[delivery.offset.seq].state = "acked"
                if self.hold:
                    await self.redrive(discard=False)
        dead = {seq for seq, *_ in await last.dead()}
        for known in self.events.values():
            assert known.state != "open" or known.seq in dead or known.is_relaxed, f"{known} was lost"
            assert known.state != "dead" or known.seq in dead, f"the dead letter {known} was lost"
        await self.close_reader(0)
        records = last.records()
        waiting = sum(LaneRecord.parse(each.value).counted for each in self.store.load((), "lane/").values())
        assert records["group/orders/g"]["waiting"] == waiting
        left = [key for key in records if not key.startswith(("group/", "dead/"))]
        if self.hold:
            left = [key for key in left if not key.startswith("lane/")]
        assert not left, left
        hidden = [key for key in last.records() if key.startswith("dead/") and int(key[-20:]) not in dead]
        assert not hidden, hidden

    async def close(self) -> None:
        for process in self.processes:
            process.engine.kill()
            await process.crew.close()

    # ------------------------------------------------------------------ helpers

    def in_doubt(self, process: Process) -> None:
        """A commit failed: what is in hand there may have lapsed, or been settled, or not."""
        for held in self._all_held():
            if held.process is process and held.known.state == "open":
                held.known.state = "unknown"

    def _all_held(self) -> list[Held]:
        return [held for reader in self.readers for held in reader.held]

    async def _must_be_lost(self, held: Held) -> None:
        try:
            await held.delivery.ack()
        except LeaseLost:
            return
        except LogError:
            return
        raise AssertionError(f"{held.delivery} went out again, and could be acknowledged")

    def _no_faults(self) -> None:
        for faults in self.faults.values():
            faults.left = 0
