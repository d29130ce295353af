"""Where the results of a run go: the terminal, JSON and one Markdown file under benchmarks/results/, and the docs.

The JSON of the last full run is the source of everything else (the JSON of the last quick run, if a question has no
full one), so that no figure is typed by hand:

    benchmarks/results/DATE.md             every table of the run, for whoever wants to look something up
    docs/explanation/performance.md        the few rows of `SUMMARY`, and the table of peers

A block of the page stands between `<!-- bench: question/key -->` and `<!-- end -->`; `fill_page` replaces its content.
`<!-- bench: summary -->` is the block of the summary.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks._harness import Expectation

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "explanation" / "performance.md"

SUMMARY = (
    ("a delivery, 100 subscriptions: `publish` and `async for`", "fanout/100x64", "evenflow", "asyncio.Queue by hand"),
    ("the same, read with `batches()`", "fanout/100x64", "evenflow, batches", "asyncio.Queue by hand"),
    ("the same, `publish_many` and `batches()`", "fanout/100x64", "evenflow, publish_many", "asyncio.Queue by hand"),
    ("the same, observers", "fanout/100x64", "evenflow, observers", "asyncio.Queue by hand"),
    ("a delivery, 1 subscription", "fanout/1x64", "evenflow", "asyncio.Queue by hand"),
    ("a delivery, 10,000 subscriptions", "fanout/10000x64", "evenflow", "asyncio.Queue by hand"),
    ("one event to one waiting reader, median", "latency/idle", "evenflow", "asyncio.Queue by hand"),
    ("subscribe and close, among 1,000", "churn/peers", "evenflow", "a set of asyncio.Queue"),
    ("`map`", "streams/map", "evenflow", "bare async for"),
    ("`merge`", "streams/merge", "evenflow", "bare async for"),
    ("an idle subscription, memory", "memory/idle", "evenflow, subscribed", "asyncio.Queue(64)"),
    (
        "an event from another thread",
        "threads/1",
        "evenflow, publish_from_thread",
        "run_coroutine_threadsafe(queue.put(e)).result()",
    ),
)
"""The rows of the page's one table of figures: what was measured, in which table, our case, and the case beside it."""

_BLOCK = re.compile(r"(<!-- bench: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_STEPS = {"ns": (("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)), "B": (("B", 1.0), ("KB", 1e3), ("MB", 1e6))}


@dataclass(frozen=True, slots=True)
class Table:
    """A title, a head, and rows of text."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def _figures(self) -> list[bool]:
        """Which columns hold figures: these are aligned to the right."""
        columns = range(1, len(self.head))
        return [False, *(any(row[n][:1].isdigit() for row in self.rows if n < len(row)) for n in columns)]

    def text(self) -> str:
        """The table for a terminal."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[n]) for line in lines if n < len(line)) for n in range(len(self.head))]
        body = [
            "  ".join(
                cell.rjust(width) if figure else cell.ljust(width)
                for cell, width, figure in zip(line, widths, self._figures(), strict=False)
            ).rstrip()
            for line in lines
        ]
        return "\n".join(["", self.title, "-" * len(self.title), *body])

    def markdown(self) -> str:
        """The table for a Markdown page."""
        rule = tuple("---:" if figure else "---" for figure in self._figures())
        lines = [self.head, rule, *self.rows]
        return "\n".join(f"| {' | '.join((*line, *('',) * (len(self.head) - len(line))))} |" for line in lines)


def quantity(value: float, unit: str) -> str:
    """A figure with the unit that a reader would use: `231 ns`, `1.4 us`, `3.3 KB`."""
    steps = _STEPS.get(unit)
    if steps is None:
        return f"{value:.3g} {unit}".rstrip()
    name, size = max((step for step in steps if abs(value) >= step[1]), key=lambda step: step[1], default=steps[0])
    return f"{value / size:.3g} {name}" if abs(value) < 1000 * size else f"{value / size:.0f} {name}"


def verdict(judged: Expectation) -> str:
    """One line that says whether a target was met."""
    return f"{'PASS' if judged.passed else 'FAIL'}  {judged.what}: {judged.text} (at most {judged.limit:g})"


