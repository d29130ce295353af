"""`evenflow inspect MODULE:NAME`: the inspector of a module's subjects and logs, at an address of this machine alone.

    _run     from the name on the command line to what is shown: runs what must run, opens what must be open
    _served  a server below a token, for this command and for the demo

This file has the name and the options of the command, and needs no extra.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from evenflow.cli._help import ENDINGS, described

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

LAST_PORT = 65_535

DESCRIPTION = """\
Serve a live page that shows subjects, states and logs, and print its address, which has a token in it.
NAME is a subject, a state, a log, a list of them, or a function that returns them; an async function may do so too,
and an async context manager runs the program that they belong to while the page is served. Of a log that other
processes work on, the page shows what is stored, the groups and their dead letters: it is opened to look, so that no
consumer runs, nothing is sent, and retention removes nothing. What another process has in memory cannot be shown.
"""
HELP = described(
    DESCRIPTION,
    examples=[
        "evenflow inspect shop.events:log --actions",
        "evenflow inspect shop.main:program --port 8765 --contents",
    ],
    codes={0: "ended by SIGTERM", 1: "the program that is run for it failed", 130: ENDINGS[130]},
    endings={},
)


def add_parser(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Add this command and its options to the command line."""
    parser = commands.add_parser("inspect", help="look at subjects and logs in the browser", **HELP)
    parser.add_argument("name", metavar="MODULE:NAME", help="what is shown, such as shop.events:log")
    parser.add_argument("--port", type=_port, default=0, metavar="PORT", help="default: one that is free")
    parser.add_argument("--actions", action="store_true", help="let the page redrive and discard dead letters")
    parser.add_argument("--contents", action="store_true", help="show the values of events, too")
    parser.add_argument("--json", action="store_true", help="print the address as a JSON object")
    parser.set_defaults(command=_command)


def _port(given: str) -> int:
    if not (given.isascii() and given.isdecimal()) or int(given) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"must be a port between 0 and {LAST_PORT}, not {given!r}")
    return int(given)


def _command(options: argparse.Namespace) -> int:
    # imported here: `evenflow --help` needs none of it
    code: int = import_module("evenflow.cli.inspect._run").run(options)
    return code
