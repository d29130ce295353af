"""docs/reference/command-line.md, made from the real help: `python -m tests.cli.command_line_page` writes it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from evenflow.cli import parser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "command-line.md"
HEAD = """\
# The command line

Each command of `evenflow`, as `evenflow COMMAND --help` shows it.

The commands need the extra `cli`: `pip install 'evenflow[cli]'`.
A log on a server needs that server's extra too, such as `evenflow[postgres]`; what is missing is said in one sentence.

- `WHERE` is the path of a log's file, `sqlite:///FILE`, an address such as `postgresql://host/database`, or `env:NAME`.
  With `env:NAME` the address is read from that variable of the environment.
- A log on a server has its name in its address: `redis://host/0?name=shop`, `postgresql://host/shop?schema=shop&name=shop`.
- `log`, `tail` and `publish` make no log where there is none: a mistyped name is a sentence, with exit code 2.
- No message and no traceback shows the user name, the password or a token of an address.
  Other users of a machine can see the arguments of a program, so an address with a password belongs into `env:NAME`.
- Colour is used on a terminal only, and never if `NO_COLOR` is set.
- `MODULE:NAME` is looked for in the folder in which the command runs, then where Python looks.
"""


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command and every word of a command, with its parser."""
    yield from _below(parser(), "evenflow")


def _below(above: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in above._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, found in action.choices.items():
                yield f"{name} {word}", found
                yield from _below(found, f"{name} {word}")


def page() -> str:
    """The page."""
    with patch.dict(os.environ, {"COLUMNS": "100"}):
        made = [f"\n## {name}\n\n```text\n{found.format_help().rstrip()}\n```\n" for name, found in commands()]
    return HEAD + "".join(made)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
