"""Where the demo prints."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

PLAIN_WIDTH = 120
"""Characters on a line where no terminal says how many there are."""


class NobodyReads(Exception):
    """Who read what is printed has gone: `evenflow demo | head`."""


class Output(Console):
    """Where the demo prints: a terminal, or a pipe or file with lines of a fixed width."""

    def __init__(self) -> None:
        super().__init__()
        self.can_draw = self.file.isatty() and not self.is_dumb_terminal
        """Whether a picture can be drawn again in place. Colours may be forced upon a pipe, this not."""
        if not self.can_draw:
            self.width = PLAIN_WIDTH

    def on_broken_pipe(self) -> None:
        """End the demo; rich would end the interpreter from inside a task."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered goes there
        raise NobodyReads

    def say(self, text: str, style: str = "") -> None:
        """A sentence, set in by two; folded where the line ends, unless it may be as long as it likes."""
        if self.is_terminal:
            self.print(Padding(Text(text, style), (0, 0, 0, 2), expand=False))
        else:
            self.print(f"  {text}", style=style, markup=False, highlight=False, soft_wrap=True)
