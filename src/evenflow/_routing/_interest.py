"""What a subscription says it wants, checked and taken apart.

Rule 1: what could never be true, or never be asked, is refused when it is written.
Rule 2: nothing here keeps a callable alive: an interest knows that there is one, its target asks it.
"""

from __future__ import annotations

import functools
import inspect
import types
from dataclasses import dataclass
from typing import Annotated, Any, Union, cast, get_args, get_origin

from evenflow._conditions import PLAIN_BOOL, Condition, Conditional

from ._classes import open_to_strangers, related


@dataclass(frozen=True, slots=True)
class Interest:
    """Which events a subscription wants.

    Attributes:
        wants: classes of events, told by ``isinstance``; empty for everything.
        condition: what is said of their fields, if anything.
        asks: whether there is also a callable, which the target asks.
    """

    wants: tuple[type, ...]
    condition: Condition | None
    asks: bool

    def __str__(self) -> str:
        wanted = " | ".join(cls.__name__ for cls in self.wants) or "everything"
        if self.condition is not None:
            return f"{wanted} where {self.condition}"
        return f"{wanted} where a callable says so" if self.asks else wanted


class Interests:
    """What can be wanted of a subject that carries these classes. What was found to be in order is remembered."""

    __slots__ = ("_carried", "_classes", "_spoken_of")

    def __init__(self, carried: tuple[type, ...], /) -> None:
        self._carried = carried
        self._classes: dict[tuple[object, ...], tuple[type, ...]] = {}
        self._spoken_of: set[tuple[tuple[type, ...], tuple[type, ...]]] = set()

    def of(self, wants: tuple[object, ...], where: object, /) -> Interest:
        """What a subscription wants.

        Raises:
            TypeError: a want is no class that ``isinstance`` takes, or ``where`` is no condition and no plain callable.
            ValueError: the subject never carries what is wanted, or the condition speaks of something else.
        """
        classes = self._classes_in(wants)
        condition = _condition(where)
        if condition is not None and (classes, condition.owners) not in self._spoken_of:
            _refuse_beside_the_point(condition, classes, self._carried)
            self._spoken_of.add((classes, condition.owners))
        return Interest(classes, condition, where is not None and condition is None)

    def _classes_in(self, wants: tuple[object, ...]) -> tuple[type, ...]:
        try:
            known = self._classes.get(wants)
        except TypeError:  # an annotation that cannot be hashed
            known = None
        if known is not None:
            return known
        classes = classes_in(*wants)
        for cls in classes:
            _refuse_never_carried(cls, self._carried)
        if all(isinstance(want, type) for want in wants):
            self._classes[wants] = classes
        return classes


def classes_in(*forms: object) -> tuple[type, ...]:
    """The classes of events in classes, unions and ``Annotated`` ones, each once.

    Raises:
        TypeError: one of them is nothing that ``isinstance`` takes.
    """
    found: dict[type, None] = {}
    for form in forms:
        found.update(dict.fromkeys(_classes(form)))
    return tuple(found)


def _classes(form: Any) -> tuple[type, ...]:
    origin = get_origin(form)
    if origin is Union or origin is types.UnionType:
        return classes_in(*get_args(form))
    if origin is Annotated:
        return classes_in(get_args(form)[0])
    if hasattr(form, "__value__") and not isinstance(form, type):  # `type Events = A | B`
        return classes_in(form.__value__)
    if form is None or form is type(None):
        raise TypeError("None is not an event; leave it out")
    if form is Any:
        raise TypeError("Any is not a class of events; name a common base, or none at all for everything")
    if origin is not None or not isinstance(form, type):
        raise TypeError(f"{form!r} is not a class of events; name classes that isinstance() takes, or unions of them")
    if getattr(form, "_is_protocol", False) and not getattr(form, "_is_runtime_protocol", False):
        raise TypeError(f"{form.__name__} is a Protocol that isinstance() cannot tell; decorate it @runtime_checkable")
    return (form,)


def _refuse_never_carried(cls: type, carried: tuple[type, ...]) -> None:
    if open_to_strangers(cls) or any(related(cls, known) for known in carried):
        return
    names = ", ".join(known.__name__ for known in carried)
    raise ValueError(
        f"no event here is ever a {cls.__name__}: the subject carries {names}; want one of these, a base or a subclass"
    )


def _condition(where: object) -> Condition | None:
    """The condition in ``where``; None where it is a callable or nothing."""
    if where is None:
        return None
    if isinstance(where, Condition):
        return where
    if isinstance(where, Conditional):
        return where.__evenflow_condition__()
    if isinstance(where, bool):
        raise TypeError(f"where takes a condition or a callable, not the plain bool {where}; {PLAIN_BOOL}")
    if isinstance(where, type) or not callable(where):
        raise TypeError(
            f"where takes a condition (OrderPlaced.total > 100) or a callable (lambda event: ...), not {where!r}"
        )
    if _is_async(where):
        raise TypeError(
            f"where must answer at once, and {where!r} is async; "
            "take the events and filter them in your own task: `stream.filter(...)`"
        )
    return None


def _is_async(function: object) -> bool:
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = cast("Any", inner).func
    call: object = getattr(type(cast("object", inner)), "__call__", None)  # noqa: B004 -- to look at it, not to ask
    return any(inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found) for found in (inner, call))


def _refuse_beside_the_point(condition: Condition, classes: tuple[type, ...], carried: tuple[type, ...]) -> None:
    owners = condition.owners
    for cls in classes:
        if not open_to_strangers(cls) and not any(related(cls, owner) for owner in owners):
            raise ValueError(
                f"the condition {condition} says nothing of {cls.__name__}, so no {cls.__name__} would ever come; "
                f"say what is wanted of it, joined by |, or subscribe to it apart"
            )
    if not any(related(owner, known) for owner in owners for known in carried):
        names = ", ".join(known.__name__ for known in carried)
        raise ValueError(f"the condition {condition} speaks of no class that the subject carries: {names}")
