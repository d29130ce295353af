"""The commands for logs on disk: `worker`, `tail`, `publish` and `log`.

    _names    the log, the class and the place that a command line names
    _worker   runs the consumers of a module's log until it is told to end
    _tail     prints the events of a subject
    _publish  publishes JSON lines
    _where    the condition of `tail --where`
    _state    what is stored, what the groups have to do, and dead letters

This file has the names and the options of the commands.
"""

from __future__ import annotations

import argparse
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from evenflow.cli._help import WHERE, described

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

GRACE = 20.0
DONE: Final = {0: "done"}

WORDS: Final = {
    "dead": "print the dead letters of a group",
    "redrive": "send dead letters out again",
    "discard": "delete dead letters",
    "pause": "have a group fetch no more",
    "resume": "have a group go on",
    "seek": "have a group go on from another place",
}
WORD_EXAMPLES: Final = {"redrive": "all", "discard": "orders.7f3a.12", "seek": "2026-11-28T00:00:00+00:00"}

WORKER: Final = described(
    "Run the consumers of a module's log until SIGTERM or Ctrl-C; then handlers have their grace to end, and what was"
    " not begun goes to other workers at once. A second signal ends it at once.",
    examples=[
        "evenflow worker shop.events:log",
        "evenflow worker shop.events:log --group billing --group mail --grace 60",
    ],
    codes={
        0: "ended by SIGTERM, in order",
        1: "the module or a consumer's group failed",
        130: "ended by Ctrl-C, in order as well",
    },
    endings={},
)
TAIL: Final = described(
    "Print a subject's events: time, offset, wire name, JSON and headers.",
    examples=[
        "evenflow tail shop.db orders",
        "evenflow tail env:SHOP_LOG orders --since now --follow --json",
        'evenflow tail shop.db orders --type shop.events:OrderPlaced --where \'{"gt": ["total", 100]}\'',
    ],
    codes={0: "printed, also if there was nothing", 1: "with --where: an event could not be read as its class"},
)
PUBLISH: Final = described(
    "Publish each line of standard input as an event of a class, as soon as it is there. A line that is none ends it;"
    " what stood before that line is published.",
    examples=[
        "echo '{\"order_id\": 1}' | evenflow publish shop.db orders --type shop.events:OrderPlaced",
        "evenflow publish env:SHOP_LOG orders --type shop.events:OrderPlaced < orders.jsonl",
    ],
    codes={0: "every line is published"},
)
LOG: Final = described(
    "Show what a log stores and what its groups have to do; with one of the words, look at that, or change it.",
    examples=[
        "evenflow log shop.db",
        "evenflow log env:SHOP_LOG --json",
        "evenflow log shop.db dead orders billing",
        "evenflow log shop.db redrive orders billing all",
        "evenflow log shop.db seek orders billing 2026-11-28T00:00:00+00:00",
    ],
    codes=DONE,
)


def add_parsers(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Add these commands and their options to the command line."""
    _add_worker(commands)
    _add_tail(commands)
    _add_publish(commands)
    _add_log(commands)


def _add_worker(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser("worker", help="run the consumers of a log", **WORKER)
    parser.add_argument("log", metavar="MODULE:LOG", help="where the log is made, such as shop.events:log")
    parser.add_argument("--group", action="append", metavar="NAME", help="run this group's consumers only; repeatable")
    parser.add_argument(
        "--grace", type=float, default=GRACE, metavar="SECONDS", help=f"for handlers that run (default {GRACE:g})"
    )
    parser.add_argument("--json", action="store_true", help="print what happens as JSON, one object a line")
    parser.set_defaults(command=partial(_run, "_worker"))


def _add_tail(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser("tail", help="print the events of a subject", **TAIL)
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
    parser.add_argument(
        "--where",
        dest="where_json",
        metavar="JSON",
        help="only events of --type for which this condition holds: eq, ne, lt, le, gt, ge, in, true, and, or, not",
    )
    parser.set_defaults(command=partial(_run, "_tail"))


def _add_publish(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser("publish", help="publish JSON lines from standard input", **PUBLISH)
    parser.add_argument("where", metavar="WHERE", help=WHERE)
    parser.add_argument("subject", metavar="SUBJECT")
    parser.add_argument("--type", required=True, metavar="MODULE:CLASS", help="the class of the events")
    parser.add_argument("--json", action="store_true", help="print the number of events as a JSON object")
    parser.set_defaults(command=partial(_run, "_publish"))


def _add_log(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser("log", help="look at a log: sizes, groups, dead letters", **LOG)
    parser.add_argument("where", metavar="WHERE", help=WHERE)
    _as_json(parser, default=False)
    words = parser.add_subparsers(metavar="WORD", dest="word")
    for word, text in WORDS.items():
        command = words.add_parser(
            word,
            help=text,
            **described(
                f"{text[0].upper()}{text[1:]}.",
                examples=[f"evenflow log shop.db {word} orders billing {WORD_EXAMPLES.get(word, '')}".rstrip()],
                codes=DONE,
            ),
        )
        command.add_argument("subject", metavar="SUBJECT")
        command.add_argument("group", metavar="GROUP")
        if word in ("redrive", "discard"):
            command.add_argument("offsets", nargs="+", metavar="OFFSET", help="offsets, or all")
        if word == "seek":
            command.add_argument("to", metavar="PLACE", help="start, now, an offset, or a time")
        _as_json(command, default=argparse.SUPPRESS)  # what `log` has read before the word stays
    parser.set_defaults(command=partial(_run, "_state"))


def _as_json(parser: ArgumentParser, *, default: Any) -> None:
    parser.add_argument("--json", action="store_true", default=default, help="print JSON, one object a line")


def _run(name: str, options: argparse.Namespace) -> int:
    # imported here: `evenflow --help` needs none of it
    code: int = import_module(f"evenflow.cli.logs.{name}").run(options)
    return code
