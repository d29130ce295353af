"""Colour: for a person on a terminal, and for nobody else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

SCRIPT = "from evenflow.cli._colour import painted; print(painted('orders', 'cyan'))"


def on_a_terminal(**environment: str) -> str:
    """What the script prints on a terminal of its own."""
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    try:
        subprocess.run([sys.executable, "-c", SCRIPT], stdout=theirs, env={**clean, **environment}, check=True)
        return os.read(ours, 1_000).decode().strip()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_gets_colour() -> None:
    """Cyan, and back to normal."""
    assert on_a_terminal(TERM="xterm") == "\x1b[36morders\x1b[0m"


@pytest.mark.parametrize("environment", [{"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_nobody_gets_colour_who_wants_none(environment: dict[str, str]) -> None:
    """NO_COLOR, and a terminal that has none."""
    assert on_a_terminal(**environment) == "orders"


def test_a_pipe_gets_no_colour() -> None:
    """What another program reads is plain."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "orders\n"
