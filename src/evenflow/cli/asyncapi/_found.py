"""The subjects that ``MODULE:NAME`` names.

    MODULE:NAME is           documented
    a subject, a log         that one; all of the log's
    a list, tuple or set     each of them
    a function               what it returns, called without arguments
    a document (a dict)      taken as it is: a program may have put more into it
    anything else            the subjects and logs among its attributes, such as those of an application's ``state``;
                             without any, those of its module
    MODULE alone             the subjects and logs among its names

Among attributes and names, those that begin with ``_`` and subjects without a name of their own are left out.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard, cast

from evenflow._subject import Subject
from evenflow.asyncapi import document
from evenflow.asyncapi._subjects import has_own_name
from evenflow.cli.logs._names import Refused, named
from evenflow.log import DurableSubject, Log

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evenflow.asyncapi._subjects import Documentable

MODULE = "__dict__"
"""What ``named`` finds in every module."""


class Found(NamedTuple):
    """What is to be documented.

    Attributes:
        subjects: subjects and logs.
        title: what the application calls itself; None if it does not say.
        version: the version that the application says.
        whole: a document that is there already.
    """

    subjects: list[Documentable]
    title: str | None = None
    version: str | None = None
    whole: dict[str, Any] | None = None


def found(text: str) -> Found:
    """What the text names.

    Raises:
        Refused: there is no such module or name, or no subject behind it.
    """
    module, colon, _ = text.partition(":")
    what = named(text if colon else f"{text}:{MODULE}", "a subject")
    if not colon:
        return _with_subjects(text, _among(cast("Mapping[str, object]", what)), None)
    if inspect.isroutine(what):
        what = _returned(text, what)
    if isinstance(what, dict):
        return _given(text, cast("dict[str, Any]", what))
    if isinstance(what, (list, tuple, set, frozenset)):
        return _with_subjects(text, _all_of(text, cast("Iterable[object]", what)), None)
    if _is_subject(what):
        return Found([what])
    subjects = _of_attributes(what) or _among(vars(import_module(module)))
    return _with_subjects(text, subjects, what)


def made_of(what: Found, title: str, version: str) -> dict[str, Any]:
    """The document.

    Raises:
        Refused: it cannot be made.
    """
    if what.whole is not None:
        return what.whole
    try:
        return document(*what.subjects, title=title, version=version)
    except (TypeError, ValueError) as error:
        raise Refused(str(error)) from None


def _returned(text: str, function: Any) -> object:
    try:
        what = function()
    except TypeError as error:
        raise Refused(f"{text} is a function that cannot be called without arguments: {error}") from None
    if inspect.iscoroutine(what):
        what.close()
        raise Refused(f"{text} is async; name a plain function that returns subjects")
    return what


def _given(text: str, document: dict[str, Any]) -> Found:
    if "asyncapi" not in document:
        return _with_subjects(text, _all_of(text, document.values()), None)
    return Found([], whole=document)


def _with_subjects(text: str, subjects: list[Documentable], what: object) -> Found:
    if not subjects:
        raise Refused(f"{text} has no subject that can be documented; name a subject, a log, or a list of them")
    title, version = getattr(what, "title", None), getattr(what, "version", None)
    return Found(subjects, title if isinstance(title, str) else None, version if isinstance(version, str) else None)


def _all_of(text: str, given: Iterable[object]) -> list[Documentable]:
    made: list[Documentable] = []
    for each in given:
        if not _is_subject(each):
            raise Refused(f"{text} has {each!r}, which is no subject and no log")
        made.append(each)
    return made


def _of_attributes(what: object) -> list[Documentable]:
    """The subjects among the attributes of an object, and of its ``state``, as Starlette's applications have one."""
    names = dict(getattr(what, "__dict__", {}))
    state = getattr(names.get("state"), "_state", None)
    return _among({**(cast("dict[str, object]", state) if isinstance(state, dict) else {}), **names})


def _among(names: Mapping[str, object]) -> list[Documentable]:
    return [
        each
        for name, each in names.items()
        if not name.startswith("_") and _is_subject(each) and (not isinstance(each, Subject) or has_own_name(each))
    ]


def _is_subject(what: object) -> TypeGuard[Documentable]:
    return isinstance(what, (Subject, DurableSubject, Log))
