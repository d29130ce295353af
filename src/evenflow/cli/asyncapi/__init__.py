"""The command `evenflow asyncapi`: prints the document of a module's subjects, or compares it with an older one.

    _found    the subjects that a command line names
    _run      prints, or compares

This file has the name and the options of the command.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from evenflow.cli._help import described

if TYPE_CHECKING:
    import argparse
    from argparse import ArgumentParser, _SubParsersAction

HELP = described(
    "Print the AsyncAPI 3.0 document of the subjects that a module has; with --check compare it with an older one, and"
    " say which changes break whoever reads the events, or publishes them.",
    examples=[
        "evenflow asyncapi shop.events --title Shop --version 1.4.0 > events.json",
        "evenflow asyncapi shop.events:log > events.json",
        "evenflow asyncapi --check events.json shop.events:log",
    ],
    codes={
        0: "printed; or with --check: compatible",
        1: "with --check: a change breaks somebody, each in one sentence",
    },
)


def add_parser(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Add this command and its options to the command line."""
    parser = commands.add_parser("asyncapi", help="print the events of a program as an AsyncAPI document", **HELP)
    parser.add_argument(
        "subjects",
        metavar="MODULE[:NAME]",
        help="a subject, a log, a list of them, a function that returns them, an application, or a whole module",
    )
    parser.add_argument("--title", help="of the application (default: that of the application, or the module's name)")
    parser.add_argument("--version", help="of its interface (default: that of the application, or 0.0.0)")
    parser.add_argument(
        "--check", metavar="OLD", help="a document that was printed before: say what breaks, and exit 1"
    )
    parser.add_argument("--json", action="store_true", help="with --check: print the changes as one JSON object")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    # imported here: `evenflow --help` needs none of it
    code: int = import_module("evenflow.cli.asyncapi._run").run(options)
    return code
