"""Where the demo prints."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evenflow.cli.demo._output import PLAIN_WIDTH, NobodyReads, Output


def test_a_pipe_gets_lines_of_a_fixed_width_and_no_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Colours can be forced on a pipe, but drawing in place cannot."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with (tmp_path / "pipe").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        output = Output()
    assert not output.can_draw
    assert output.width == PLAIN_WIDTH


def test_a_sentence_is_indented_and_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A long line is not wrapped in a pipe, and brackets are not read as styles."""
    said = f"[bold]not a style[/] {'word ' * 60}".strip()
    Output().say(said, "bold green")
    assert capsys.readouterr().out == f"  {said}\n"


def test_a_reader_that_has_gone_ends_the_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is still buffered is thrown away, so that nothing fails when the interpreter flushes it at its end."""
    path = tmp_path / "pipe"
    with path.open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        output = Output()
        file.write("buffered")
        with pytest.raises(NobodyReads):
            output.on_broken_pipe()
    assert path.read_text() == ""
