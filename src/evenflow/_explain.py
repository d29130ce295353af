"""Why a subscription would get an event or not: its condition or callable is asked anew, without the index."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ._conditions import All, Comparison, Condition, Either, Not, OneOf, Truth
from ._routing import names, wanted, with_article

if TYPE_CHECKING:
    from ._fields import Path
    from ._routing import Interest, Target

_brief: Final = reprlib.Repr()
_brief.maxstring = _brief.maxother = 60

NOT_RUNNING: Final = "the observer is not running: the subject was not entered"
ENDED: Final = "the observer has ended: it was too slow, or its task was cancelled"
CLOSED: Final = "the subject is closed: it takes no more events"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one subscription or observer would get an event, or would not.

    Attributes:
        name: the name of the subscription or observer.
        wanted: whether it would get the event.
        reason: why, in plain words: ``region is 'us', wanted 'eu'``.
        found_by: how a publish finds it: by which fields, by the class alone, or one by one.
    """

    name: str
    wanted: bool
    reason: str
    found_by: str

    def __str__(self) -> str:
        return f"{self.name}: {'yes' if self.wanted else 'no'}, {self.reason} (found {self.found_by})"


def explain(name: str, interest: Interest, event: object, target: Target, /, *, found_by: str) -> Explanation:
    """Why this target would get this event, or would not; what its callable raises is part of the answer."""
    return Explanation(name, *_answer(interest, event, target), found_by)


def _answer(interest: Interest, event: object, target: Target) -> tuple[bool, str]:
    condition = interest.condition
    source = "its condition" if condition is not None else "its callable" if interest.asks else "its class"
    try:
        said = wanted(interest, event, target)
        if interest.wants and not isinstance(event, interest.wants):
            return said, _stranger(event, "wanted", interest.wants)
        if condition is not None:
            if isinstance(event, condition._owners):
                return said, _because(condition, event, said=said)
            return said, _stranger(event, "and the condition speaks of", condition._owners)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: ASYNC103, BLE001 -- users' code may raise anything, and that is the answer
        # no await is in here: it is no cancellation of this task
        return False, f"{source} raised {type(error).__name__}: {error}; that ends the subscription"  # noqa: ASYNC104
    verdict = f"its callable says {'yes' if said else 'no'}"
    return said, verdict if interest.asks else f"every {' or '.join(names(interest.wants)) or 'event'} is wanted"


def _because(condition: Condition, event: object, *, said: bool) -> str:
    """Why a condition holds or does not: only the parts that decide it are named."""
    if isinstance(condition, (All, Either)):
        deciding = (part for part in condition.parts if part._holds(event) is said)
        return " and ".join(dict.fromkeys(_because(part, event, said=said) for part in deciding))
    if isinstance(condition, Not) and isinstance(condition.part, (All, Either, Not)):
        return f"{_because(condition.part, event, said=not said)}, but ~ wants the opposite"
    leaf, opposite = (condition.part, "not ") if isinstance(condition, Not) else (condition, "")
    assert isinstance(leaf, (Comparison, OneOf, Truth))
    return f"{_what_is(leaf.path, event)}, {'as wanted' if said else f'wanted {opposite}{_wish(leaf)}'}"


def _what_is(path: Path, event: object) -> str:
    """What the event has at this path, or where the path ends at a None."""
    if not isinstance(event, path.owner):
        return f"it is {with_article(type(event).__name__)} and has no {path}"
    value = event
    for position, name in enumerate(path.names):
        if value is None:
            return f"{'.'.join(path.names[:position])} is None"
        value = getattr(value, name)
    return f"{path.brief} is {_brief.repr(value)}"


def _wish(leaf: Comparison | OneOf | Truth) -> str:
    if isinstance(leaf, Truth):
        return "it to be true"
    if isinstance(leaf, OneOf):
        return f"one of {', '.join(map(_brief.repr, leaf.values))}"
    return {"==": "", "!=": "anything but "}.get(leaf.op, f"{leaf.op} ") + _brief.repr(leaf.value)


def _stranger(event: object, relation: str, classes: tuple[type, ...]) -> str:
    kind = type(event)
    return f"it is {with_article(names([kind], *classes)[0])}, {relation} {' or '.join(names(classes, kind))}"
