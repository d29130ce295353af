"""What a handler says of itself: which events it takes, and where it was written."""

from __future__ import annotations

from functools import partial
from inspect import Parameter, isasyncgenfunction, isfunction, isgeneratorfunction, signature, unwrap
from types import CodeType
from typing import TYPE_CHECKING, Any, get_type_hints

from ._routing import classes_in, names

if TYPE_CHECKING:
    from collections.abc import Callable


def written_at(handler: Any) -> tuple[str, int]:
    """Where a handler was written: its file and line; ("", 0) where it does not say."""
    while isinstance(handler, partial):
        handler = handler.func
    written = unwrap(handler)
    code = getattr(written, "__code__", None) or getattr(type(written).__call__, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if isinstance(code, CodeType) else ("", 0)


def refuse_class_method(handler: Any) -> None:
    """Refuse what ``@observer`` finds above a ``@classmethod``, which cannot be called.

    Raises:
        TypeError: it is one.
    """
    if isinstance(handler, classmethod):
        name = _shown(handler)
        raise TypeError(
            f"{name} is a classmethod, which has no class to be called with yet; observe it after the class:"
            f" subject.observe({name})"
        )


def _shown(handler: Any) -> str:
    """The name of a handler for a message."""
    return str(getattr(handler, "__qualname__", None) or repr(handler))


def _refuse_method(handler: Any, first: str) -> None:
    """Refuse a function of a class body: it would be called without its ``self``."""
    owner, _, name = _shown(handler).rpartition(".")
    if isfunction(handler) and first in ("self", "cls") and owner and not owner.endswith("<locals>"):
        raise TypeError(
            f"{_shown(handler)} is a method, and would be called without its {first}; observe it where there is one, as"
            f" in __init__: subject.observe(self.{name}, OrderPlaced)"
        )


def wants_of_handler(handler: Callable[..., object]) -> object:
    """What a handler's first parameter is annotated with; None where nothing is said.

    Raises:
        TypeError: it cannot be called with one event, or its annotation cannot be read.
    """
    if not callable(handler):
        raise TypeError(f"an observer is a function that takes an event, not {handler!r}")
    if isgeneratorfunction(handler) or isasyncgenfunction(handler):
        raise TypeError(
            f"{_shown(handler)} is a generator, which does nothing when it is called; an observer has no yield"
        )
    try:
        taken = signature(handler)
    except (TypeError, ValueError):  # some builtins do not say
        return None
    _refuse_method(handler, next(iter(taken.parameters), ""))
    try:
        taken.bind(None)
    except TypeError as error:
        raise TypeError(
            f"{_shown(handler)}{taken} cannot be called with one event, as an observer is: {error}; give the rest"
            " a default, or use functools.partial"
        ) from None
    first = next(iter(taken.parameters.values()))
    if first.annotation is Parameter.empty:
        return None
    if not isinstance(first.annotation, str):
        return first.annotation
    while isinstance(handler, partial):
        handler = handler.func
    function = handler if hasattr(handler, "__annotations__") else type(handler).__call__
    try:
        return get_type_hints(function)[first.name]
    except (NameError, AttributeError, KeyError) as error:
        raise TypeError(
            f"the annotation {first.annotation!r} of {_shown(handler)} cannot be read ({error}); name what it"
            " wants instead: @subject.observer(OrderPlaced)"
        ) from error


def refuse_other_annotation(handler: Any, wants: tuple[Any, ...], annotated: Any) -> None:
    """Refuse wants that the handler's annotation does not take.

    Raises:
        TypeError: it would be given what it does not take.
    """
    try:
        takes = classes_in(annotated)
        issubclass(object, takes)
    except TypeError:  # not a class that can be asked: a type variable, Any, a Protocol with attributes
        return
    strangers = names((want for want in classes_in(*wants) if not issubclass(want, takes)), *takes)
    if strangers:
        raise TypeError(
            f"{_shown(handler)} takes {' | '.join(names(takes, *classes_in(*wants)))},"
            f" and {', '.join(strangers)} is none; name what it takes, or annotate what it gets"
        )
