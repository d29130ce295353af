"""What is a log on a server beside the bare client of that server, doing the same job?

Redis or Valkey, in the memory of one machine: 100 tasks that publish, thousands published together, and a group that
handles and acknowledges a thousand at a time. The bare client makes and reads the same JSON by the same classes; its
group is the server's own. Beside both, where it is installed, FastStream, which frames each event and validates it as
it does for its users. ``appendfsync everysec`` for all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.log.redis.server import Server

from benchmarks._engine_jobs import TASKS, Job, consume, made_events, publish, publish_many
from benchmarks._faststream_jobs import FASTSTREAM, faststream_cases
from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks.log import Ordered
from benchmarks.peers import bare_redis
from evenflow.log.redis import RedisLog

QUESTION = "What is a log on a server beside the bare client of that server, doing the same job?"

BARE = "redis-py"
EVENFLOW = "evenflow"
_AT_ONCE = 1_000


def run(bench: Bench) -> None:
    """Publishing from many tasks, publishing many, and consuming."""
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
    frameworks = faststream_cases("faststream_redis", _faststream, count)
    for key, (title, at_most, bare, ours) in jobs.items():
        cases = {BARE: bare, EVENFLOW: ours, **({FASTSTREAM: frameworks[key]} if frameworks else {})}
        found = bench.compare(
            f"engines-redis-{key}", title, cases, reference=BARE, per="event", figures=("wall", "cpu"), rounds=rounds
        )
        bench.expect(f"redis {key}: time beside redis-py", found.ratio(EVENFLOW), at_most=at_most)
        if frameworks:
            bench.expect(f"redis {key}: time beside FastStream", found.ratio(EVENFLOW, FASTSTREAM), at_most=1.0)


@asynccontextmanager
async def _faststream(peer: Any) -> AsyncGenerator[Any]:
    with TemporaryDirectory() as folder:
        server = Server(Path(folder), appendfsync="everysec")
        server.start()
        try:
            async with peer.broker(server.port) as connected:
                yield connected
        finally:
            server.kill()


def _bare(work: Callable[[Stopwatch, Any, int], Awaitable[None]], count: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        with TemporaryDirectory() as folder:
            server = Server(Path(folder), appendfsync="everysec")
            server.start()
            connected = bare_redis.client(server.port)
            try:
                await work(watch, connected, count)
            finally:
                await connected.aclose()
                server.kill()

    return case


def _log(work: Job, count: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        with TemporaryDirectory() as folder:
            server = Server(Path(folder), appendfsync="everysec")
            server.start()
            log = RedisLog(server.url, name="bench")
            try:
                async with log:
                    await work(watch, log.subject("orders", Ordered), count)
            finally:
                server.kill()

    return case


async def _bare_publish(watch: Stopwatch, connected: Any, count: int) -> None:
    events = made_events(count)
    with watch(count):
        await bare_redis.publish(connected, TASKS, (event.model_dump_json().encode() for event in events))


async def _bare_many(watch: Stopwatch, connected: Any, count: int) -> None:
    events = made_events(count)
    with watch(count):
        await bare_redis.publish_many(connected, (event.model_dump_json().encode() for event in events))


async def _bare_consume(watch: Stopwatch, connected: Any, count: int) -> None:
    await bare_redis.publish_many(connected, (event.model_dump_json().encode() for event in made_events(count)))
    with watch(count):
        await bare_redis.consume(connected, Ordered.model_validate_json, count)
