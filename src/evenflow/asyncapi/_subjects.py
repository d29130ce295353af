"""What is documented of a subject: its name, its classes, and what a reader must know of how it keeps them.

Rule 1: a subject carries the classes that it declares and their subclasses, as far as they are defined now: import the
        modules that define them first. ``Event`` itself and abstract classes are no messages.
Rule 2: what is sent is documented for every subject. What is taken in, for a durable subject that has consumers:
        whoever can write to the log may publish there.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from pydantic_core import to_jsonable_python

from evenflow._events import Event
from evenflow._subject import Subject
from evenflow.log import DurableSubject, Log
from evenflow.log._schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenflow.log import Retain
    from evenflow.log._codec import Codec

Documentable: TypeAlias = Subject[Any] | DurableSubject[Any] | Log
"""What a document can be made of: a log stands for all of its subjects."""

_CHOSEN: Final = re.compile(r"subject-\d+")


class Documented(NamedTuple):
    """A subject, as it is documented.

    Attributes:
        name: its name.
        codecs: those of its classes, by wire name.
        facts: how it keeps its events, for machines.
        groups: the groups whose consumers handle its events here.
    """

    name: str
    codecs: dict[str, Codec]
    facts: dict[str, Any]
    groups: tuple[str, ...] = ()


def documented(*given: Documentable) -> list[Documented]:
    """The subjects that are given, sorted by name.

    Raises:
        TypeError: one of them is no subject and no log.
        ValueError: there are none, two have one name, one has no name or no classes, or two classes have one wire name.
    """
    found: dict[str, Documented] = {}
    known: dict[str, type] = {}
    for subject in _all_of(given):
        made = _documented(subject)
        if made.name in found:
            raise ValueError(
                f"two subjects have the name {made.name!r}: in one document each needs its own; "
                "rename one, or make a document for each log"
            )
        found[made.name] = made
        for name, codec in made.codecs.items():
            if known.setdefault(name, codec.cls) is not codec.cls:
                raise ValueError(
                    f"two classes have the wire name {name!r}: {_full(known[name])} and {_full(codec.cls)}; "
                    "give one of them another name, as in class ...(Event, name='...')"
                )
    if not found:
        raise ValueError("there is no subject to document; name at least one")
    return [found[name] for name in sorted(found)]


def _all_of(given: Iterable[object]) -> Iterable[Subject[Any] | DurableSubject[Any]]:
    seen: dict[int, Subject[Any] | DurableSubject[Any]] = {}
    for each in given:
        if isinstance(each, Log):
            seen.update({id(subject): subject for subject in each._subjects.values()})
        elif isinstance(each, (Subject, DurableSubject)):
            seen[id(each)] = each  # pyright: ignore[reportUnknownArgumentType]  # isinstance knows no parameters
        else:
            raise TypeError(f"a document is made of subjects and logs, not of {each!r}")
    return seen.values()


def _documented(subject: Subject[Any] | DurableSubject[Any]) -> Documented:
    if isinstance(subject, DurableSubject):
        schemas = subject._kind.schemas
        groups = tuple(sorted({consumer._spec.group for consumer in subject._consumers}))
        facts: dict[str, Any] = {"durable": True, "log": subject._openings.name}
        if subject._kind.retain is not None:
            facts["retain"] = _retention(subject._kind.retain)
        if groups:
            facts["groups"] = list(groups)
        return Documented(subject.name, _codecs(subject.name, schemas), facts, groups)
    name = subject._name
    if not has_own_name(subject):
        raise ValueError(f"{name} has no name of its own, and a document needs one: Subject(..., name='orders')")
    replay = subject._kept[0]
    facts = {"durable": False, "replay": replay} if replay else {"durable": False}
    return Documented(name, _codecs(name, Schemas(name, subject._types)), facts)


def has_own_name(subject: Subject[Any]) -> bool:
    """Whether a subject in memory was given a name: the one that evenflow chooses is another one in each run."""
    return not _CHOSEN.fullmatch(subject._name)


def _codecs(name: str, schemas: Schemas) -> dict[str, Codec]:
    schemas._look()
    codecs = {
        codec.name: codec
        for codec in schemas._by_name.values()
        if codec.cls is not Event and not inspect.isabstract(codec.cls)
    }
    if not codecs:
        raise ValueError(f"{name} carries no class that can be documented; import the modules that define its events")
    return dict(sorted(codecs.items()))


def _retention(retain: Retain) -> dict[str, Any]:
    kept: dict[str, Any] = {"unacked": retain.unacked}
    if retain.age is not None:
        kept["age"] = to_jsonable_python(retain.age)
    if retain.events is not None:
        kept["events"] = retain.events
    if retain.key is not None:
        kept["lastBy"] = ".".join(retain.key.names)
    return dict(sorted(kept.items()))


def _full(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
