"""Events: frozen pydantic models whose fields can be compared on the class.

Rule 1: an event stays a pydantic model in every way; only the class has something more.
Rule 2: while a class is being made, the fields of its parents cannot be read on them. Otherwise pydantic would think
        that a redeclared field hides an attribute, and would take the field of the parent as its default.
Rule 3: a field that hides an attribute of ``Event``, an unknown class keyword and an event that is not frozen
        are refused when the class is made.
Rule 4: the class has an entry for each field, so that ``dir``, completion and Sphinx find it there. The entry has no
        value: the metaclass gives it on the class, and the event's own ``__dict__`` on an event.
Rule 5: type checkers see pydantic's own metaclass. Ours would conflict with other metaclasses in users' files,
        and its ``__getattr__`` would hide misspelled fields from them.
"""

from __future__ import annotations

import re
import sys
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, TypeVar, cast
from unicodedata import category

from pydantic import BaseModel, ConfigDict

from ._comparable import FieldRef, computed
from ._fields import Path, did_you_mean

if sys.version_info >= (3, 14):
    import annotationlib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic import Field, PrivateAttr
    from pydantic._internal._model_construction import ModelMetaclass
    from typing_extensions import dataclass_transform

T = TypeVar("T")


class Identity(NamedTuple):
    """What a class is called outside the process, and the version of its fields."""

    name: str
    version: int = 1
    formerly: tuple[str, ...] = ()


_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_CONFIG: Final = frozenset(ConfigDict.__annotations__)
# The bases of the classes of events that this thread is making: pydantic cannot be handed anything meanwhile.
_making: Final[ContextVar[tuple[type, ...]]] = ContextVar("making", default=())


def _refuse_hidden_attributes(cls_name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
    # Only Event itself derives from BaseModel alone, and it cannot be looked at while it is being made.
    if BaseModel in bases:
        return
    inherited: dict[str, object] = {field: "" for base in bases for field in getattr(base, "__pydantic_fields__", ())}
    for field, annotation in {**inherited, **_annotations(namespace)}.items():
        hides = any(field in cls.__dict__ for cls in (*Event.__mro__, *type.mro(EventMeta)))
        if hides and not field.startswith("_") and not re.search(r"\bClassVar\b", str(annotation)):
            raise TypeError(
                f"the field {field!r} of {cls_name} would hide an attribute of Event; give it another name, "
                f"as in `{field}_: ... = Field(alias={field!r})`"
            )


class FieldEntry:
    """What stands in the ``__dict__`` of a class of events for each of its fields; reading it finds nothing."""

    __slots__ = ("_name",)

    def __init__(self, name: str, /) -> None:
        self._name = name

    def __get__(self, event: object, cls: type, /) -> object:
        # Python then asks `__getattr__`: that of the metaclass for the class, pydantic's own for an event.
        raise AttributeError(f"{cls.__name__} has no value for {self._name!r}")


def _annotations(namespace: dict[str, Any]) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14) and (annotate := annotationlib.get_annotate_from_class_namespace(namespace)):
        return annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
    found: Mapping[str, Any] = namespace.get("__annotations__", {})
    return found


def _refuse_unknown_keywords(cls_name: str, bases: tuple[type, ...], keywords: Iterable[str]) -> None:
    unknown = [word for word in keywords if not word.startswith("_") and word not in _CONFIG]
    # A parent's `__init_subclass__` may take any keyword.
    parents = {cls for base in bases for cls in base.__mro__} - {object, BaseModel, Generic}
    if not unknown or any("__init_subclass__" in cls.__dict__ for cls in parents):
        return
    keywords_of_ours = "it takes name=, version=, formerly= and the settings of pydantic.ConfigDict"
    hint = did_you_mean(unknown[0], ["name", "version", "formerly", *_CONFIG], keywords_of_ours)
    raise TypeError(f"the class {cls_name} does not know the keyword {unknown[0]!r}; {hint}")


def is_printable(name: str, /) -> bool:
    """Whether a name can stand in a header and in a line: no control character, no line end, no half of a pair."""
    return not any(category(letter) in _UNPRINTABLE for letter in name)


def _checked_identity(cls_name: str, name: object, version: object, formerly: object) -> Identity:
    """What the class is called outside the process, from its keywords."""
    if not isinstance(version, int) or isinstance(version, bool):
        raise TypeError(f"the version of {cls_name} must be a whole number, not {version!r}")
    if version < 1:
        raise ValueError(f"the version of {cls_name} must be at least 1, not {version}: the first version is 1")
    if not isinstance(formerly, (tuple, list, set, frozenset)):
        raise TypeError(f"formerly= of {cls_name} must be a tuple of names, as in ('OldName',), not {formerly!r}")
    known: list[str] = []
    for each in (cls_name if name is None else name, *cast("Iterable[object]", formerly)):
        if not isinstance(each, str) or not each.strip():
            raise TypeError(f"a name of {cls_name} must be a text that is not empty, not {each!r}")
        if not is_printable(each):
            raise ValueError(
                f"the name {each!r} of the class {cls_name!r} has a control character or a line end: it goes into"
                " headers and lines, so it must be one line of text"
            )
        if each in known:
            raise ValueError(f"formerly= of {cls_name} has {each!r} twice, or it is the name of today")
        known.append(each)
    return Identity(known[0], version, tuple(known[1:]))


