"""Whether the class of an event decides what ``isinstance`` says about the event.

    wanted class                                     an event of a subclass    an event of another class
    plain, or a pydantic model                       always                    never
    ABC, Protocol                                    always                    ask for each event
    its metaclass has an ``__instancecheck__``       ask for each event        ask for each event

An event of another class may be an ABC (by ``register``, at any time) or a Protocol (by its attributes).
"""

from __future__ import annotations

import inspect
from abc import ABCMeta
from typing import Final, Protocol

from pydantic import BaseModel

_PLAIN: Final = (type.__instancecheck__, type(BaseModel).__instancecheck__)
_OPEN: Final = (ABCMeta.__instancecheck__, type(Protocol).__instancecheck__)


def is_subclass(one: type, other: type, /) -> bool:
    """``issubclass``, but false if asking raises."""
    try:
        return issubclass(one, other)
    except Exception:  # noqa: BLE001 -- a Protocol with attributes raises, and a hook of the user's may raise anything
        return False


def related(one: type, other: type, /) -> bool:
    """Whether one of these classes is a subclass of the other."""
    return is_subclass(one, other) or is_subclass(other, one)


def open_to_strangers(cls: type, /) -> bool:
    """Whether ``isinstance`` can be true for this class and an event of a class that is no subclass of it."""
    return inspect.isabstract(cls) or type(cls).__instancecheck__ not in _PLAIN


def always_one(cls: type, wanted: type, /) -> bool:
    """Whether every event of this class is an instance of the wanted class."""
    return wanted in cls.__mro__ and type(wanted).__instancecheck__ in _PLAIN + _OPEN


def never_one(cls: type, wanted: type, /) -> bool:
    """Whether no event of this class is an instance of the wanted class."""
    return wanted not in cls.__mro__ and type(wanted).__instancecheck__ in _PLAIN
