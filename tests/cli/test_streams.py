"""Standard streams that are closed, as some supervisors start programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .logs.kit import shop


def test_closed_standard_streams_are_empty_ones(tmp_path: Path) -> None:
    """There is nothing to read, nobody reads what is printed, and the log's file does not take their numbers."""
    folder = shop(tmp_path, orders="")
    for closed, said in (("<&-", "0 events published to orders\n"), ("<&- >&-", "")):
        line = f"exec {sys.executable} -m evenflow.cli publish shop.db orders --type shop:OrderPlaced {closed}"
        done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
