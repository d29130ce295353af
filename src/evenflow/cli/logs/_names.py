"""What a command line names: a log, a class of events, a place in a subject. What is wrong is said in one sentence."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from evenflow.cli._address import Refused, address
from evenflow.log import Log, Offset, from_url
from evenflow.log._names import checked_name
from evenflow.log._opening import Opening
from evenflow.log._running import Running
from evenflow.log._stored import Absent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from evenflow.log import Since

__all__ = [
    "Refused",
    "address",
    "log_at",
    "log_from",
    "named",
    "named_class",
    "named_log",
    "offsets",
    "opened_to_look",
    "place",
    "possible_subject",
    "refusing_what_is_absent",
]


def named(text: str, what: str) -> Any:
    """What ``module:name`` names; the folder in which the command runs is looked at first, as ``python -m`` does.

    Raises:
        Refused: there is no such module, or no such name in it.
    """
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        raise Refused(f"{what} is named MODULE:NAME, such as shop.events:log, and not {text!r}")
    if os.getcwd() not in sys.path:  # noqa: PTH109 -- as a text, as in sys.path
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 -- as above
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        raise Refused(f"there is no module {module!r}, seen from this folder") from None
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Refused(f"the module {module!r} has no {name!r}") from None
    return found


def named_class(text: str) -> type:
    """The class of events that ``module:name`` names.

    Raises:
        Refused: it is no class.
    """
    found = named(text, "a class of events")
    if not isinstance(found, type):
        raise Refused(f"{text} is no class of events, but {found!r}")
    return found


def possible_subject(text: str) -> str:
    """A text that can be the name of a subject.

    Raises:
        Refused: it cannot.
    """
    try:
        return checked_name(text)
    except ValueError as error:
        raise Refused(str(error)) from None


def named_log(text: str) -> Log:
    """The log that ``module:name`` names.

    Raises:
        Refused: it is no log.
    """
    found = named(text, "a log")
    if not isinstance(found, Log):
        raise Refused(f"{text} is no log, but {found!r}; name the object that SQLiteLog(...) returned")
    return found


def log_from(where: str, *, name: str | None = None) -> Log:
    """The log at a path, a URL or ``env:NAME``, with this name unless its address has one. Nothing is opened.

    Raises:
        Refused: no engine is known for it, or the engine's extra is not installed.
    """
    found = address(where)
    options = {} if name is None or "name" in dict(parse_qsl(found.partition("?")[2])) else {"name": name}
    try:
        return from_url(found, **options)
    except (ValueError, TypeError) as error:
        raise Refused(str(error)) from None
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("evenflow."):
            raise Refused(f"this version of evenflow has no engine for {where.partition(':')[0]}") from None
        raise
    except ImportError as error:  # it says itself what is missing
        raise Refused(str(error)) from None


def log_at(where: str) -> Log:
    """The log at a path, a URL or ``env:NAME``; opening it makes no new one, so that a wrong name is noticed.

    Raises:
        Refused: there is none, or as for ``log_from``.
    """
    log = log_from(where)
    path = getattr(log, "_path", None)
    if isinstance(path, str) and not os.path.exists(path):  # noqa: PTH110 -- the text is what the user gave
        raise Refused(f"there is no log at {where}")
    log._opens_only_what_is_there()
    return log


@contextmanager
def refusing_what_is_absent() -> Generator[None]:
    """Say in a sentence that there is no log, where a server is asked for it.

    Raises:
        Refused: there is none.
    """
    try:
        yield
    except Absent as error:
        raise Refused(str(error)) from None


@asynccontextmanager
async def opened_to_look(where: str) -> AsyncGenerator[Opening]:
    """A log without its subjects' classes: nothing runs, and nothing is sent or removed."""
    log = log_at(where)
    running = Running(log.name, log._make_engine())
    with refusing_what_is_absent():
        await running.open()
    opening = Opening(running, grace=None, consumers=False)
    try:
        yield opening
    finally:
        await opening.close()


def place(text: str) -> Since:
    """Where to begin.

    Raises:
        Refused: the text is no place.
    """
    if text in ("start", "now"):
        return text  # type: ignore[return-value]  # one of the two words, as the line above says
    try:
        return Offset.parse(text)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise Refused(f"a place is start, now, an offset, or a time with its zone, and not {text!r}")
    return time


def offsets(texts: list[str]) -> list[Offset] | Literal["all"]:
    """Offsets, or all.

    Raises:
        Refused: one of them is none.
    """
    if texts == ["all"]:
        return "all"
    try:
        return [Offset.parse(text) for text in texts]
    except ValueError as error:
        raise Refused(f"{error}; or say all") from None
