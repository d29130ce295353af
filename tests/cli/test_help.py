"""The help of each command, and the page that shows it."""

from __future__ import annotations

import argparse
import re

import pytest

from .command_line_page import PAGE, commands, page

COMMANDS = list(commands())


@pytest.mark.parametrize("name, command", COMMANDS, ids=[name for name, _ in COMMANDS])
def test_each_help_has_an_example_and_the_exit_codes(name: str, command: argparse.ArgumentParser) -> None:
    """The example begins with the command, and its options are options of the command."""
    _, _, after = command.format_help().partition("examples:")
    examples, _, codes = after.partition("exit codes:")
    word = name.rsplit(maxsplit=1)[-1]
    lines = [line for line in examples.splitlines() if line.strip()]
    assert lines and all("evenflow " in line and f" {word}" in line for line in lines)
    assert {"0", "2"} <= set(re.findall(r"^  (\d+)", codes, re.MULTILINE))
    known = set(command._option_string_actions)
    assert set(re.findall(r"--[a-z]+", examples)) <= known


def test_every_command_speaks_json() -> None:
    """Machines read all of them."""
    without = [name for name, command in COMMANDS if "--json" not in command._option_string_actions]
    assert without == []


def test_the_page_shows_the_help_of_today() -> None:
    """`python -m tests.cli.command_line_page` writes it; versions of Python break lines at other places."""
    assert PAGE.read_text(encoding="utf-8").split() == page().split()
