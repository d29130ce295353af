"""Printing a document, and comparing with an older one: text, JSON, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.logs.kit import evenflow, running

from .kit import EVENTS, OLD, shop


def test_it_prints_the_same_document_each_time(tmp_path: Path) -> None:
    """With the title and the version that were given, or those of the application, or the module's name."""
    folder = shop(tmp_path)
    first = evenflow(folder, "asyncapi", "events", "--title", "Shop", "--version", "1.4.0")
    assert (first.returncode, first.stderr) == (0, "")
    assert json.loads(first.stdout)["info"] == {"title": "Shop", "version": "1.4.0"}
    with running(folder, "asyncapi", "events", "--title", "Shop", "--version", "1.4.0") as again:  # with other hashes
        assert again.communicate()[0] == first.stdout
    infos = [json.loads(evenflow(folder, "asyncapi", name).stdout)["info"] for name in ("events:app", "events:log")]
    assert infos == [{"title": "The shop", "version": "2.1.0"}, {"title": "events", "version": "0.0.0"}]
    assert not (folder / "shop.db").exists()  # nothing is opened


def test_check_names_what_breaks_and_exits_1(tmp_path: Path) -> None:
    """One sentence a line; with `--json` one object."""
    folder = shop(tmp_path, OLD)
    (folder / "old.json").write_text(evenflow(folder, "asyncapi", "events:log").stdout)
    shop(folder, EVENTS.replace("note: str", "note: int | str"))
    done = evenflow(folder, "asyncapi", "--check", "old.json", "events:log")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "In orders, shop.order.placed.note may now be an integer; it was a string.",
        "In orders, shop.order.placed.total is no longer sent.",
    ]
    done = evenflow(folder, "asyncapi", "--json", "--check", "old.json", "events:log")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["compatible"] is False
    assert found["changes"][1] == {
        "subject": "orders",
        "event": "shop.order.placed",
        "field": "total",
        "direction": "send",
        "kind": "removed",
        "text": "In orders, shop.order.placed.total is no longer sent.",
    }


def test_check_says_once_what_holds_in_both_directions(tmp_path: Path) -> None:
    """A subject whose events are sent and taken in; with `--json` each direction is a change of its own."""
    handled = '@orders.consumer("billing")\nasync def bill(order: OrderPlaced): ...\n'
    folder = shop(tmp_path, EVENTS + handled)
    (folder / "old.json").write_text(evenflow(folder, "asyncapi", "events:log").stdout)
    shop(folder, (EVENTS + handled).replace('"orders"', '"sales"'))
    done = evenflow(folder, "asyncapi", "--check", "old.json", "events:log")
    assert (done.returncode, done.stdout) == (1, "The subject orders was removed.\n")
    done = evenflow(folder, "asyncapi", "--json", "--check", "old.json", "events:log")
    assert [change["direction"] for change in json.loads(done.stdout)["changes"]] == ["receive", "send"]


def test_check_of_what_breaks_nobody_exits_0(tmp_path: Path) -> None:
    """It says so; with `--json` there are no changes."""
    folder = shop(tmp_path)
    (folder / "old.json").write_text(evenflow(folder, "asyncapi", "events:log").stdout)
    shop(folder, OLD)
    done = evenflow(folder, "asyncapi", "--check", "old.json", "events:log")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "compatible: no change breaks whoever reads these events, or publishes them\n"
    done = evenflow(folder, "asyncapi", "--check", "old.json", "events:log", "--json")
    assert json.loads(done.stdout) == {"compatible": True, "changes": []}


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    """`evenflow asyncapi ... | head -1`: no traceback."""
    command = [sys.executable, "-m", "evenflow.cli", "asyncapi", "events"]
    with subprocess.Popen(
        command, cwd=shop(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 141
