"""What is a log on NATS beside bare nats-py, doing the same job?

One server on loopback, on a disk: 100 tasks that publish, thousands published together, and a group that handles and
acknowledges a thousand at a time. The bare client makes and reads the same JSON by the same classes, without the
headers that make an event a CloudEvents event; its group is a durable pull consumer. Beside both, where it is
installed, FastStream, which validates as evenflow does.

And what comes over the network to a reader that wants one event in a hundred, with ``routed_by`` and without; counted
in bytes, by a proxy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.servers import Nats, nats_program

from benchmarks._engine_jobs import TASKS, Job, consume, made_events, publish, publish_many
from benchmarks._faststream_jobs import FASTSTREAM, faststream_cases
from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks._routed_bytes import WANTED, bytes_of
from benchmarks.log import Ordered
from benchmarks.peers import bare_nats
from evenflow.log.nats import NATSLog

QUESTION = "What is a log on NATS beside bare nats-py, doing the same job?"

BARE = "nats-py"
EVENFLOW = "evenflow"
_AT_ONCE = 1_000


def run(bench: Bench) -> None:
    """Publishing from many tasks, publishing many, and consuming."""
    if nats_program() is None:
        print("No NATS server is installed: nothing is measured.")
        return
    count, rounds = bench.pick(quick=(3_000, 3), full=(30_000, 5))
    jobs: dict[str, tuple[str, float, Case, Case]] = {
        "publish": ("One event published, from 100 tasks", 1 / 0.8, _bare(_bare_publish, count), _log(publish, count)),
        "publish-many": (
            "One event of many published together", 1 / 0.7, _bare(_bare_many, count), _log(publish_many, count),
        ),
        "consume": (
            "One event of a batch handled, acknowledged", 1 / 0.9, _bare(_bare_consume, count),
            _log(consume(at_once=_AT_ONCE, buffer=2 * _AT_ONCE), count),
        ),
    }  # fmt: skip
    frameworks = faststream_cases("faststream_nats", _faststream, count)
    for key, (title, at_most, bare, ours) in jobs.items():
        cases = {BARE: bare, EVENFLOW: ours, **({FASTSTREAM: frameworks[key]} if frameworks else {})}
        found = bench.compare(
            f"engines-nats-{key}", title, cases, reference=BARE, per="event", figures=("wall", "cpu"), rounds=rounds
        )
        bench.expect(f"nats {key}: time beside nats-py", found.ratio(EVENFLOW, of="wall"), at_most=at_most)
        if frameworks:
            bench.expect(f"nats {key}: time beside FastStream", found.ratio(EVENFLOW, FASTSTREAM), at_most=1.0)
    _bytes(bench)


def _bytes(bench: Bench) -> None:
    """What a condition for one event in a hundred keeps off the network."""
    count = bench.pick(quick=3_000, full=30_000)
    cases: dict[str, tuple[bool, Any]] = {
        "everything": (False, None),
        "1 % of it, asked in the process": (False, WANTED),
        "1 % of it, routed_by": (True, WANTED),
    }
    found = {name: asyncio.run(bytes_of(count, routed=routed, where=where)) for name, (routed, where) in cases.items()}
    *_, last = found.values()
    bench.record(
        "engines-nats-bytes",
        f"bytes from the server for each of {count:,} stored events of about 180 bytes",
        ("a reader that wants", *last),
        [(name, *(f"{each:,.1f}" for each in bytes_.values())) for name, bytes_ in found.items()],
    )
    for how, bytes_ in last.items():
        share = bytes_ / found["everything"][how]
        bench.expect(f"nats, {how}: bytes for 1 % of the events, of those for all", share, at_most=0.1)


@asynccontextmanager
async def _faststream(peer: Any) -> AsyncGenerator[Any]:
    server = Nats()
    server.start()
    try:
        async with peer.broker(server.url) as connected:
            yield connected
    finally:
        server.stop()


def _bare(work: Callable[[Stopwatch, Any, int], Awaitable[None]], count: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        server = Nats()
        server.start()
        client = await bare_nats.connect(server.url)
        try:
            await work(watch, client, count)
        finally:
            await client.close()
            server.stop()

    return case


def _log(work: Job, count: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        server = Nats()
        server.start()
        try:
            log = NATSLog(server.url, name="bench")
            async with log:
                await work(watch, log.subject("orders", Ordered), count)
        finally:
            server.stop()

    return case


async def _bare_publish(watch: Stopwatch, client: Any, count: int) -> None:
    events = made_events(count)
    with watch(count):
        await bare_nats.publish(client, TASKS, (event.model_dump_json().encode() for event in events))


async def _bare_many(watch: Stopwatch, client: Any, count: int) -> None:
    events = made_events(count)
    with watch(count):
        await bare_nats.publish_many(client, (event.model_dump_json().encode() for event in events))


async def _bare_consume(watch: Stopwatch, client: Any, count: int) -> None:
    await bare_nats.publish_many(client, (event.model_dump_json().encode() for event in made_events(count)))
    with watch(count):
        await bare_nats.consume(client, Ordered.model_validate_json, count)
