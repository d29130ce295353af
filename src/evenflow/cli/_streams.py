"""Standard streams that whoever started the command has closed, as some supervisors and `>&-` of a shell do.

Python has None in their place, and the next file that is opened gets their number: that of a log, for example, which
a library that prints then writes into.
"""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Open those that are closed: what is printed is discarded, and there is nothing to read."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the smallest number that is free
    # mypy and basedpyright take them for streams that are always there
    if not sys.stdin:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    if not sys.stdout:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if not sys.stderr:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
