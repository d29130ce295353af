"""What a run leaves: tables on the terminal, JSON under benchmarks/results/, and the tables in the docs.

The docs are filled from the JSON of the last full run (of the last quick one, where there is no other), so that no
figure in them is typed by hand:
a page has `<!-- bench: question/key -->` and `<!-- end -->`, and what stands between is replaced.
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

_BLOCK = re.compile(r"(<!-- bench: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_STEPS = {"ns": (("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)), "B": (("B", 1.0), ("KB", 1e3), ("MB", 1e6))}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a head."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def _figures(self) -> list[bool]:
        """Which columns hold figures: they stand to the right."""
        columns = range(1, len(self.head))
        return [False, *(any(row[n][:1].isdigit() for row in self.rows if n < len(row)) for n in columns)]

    def text(self) -> str:
        """For a terminal."""
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
        """For a page of the docs."""
        rule = tuple("---:" if figure else "---" for figure in self._figures())
        lines = [self.head, rule, *self.rows]
        return "\n".join(f"| {' | '.join((*line, *('',) * (len(self.head) - len(line))))} |" for line in lines)


def quantity(value: float, unit: str) -> str:
    """A figure with the unit a reader would use: `231 ns`, `1.4 us`, `3.3 KB`."""
    steps = _STEPS.get(unit)
    if steps is None:
        return f"{value:.3g} {unit}".rstrip()
    name, size = max((step for step in steps if abs(value) >= step[1]), key=lambda step: step[1], default=steps[0])
    return f"{value / size:.3g} {name}" if abs(value) < 1000 * size else f"{value / size:.0f} {name}"


def verdict(judged: Expectation) -> str:
    """A line that says whether a target was met."""
    return f"{'PASS' if judged.passed else 'FAIL'}  {judged.what}: {judged.text} (at most {judged.limit:g})"


def machine() -> dict[str, str]:
    """What the figures were measured on, and with which versions."""
    from benchmarks import peers  # late: the peers' adapters import the harness

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
    """Write one question's run as JSON; a quick run does not replace a full one."""
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
    """Put the tables of the last full runs into the docs; return the blocks for which there is no result."""
    missing: list[str] = []

    def replace(found: re.Match[str]) -> str:
        table = _kept(found[2])
        if table is None:
            missing.append(found[2])
            return found[0]
        return f"{found[1]}{table}\n{found[3]}"

    PAGE.write_text(_BLOCK.sub(replace, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return missing


def _kept(name: str) -> str | None:
    """The Markdown kept for `question/key`; `question/targets` is the table of verdicts, `machine` where it ran."""
    question, _, key = name.partition("/")
    kept = _read(f"{question}.json") or _read(f"{question}-quick.json")
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


def _read(name: str) -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    except OSError:
        return None
    return kept
