"""`evenflow asyncapi` as a user calls it: its help, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evenflow.cli import main
from tests.cli.logs.kit import evenflow

from .kit import shop


def test_its_help_has_examples_and_exit_codes_and_needs_no_extra(capsys: pytest.CaptureFixture[str]) -> None:
    """What a user needs to put it into a script."""
    with pytest.raises(SystemExit) as ended:
        main(["asyncapi", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "evenflow asyncapi --check events.json shop.events:log" in shown
    assert "exit codes:" in shown


def test_no_extra_is_needed(tmp_path: Path) -> None:
    """Neither of the command line nor of the web."""
    script = (
        "import sys; sys.modules.update(psutil=None, rich=None, starlette=None, jsonschema=None)\n"
        "from evenflow.cli import main; sys.exit(main(['asyncapi', 'events']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=shop(tmp_path), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["nowhere"], "there is no module 'nowhere'"),
        (["nowhere:log"], "there is no module 'nowhere'"),
        (["events:missing"], "has no 'missing'"),
        (["events:nothing"], "has no subject that can be documented"),
        (["events:mixed"], "has 7, which is no subject and no log"),
        (["events:needs"], "cannot be called without arguments"),
        (["events:later"], "is async"),
        (["events:unnamed"], "has no name of its own"),
        (["events", "--check", "missing.json"], "missing.json cannot be read"),
        (["events", "--check", "events.py"], "events.py is no JSON"),
        (["events", "--check", "other.json"], "it says asyncapi: 2.0.0"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(arguments: list[str], says: str, tmp_path: Path) -> None:
    """Exit code 2, nothing on standard output, and no traceback."""
    folder = shop(tmp_path)
    (folder / "other.json").write_text('{"asyncapi": "2.0.0"}')
    done = evenflow(folder, "asyncapi", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert "Traceback" not in done.stderr
