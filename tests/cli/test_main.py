"""The command line itself: what it refuses, and how."""

from __future__ import annotations

import subprocess
import sys

import pytest

import evenflow
from evenflow.cli import main


@pytest.mark.parametrize(
    "given, says",
    [
        ([], "required: COMMAND"),
        (["dmeo"], "invalid choice"),
        (["demo", "--seconds", "0"], "a number of seconds above 0, not '0'"),
        (["demo", "--seconds", "-3"], "a number of seconds above 0, not '-3'"),
        (["demo", "--seconds", "nan"], "a number of seconds above 0, not 'nan'"),
        (["demo", "--seconds", "soon"], "a number of seconds above 0, not 'soon'"),
        (["demo", "--rate", "0"], "a number of samples a second above 0, not '0'"),
        (["demo", "--rate", "inf"], "at most 1000 samples a second, not inf"),
        (["demo", "--out", "."], "must be a file, or the name of a new one; . is neither"),
        (["demo", "--out", "nowhere/archive.jsonl"], "there is no folder nowhere; make it first"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_out(
    given: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake on the command line is a sentence on stderr, and nothing is started."""
    with pytest.raises(SystemExit) as refused:
        main(given)
    assert refused.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("raised", [ModuleNotFoundError, ImportError])
def test_a_missing_part_of_the_inspector_is_one_sentence_too(
    raised: type[ImportError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`evenflow.web` says by an error of its own what it needs; a user of the command sees no traceback of it."""

    def named(text: str, what: str) -> None:
        missing = ModuleNotFoundError("No module named 'starlette'", name="starlette.requests")
        if raised is ModuleNotFoundError:
            raise missing
        raise ImportError("evenflow.web.inspector needs Starlette") from missing

    monkeypatch.setattr("evenflow.cli.inspect._run.named", named)
    assert main(["inspect", "shop:orders"]) == 2
    assert capsys.readouterr().err == (
        "evenflow: starlette is not installed; install what the commands need: pip install 'evenflow[cli,web]'\n"
    )


@pytest.mark.parametrize("missing", ["psutil", "rich"])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user without the extra is told how to install it, and sees no traceback."""
    for name in list(sys.modules):
        if name.partition(".")[0] == missing or name.startswith("evenflow.cli.demo."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["demo", "--seconds", "1"]) == 2
    assert capsys.readouterr().err == (
        f"evenflow: {missing} is not installed; install what the commands need: pip install 'evenflow[cli]'\n"
    )


def test_the_command_line_and_its_help_need_no_extra() -> None:
    """The help can be read without installing anything else."""
    script = (
        "import sys; sys.modules.update(psutil=None, rich=None)\n"
        "from evenflow.cli import main\n"
        "main(['demo', '--help'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--seconds" in done.stdout
    assert "--rate" in done.stdout
    assert "--out" in done.stdout


def test_the_version_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """`evenflow --version` prints what is installed, and needs no command."""
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"evenflow {evenflow.__version__}\n"


def test_python_m_finds_it() -> None:
    """`python -m evenflow.cli` works where the script is not on the path."""
    done = subprocess.run([sys.executable, "-m", "evenflow.cli", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout


def test_a_traceback_shows_no_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An error that nobody expected is shown whole, but for what the address hides; the exit code is 1."""
    monkeypatch.setenv("SHOP_LOG", "redis://me:traceback-word@host/0")

    def fails(where: str) -> None:
        raise RuntimeError(f"no answer from {where}")

    monkeypatch.setattr("evenflow.cli.logs._names.from_url", fails)
    assert main(["log", "env:SHOP_LOG"]) == 1
    said = capsys.readouterr().err
    assert "RuntimeError: no answer from env:SHOP_LOG" in said
    assert "traceback-word" not in said


def test_a_mistake_on_the_line_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """The parser repeats what it did not understand, without the password."""
    with pytest.raises(SystemExit):
        main(["log", "shop.db", "postgresql://me:parser-word@host/shop"])
    said = capsys.readouterr().err
    assert "postgresql://***@host/shop" in said
    assert "parser-word" not in said


def test_a_server_whose_extra_is_missing_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the line that installs it."""
    for name in list(sys.modules):
        if name == "asyncpg" or name.startswith(("asyncpg.", "evenflow.log.postgres", "evenflow.log._postgres")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    assert main(["log", "postgresql://me:missing-word@host/shop"]) == 2
    assert capsys.readouterr().err == (
        "evenflow: a log at postgresql://... needs asyncpg, which is not installed: it is in the extra 'postgres' of"
        " evenflow, pip install 'evenflow[postgres]'\n"
    )