def _made(make: Callable[[], T]) -> T:
    # pydantic looks for the names in annotations among the local names of its caller: here is none that one could mean.
    return make()


if TYPE_CHECKING:

    @dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field, PrivateAttr))
    class EventMeta(ModelMetaclass):
        """What type checkers see: pydantic's metaclass, and that all events are frozen."""

else:

    class EventMeta(type(BaseModel)):
        """Makes classes of events, and lets their fields be read on the class."""

        def __new__(mcs, cls_name, bases, namespace, *, name=None, version=1, formerly=(), **keywords):
            _refuse_hidden_attributes(cls_name, bases, namespace)
            _refuse_unknown_keywords(cls_name, bases, keywords)
            identity = _checked_identity(cls_name, name, version, formerly)
            outer = _making.set(_making.get() + bases)
            try:
                cls = _made(partial(super().__new__, mcs, cls_name, bases, namespace, **keywords))
                if keywords.get("__pydantic_reset_parent_namespace__", True):
                    # Names that are local to where the class is written: pydantic has looked for them here.
                    cls.model_rebuild(raise_errors=False, _parent_namespace_depth=3)
            finally:
                _making.reset(outer)
            if not cls.model_config.get("frozen"):
                raise TypeError(
                    f"{cls_name} is not frozen, but one instance of an event is handed to every subscriber; "
                    "leave frozen=True as it is, or derive from pydantic.BaseModel"
                )
            cls.__evenflow_identity__ = identity
            cls.__evenflow_fields__ = {}
            for field in cls.__pydantic_fields__.keys() & _annotations(namespace).keys():
                setattr(cls, field, FieldEntry(field))
            for word, value in [(word, cls.__dict__.get(word)) for word in namespace]:
                if (refusing := computed(cls_name, word, value)) is not value:
                    setattr(cls, word, refusing)
            return cls

        def __getattr__(cls, name):
            # There are no fields yet while this class itself is being made.
            known = cls.__dict__.get("__evenflow_fields__")
            hidden = any(cls in base.__mro__ for base in _making.get())
            if name.startswith("_") or known is None or hidden:
                return super().__getattr__(name)
            if (found := known.get(name)) is None:
                found = FieldRef(Path(cls, (name,)))
                if cls.__pydantic_complete__:
                    known[name] = found
            return found


class Event(BaseModel, metaclass=EventMeta):
    """Something that happened: a frozen pydantic model.

    One instance is handed to every subscriber. Frozen is shallow: a list in it is shared by all.
    Comparing a field on the class makes a ``Condition``: ``OrderPlaced.total > 100``.
    The wire name is the name of the class, or is given: ``class OrderPlaced(Event, name="shop.order.placed")``.
    ``version=`` is the version of its fields, 1 at first; ``formerly=`` has the wire names that it had before:
    ``class OrderPlaced(Event, name="shop.order.placed", version=3, formerly=("OrderPlaced",))``.
    A log reads events of older versions and former names as events of today's class.
    Subclasses inherit none of the three; ``Changed[User]`` has the version and the former names of ``Changed``.

    Raises:
        TypeError: (when a class is made) a field would hide an attribute of ``Event`` (``json``, ``copy``),
            a class keyword is unknown or of the wrong type, or the class is not frozen.
        ValueError: (when a class is made) ``version`` is less than 1, or ``formerly`` has a name twice.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)


def fields(event: type[T], /) -> T:
    """The same class, typed as an event, so that its fields can be read on it: ``fields(Changed[User]).after``.

    For generic classes: type checkers do not allow reading their fields on the class itself.

    Raises:
        TypeError: it is not a class of events.
    """
    if not (isinstance(event, type) and issubclass(event, Event)):
        hint = "for anything else use a callable: where=lambda event: ..."
        raise TypeError(f"fields() takes a class of events, not {event!r}; {hint}")
    return cast("T", event)


def identity_of(cls: type, /) -> Identity:
    """What this class is called outside the process; a class that is no ``Event`` has its own name, and version 1."""
    own: Identity = cls.__dict__.get("__evenflow_identity__") or Identity(cls.__name__)
    origin: type | None = cls.__dict__.get("__pydantic_generic_metadata__", {}).get("origin")
    if origin is None:
        return own
    # Nobody writes the class keywords of `Changed[User]`: they are those of `Changed`, with the same parameters.
    general, parameters = identity_of(origin), cls.__name__.removeprefix(origin.__name__)
    return Identity(own.name, general.version, tuple(name + parameters for name in general.formerly))


def wire_name(cls: type, /) -> str:
    """The name of this class outside the process: the name of the class, unless another one was given."""
    return identity_of(cls).name
