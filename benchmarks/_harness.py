"""The harness of all benchmarks: it measures cases in turns, compares them, and judges targets.

Rule 1: only ratios count. Cases are measured in turns, in one process, and a ratio is taken inside a round, never
        between two runs. The tables show the median of the rounds and, in brackets, the middle half of them.
Rule 2: time is the processor time of the whole process, unless a question says otherwise: machines are shared, and
        waiting for a core is not work. The JSON has the wall time, too.
Rule 3: the garbage collector stays on, as it does for users; objects from before a round are frozen, so that the
        collector does not visit them.
Rule 4: a case that fails is a row of the table that shows the error. The other cases go on.

A question is a module of this package with `QUESTION` (a sentence) and `run(bench)`:

    from benchmarks._harness import Bench, Stopwatch

    QUESTION = "What does a delivery cost?"

    async def by_hand(watch: Stopwatch) -> None:      # one round; sync or async
        queue = asyncio.Queue()                       # preparation: not timed
        with watch(10_000):                           # timed; the time is divided by this number
            for n in range(10_000):
                queue.put_nowait(n)

    def run(bench: Bench) -> None:
        results = bench.compare(
            "puts", "10,000 puts", {"by hand": by_hand, "ours": ours}, reference="by hand", per="put"
        )
        bench.expect("a put costs at most 0.45 of asyncio.Queue by hand", results.ratio("ours"), at_most=0.45)
        bench.lines("puts", "Cost of a put", "size of the queue", {"by hand": {10: 80.0, 100: 81.0}})

* `watch(n)` makes the figures "cpu" and "wall": nanoseconds for each of n operations. `watch.report(p50=..., p99=...)`
  makes other figures instead; name them in `compare(..., figures=("p50", "p99"))`, and pass `unit` if they are not
  nanoseconds.
* `bench.quick` is true under `--quick`; `bench.pick(quick=..., full=...)` chooses a size.
* `bench.compare` measures, prints a table and keeps it; `results.ratio(case, to=None, of=None)` and
  `results.median(case, of=None)` read it.
* `bench.expect` prints PASS or FAIL for a target, which is a ratio or a number.
* `bench.record` keeps a table of figures that `compare` did not measure; `bench.child(function, *args)` calls a
  module-level function in a new interpreter, for questions about memory and start-up.
* `bench.lines` and `bench.bars` draw a chart into docs/explanation/charts/ (full runs, or `--charts`).
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks import _charts, _report

T = TypeVar("T")
Case = Callable[["Stopwatch"], Awaitable[None] | None]

_PATIENCE = 120.0
"""Seconds after which a case is stopped: a peer that hangs must not hang the whole run."""


class Stopwatch:
    """Measures the timed part of a case. Each case has one in each round."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}

    @contextmanager
    def __call__(self, operations: int) -> Iterator[None]:
        """Time the body; the figures "cpu" and "wall" are nanoseconds for each of `operations`."""
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        yield
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        self.report(cpu=cpu / operations, wall=wall / operations)

    def report(self, **figures: float) -> None:
        """Add figures that the case has measured itself."""
        self.figures.update(figures)


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the middle half of the values that were measured."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        digits = 0 if self.median >= 10 else 2 if self.median >= 0.1 else 4
        return f"{self.median:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(slots=True)
class Results:
    """The result of one comparison: a list of rounds for each case, or the error of a case that failed."""

    reference: str
    figures: tuple[str, ...]
    rounds: dict[str, list[dict[str, float]]]
    failures: dict[str, str] = field(default_factory=dict[str, str])

    def spread(self, case: str, of: str | None = None) -> Spread:
        """The spread of one figure of a case over the rounds; `of` is the first figure of the table by default."""
        name = of or self.figures[0]
        return Spread.of([figures[name] for figures in self.rounds[case]])

    def median(self, case: str, of: str | None = None) -> float:
        """The median of `spread`."""
        return self.spread(case, of).median

    def ratio(self, case: str, to: str | None = None, of: str | None = None) -> Spread | None:
        """A case divided by another one (by default the reference), round by round; None if one has no rounds."""
        name, other = of or self.figures[0], to or self.reference
        pairs = zip(self.rounds.get(case, ()), self.rounds.get(other, ()), strict=False)
        values = [mine[name] / theirs[name] for mine, theirs in pairs if theirs[name]]
        return Spread.of(values) if values else None


@dataclass(frozen=True, slots=True)
class Expectation:
    """A target, and whether it was met."""

    what: str
    found: float | None
    text: str
    limit: float
    passed: bool


