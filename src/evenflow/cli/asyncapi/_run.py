"""`evenflow asyncapi`: prints the document, or what breaks between an older one and today's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenflow.asyncapi._breaking import breaking_changes
from evenflow.cli.logs._names import Refused

from ._found import found, made_of

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    what = found(options.subjects)
    title = options.title or what.title or options.subjects.partition(":")[0]
    made = made_of(what, title, options.version or what.version or "0.0.0")
    if options.check is None:
        print(json.dumps(made, indent=2))
        return 0
    return _check(options.check, made, as_json=options.json)


def _check(path: str, made: dict[str, Any], *, as_json: bool) -> int:
    try:
        changes = breaking_changes(_read(path), json.loads(json.dumps(made)))
    except ValueError as error:
        raise Refused(f"{path} cannot be compared: {error}") from None
    if as_json:
        print(json.dumps({"compatible": not changes, "changes": [change._asdict() for change in changes]}, indent=2))
    else:
        for text in dict.fromkeys(change.text for change in changes):  # in both directions it may be one sentence
            print(text)
        if not changes:
            print("compatible: no change breaks whoever reads these events, or publishes them")
    return 1 if changes else 0


def _read(path: str) -> object:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}") from None
    try:
        read: object = json.loads(text)
    except ValueError as error:
        raise Refused(f"{path} is no JSON: {error}") from None
    return read
