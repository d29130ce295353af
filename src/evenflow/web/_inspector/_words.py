"""What the inspector says of wants, places and errors.

Rule: unless contents are shown, no value of an event is in a text that is made here. A condition is its fields and
operators, an error its class and the line that raised it, a group's stored condition its classes alone.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from evenflow._conditions import All, Comparison, Condition, Either, Not, OneOf, Truth
from evenflow._routing import names

if TYPE_CHECKING:
    from types import TracebackType

    from evenflow._fields import Path
    from evenflow._routing import Interest

HIDDEN: Final = "…"
"""Stands where a value is not shown."""
LONGEST: Final = 400
"""Characters of a text; a condition may be of any length."""
LONGEST_CONTENTS: Final = 2_000
"""Characters of an event."""


def short(text: str, most: int = LONGEST) -> str:
    """The text, cut if it is too long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def wants(interest: Interest, *, contents: bool) -> str:
    """What a subscription wants, in words."""
    classes = " | ".join(names(interest.wants)) or "everything"
    if interest.condition is not None:
        return short(f"{classes} where {condition(interest.condition, contents=contents)}")
    return short(f"{classes} where a callable says so" if interest.asks else classes)


def condition(given: Condition, *, contents: bool) -> str:
    """A condition: as it is written, or its fields and operators alone."""
    if contents:
        with suppress(Exception):  # the repr of a value is a user's code
            return short(str(given))
    return short(_without_values(given, short_paths=len(given._owners) == 1))


def _without_values(given: Condition, *, short_paths: bool) -> str:
    if isinstance(given, (All, Either)):
        parts = [_without_values(part, short_paths=short_paths) for part in given.parts]
        inside = [
            f"({text})" if isinstance(part, (All, Either)) else text
            for part, text in zip(given.parts, parts, strict=True)
        ]
        return f" {given.sign} ".join(inside)
    if isinstance(given, Not):
        return f"~({_without_values(given.part, short_paths=short_paths)})"
    if isinstance(given, Comparison):
        return f"{_path(given.path, short_paths=short_paths)} {given.op} {HIDDEN}"
    if isinstance(given, OneOf):
        return f"{_path(given.path, short_paths=short_paths)} in {HIDDEN}"
    if isinstance(given, Truth):
        return _path(given.path, short_paths=short_paths)
    return HIDDEN


def _path(path: Path, *, short_paths: bool) -> str:
    return path.brief if short_paths else str(path)


def stored_wants(text: str, known: Condition | None, *, contents: bool) -> str:
    """What a group wants, of which the log keeps a text; ``known`` is its condition, where this process knows it."""
    if contents:
        return short(text)
    classes, where, _ = text.partition(" where ")
    if not where:
        return short(text)
    return short(f"{classes} where {HIDDEN if known is None else condition(known, contents=False)}")


def place(made: tuple[str, int]) -> str:
    """A file and a line, short enough to be read: the last two names of its path; empty where nobody knows."""
    file, line = made
    return f"{'/'.join(PurePath(file).parts[-2:])}:{line}" if file else ""


def error(raised: BaseException, *, contents: bool) -> tuple[str, str]:
    """What was raised, and where: its class, with its message only where contents are shown; file and line."""
    text = type(raised).__qualname__
    if contents and (message := str(raised)):
        text = f"{text}: {message}"
    return short(text), _raised_at(raised.__traceback__)


def _raised_at(traceback: TracebackType | None) -> str:
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f"{place((code.co_filename, traceback.tb_lineno))} in {short(code.co_name, 80)}"


def event(given: Any) -> str:
    """An event as JSON, or as it shows itself; for pages that show contents."""
    with suppress(Exception):  # it may be no model, or one that JSON cannot hold
        return short(given.model_dump_json(), LONGEST_CONTENTS)
    try:
        return short(repr(given), LONGEST_CONTENTS)
    except Exception as raised:  # noqa: BLE001 -- a repr is a user's code
        return f"<{type(given).__qualname__}, whose repr raised {type(raised).__qualname__}>"
