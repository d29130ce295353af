"""Run the benchmarks: `python -m benchmarks` (all, minutes), `--quick` (under a minute), or by name.

    python -m benchmarks                     every question in full; draws the charts, writes all tables to
                                             benchmarks/results/DATE.md, and fills the performance page
    python -m benchmarks --quick             the ratios that matter, with PASS or FAIL for each target
    python -m benchmarks fanout latency      these questions only
    python -m benchmarks --docs              measure nothing; write the tables and the page from the kept results

The exit code is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import time
from types import ModuleType

from benchmarks import _report, peers
from benchmarks._harness import Bench, Expectation

QUESTIONS = (
    "fanout",
    "observing",
    "latency",
    "selective",
    "churn",
    "streams",
    "memory",
    "fairness",
    "waiting",
    "log",
    "log_groups",
    "log_readers",
    "log_peers",
    "engines",
    "engines_nats",
    "engines_postgres",
    "threads",
    "telemetry",
    "sse",
    "startup",
)


def main() -> int:
    """Run the questions that the command line names, and return the exit code."""
    options = _options()
    if options.docs:
        return _fill()
    print("\n".join(f"{name:12} {value}" for name, value in _report.machine().items()))
    for missing, why in peers.missing().items():
        print(f"peer {missing} is not measured: {why}")
    verdicts: list[Expectation] = []
    unasked: list[str] = []
    for name in options.questions or QUESTIONS:
        module = _load(name)
        if module is None:
            unasked.append(name)
            continue
        verdicts += _ask(name, module, options)
    print("\nTargets\n-------")
    for judged in verdicts:
        print(_report.verdict(judged))
    for name in unasked:
        print(f"FAIL  {name}: no such benchmark")
    if not options.quick and not options.questions:
        _fill()
    return int(bool(unasked) or not all(judged.passed for judged in verdicts))


def _ask(name: str, module: ModuleType, options: argparse.Namespace) -> list[Expectation]:
    print(f"\n{'=' * 100}\n{name}: {module.QUESTION}")
    charts = options.charts or not options.quick
    bench = Bench(name, quick=options.quick, charts=charts, minutes=options.minutes)
    started = time.perf_counter()
    module.run(bench)
    bench.save()
    print(f"({name} took {time.perf_counter() - started:.1f} s)")
    return bench.expectations


def _load(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"benchmarks.{name}":
            raise
        return None


def _fill() -> int:
    written = _report.write_tables(QUESTIONS)
    if written is not None:
        print(f"all tables are in {written}")
    missing = _report.fill_page()
    for name in missing:
        print(f"no result for {name}: run `python -m benchmarks {name.partition('/')[0]}`")
    return int(bool(missing))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="How fast evenflow is, and compared with what."
    )
    parser.add_argument("questions", nargs="*", metavar="question", help=f"some of: {', '.join(QUESTIONS)}")
    parser.add_argument("--quick", action="store_true", help="measure only the ratios that matter, in under a minute")
    parser.add_argument("--charts", action="store_true", help="draw the charts even in a quick run")
    parser.add_argument("--minutes", type=float, default=math.inf, help="about how long one question may take")
    parser.add_argument(
        "--docs", action="store_true", help="measure nothing; write the tables and the page from the kept results"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
