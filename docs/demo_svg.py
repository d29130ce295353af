"""Draw the picture of the demo in the README, by running it: `python docs/demo_svg.py`, from an installation with
`evenflow[cli]`.

The picture is what the demo says first, the last of its live pictures, and its last sentence; the ledger is left out.
"""

from __future__ import annotations

import asyncio
import io
import sys
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.terminal_theme import MONOKAI

from evenflow.cli.demo import _run
from evenflow.cli.demo._readers import Archive
from evenflow.cli.demo._screen import LiveScreen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from evenflow.cli.demo._output import Output
    from evenflow.cli.demo._screen import Scene

FILE = Path(__file__).parent / "demo.svg"
SECONDS = 10.0
WIDTH, HEIGHT = 84, 24
FORMAT = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" xml:space="preserve" \
aria-label="evenflow demo: five readers of one source, and where every event went">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
<rect fill="#1c2128" width="{width}" height="{height}" rx="8"/>
<g transform="translate(9, 24)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Paper(Console):
    """Draws like a terminal, keeps what is printed, and is as large as the picture."""

    can_draw = True

    def lines(self, *lines: str) -> None:
        """Print lines as they are."""
        for line in lines:
            self.print(line, markup=False, highlight=False, soft_wrap=True)

    def say(self, text: str, style: str = "") -> None:
        """Print a sentence, indented by two."""
        self.print(f"  {text}", style=style, markup=False, highlight=False)


class Still(LiveScreen):
    """Keeps the latest picture instead of drawing it, and puts it on the paper at the end."""

    def __init__(self, console: Console, scene: Scene) -> None:
        super().__init__(console, scene)
        self._latest: Any = ""

    def entered(self) -> AbstractContextManager[object]:
        """Nothing is drawn in place."""
        return nullcontext()

    def show(self, latest: Mapping[str, Any]) -> None:
        """Keep the picture."""
        self._latest = self._picture(latest)


def main() -> int:
    """Run the demo, and write the picture."""
    paper: Any = Paper(record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True)
    stills: list[Still] = []

    def still(console: Output, scene: Scene) -> Still:
        stills.append(Still(console, scene))
        return stills[-1]

    def ledger(console: Output, *_: Any) -> None:
        console.print(stills[-1]._latest)
        console.lines("")

    _run.screen_for = still  # type: ignore[assignment]  # the same, on paper
    _run.print_ledger = ledger
    _run.print_next = lambda _: None
    with TemporaryDirectory() as folder:
        code = asyncio.run(_run.Demo(paper, SECONDS, 50, Archive(Path(folder) / "archive")).run())
    FILE.write_text(paper.export_svg(theme=MONOKAI, code_format=FORMAT, unique_id="demo"), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
