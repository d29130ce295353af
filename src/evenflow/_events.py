"""Events: frozen pydantic models whose fields can be compared on the class.

Rule 1: an event stays a pydantic model in every way; what is added happens on the class alone.
Rule 2: while a class is being made, its parents' fields cannot be seen on them, or pydantic would take
        a redeclared field for one that hides an attribute, and its default for the field itself.
Rule 3: a field that hides an attribute of ``Event``, a class keyword that nobody knows, and an event
        that is not frozen are refused when the class is made.
Rule 4: checkers see pydantic's own metaclass; ours would conflict with other metaclasses in users' files,
        and its ``__getattr__`` would let misspelled fields pass.
"""

from __future__ import annotations

import difflib
import sys
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from ._comparable import FieldsOf, field_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import Field, PrivateAttr
    from pydantic._internal._model_construction import ModelMetaclass
    from typing_extensions import dataclass_transform

_CONFIG: Final = frozenset(ConfigDict.__annotations__)
T = TypeVar("T")


class _Making(threading.local):
    """The bases of the classes of events that are being made in this thread."""

    def __init__(self) -> None:
        self.bases: list[tuple[type, ...]] = []

    def knows(self, cls: type, /) -> bool:
        """Whether a class that is being made derives from this one."""
        return bool(self.bases) and any(cls in base.__mro__ for bases in self.bases for base in bases)


_making = _Making()


def _refuse_hidden_attributes(cls_name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
    if BaseModel in bases:  # Event itself is being made
        return
    for field, annotation in _annotations(namespace).items():
        if field.startswith("_") or "ClassVar" in str(annotation):
            continue
        if any(field in cls.__dict__ for cls in (*Event.__mro__, *type.mro(EventMeta))):
            raise TypeError(
                f"the field {field!r} of {cls_name} would hide an attribute of Event; give it another name, "
                f"as in `{field}_: ... = Field(alias={field!r})`"
            )


def _annotations(namespace: dict[str, Any]) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 -- it does not exist before

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            return annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
    found: Mapping[str, Any] = namespace.get("__annotations__", {})
    return found


def _refuse_unknown_keywords(cls_name: str, bases: tuple[type, ...], keywords: Iterable[str]) -> None:
    """A class keyword is a setting of pydantic's, or one that a parent's ``__init_subclass__`` takes."""
    unknown = [word for word in keywords if not word.startswith("_") and word not in _CONFIG]
    if not unknown or any(_takes_keywords(cls) for base in bases for cls in base.__mro__):
        return
    close = difflib.get_close_matches(unknown[0], ["name", *_CONFIG], n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "; it takes name= and the settings of pydantic.ConfigDict"
    raise TypeError(f"the class {cls_name} does not know the keyword {unknown[0]!r}{hint}")


def _takes_keywords(cls: type) -> bool:
    return cls not in (object, BaseModel, Generic) and "__init_subclass__" in cls.__dict__


def _refuse_bad_name(cls_name: str, name: object) -> None:
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise TypeError(f"the name of {cls_name} must be a text that is not empty, not {name!r}")


if TYPE_CHECKING:

    @dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field, PrivateAttr))
    class EventMeta(ModelMetaclass):
        """What type checkers see: pydantic's metaclass, and that every event is frozen."""

else:

    class EventMeta(type(BaseModel)):
        """Makes classes of events, and gives their fields when they are read on the class."""

        def __new__(mcs, cls_name, bases, namespace, *, name=None, **keywords):
            _refuse_hidden_attributes(cls_name, bases, namespace)
            _refuse_unknown_keywords(cls_name, bases, keywords)
            _refuse_bad_name(cls_name, name)
            _making.bases.append(bases)
            try:
                cls = super().__new__(mcs, cls_name, bases, namespace, **keywords)
            finally:
                _making.bases.pop()
            if not cls.model_config.get("frozen"):
                raise TypeError(
                    f"{cls_name} is not frozen, but one instance of an event is handed to every subscriber; "
                    "leave frozen=True as it is, or derive from pydantic.BaseModel"
                )
            cls.__evenflow_name__ = cls_name if name is None else name
            cls.__evenflow_fields__ = {}
            return cls

        def __getattr__(cls, name):
            if name.startswith("_") or _making.knows(cls):
                return super().__getattr__(name)
            known = cls.__dict__.get("__evenflow_fields__")
            if known is None:  # the class itself is being made
                return super().__getattr__(name)
            found = known.get(name)
            if found is None:
                found = field_of(cls, name)
                if cls.__pydantic_complete__:
                    known[name] = found
            return found


class Event(BaseModel, metaclass=EventMeta):
    """Something that happened: a frozen pydantic model.

    One instance is handed to every subscriber. Frozen is shallow: a list in it is shared by all.
    Its fields can be compared on the class, which gives a ``Condition``: ``OrderPlaced.total > 100``.
    Its wire name is the class's name, or ``class OrderPlaced(Event, name="shop.order.placed")``; it is not inherited.

    Raises:
        TypeError: when a class is made: a field would hide an attribute of ``Event`` (``json``, ``copy``),
            a class keyword is unknown, or the class is not frozen.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)


def fields(event: type[T], /) -> T:
    """The fields of a class of events, typed as those of one event: ``fields(Changed[User]).after``.

    For generic classes, whose fields no type checker lets one read on the class.

    Raises:
        TypeError: it is not a class of events.
    """
    if not is_event_class(event):
        raise TypeError(
            f"fields() takes a class of events, not {event!r}; "
            "for anything else use a callable: where=lambda event: ..."
        )
    return FieldsOf(event)  # type: ignore[return-value]  # pyright: ignore[reportReturnType] -- stands for an event of that class


def is_event_class(cls: object, /) -> bool:
    """Whether it is a class derived from ``Event``."""
    return isinstance(cls, type) and issubclass(cls, Event)


def wire_name(cls: type, /) -> str:
    """What events of this class are called outside the process: the class's name, unless it was given another."""
    name = cls.__dict__.get("__evenflow_name__", cls.__name__)
    return str(name)
