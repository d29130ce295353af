"""What a handler says of itself: which events it takes, and where it was written."""

from __future__ import annotations

from functools import partial
from inspect import Parameter, isasyncgenfunction, isgeneratorfunction, signature, unwrap
from types import CodeType
from typing import TYPE_CHECKING, Any, get_type_hints

from ._routing import classes_in

if TYPE_CHECKING:
    from collections.abc import Callable


def written_at(handler: Any) -> tuple[str, int]:
    """Where a handler was written: its file and line; ("", 0) where it does not say."""
    while isinstance(handler, partial):
        handler = handler.func
    written = unwrap(handler)
    code = getattr(written, "__code__", None) or getattr(type(written).__call__, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if isinstance(code, CodeType) else ("", 0)


def wants_of_handler(handler: Callable[..., object]) -> object:
    """What a handler's first parameter is annotated with; None where nothing is said.

    Raises:
        TypeError: it cannot be called with one event, or its annotation cannot be read.
    """
    if not callable(handler):
        raise TypeError(f"an observer is a function that takes an event, not {handler!r}")
    if isgeneratorfunction(handler) or isasyncgenfunction(handler):
        raise TypeError(f"{handler!r} is a generator, which does nothing when it is called; an observer has no yield")
    try:
        taken = signature(handler)
    except (TypeError, ValueError):  # some builtins do not say
        return None
    try:
        taken.bind(None)
    except TypeError as error:
        raise TypeError(f"{handler!r} cannot be called with one event, as an observer is: {error}") from None
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
            f"the annotation {first.annotation!r} of {handler!r} cannot be read ({error}); name what it wants instead:"
            " @subject.observer(OrderPlaced)"
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
    strangers = [want.__name__ for want in classes_in(*wants) if not issubclass(want, takes)]
    if strangers:
        raise TypeError(
            f"{getattr(handler, '__qualname__', handler)} takes {' | '.join(c.__name__ for c in takes)},"
            f" and {', '.join(strangers)} is none; name what it takes, or annotate what it gets"
        )