def machine() -> dict[str, str]:
    """The machine that the figures were measured on, and the versions of the libraries."""
    from benchmarks import (
        peers,
    )  # imported here because the peers' adapters import the harness, which imports this file

    names = ("evenflow", "anyio", "pydantic", *sorted({peer.package for peer in peers.known() if peer.package}))
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        **{name: _version(name) for name in names},
    }


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def save(
    question: str,
    quick: bool,
    tables: Mapping[str, Table],
    samples: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]],
    expectations: Sequence[Expectation],
) -> None:
    """Write the results of one question as JSON; a quick run does not replace a full one."""
    RESULTS.mkdir(exist_ok=True)
    kept = {
        "question": question,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine(),
        "arguments": sys.argv[1:],
        "tables": {key: {**asdict(table), "markdown": table.markdown()} for key, table in tables.items()},
        "expectations": [asdict(judged) for judged in expectations],
        "samples": samples,
    }
    path = RESULTS / f"{question}{'-quick' if quick else ''}.json"
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def fill_page() -> list[str]:
    """Put the tables of the last full runs into the docs.

    Returns:
        The names of the tables that have no result. A block that needs one of them stays as it was.
    """
    missing: list[str] = []

    def replace(found: re.Match[str]) -> str:
        name = found[2]
        table, unknown = _summary() if name == "summary" else (_kept(name), [name])
        if table is None:
            missing.extend(unknown)
            return found[0]
        return f"{found[1]}{table}\n{found[3]}"

    PAGE.write_text(_BLOCK.sub(replace, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return missing


def write_tables(questions: Sequence[str]) -> Path | None:
    """Write every table that is kept of these questions into one Markdown file, named by the date of the last of them.

    Returns:
        The file, or None if nothing is kept.
    """
    runs = {name: kept for name in questions if (kept := _latest(name)) is not None}
    if not runs:
        return None
    date = max(str(kept["measured_at"]) for kept in runs.values())[:10]
    parts = [
        f"# Tables of {date}",
        "Every table of the benchmarks, as last measured on that day or before it.",
        "A cell such as `0.38 [0.37, 0.40]` is the median over the rounds, and in brackets the middle half of them.",
        "[The performance page](../../docs/explanation/performance.md) says what the figures mean.",
        f"## Machine and versions\n\n{_kept(f'{next(iter(runs))}/machine')}",
    ]
    for name, kept in runs.items():
        parts.append(f"## {name}\n\nMeasured at {kept['measured_at']}.")
        parts += [f"### {table['title']}\n\n{_kept(f'{name}/{key}')}" for key, table in kept["tables"].items()]
        if kept["expectations"]:
            parts.append(f"### Targets\n\n{_kept(f'{name}/targets')}")
    path = RESULTS / f"{date}.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _summary() -> tuple[str | None, list[str]]:
    """The rows of `SUMMARY` as Markdown, or None and the tables that are missing."""
    rows: list[tuple[str, ...]] = []
    unknown: list[str] = []
    for what, name, ours, reference in SUMMARY:
        question, _, key = name.partition("/")
        table = (_latest(question) or {"tables": {}})["tables"].get(key)
        cells = {row[0]: row for row in table["rows"]} if table else {}
        if ours in cells and reference in cells:
            rows.append((what, cells[ours][1], f"{reference}: {cells[reference][1]}", cells[ours][2]))
        elif name not in unknown:
            unknown.append(name)
    head = ("", "evenflow", "compared with", "ratio")
    return (None if unknown else Table("", head, tuple(rows)).markdown()), unknown


def _kept(name: str) -> str | None:
    """The Markdown that is kept for `question/key`.

    `question/targets` is the table of targets, and `question/machine` the table of the machine and the versions.
    """
    question, _, key = name.partition("/")
    kept = _latest(question)
    if kept is None:
        return None
    if key == "machine":
        facts = tuple((fact, str(value)) for fact, value in kept["machine"].items())
        return Table("", ("", ""), facts).markdown()
    if key == "targets":
        rows = [
            (judged["what"], f"{judged['limit']:g}", judged["text"], "met" if judged["passed"] else "**missed**")
            for judged in kept["expectations"]
        ]
        return Table("", ("target", "at most", "measured", ""), tuple(rows)).markdown()
    table = kept["tables"].get(key)
    if table is None:
        return None
    return f"{table['markdown']}\n\n(from a quick run)" if kept["quick"] else str(table["markdown"])


def _latest(question: str) -> dict[str, Any] | None:
    """The last full run of a question, or else the last quick one."""
    return _read(f"{question}.json") or _read(f"{question}-quick.json")


def _read(name: str) -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    except OSError:
        return None
    return kept
