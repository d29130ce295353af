"""`evenflow worker`: runs a module's consumers, and ends cleanly when it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .kit import evenflow, shop


def test_it_handles_what_is_there_and_ends_on_sigterm(tmp_path: Path) -> None:
    """Exit code 0; what was handled is not due any more, what failed is a dead letter."""
    folder = shop(tmp_path)
    command = [sys.executable, "-m", "evenflow.cli", "worker", "shop:log", "--grace", "5"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stderr is not None
        assert worker.stdout.readline() == "shop: running billing\n"
        assert worker.stdout.readline() == "billed 1\n"
        while "is a dead letter" not in worker.stderr.readline():
            pass
        worker.send_signal(signal.SIGTERM)
        assert worker.stdout.read().splitlines() == ["shop: ending, with 5 s for what is being handled", "shop: ended"]
        assert worker.wait(30) == 0
    shown = evenflow(folder, "log", "shop.db").stdout
    assert "0 due, 0 in hand, 0 retrying, 1 dead, 0 members" in shown


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["shop:idle"], "has no consumers"),
        (["shop:log", "--group", "mail"], "has no consumers of mail; it has billing"),
        (["shop:log", "--grace", "-1"], "at least 0"),
        (["shop:nothing"], "no 'nothing'"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(arguments: list[str], says: str, tmp_path: Path) -> None:
    """Exit code 2, and no traceback."""
    done = evenflow(shop(tmp_path, orders=""), "worker", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
