"""How much memory does an idle subscription need, and does memory grow while one reader is stuck?

Each figure comes from an interpreter of its own. tracemalloc measures idle subscriptions; it sees what Python
allocates. With one stuck subscriber the resident size of the process is measured as well.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from pathlib import Path

from benchmarks._harness import Bench
from benchmarks._report import quantity

QUESTION = "How much memory does it need?"


def run(bench: Bench) -> None:
    """Ten thousand idle subscriptions, and a million events while one reader is stuck."""
    _idle(bench)
    _stuck(bench)


def _idle(bench: Bench) -> None:
    kinds = {
        "asyncio.Queue(64)": "queue",
        "evenflow, subscribed": "subscribed",
        "evenflow, with a condition": "condition",
        "evenflow, a task waits in it": "waiting",
        "asyncio.Queue(64), a task waits in it": "queue_waiting",
    }
    if bench.quick:
        kinds = {name: kind for name, kind in kinds.items() if "waiting" not in kind}
    count = bench.pick(quick=3_000, full=10_000)
    bytes_each = {name: float(bench.child(idle, kind, count)) for name, kind in kinds.items()}
    queue = bytes_each["asyncio.Queue(64)"]
    bench.record(
        "idle",
        f"Bytes for each of {count:,} idle subscriptions or queues",
        ["", "each", "of asyncio.Queue(64)"],
        [[name, quantity(size, "B"), f"{size / queue:.2f}"] for name, size in bytes_each.items()],
    )
    bench.bars("memory-idle", f"One of {count:,} idle subscriptions or queues", bytes_each, across="bytes, logarithmic")
    for name in ("evenflow, subscribed", "evenflow, with a condition"):
        bench.expect(f"{name}, against an idle asyncio.Queue(64)", bytes_each[name] / queue, at_most=1.0)


def idle(kind: str, count: int) -> float:
    """Bytes for each of `count` idle subscriptions or queues."""
    from benchmarks.peers.evenflow import Tick
    from evenflow import Subject

    subject = Subject(Tick)
    subject.subscribe(Tick, where=Tick.n == -1).close()  # so that what is made once is not counted

    def make(number: int) -> object:
        match kind:
            case "queue" | "queue_waiting":
                return asyncio.Queue[Tick](64)
            case "condition":
                return subject.subscribe(Tick, where=Tick.n == number)
            case _:
                return subject.subscribe(Tick)

    async def measured() -> float:
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        kept = [make(number) for number in range(count)]
        tasks: list[asyncio.Task[object]] = []
        if kind == "waiting":
            tasks = [asyncio.create_task(each.receive()) for each in kept]  # type: ignore[attr-defined]
        elif kind == "queue_waiting":
            tasks = [asyncio.create_task(each.get()) for each in kept]  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        gc.collect()
        size = (tracemalloc.get_traced_memory()[0] - before) / count
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if not kind.startswith("queue"):
            for each in kept:
                each.close()  # type: ignore[attr-defined]
        return size

    return asyncio.run(measured())


def _stuck(bench: Bench) -> None:
    marks = bench.pick(quick=(5_000, 25_000), full=(10_000, 100_000, 1_000_000))
    found = bench.child(stuck, list(marks))
    bench.record(
        "stuck",
        "The process after a number of events, with one stuck `drop_oldest` subscriber (64) and one that reads",
        ["events", "traced", "resident"],
        [[f"{mark:,}", quantity(traced, "B"), quantity(resident, "B")] for mark, traced, resident in found],
    )
    (first, *_), (last, *_) = found[0], found[-1]
    what = f"from {first:,} to {last:,} events, with one stuck subscriber"
    bench.expect(f"growth {what}, bytes traced", found[-1][1] - found[0][1], at_most=65_536)
    bench.expect(f"resident size {what}", found[-1][2] / found[0][2], at_most=1.01)
    bench.lines(
        "memory-stuck",
        "The process, with one subscriber stuck",
        "events published",
        {"evenflow: resident": {mark: resident / 1e6 for mark, _, resident in found}},
        up="MB",
    )


def stuck(marks: list[int]) -> list[tuple[int, int, int]]:
    """The traced and the resident bytes of the process after each number of events in `marks`."""
    from benchmarks.peers.evenflow import Tick
    from evenflow import Subject

    async def measured() -> list[tuple[int, int, int]]:
        subject = Subject(Tick)
        stuck = subject.subscribe(Tick, overflow="drop_oldest")
        reading = subject.subscribe(Tick)

        async def read() -> None:
            async for _ in reading:
                pass

        reader = asyncio.create_task(read())
        tracemalloc.start()
        found: list[tuple[int, int, int]] = []
        for number in range(marks[-1] + 1):
            if number in marks:
                gc.collect()
                found.append((number, tracemalloc.get_traced_memory()[0], resident_bytes()))
            await subject.publish(Tick(n=number))
        tracemalloc.stop()
        subject.close()
        await reader
        stuck.close()
        return found

    return asyncio.run(measured())


def resident_bytes() -> int:
    """The resident bytes of this process."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * 4096
