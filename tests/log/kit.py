"""What the tests of groups share: events, and processes that are engines on one store, in virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio

from evenflow import DecodeError, Event
from evenflow._crew import Crew
from evenflow._events import wire_name
from evenflow._loop import running_loop
from evenflow._routing import Router
from evenflow.log._consumer import Consumer
from evenflow.log._deliveries import Deliveries
from evenflow.log._group_spec import GroupSpec, Host, group_spec
from evenflow.log._group_statistics import GroupStatistics
from evenflow.log._groups import SubjectGroups
from evenflow.log._heartbeat import Heartbeat
from evenflow.log._offsets import Offset
from evenflow.log._record import Record
from evenflow.log._stored import Append, Change, Row
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing._memory_store import MemoryStore

SUBJECT = "orders"


class Placed(Event):
    """An order was placed."""

    n: int
    customer: str = "c"


class Shipped(Event):
    """An order was sent."""

    n: int
    customer: str = "c"


class Noted(Event):
    """Something that has no customer."""

    n: int


CARRIED: tuple[type[Event], ...] = (Placed, Shipped, Noted)
KNOWN = {wire_name(cls): cls for cls in CARRIED}


class Process:
    """One process that has opened the log."""

    def __init__(self, store: MemoryStore, known: dict[str, type[Event]] | None = None) -> None:
        self.engine = MemoryEngine(store)
        self.loop = running_loop()
        self.crew = Crew("log", self.loop)
        self.heartbeat = Heartbeat(self.engine, self.crew, in_thread=False)
        self.known = KNOWN if known is None else known
        self.decoded: list[int] = []
        self.host = Host(
            engine=self.engine,
            subject=SUBJECT,
            decode=self.decode,
            decode_all=lambda rows: [self.decode(row) for row in rows],
            offset_of=self.offset,
            types_of=types_of,
            position=self.position,
            crew=self.crew,
            loop=self.loop,
            heartbeat=self.heartbeat,
        )
        self.groups = SubjectGroups(self.host, self.offset)
        self.failures: list[Any] = []

    def decode(self, row: Row) -> Event:
        self.decoded.append(row.seq)
        try:
            return self.known[row.type].model_validate_json(row.data)
        except (KeyError, ValueError) as error:
            raise DecodeError(f"{row.type} cannot be read: {error}") from error

    def offset(self, seq: int) -> Offset:
        return Offset(SUBJECT, self.engine.lineages[-1].id, seq)

    def record(self, row: Row, event: Any) -> Record[Any]:
        return Record(event, row, self.offset)

    async def position(self, since: Any) -> int:
        if since == "now":
            return await self.engine.end(SUBJECT)
        return await self.engine.floor(SUBJECT) if since == "start" else int(since)

    async def publish(self, *events: Event) -> list[int]:
        appends = [Append(SUBJECT, wire_name(type(event)), 1, event.model_dump_json().encode()) for event in events]
        return list((await self.engine.commit(Change(appends=appends))).seqs)

    async def publish_broken(self, kind: str = "Placed") -> int:
        return (await self.engine.commit(Change(appends=[Append(SUBJECT, kind, 1, b'{"n": "?"}')]))).seqs[0]

    def deliveries(self, group: str = "g", *wants: Any, **options: Any) -> Deliveries[Any]:
        return self.groups.deliveries(spec(group, *wants, **options))

    async def consume(
        self, handler: Callable[[Any], object], group: str = "g", *wants: Any, **options: Any
    ) -> Consumer:
        own = {
            name: options.pop(name) for name in ("concurrency", "handle_timeout", "takes_delivery") if name in options
        }
        consumer = Consumer(spec(group, *wants, **options), handler, failed=self.failures.append, **own)
        await self.groups.start(consumer)
        return consumer

    async def statistics(self, group: str = "g") -> GroupStatistics:
        return next(each for each in await self.groups.statistics() if each.name == group)

    async def dead(self, group: str = "g") -> list[tuple[int, int, str]]:
        return [
            (letter.offset.seq, letter.attempts, letter.error)
            for letter in await self.groups.dead_letters(group).to_list()
        ]

    def records(self) -> dict[str, Any]:
        """All that is stored beside events, for a look at what is left."""
        return {
            key: json.loads(record.value.partition(b"\n")[0]) for key, record in self.engine.store.load((), "").items()
        }


def types_of(wants: tuple[type, ...]) -> frozenset[str] | None:
    return frozenset(wire_name(cls) for cls in CARRIED if issubclass(cls, wants)) if wants else None


def spec(
    group: str = "g", *wants: Any, where: Any = None, retry_after: float | Callable[[int], float] = 1.0, **options: Any
) -> GroupSpec:
    interest = Router(CARRIED).interest(wants, where)
    delay = retry_after if callable(retry_after) else lambda _: retry_after
    if isinstance(options.get("undecodable_after"), int | float):
        options["undecodable_after"] = timedelta(seconds=options["undecodable_after"])
    return group_spec(group, interest, CARRIED, delay, **options)


@asynccontextmanager
async def process(
    store: MemoryStore | None = None, *, known: dict[str, type[Event]] | None = None, grace: float | None = 0
) -> AsyncIterator[Process]:
    """A process that opens the log, and closes it."""
    made = Process(store or MemoryStore(), known)
    await made.engine.open()
    await made.crew.open()
    try:
        yield made
    finally:
        try:
            await made.groups.close(grace)
        finally:
            try:
                await made.crew.close()
            finally:
                await made.engine.close()


async def taken(deliveries: Deliveries[Any], within: float = 0.5) -> list[Any]:
    """What can be received now, or within this time, and is not settled."""
    found: list[Any] = []
    with anyio.move_on_after(within):
        while True:
            found.append(await deliveries.receive())
    return found


def ns(found: list[Any]) -> list[int]:
    return [delivery.event.n for delivery in found]