class Bench:
    """One run of one question: measures cases, prints and keeps tables, and judges targets."""

    def __init__(self, question: str, *, quick: bool, charts: bool, minutes: float = math.inf) -> None:
        self.question = question
        self._ends_at = time.monotonic() + minutes * 60
        self.quick = quick
        self.charts = charts
        self.tables: dict[str, _report.Table] = {}
        self.samples: dict[str, dict[str, list[dict[str, float]]]] = {}
        self.expectations: list[Expectation] = []

    def is_late(self) -> bool:
        """Whether the question has used up its minutes; a question with many tables then leaves some out."""
        return time.monotonic() > self._ends_at

    def pick(self, *, quick: T, full: T) -> T:
        """Choose a size for this run."""
        return quick if self.quick else full

    def compare(
        self,
        key: str,
        title: str,
        cases: Mapping[str, Case],
        *,
        reference: str,
        per: str = "operation",
        figures: tuple[str, ...] = ("cpu",),
        unit: str = "ns",
        rounds: int | None = None,
    ) -> Results:
        """Measure the cases in turns, print their table, and keep it under `key`.

        Each round runs every case once, in the reverse order of the round before, so that no case is always first.
        One more round is run before the others and is not counted.
        """
        results = Results(reference, figures, {name: [] for name in cases})
        names = list(cases)
        for number in range(1 + (rounds or self.pick(quick=5, full=11))):
            for name in names if number % 2 else reversed(names):
                if name in results.failures:
                    continue
                try:
                    measured = measure(cases[name])
                except Exception as error:  # a peer may fail in any way; the table shows the error
                    results.failures[name] = f"{type(error).__name__}: {error}"
                    results.rounds[name].clear()
                else:
                    if number:
                        results.rounds[name].append(measured)
        self.samples[key] = results.rounds
        self.record(key, title, *_rows(results, unit, per))
        return results

    def record(self, key: str, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table and keep it under `key`."""
        table = _report.Table(title, tuple(head), tuple(tuple(row) for row in rows))
        self.tables[key] = table
        print(table.text(), flush=True)

    def expect(self, what: str, found: Spread | float | None, *, at_most: float) -> None:
        """Judge a target: PASS if the median is at most `at_most`, FAIL if it is above or if nothing was measured."""
        value = found.median if isinstance(found, Spread) else found
        text = "not measured" if found is None else str(found) if isinstance(found, Spread) else f"{found:.3g}"
        judged = Expectation(what, value, text, at_most, value is not None and value <= at_most)
        self.expectations.append(judged)
        print(_report.verdict(judged), flush=True)

    def child(self, function: Callable[..., object], *args: Any) -> Any:
        """Call a module-level function in a new interpreter; the arguments and the result are sent as JSON."""
        code = (
            "import importlib, json, sys; module, name, args = json.loads(sys.argv[1]);"
            "print(json.dumps(getattr(importlib.import_module(module), name)(*args)))"
        )
        asked = json.dumps([function.__module__, function.__name__, args])
        done = subprocess.run([sys.executable, "-c", code, asked], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{function.__name__}{args} failed in its own process:\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    def lines(
        self, name: str, title: str, across: str, series: Mapping[str, Mapping[float, float]], *, up: str = "ns"
    ) -> None:
        """Draw a chart of lines over a logarithmic axis: `series[label][x] = y`."""
        if self.charts:
            _charts.lines(name, title, across, up, series)

    def bars(self, name: str, title: str, values: Mapping[str, float], *, across: str = "ns") -> None:
        """Draw a chart of horizontal bars, with the shortest at the top."""
        if self.charts:
            _charts.bars(name, title, across, values)

    def save(self) -> None:
        """Write the results to benchmarks/results/."""
        _report.save(self.question, self.quick, self.tables, self.samples, self.expectations)


def measure(case: Case) -> dict[str, float]:
    """Run one round of one case, in an event loop of its own if it is async, and return its figures."""
    watch = Stopwatch()

    async def patiently(round_: Awaitable[None]) -> None:
        async with asyncio.timeout(_PATIENCE):
            await round_

    gc.collect()
    gc.freeze()
    try:
        started = case(watch)
        if inspect.isawaitable(started):
            asyncio.run(patiently(started))
    finally:
        gc.unfreeze()
    if not watch.figures:
        raise RuntimeError("the case timed nothing: use `with watch(operations):` or `watch.report(...)`")
    return watch.figures


def _rows(results: Results, unit: str, per: str) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of a comparison: each figure's median, and the spread of its ratio to the reference."""
    head = ["", *(cell for name in results.figures for cell in (f"{name} / {per}", f"of {results.reference}"))]
    rows: list[list[str]] = []
    for case, rounds in results.rounds.items():
        cells = [case]
        for name in results.figures:
            if not rounds:
                cells += [results.failures.get(case, "not measured"), ""]
                break
            ratio = results.ratio(case, of=name)
            cells += [_report.quantity(results.median(case, name), unit), str(ratio or "")]
        rows.append(cells)
    return head, rows
