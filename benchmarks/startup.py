"""What does `import evenflow` cost a program that has anyio and pydantic already?

Each import happens in an interpreter of its own, in turns.
"""

from __future__ import annotations

import statistics
import sys
import time

from benchmarks._harness import Bench

QUESTION = "What does importing it cost?"

_EXTRAS = ("nats", "redis", "starlette", "fastapi", "opentelemetry", "psutil", "rich", "trio", "pytest")


def run(bench: Bench) -> None:
    """The import itself, and what it brings along."""
    rounds = bench.pick(quick=5, full=15)
    found = [bench.child(imported) for _ in range(rounds)]
    for field, what in (("ground", "anyio and pydantic"), ("evenflow", "evenflow, beyond those")):
        times = sorted(each[field] for each in found)
        bench.record(
            field,
            f"Importing {what}: processor time over {rounds} interpreters",
            ["", "median", "least", "most"],
            [[what, *(f"{ms:.1f} ms" for ms in (statistics.median(times), times[0], times[-1]))]],
        )
    extra = statistics.median(each["evenflow"] for each in found)
    bench.expect("`import evenflow` beyond anyio and pydantic, in ms", extra, at_most=30.0)
    bench.expect(
        f"modules of extras that come with it ({', '.join(found[0]['extras']) or 'none'})",
        float(len(found[0]["extras"])),
        at_most=0.0,
    )


def imported() -> dict[str, object]:
    """Import the ground, then evenflow, in this interpreter: milliseconds for each, and what came along."""
    known = set(sys.modules)
    started = time.process_time()
    import anyio  # noqa: F401
    import pydantic

    _ = pydantic.BaseModel, pydantic.ConfigDict  # it imports these when they are asked for
    ground = time.process_time()
    import evenflow  # noqa: F401

    done = time.process_time()
    came = {name.partition(".")[0] for name in set(sys.modules) - known}
    return {
        "ground": (ground - started) * 1e3,
        "evenflow": (done - ground) * 1e3,
        "extras": sorted(came.intersection(_EXTRAS)),
    }
