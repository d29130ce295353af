"""Where the demo prints."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

PLAIN_WIDTH = 80
"""Characters on a line if there is no terminal."""


class NobodyReads(Exception):
    """Nobody reads what is printed any more: `evenflow demo | head`."""


class Output(Console):
    """The console of the demo: a terminal, or a pipe or file with lines of a fixed width."""

    def __init__(self) -> None:
        super().__init__()
        self.can_draw = self.file.isatty() and not self.is_dumb_terminal
        """Whether a picture can be drawn again in place; colours can be forced on a pipe, but this cannot."""
        if not self.can_draw:
            self.width = PLAIN_WIDTH

    def on_broken_pipe(self) -> None:
        """End the demo. Rich would end the interpreter from inside a task."""
        self.quiet = True
        # What is still buffered is written there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise NobodyReads

    def lines(self, *lines: str) -> None:
        """Print lines as they are; a terminal that is too narrow breaks them."""
        for line in lines:
            self.print(line, markup=False, highlight=False, soft_wrap=True)

    def say(self, text: str, style: str = "") -> None:
        """Print a sentence, indented by two; on a terminal it is wrapped at the end of the line."""
        if self.is_terminal:
            self.print(Padding(Text(text, style), (0, 0, 0, 2), expand=False))
        else:
            self.print(f"  {text}", style=style, markup=False, highlight=False, soft_wrap=True)
