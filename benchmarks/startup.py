"""What does `import evenflow` cost in a program that uses anyio and pydantic already?

Both import most of their modules when they are first used, so each is used once before the clock starts.
Each import happens in an interpreter of its own, with compiled byte code, as it does for users.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks._harness import Bench

QUESTION = "What does importing it cost?"

_EXTRAS = {"nats", "redis", "starlette", "fastapi", "opentelemetry", "psutil", "rich", "trio", "pytest"}

_CODE = """
import json, sys, time
started = time.process_time()
import anyio, anyio.abc, anyio.lowlevel, anyio.streams.memory, pydantic
anyio.create_task_group, anyio.Event, anyio.get_cancelled_exc_class
class Used(pydantic.BaseModel):
    x: int
ground, known = time.process_time(), set(sys.modules)
import evenflow
done = time.process_time()
came = sorted(set(sys.modules) - known)
print(json.dumps({"ground": (ground - started) * 1e3, "evenflow": (done - ground) * 1e3, "came": came}))
"""


def run(bench: Bench) -> None:
    """The import itself, and the modules that it imports."""
    rounds = bench.pick(quick=7, full=21)
    with tempfile.TemporaryDirectory() as cache:
        _imported(cache)  # writes the byte code
        found = [_imported(cache) for _ in range(rounds)]
    rows: list[list[str]] = []
    for field, what in (("ground", "anyio and pydantic, used once"), ("evenflow", "evenflow, beyond those")):
        times = sorted(each[field] for each in found)
        rows.append([what, *(f"{ms:.1f} ms" for ms in (statistics.median(times), times[0], times[-1]))])
    bench.record(
        "import",
        f"Importing, processor time over {rounds} interpreters",
        ["", "median", "least", "most"],
        rows,
    )
    extra = statistics.median(each["evenflow"] for each in found)
    bench.expect("`import evenflow` beyond anyio and pydantic, in ms", extra, at_most=30.0)
    extras = sorted(_EXTRAS.intersection(name.partition(".")[0] for name in found[0]["came"]))
    bench.expect(
        f"modules of optional dependencies that it imports ({', '.join(extras) or 'none'})", len(extras), at_most=0
    )


def _imported(cache: str) -> dict[str, Any]:
    """Milliseconds of processor time for anyio with pydantic and for evenflow, and the modules that it imported."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([sys.executable, "-c", _CODE], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
