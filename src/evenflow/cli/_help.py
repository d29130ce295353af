"""The help of a command: what it does, examples that can be typed in, and its exit codes. And its parser.

Errors of the parser are masked: a mistake on a line with an address must not show the address's secrets.
"""

from __future__ import annotations

import argparse
import signal
import textwrap
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ._address import masked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WHERE: Final = (
    "a log: the path of its file, sqlite:///FILE, postgresql://..., redis://..., nats://..., or env:NAME for an address"
    " that the environment keeps (other users of the machine see what is typed here)"
)
NOT_ABLE: Final = "not understood, or not able to run; the reason is on stderr"
ENDINGS: Final = {130: "ended by Ctrl-C", 141: "whoever read the output has gone, as head does"}
WIDTH: Final = 100

FAILED: Final = 1
"""The exit code of a command that was understood, and has failed."""
ENDED_BY: Final = {signal.SIGTERM: 0, signal.SIGINT: 130}
"""The exit code of a command that runs until it is told to end, by the signal that has told it.

A supervisor asks by SIGTERM, and 0 says that the end was in order. A shell expects 130 after Ctrl-C, and stops its
script.
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors show no secret."""

    def error(self, message: str) -> NoReturn:
        """Say what was not understood, and exit with 2."""
        super().error(masked(message))


def described(
    description: str, *, examples: Sequence[str], codes: Mapping[int, str], endings: Mapping[int, str] = ENDINGS
) -> dict[str, Any]:
    """What ``add_parser`` takes, for a help with examples and exit codes."""
    listed = {**codes, 2: NOT_ABLE, **endings}
    lines = ["examples:", *(f"  {example}" for example in examples), "", "exit codes:"]
    lines += [f"  {code:<3}  {listed[code]}" for code in sorted(listed)]
    return {
        "description": textwrap.fill(description, WIDTH),
        "epilog": "\n".join(lines),
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }
