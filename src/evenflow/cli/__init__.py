"""The command line: `evenflow COMMAND`. A command is a file or folder, and imports what it needs when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import cast

from evenflow import __version__

from . import demo, logs

EXTRA = ("psutil", "rich")
"""What `evenflow[cli]` installs."""

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 success, 1 failure, 2 not understood or not able to run."""
    parser = argparse.ArgumentParser(prog="evenflow", description="Typed, backpressured publish/subscribe for asyncio.")
    parser.add_argument("--version", action="version", version=f"evenflow {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    demo.add_parser(commands)
    logs.add_parsers(commands)
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
    except Exception as error:
        from evenflow._errors import EvenflowError  # noqa: PLC0415 -- only where something went wrong

        if isinstance(error, EvenflowError) or type(error).__name__ == "Refused":
            return _refuse(str(error))
        raise


def _refuse(why: str) -> int:
    print(f"evenflow: {why}", file=sys.stderr)
    return 2
