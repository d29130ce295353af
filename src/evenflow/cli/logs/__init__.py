"""The commands for logs on disk: `worker`, `tail`, `publish` and `log`.

    _names    the log, the class and the place that a command line names
    _worker   runs the consumers of a module's log until it is told to end
    _tail     prints the events of a subject
    _publish  publishes JSON lines
    _state    what is stored, what the groups have to do, and dead letters

This file has the names and the options of the commands.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from argparse import ArgumentParser, _SubParsersAction

WHERE = "the path of a log's file, or its URL"
GRACE = 20.0


def add_parsers(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Add these commands and their options to the command line."""
    _add_worker(commands)
    _add_tail(commands)
    _add_publish(commands)
    _add_log(commands)


def _add_worker(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser(
        "worker",
        help="run the consumers of a log",
        description="Run the consumers of a module's log until SIGTERM or Ctrl-C; then handlers have their grace to"
        " end, and what was not begun goes to other workers at once.",
    )
    parser.add_argument("log", metavar="MODULE:LOG", help="where the log is made, such as shop.events:log")
    parser.add_argument("--group", action="append", metavar="NAME", help="run this group's consumers only; repeatable")
    parser.add_argument(
        "--grace", type=float, default=GRACE, metavar="SECONDS", help=f"for handlers that run (default {GRACE:g})"
    )
    parser.set_defaults(command=partial(_run, "_worker"))


def _add_tail(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser("tail", help="print the events of a subject", description="Print a subject's events.")
    parser.add_argument("where", metavar="WHERE", help=WHERE)
    parser.add_argument("subject", metavar="SUBJECT")
    parser.add_argument(
        "--since",
        default="start",
        metavar="PLACE",
        help="start (default), now, an offset, or a time such as 2026-11-28T12:00:00+00:00",
    )
    parser.add_argument("--follow", action="store_true", help="go on with what is new, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print CloudEvents, one JSON object a line")
    parser.add_argument("--type", action="append", metavar="MODULE:CLASS", help="only events of this class; repeatable")
    parser.set_defaults(command=partial(_run, "_tail"))


def _add_publish(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser(
        "publish",
        help="publish JSON lines from standard input",
        description="Publish each line of standard input as an event of a class; a line that is none ends it.",
    )
    parser.add_argument("where", metavar="WHERE", help=WHERE)
    parser.add_argument("subject", metavar="SUBJECT")
    parser.add_argument("--type", required=True, metavar="MODULE:CLASS", help="the class of the events")
    parser.set_defaults(command=partial(_run, "_publish"))


def _add_log(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser(
        "log",
        help="look at a log: sizes, groups, dead letters",
        description="Show what a log stores and what its groups have to do; with one of the words, change that.",
    )
    parser.add_argument("where", metavar="WHERE", help=WHERE)
    words = parser.add_subparsers(metavar="WORD", dest="word")
    for word, text in (
        ("dead", "print the dead letters of a group"),
        ("redrive", "send dead letters out again"),
        ("discard", "delete dead letters"),
    ):
        command = words.add_parser(word, help=text)
        command.add_argument("subject", metavar="SUBJECT")
        command.add_argument("group", metavar="GROUP")
        if word != "dead":
            command.add_argument("offsets", nargs="+", metavar="OFFSET", help="offsets, or all")
    for word, text in (("pause", "have a group fetch no more"), ("resume", "have a group go on")):
        command = words.add_parser(word, help=text)
        command.add_argument("subject", metavar="SUBJECT")
        command.add_argument("group", metavar="GROUP")
    command = words.add_parser("seek", help="have a group go on from another place")
    command.add_argument("subject", metavar="SUBJECT")
    command.add_argument("group", metavar="GROUP")
    command.add_argument("to", metavar="PLACE", help="start, now, an offset, or a time")
    parser.set_defaults(command=partial(_run, "_state"))


def _run(name: str, options: argparse.Namespace) -> int:
    # imported here: `evenflow --help` needs none of it
    code: int = import_module(f"evenflow.cli.logs.{name}").run(options)
    return code
