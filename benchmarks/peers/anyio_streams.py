"""The floor: anyio memory object streams by hand, as documented, and in the fastest way that its public API allows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from benchmarks._harness import Stopwatch
from benchmarks.peers import FanOut, Peer, Tick, expect_all, settle, ticks

Send = MemoryObjectSendStream[Tick]
Receive = MemoryObjectReceiveStream[Tick]


async def _publish(sends: list[Send], made: list[Tick]) -> None:
    for event in made:
        for send in sends:
            await send.send(event)


async def _read(receive: Receive) -> int:
    seen = 0
    async for _ in receive:
        seen += 1
    return seen


async def _publish_nowait_first(sends: list[Send], made: list[Tick]) -> None:
    for event in made:
        for send in sends:
            try:
                send.send_nowait(event)
            except anyio.WouldBlock:
                await send.send(event)


async def _read_nowait_first(receive: Receive) -> int:
    seen = 0
    while True:
        try:
            receive.receive_nowait()
        except anyio.WouldBlock:
            try:
                await receive.receive()
            except anyio.EndOfStream:
                return seen
        except anyio.EndOfStream:
            return seen
        seen += 1


def _fan_out(
    publish: Callable[[list[Send], list[Tick]], Awaitable[None]], read: Callable[[Receive], Awaitable[int]]
) -> FanOut:
    async def reading(receive: Receive) -> int:
        with receive:
            return await read(receive)

    async def fan_out(watch: Stopwatch, subscribers: int, events: int, buffer: int) -> None:
        made = ticks(events)
        streams = [anyio.create_memory_object_stream[Tick](buffer) for _ in range(subscribers)]
        sends = [send for send, _ in streams]
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(reading(receive)) for _, receive in streams]
            await settle()
            with watch(events * subscribers):
                await publish(sends, made)
                for send in sends:
                    send.close()
                await asyncio.wait(readers)
        expect_all((reader.result() for reader in readers), subscribers, events)

    return fan_out


PEERS = (
    Peer(
        "anyio streams, as documented",
        "anyio",
        _fan_out(_publish, _read),
        bounded="yes",
        own_pace="yes",
        typed="by checkers",
        ordered="by publisher",
        atomic="no",
        note="`task.cancel()` at the moment of a hand-over loses the event",
        floor=True,
        most=10_000,
    ),
    Peer(
        "anyio streams, nowait first",
        "anyio",
        _fan_out(_publish_nowait_first, _read_nowait_first),
        bounded="yes",
        own_pace="yes",
        typed="by checkers",
        ordered="by publisher",
        atomic="no",
        note="the same; and a busy reader never lets other tasks run",
        floor=True,
    ),
)
