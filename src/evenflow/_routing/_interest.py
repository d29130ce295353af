"""What a subscription wants: checked, and taken apart.

Rule 1: a want or condition that no event of the subject can ever meet is refused where it is written.
Rule 2: nothing here keeps a callable alive. An interest knows that there is one; its target calls it.
        What was checked before is known weakly: no class of events outlives its last use.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import Annotated, Any, NamedTuple, Union, cast, get_args, get_origin
from weakref import WeakKeyDictionary, WeakSet

from evenflow._conditions import Condition, condition_in

from ._classes import names, open_to_strangers, related, with_article


class Interest(NamedTuple):
    """Which events a subscription wants.

    Attributes:
        wants: classes of events, as for ``isinstance``; empty for all events.
        condition: the condition on their fields, if there is one.
        asks: whether there is a callable instead, which the target calls.
    """

    wants: tuple[type, ...]
    condition: Condition | None
    asks: bool

    def __str__(self) -> str:
        wanted = " | ".join(names(self.wants)) or "everything"
        if self.condition is not None:
            return f"{wanted} where {self.condition}"
        return f"{wanted} where a callable says so" if self.asks else wanted


class Interests:
    """Makes the interests of a subject that carries these classes, and remembers what it has checked before."""

    __slots__ = ("_carried", "_checked", "_known")

    def __init__(self, carried: tuple[type, ...], /) -> None:
        self._carried = carried
        self._known: WeakSet[type] = WeakSet()
        self._checked: WeakKeyDictionary[type, WeakSet[type]] = WeakKeyDictionary()
        """Each wanted class with those whose fields a condition on it may read."""

    def of(self, wants: tuple[object, ...], where: object, /) -> Interest:
        """What a subscription wants.

        Raises:
            TypeError: ``isinstance`` cannot take a want, or ``where`` is neither a condition nor a plain callable.
            ValueError: the subject never carries a wanted class, or the condition is about other classes.
        """
        classes = self._classes_in(wants)
        condition = _condition(where)
        if condition is not None and not self._was_checked(classes, condition._owners):
            _refuse_other_classes(condition, classes, self._carried)
            if len(classes) == len(condition._owners) == 1:
                self._checked.setdefault(classes[0], WeakSet()).add(condition._owners[0])
        return Interest(classes, condition, where is not None and condition is None)

    def _was_checked(self, classes: tuple[type, ...], owners: tuple[type, ...]) -> bool:
        """Whether the usual case, one class and one owner, was met before."""
        return len(classes) == len(owners) == 1 and owners[0] in self._checked.get(classes[0], ())

    def _classes_in(self, wants: tuple[object, ...]) -> tuple[type, ...]:
        if len(wants) == 1 and isinstance(want := wants[0], type) and want in self._known:
            return (want,)
        classes = classes_in(*wants)
        for cls in classes:
            _refuse_never_carried(cls, self._carried)
        self._known.update(classes)
        return classes


def classes_in(*forms: object) -> tuple[type, ...]:
    """The classes that are named by classes, unions and ``Annotated``, each once.

    Raises:
        TypeError: ``isinstance`` cannot take one of them.
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
    # The alias `type Events = A | B`.
    if hasattr(form, "__value__") and not isinstance(form, type):
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
    wanted, known = names([cls], *carried)[0], ", ".join(names(carried, cls))
    raise ValueError(
        f"no event here is ever {with_article(wanted)}: the subject carries {known}; want one of these, a base or a"
        " subclass"
    )


def _condition(where: object) -> Condition | None:
    """The condition in ``where``; None if it is a callable or None."""
    if where is None:
        return None
    condition = condition_in(where, "where takes a condition or a callable")
    if condition is not None:
        return condition
    if isinstance(where, type) or not callable(where):
        raise TypeError(
            f"where takes a condition (OrderPlaced.total > 100) or a callable (lambda event: ...), not {where!r}"
        )
    if is_async(where):
        raise TypeError(
            f"where must answer at once, and {where!r} is async; "
            "take the events and filter them in your own task: `stream.filter(...)`"
        )
    return None


def is_async(function: object, /) -> bool:
    """Whether calling this returns something that must be awaited, as far as can be seen without calling it."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = cast("Any", inner).func
    looked_at = (inner, type(inner).__call__)
    return any(inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found) for found in looked_at)


def _refuse_other_classes(condition: Condition, classes: tuple[type, ...], carried: tuple[type, ...]) -> None:
    owners = condition._owners
    for cls in classes:
        if not open_to_strangers(cls) and not any(related(cls, owner) for owner in owners):
            name = names([cls], *owners)[0]
            of = f" speaks of {', '.join(names(owners, cls))}, and" if name != cls.__name__ else ""
            raise ValueError(
                f"the condition {condition}{of} says nothing of {name}, so no {cls.__name__} would ever come; "
                f"say what is wanted of it, joined by |, or subscribe to it apart"
            )
    if not any(related(owner, known) for owner in owners for known in carried):
        raise ValueError(
            f"the condition {condition} speaks of {', '.join(names(owners, *carried))}, and the subject carries"
            f" {', '.join(names(carried, *owners))}; compare fields of one of these, of a base or of a subclass"
        )
