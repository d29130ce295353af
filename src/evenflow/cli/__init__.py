"""The command line: `evenflow COMMAND`. A command is a file or folder, and imports what it needs when it is called.

_address   WHERE: env:NAME, and what is secret in an address
_help      the parser, and the form of each command's help
_colour    whether to use colour
_streams   standard streams that are closed
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

from evenflow import __version__

from . import asyncapi, demo, inspect, logs
from ._address import Refused, masked
from ._help import FAILED, Parser
from ._streams import open_closed_streams

if TYPE_CHECKING:
    from argparse import _SubParsersAction

EXTRA: Final = {
    "psutil": "cli",
    "rich": "cli",
    "uvicorn": "cli",
    "starlette": "cli,web",
    "asyncpg": "postgres",
    "redis": "redis",
    "nats": "nats",
}
"""What the commands need, and the extras that install it."""

NOT_ABLE: Final = 2
INTERRUPTED: Final = 130
READER_GONE: Final = 141

Command = Callable[[argparse.Namespace], int]


def parser() -> Parser:
    """The parser of the whole command line."""
    made = Parser(prog="evenflow", description="Typed, backpressured publish/subscribe for asyncio.")
    made.add_argument("--version", action="version", version=f"evenflow {__version__}")
    # Each of them is a Parser, too; to type checkers these are not the same.
    commands = cast("_SubParsersAction[argparse.ArgumentParser]", made.add_subparsers(metavar="COMMAND", required=True))
    demo.add_parser(commands)
    inspect.add_parser(commands)
    logs.add_parsers(commands)
    asyncapi.add_parser(commands)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 success, 1 failure, 2 not understood or not able to run.

    130 after Ctrl-C, and 141 when whoever read the output has gone. No message and no traceback shows a secret of an
    address.
    """
    open_closed_streams()
    try:
        options = parser().parse_args(arguments)
        code = cast("Command", options.command)(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has gone, as `head` does. What is left in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- shown whole, but for secrets
        return _failed(error)
    return code


def _failed(error: Exception) -> int:
    from evenflow._errors import EvenflowError  # noqa: PLC0415 -- only where something went wrong

    if isinstance(error, (EvenflowError, Refused)):
        return _refuse(str(error))
    # a part of evenflow that needs an extra says so by an error of its own, whose cause is the module
    missing = error.__cause__ if type(error) is ImportError else error
    if isinstance(missing, ModuleNotFoundError):
        name = (missing.name or "").partition(".")[0]
        if name in EXTRA:
            return _refuse(
                f"{name} is not installed; install what the commands need: pip install 'evenflow[{EXTRA[name]}]'"
            )
    print(masked("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    return FAILED


def _refuse(why: str) -> int:
    print(f"evenflow: {masked(why)}", file=sys.stderr)
    return NOT_ABLE
