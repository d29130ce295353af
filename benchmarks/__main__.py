"""Ask the benchmarks: `python -m benchmarks` (all, minutes), `--quick` (under a minute), or by name.

    python -m benchmarks                     every question in full; draws the charts, fills the docs' tables
    python -m benchmarks --quick             the ratios that matter, with PASS or FAIL for each target
    python -m benchmarks fanout latency      these questions only
    python -m benchmarks --docs              only put the kept results into docs/explanation/performance.md

Leaves with 1 where a target is missed.
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

QUESTIONS = ("fanout", "latency", "selective", "churn", "streams", "memory", "fairness", "threads", "startup")


def main() -> int:
    """Ask what the command line says, and return the exit code."""
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
        print(f"FAIL  {name}: there is no such benchmark")
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
    missing = _report.fill_page()
    for name in missing:
        print(f"no result for {name}: run `python -m benchmarks {name.partition('/')[0]}`")
    return int(bool(missing))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How fast evenflow is, and beside whom.")
    parser.add_argument("questions", nargs="*", metavar="question", help=f"some of: {', '.join(QUESTIONS)}")
    parser.add_argument("--quick", action="store_true", help="under a minute: the ratios that matter")
    parser.add_argument("--charts", action="store_true", help="draw the charts even in a quick run")
    parser.add_argument("--minutes", type=float, default=math.inf, help="what one question may take, about")
    parser.add_argument("--docs", action="store_true", help="fill the docs from kept results, and measure nothing")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
