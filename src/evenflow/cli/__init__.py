"""The command line: `evenflow COMMAND`. One file, or folder, a command; what it needs is imported when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import cast

from . import demo

EXTRA = ("psutil", "rich")
"""What `evenflow[cli]` brings."""

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 it went well, 1 it did not, 2 it was not understood or cannot run."""
    parser = argparse.ArgumentParser(prog="evenflow", description="Typed, backpressured publish/subscribe for asyncio.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    demo.add_parser(commands)
    options = parser.parse_args(arguments)
    command = cast("Command", options.command)
    try:
        return command(options)
    except ModuleNotFoundError as missing:
        name = (missing.name or "").partition(".")[0]
        if name not in EXTRA:
            raise
        return _refuse(f"{name} is not installed; install what the commands need: pip install 'evenflow[cli]'")
    except KeyboardInterrupt:
        return 130


def _refuse(why: str) -> int:
    print(f"evenflow: {why}", file=sys.stderr)
    return 2
