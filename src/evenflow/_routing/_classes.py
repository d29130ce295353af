"""Whether the class of an event says what ``isinstance`` would say of the event.

    wanted class                                     an event of a class that derives from it    of another class
    plain, or a pydantic model                       always one                                  never one
    ABC, Protocol                                    always one                                  ask each event
    its metaclass has an ``__instancecheck__``       ask each event                              ask each event

Other classes may turn out to be an ABC (by ``register``, at any time) or a Protocol (by what lies on the instance).
"""

from __future__ import annotations

import inspect
from abc import ABCMeta
from typing import Final, Protocol

from pydantic import BaseModel

_PLAIN: Final = (type.__instancecheck__, type(BaseModel).__instancecheck__)
_OPEN: Final = (ABCMeta.__instancecheck__, type(Protocol).__instancecheck__)


def is_subclass(one: type, other: type, /) -> bool:
    """``issubclass``, false where a class refuses to say."""
    try:
        return issubclass(one, other)
    except Exception:  # noqa: BLE001 -- a Protocol with attributes, or a hook of the user's
        return False


def related(one: type, other: type, /) -> bool:
    """Whether an event of one class may be one of the other, as far as the classes say."""
    return is_subclass(one, other) or is_subclass(other, one)


def open_to_strangers(cls: type, /) -> bool:
    """Whether an event of a class that does not derive from this one may turn out to be one."""
    return inspect.isabstract(cls) or type(cls).__instancecheck__ not in _PLAIN


def always_one(cls: type, wanted: type, /) -> bool:
    """Whether every event of this class is one of what is wanted."""
    return wanted in cls.__mro__ and type(wanted).__instancecheck__ in _PLAIN + _OPEN


def never_one(cls: type, wanted: type, /) -> bool:
    """Whether no event of this class is one of what is wanted."""
    return wanted not in cls.__mro__ and type(wanted).__instancecheck__ in _PLAIN
