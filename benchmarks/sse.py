"""What does an event to a browser cost: with evenflow.web, by hand, and with what frameworks bring?

Each server is uvicorn with one application, in a process of its own; the clients are bare sockets on loopback, in this
one. The cost is the processor time of the server: with a steady rate all sides keep up, and the time that passes says
nothing. By hand is a Starlette endpoint with an `asyncio.Queue` and a `model_dump_json` for each client and event.

A client by hand is woken, and sent to, for each event. With evenflow events gather, once the first was sent:
so the questions are what that saves, and what it costs a lone event and the ones that gather.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks.sse_clients import Clients
from evenflow import Event, Subject
from evenflow.web import sse

QUESTION = "What does an event to a browser cost?"

BY_HAND, OURS, RESUMED = "by hand", "evenflow", "evenflow, replay"
SLOW = {"FastAPI": 16, "sse-starlette": 4}
"""Peers that get this fraction of the events: their cost for each does not depend on the number, and it is high."""


class Servers:
    """One server with its clients for each name, from its first use to the end."""

    def __init__(self, clients: int) -> None:
        self._clients = clients
        self._running: dict[str, Clients] = {}

    def __getitem__(self, name: str) -> Clients:
        if name not in self._running:
            self._running[name] = Clients(name)
            self._running[name].connect(self._clients)
        return self._running[name]

    def close(self) -> None:
        """End all."""
        for server in self._running.values():
            server.close()

    def cost(self, name: str, events: int, rate: float) -> Case:
        """So many events to each client of one server, at this rate; 0 is as fast as there is room."""

        def case(watch: Stopwatch) -> None:
            cpu, wall = self[name].publish(events, rate)
            watch.report(cpu=cpu / events / self._clients, wall=wall / events / self._clients)

        return case

    def latency(self, name: str, events: int, rate: float) -> Case:
        """How long events take from the publish to the clients."""

        def case(watch: Stopwatch) -> None:
            found: list[int] = []
            self[name].publish(events, rate, found)
            found.sort()
            watch.report(p50=found[len(found) // 2], p99=found[len(found) * 99 // 100])

        return case

    def stalled(self, name: str, events: int, rate: float, *, is_there: bool) -> Case:
        """The cost for all others of one client that reads nothing, from its first event until it was let go."""

        def case(watch: Stopwatch) -> None:
            server = self[name]
            stalled = server.stall() if is_there else None
            try:
                cpu, _ = server.publish(events, rate)
                if (left := server.numbers()["clients"]) != self._clients:
                    raise AssertionError(f"{left} clients are left: the one that reads nothing was not let go")
            finally:
                if stalled is not None:
                    stalled.close()
            watch.report(cpu=cpu / events / self._clients)

        return case


@contextmanager
def _servers(clients: int) -> Iterator[Servers]:
    servers = Servers(clients)
    try:
        yield servers
    finally:
        servers.close()


class Tick(Event):
    """What one of many clients wants."""

    number: int


def _with_keys(clients: int, events: int) -> Case:
    """Requests to the endpoint in this process: ten thousand sockets would measure the system."""

    async def case(watch: Stopwatch) -> None:
        ticks: Subject[Tick] = Subject(Tick)
        got = asyncio.Semaphore(0)

        async def connect(number: int) -> None:
            scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}

            async def receive() -> Any:
                return await asyncio.get_running_loop().create_future()

            async def send(message: Any) -> None:
                for _ in range(message.get("body", b"").count(b"data: ")):
                    got.release()

            await sse(Request(scope), ticks, Tick, where=Tick.number == number)(scope, receive, send)

        async with asyncio.TaskGroup() as tasks:
            connected = [tasks.create_task(connect(number)) for number in range(clients)]
            while len(ticks.statistics().subscriptions) < clients:  # noqa: ASYNC110 -- nobody tells when all have subscribed
                await asyncio.sleep(0.01)
            await asyncio.sleep(1.5)  # after a second each is asked where it is
            with watch(events):
                for number in range(events):
                    await ticks.publish(Tick(number=0))
                    if number % 64 == 63:
                        await asyncio.sleep(0)
                for _ in range(events):
                    await got.acquire()
            for task in connected:
                task.cancel()

    return case


def run(bench: Bench) -> None:
    """As fast as there is room, at a steady rate, one by one, with a stalled client, and with a key for each client."""
    _saturated(bench)
    _steady(bench)
    _latency(bench)
    _stalled(bench)
    _keys(bench)


def _saturated(bench: Bench) -> None:
    clients, events = bench.pick(quick=(100, 512), full=(200, 1_024))
    with _servers(clients) as servers:
        names = (BY_HAND, OURS, RESUMED, *SLOW, "Litestar")
        results = bench.compare(
            "saturated", f"{events:,} events to {clients:,} clients, as fast as there is room",
            {name: servers.cost(name, events // SLOW.get(name, 1), 0) for name in names},
            reference=BY_HAND, per="event and client", figures=("cpu", "wall"), rounds=bench.pick(quick=3, full=7),
        )  # fmt: skip
    for figure, what in (("cpu", "processor time"), ("wall", "time")):
        bench.expect(f"{what} for an event by hand / 5, saturated", results.ratio(OURS, of=figure), at_most=0.2)


def _steady(bench: Bench) -> None:
    for clients, rate, seconds in ((100, 100, 2), (100, 1_000, 1), (1_000, 100, 2)):
        events = round(rate * seconds * bench.pick(quick=0.5, full=1.5))
        with _servers(clients) as servers:
            bench.compare(
                f"steady-{clients}x{rate}", f"{rate:,} events/s to {clients:,} clients",
                {name: servers.cost(name, events, rate) for name in (BY_HAND, OURS, RESUMED)},
                reference=BY_HAND, per="event and client", figures=("cpu", "wall"), rounds=bench.pick(quick=3, full=7),
            )  # fmt: skip


def _latency(bench: Bench) -> None:
    cases = (("lone", "One event each 50 ms", 1, 20), ("lone-100", "One event each 50 ms", 100, 20),
             ("gathered", "100 events/s", 100, 100))  # fmt: skip
    for key, title, clients, rate in cases:
        with _servers(clients) as servers:
            bench.compare(
                f"latency-{key}", f"{title} to {clients:,} client{'s' * (clients > 1)}, until it is there",
                {name: servers.latency(name, rate * bench.pick(quick=1, full=3), rate) for name in (BY_HAND, OURS)},
                reference=BY_HAND, per="event", figures=("p50", "p99"), rounds=bench.pick(quick=3, full=7),
            )  # fmt: skip


def _stalled(bench: Bench) -> None:
    # a server that is asked for a million a second is late with all of them, and then the figure is of its lateness
    (clients, rate), name = bench.pick(quick=(300, 1_000), full=(1_000, 200)), "evenflow, disconnect"
    with _servers(clients) as servers:
        results = bench.compare(
            "stalled", f"2,000 events to {clients:,} clients, {rate:,} events/s",
            {
                "all read": servers.stalled(name, 2_000, rate, is_there=False),
                "one more never reads": servers.stalled(name, 2_000, rate, is_there=True),
            },
            reference="all read", per="event and client", rounds=bench.pick(quick=5, full=9),
        )  # fmt: skip
    bench.expect("one client that never reads slows the others", results.ratio("one more never reads"), at_most=1.05)


def _keys(bench: Bench) -> None:
    clients, events = bench.pick(quick=(2_000, 2_000), full=(10_000, 5_000))
    many = f"{clients:,} clients"
    results = bench.compare(
        "keys", "An event that one client wants, with a condition of its own for each",
        {"one client": _with_keys(1, events), many: _with_keys(clients, events)},
        reference="one client", per="event", rounds=bench.pick(quick=3, full=7),
    )  # fmt: skip
    bench.expect(f"a publish among {many}, against one", results.ratio(many), at_most=1.3)
