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
from typing import TYPE_CHECKING, Final, Protocol

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable

_PLAIN: Final = (type.__instancecheck__, type(BaseModel).__instancecheck__)
_OPEN: Final = (ABCMeta.__instancecheck__, type(Protocol).__instancecheck__)


def names(classes: Iterable[type], *others: type) -> list[str]:
    """The names of these classes for a message; where two of all these have one name, their modules are shown."""
    classes = tuple(classes)
    return [_name(cls, {*classes, *others} - {cls}) for cls in classes]


def _name(cls: type, others: Iterable[type]) -> str:
    namesakes = [other for other in others if other.__name__ == cls.__name__]
    if not namesakes:
        return cls.__name__
    full = f"{cls.__module__}.{cls.__qualname__}"
    # A module that was imported twice, or a cell that was run again, makes two classes that differ in nothing.
    same = any(f"{other.__module__}.{other.__qualname__}" == full for other in namesakes)
    return f"{full} at {id(cls):#x}" if same else full


def with_article(name: str, /) -> str:
    """``an Order``, ``a Shipped``."""
    return f"{'an' if name.rpartition('.')[2][:1] in 'AEIOUaeio' else 'a'} {name}"


def refused_event(subject: str, carried: tuple[type, ...], event: object, /) -> str:
    """Why a subject does not take this event, and what it takes."""
    if isinstance(event, type):
        taken = " | ".join(names(carried, event))
        given = names([event], *carried)[0]
        made = f"{event.__name__}(...)" if issubclass(event, carried) else f"{carried[0].__name__}(...)"
        return f"{subject} takes objects of {taken}, not the class {given} itself: give it {made}; nobody got it"
    kind = type(event)
    taken, given = " | ".join(names(carried, kind)), names([kind], *carried)[0]
    twice = kind.__name__ in {cls.__name__ for cls in carried}
    hint = "; two classes have this name: import it from one place, and only once" if twice else ""
    return f"{subject} takes {taken}, not {event!r}, which is {with_article(given)}{hint}; nobody got it"


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
