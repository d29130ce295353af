"""`evenflow worker`: runs a module's consumers, and ends cleanly when it is told to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evenflow.cli import main

from .kit import evenflow, running, shop


@pytest.mark.parametrize("told, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_handles_what_is_there_and_ends_when_it_is_told(told: signal.Signals, code: int, tmp_path: Path) -> None:
    """Exit code 0 after SIGTERM, 130 after Ctrl-C; what was handled is not due any more, what failed is a dead letter."""
    folder = shop(tmp_path)
    command = [sys.executable, "-m", "evenflow.cli", "worker", "shop:log", "--grace", "5"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stderr is not None
        assert worker.stdout.readline() == "shop: running billing\n"
        assert worker.stdout.readline() == "billed 1\n"
        while "is a dead letter" not in worker.stderr.readline():
            pass
        worker.send_signal(told)
        assert worker.stdout.read().splitlines() == ["shop: ending, with 5 s for what is being handled", "shop: ended"]
        assert worker.wait(30) == code
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


def test_what_happens_is_json_for_machines(tmp_path: Path) -> None:
    """Its states on stdout, its log records on stderr with their group: one object a line."""
    with running(shop(tmp_path), "worker", "shop:log", "--json") as worker:
        assert worker.stdout is not None
        assert worker.stderr is not None
        assert json.loads(worker.stdout.readline()) == {"log": "shop", "state": "running", "groups": ["billing"]}
        while "is a dead letter" not in (line := worker.stderr.readline()):
            pass
        assert json.loads(line)["group"] == "billing"
        worker.send_signal(signal.SIGTERM)
        assert worker.stdout.read().splitlines()[-1] == '{"log": "shop", "state": "ended"}'
        assert worker.wait(30) == 0


def test_a_log_that_cannot_be_opened_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is no log is exit code 2, a group that is another one 1; both were tracebacks of a group of errors."""
    module = """
from evenflow import Event
from evenflow.log import SQLiteLog

class OrderPlaced(Event):
    order_id: int

log = SQLiteLog("foreign.db")
log.subject("orders", OrderPlaced).consume("billing", print, OrderPlaced)
two = SQLiteLog("two.db")
for where in (None, OrderPlaced.order_id > 5):
    two.subject("orders", OrderPlaced).consume("billing", print, OrderPlaced, where=where)
"""
    (tmp_path / "not_opened.py").write_text(module)
    (tmp_path / "foreign.db").write_text("This is a letter, and no database. " * 100)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, code, says in (("log", 2, "foreign.db"), ("two", 1, "redefine=True")):
        assert main(["worker", f"not_opened:{name}"]) == code
        said = capsys.readouterr().err
        assert f"evenflow: {'opening' if code == 2 else 'group'}" in said
        assert says in said
        assert "Traceback" not in said
