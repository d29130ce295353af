"""What a handler says of itself: which events it takes, and where it was written."""

from __future__ import annotations

import sys
from functools import partial
from inspect import Parameter, Signature, isasyncgenfunction, isfunction, isgeneratorfunction, signature, unwrap
from types import CodeType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_type_hints

from ._routing import classes_in, names

if sys.version_info >= (3, 14):
    import annotationlib

if TYPE_CHECKING:
    from collections.abc import Callable


class Role(NamedTuple):
    """What a handler is meant to be, in the words of errors.

    Attributes:
        name: what it is called.
        verb: what is done with it.
        call: the begin of the call that does so.
        decorator: the decorator that does so, with what is wanted.
    """

    name: str
    verb: str
    call: str
    decorator: str


OBSERVER: Final = Role("an observer", "observe", "subject.observe(", "@subject.observer(OrderPlaced)")


def written_at(handler: Any) -> tuple[str, int]:
    """Where a handler was written: its file and line; ("", 0) where it does not say."""
    code = getattr(_function_of(handler), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if isinstance(code, CodeType) else ("", 0)


def _function_of(handler: Any) -> Any:
    """The function behind what is bound or wrapped, or behind an object that can be called."""
    while isinstance(handler, partial):
        handler = handler.func
    function = unwrap(handler)
    return function if hasattr(function, "__code__") else unwrap(type(function).__call__)


def refuse_class_method(handler: Any, role: Role = OBSERVER) -> None:
    """Refuse, with a ``TypeError``, what a decorator finds above a ``@classmethod``, which cannot be called."""
    if isinstance(handler, classmethod):
        name = _shown(handler)
        raise TypeError(
            f"{name} is a classmethod, which has no class to be called with yet; {role.verb} it after the"
            f" class: {role.call}{name})"
        )


def _shown(handler: Any) -> str:
    """The name of a handler for a message."""
    return str(getattr(handler, "__qualname__", None) or repr(handler))


def _refuse_method(handler: Any, first: str, role: Role) -> None:
    """Refuse a function of a class body: it would be called without its ``self``."""
    owner, _, name = _shown(handler).rpartition(".")
    if isfunction(handler) and first in ("self", "cls") and owner and not owner.endswith("<locals>"):
        raise TypeError(
            f"{_shown(handler)} is a method, and would be called without its {first}; {role.verb} it where there is"
            f" one, as in __init__: {role.call}self.{name}, OrderPlaced)"
        )


def check_handler(handler: Callable[..., object], role: Role = OBSERVER) -> Signature | None:
    """Refuse, with a ``TypeError``, what cannot be called with one event; returns its signature, if it has one."""
    if isinstance(handler, type):
        raise TypeError(
            f"{_shown(handler)} is a class, and {role.name} is a function that takes an event; to name what is wanted,"
            f" give the function first: {role.call}handler, OrderPlaced)"
        )
    refuse_class_method(handler, role)
    if not callable(handler):
        raise TypeError(f"{role.name} is a function that takes an event, not {handler!r}")
    if isgeneratorfunction(handler) or isasyncgenfunction(handler):
        raise TypeError(
            f"{_shown(handler)} is a generator, which does nothing when it is called; {role.name} has no yield"
        )
    try:
        taken = _signature_of(handler)
    except (TypeError, ValueError):  # some builtins do not say
        return None
    _refuse_method(handler, next(iter(taken.parameters), ""), role)
    try:
        taken.bind(None)
    except TypeError as error:
        raise TypeError(
            f"{_shown(handler)}{taken} cannot be called with one event, as {role.name} is: {error}; give the rest"
            " a default, or use functools.partial"
        ) from None
    return taken


def _signature_of(handler: Callable[..., object]) -> Signature:
    """Its signature, without a look at what the annotations name."""
    if sys.version_info >= (3, 14):
        return signature(handler, annotation_format=annotationlib.Format.FORWARDREF)
    return signature(handler)


def wants_of_handler(handler: Callable[..., object], role: Role = OBSERVER) -> object:
    """What a handler's first parameter is annotated with; None where nothing is said. Refuses as ``check_handler``."""
    taken = check_handler(handler, role)
    if taken is None:
        return None
    first = next(iter(taken.parameters.values()))
    if first.annotation is Parameter.empty:
        return None
    function = _function_of(handler)
    alone = SimpleNamespace(__annotations__={first.name: first.annotation})
    try:
        return get_type_hints(alone, getattr(function, "__globals__", {}), include_extras=True)[first.name]
    except (NameError, AttributeError) as error:
        raise TypeError(
            f"the annotation {first.annotation!r} of {_shown(handler)} cannot be read ({error}); name what it"
            f" wants instead: {role.decorator}"
        ) from error


def refuse_other_annotation(handler: Callable[..., object], wants: tuple[Any, ...]) -> None:
    """Refuse, with a ``TypeError``, wants that the handler's annotation does not take, as far as that can be read."""
    try:
        takes = classes_in(wants_of_handler(handler))
        issubclass(object, takes)
    except TypeError:  # nothing that can be read, or asked: a type variable, Any, a Protocol with attributes
        return
    strangers = names((want for want in classes_in(*wants) if not issubclass(want, takes)), *takes)
    if strangers:
        raise TypeError(
            f"{_shown(handler)} takes {' | '.join(names(takes, *classes_in(*wants)))},"
            f" and {', '.join(strangers)} is none; name what it takes, or annotate what it gets"
        )
