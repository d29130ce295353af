"""What a reader gets when its subscription has ended: an exception of its own.

Rule 1: an error that was given is never raised itself. Each read raises a copy of it, whose ``__cause__`` is the one
        given: whoever catches a copy may add notes, raise it again and keep it, and no other reader sees any of that.
Rule 2: a copy is of the same class, and is made without the class's own constructor, which may take anything.

    most exceptions                    a new object with the same ``args``, attributes, slots and notes
    a class that hides what it has     ``copy.copy``, if that makes one of the same class and the same words
    one that cannot be copied          ``EvenflowError``, which says so
    StopIteration, WouldBlock          ``RuntimeError``: a reader would take it for a normal end, or for nothing yet

The copy is shallow: what an attribute holds, and the exceptions in a group, are shared. The list of notes is not.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import copy
from inspect import isgetsetdescriptor, ismemberdescriptor
from typing import Any, Final, TypeAlias, cast

from anyio import EndOfStream, WouldBlock

from ._errors import EvenflowError, ended

End: TypeAlias = BaseException | Callable[[], BaseException]
"""What a reader gets when everything that was buffered has been read: an error that was given, or what makes one."""

_HEAP_TYPE: Final = 1 << 9
"""The flag of a class that was made by a ``class`` statement, and not in C."""


def is_the_end(end: End) -> bool:
    """Whether it ended because the subject was closed without an error."""
    return end is EndOfStream or isinstance(end, EndOfStream)


def reason_of(end: End, name: str) -> BaseException:
    """Why the subscription of this name has ended: the very exception that was given, or a new one."""
    if isinstance(end, BaseException):
        return end
    return ended(end, name) if isinstance(end, type) else end()


def error_for_a_reader(end: End, name: str) -> BaseException:
    """A new exception for one reader, chained to the one that was given, if any."""
    reason = reason_of(end, name)
    if reason is not end:
        return reason
    made = own_copy(reason)
    made.__cause__ = reason
    return made


def failure(end: End) -> End:
    """What ends one subscription: an ``EndOfStream`` that its own function raised is an error, and no normal end."""
    if not isinstance(end, EndOfStream):
        return end
    failed = RuntimeError(f"one of its functions raised {end!r}, which a loop would take for a normal end")
    failed.__cause__ = end
    return failed


def own_copy(given: BaseException) -> BaseException:
    """A new exception that a reader may raise instead of the one given; the caller sets the cause."""
    if isinstance(given, (StopIteration, StopAsyncIteration, WouldBlock)):
        return RuntimeError(f"the error at the end is {given!r}, which a reader would take for something else")
    for copied in (_clone, _copied_by_its_class):
        with suppress(Exception):  # a class may refuse in any way
            return copied(given)
    name = type(given).__qualname__
    return EvenflowError(f"the error at the end is a {name}, of which no copy can be made for each reader: {given}")


def _clone(given: BaseException) -> BaseException:
    """The same class, ``args``, attributes, slots and notes; the class's own constructor is not asked."""
    cls: type[Any] = type(given)
    maker = cls
    while maker.__flags__ & _HEAP_TYPE and isinstance(maker.__base__, type):
        maker = maker.__base__
    made = cast("BaseException", maker.__new__(cls, *_args_of(given)))
    for base in cls.__mro__:
        for name, slot in vars(base).items():
            if (ismemberdescriptor(slot) or isgetsetdescriptor(slot)) and not name.startswith("__"):
                _take_over(slot, given, made)
    _take_over_attributes(given, made)
    return made


def _args_of(given: Any) -> tuple[Any, ...]:
    """A group needs its exceptions when it is made, whatever its own constructor took."""
    is_group = issubclass(type(given), BaseExceptionGroup)  # does not narrow what is known of its type
    return (given.message, given.exceptions) if is_group else given.args


def _take_over_attributes(given: BaseException, made: BaseException) -> None:
    made.__dict__.update(given.__dict__)
    if isinstance(notes := given.__dict__.get("__notes__"), list):
        made.__dict__["__notes__"] = [*notes]


def _take_over(slot: Any, given: BaseException, made: BaseException) -> None:
    """Copy what lies in a slot; one that is empty, read-only, or the same already is left alone."""
    try:
        value = slot.__get__(given)
    except AttributeError:
        return
    with suppress(AttributeError):
        if slot.__get__(made) is value:
            return
    with suppress(AttributeError, TypeError):
        slot.__set__(made, value)


def _copied_by_its_class(given: BaseException) -> BaseException:
    """What ``copy.copy`` makes of it, unless that is something else."""
    made = copy(given)
    if type(made) is not type(given) or made is given or str(made) != str(given):
        raise TypeError("its class makes something else of it")
    made.args = given.args
    _take_over_attributes(given, made)
    return made
