"""Colour, where a person looks: on a terminal, unless ``NO_COLOR`` is set or the terminal has none."""

from __future__ import annotations

import os
import sys
from typing import Final

CODES: Final = {"dim": 2, "bold": 1, "red": 31, "yellow": 33, "cyan": 36}


def is_wanted() -> bool:
    """Whether standard output takes colour."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, colour: str) -> str:
    """The text in a colour, where colour is wanted; else as it is."""
    return f"\x1b[{CODES[colour]}m{text}\x1b[0m" if is_wanted() else text
