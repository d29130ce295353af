"""Which class an event from the log is: found by its wire name, and brought up to the version of today.

Rule 1: a subject carries the classes that it declares and their subclasses, as far as they are defined now;
        of a class that is made in C (``int``) no subclass, because the standard library has too many.
Rule 2: one wire name, of today or of formerly, is one class. Two in one subject are refused, with their modules, and
        so are two in subjects of one log, as far as they are defined when the second is made.
Rule 3: a version is brought up one step at a time, with functions that take the JSON as a dict and return one:

    stored     1 ---upgrade(from_version=1)---> 2 ---upgrade(from_version=2)---> 3     the class has version=3

Rule 4: a class knows the steps from some version on, up to its own, without a gap. What is older than the first step,
        newer than the class, or of an unknown name, is a ``DecodeError``; so is what pydantic does not take.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast
from weakref import WeakValueDictionary

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from evenflow._errors import DecodeError
from evenflow._events import Event, identity_of
from evenflow._routing import is_async, refused_event
from evenflow._routing._classes import never_one

from ._codec import Codec, codec_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ._offsets import Offset

    Step: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

S = TypeVar("S", bound="Callable[[dict[str, Any]], dict[str, Any]]")
_STEPS: Final = "__evenflow_upgrades__"
_HEAP_TYPE: Final = 1 << 9
"""The flag of a class that was made by a ``class`` statement, and not in C."""


def upgrade(cls: type[Event], /, *, from_version: int) -> Callable[[S], S]:
    """Decorate the function that makes the JSON of a version of a class into that of the next one.

    The function gets the JSON of an event as a dict, may change it, and returns a dict. Steps are chained.
    Subclasses do not inherit them; ``Changed[User]`` has those of ``Changed``.

    Raises:
        TypeError: it is no class of events, the version is no whole number, or the function is async or no function.
        ValueError: the version is less than 1, not older than the class's own, or has a step already.
    """
    if not (isinstance(cls, type) and issubclass(cls, Event)):
        raise TypeError(f"upgrade() takes a class of events, not {cls!r}: only those have a version")
    if not isinstance(from_version, int) or isinstance(from_version, bool):
        raise TypeError(f"from_version must be a whole number, not {from_version!r}")
    today = identity_of(cls).version
    if not 1 <= from_version < today:
        raise ValueError(
            f"from_version must be older than {cls.__name__}, which has version={today}, and at least 1, "
            f"not {from_version}: a step leads to the next version"
        )

    def register(step: S) -> S:
        if not callable(step) or is_async(step):
            raise TypeError(f"upgrade() decorates a plain function that takes a dict and returns one, not {step!r}")
        steps = cast("dict[int, Step]", cls.__dict__.get(_STEPS) or {})
        if (other := steps.get(from_version)) is not None:
            raise ValueError(
                f"{cls.__name__} has two steps from version {from_version}: {_described(other)} and {_described(step)}"
            )
        setattr(cls, _STEPS, {**steps, from_version: step})
        return step

    return register


def _described(step: object) -> str:
    return f"{getattr(step, '__module__', '?')}.{getattr(step, '__qualname__', repr(step))}"


def _steps_of(cls: type) -> Mapping[int, Step]:
    origin: type | None = cls.__dict__.get("__pydantic_generic_metadata__", {}).get("origin")
    own: Mapping[int, Step] = cls.__dict__.get(_STEPS) or {}
    return own or ({} if origin is None else _steps_of(origin))


def _refuse_a_gap(codec: Codec) -> None:
    steps = _steps_of(codec.cls)
    missing = [version for version in range(min(steps, default=codec.version), codec.version) if version not in steps]
    if missing:
        raise ValueError(
            f"the upgrades of {codec.cls.__name__} have a gap: it has version={codec.version} and steps from "
            f"{', '.join(map(str, sorted(steps)))}, but none from {', '.join(map(str, missing))}"
        )


class Schemas:
    """The classes that a subject carries: how their events are read, and by which wire names they are found.

    Raises:
        ValueError: two of the classes have one wire name, or the upgrades of one have a gap.
    """

    __slots__ = ("_by_name", "_subject", "_types")

    def __init__(self, subject: str, types: Iterable[type], /) -> None:
        self._subject = subject
        self._types = tuple(types)
        # A codec is kept by its class, and a class that nobody uses any more is freed.
        self._by_name: WeakValueDictionary[str, Codec] = WeakValueDictionary()
        self.check()

    def check(self) -> None:
        """Look at all classes that are defined now.

        Raises:
            ValueError: two of them have one wire name, or the upgrades of one have a gap.
        """
        self._look()
        for codec in set(self._by_name.values()):
            _refuse_a_gap(codec)

    def refuse_clash(self, other: Schemas, /) -> None:
        """Refuse classes of which another subject of the same log has others of that name.

        Raises:
            ValueError: the message names both.
        """
        for name, codec in self._by_name.items():
            theirs = other._by_name.get(name)
            if theirs is not None and theirs is not codec and not _replaced(theirs.cls, codec.cls):
                raise ValueError(
                    f"two classes of one log have the wire name {name!r}: {_known(theirs, name)} of {other._subject}"
                    f" and {_known(codec, name)} of {self._subject}; give one of them another name, as in"
                    " class ...(Event, name='...')"
                )

    def codec(self, event: object, /) -> Codec:
        """How this event is written.

        Raises:
            TypeError: the subject does not carry its class.
            ValueError: its class was defined since, and has the wire name of another one.
        """
        codec = codec_of(type(event))
        return codec if self._by_name.get(codec.name) is codec else self._admitted(codec, event)

    def _admitted(self, codec: Codec, event: object) -> Codec:
        if not isinstance(event, self._types):
            raise TypeError(refused_event(self._subject, self._types, event))
        self._look()
        if self._by_name.get(codec.name) is not codec:
            raise TypeError(
                f"{self._subject} could not find {codec.cls.__name__} again when its events are read: it derives from "
                f"none of the classes that the subject declares; declare it too"
            )
        return codec

    def decode(
        self,
        type: str,  # noqa: A002 -- CloudEvents calls it so
        version: int,
        data: bytes,
        /,
        *,
        offset: Offset | None = None,
    ) -> object:
        """The event that was stored under this wire name and version.

        Raises:
            DecodeError: no class is known for it, its version is newer than the class or too old, a step raised,
                or pydantic does not take the data (its error is the cause).
            ValueError: a class was defined since that has the wire name of another one.
        """
        codec = self._by_name.get(type)
        if codec is None:
            self._look()
            codec = self._by_name.get(type)
        if codec is None:
            raise DecodeError(self._unknown(type, version, offset), offset=offset, type=type, version=version)
        cause: BaseException | None
        try:
            return codec.decode(data if version == codec.version else _brought_up(codec, version, data))
        except ValidationError as error:
            words, cause = f"is no {codec.cls.__name__}: {error}", error
        except _Stuck as stuck:
            words, cause = str(stuck), stuck.__cause__
        where = "" if offset is None else f" at {offset}"
        message = f"the event{where}, a {type!r} of version {version}, {words}"
        raise DecodeError(message, offset=offset, type=type, version=version) from cause

    def reader(self, type: str, version: int, /) -> Callable[[bytes], object] | None:  # noqa: A002 -- as in decode
        """What reads the data of this wire name and version, and nothing else; None where ``decode`` must be asked.

        It keeps the class alive: not for longer than a page.
        """
        codec = self._by_name.get(type)
        return codec.reader() if codec is not None and codec.version == version else None

    def version_of(self, name: str, /) -> int | None:
        """The version of the class that has this wire name; None where nobody here knows it (yet)."""
        codec = self._by_name.get(name)
        return None if codec is None else codec.version

    def _unknown(self, name: str, version: int, offset: Offset | None) -> str:
        where = "" if offset is None else f" at {offset}"
        return (
            f"the event{where} is a {name!r} of version {version}, and {self._subject} knows no class of that name: "
            f"it knows {', '.join(map(repr, sorted(self._by_name)))}; import its class, or say formerly=({name!r},)"
        )

    def classes_of(self, names: Iterable[str]) -> tuple[type, ...]:
        """The classes that have these wire names, as far as they are defined now."""
        self._look()
        return tuple(codec.cls for name in names if (codec := self._by_name.get(name)) is not None)

    def names_of(self, *wants: type) -> frozenset[str]:
        """The wire names, of today and of formerly, of the classes whose events may be among these wants.

        Of the classes that are defined now: ask again when others may be. Of a want that decides for each event
        (a Protocol), all names. A name that no class has yet is in neither this nor ``other_names``.
        """
        self._look()
        return frozenset(
            name for name, codec in self._by_name.items() if not all(never_one(codec.cls, want) for want in wants)
        )

    def other_names(self, *wants: type) -> frozenset[str]:
        """The wire names of the classes of which no event is among these wants: whatever else there is may be."""
        wanted = self.names_of(*wants)
        return frozenset(self._by_name) - wanted

    def _look(self) -> None:
        """Find all classes that are defined now."""
        try:
            self._by_name.update(self._found())
        except ValueError:
            pass  # the error, which holds the classes, must be gone first
        else:
            return
        # A class that nobody has any more may not be freed yet, as that of a cell of a notebook that was run again.
        gc.collect()
        self._by_name.update(self._found())

    def _found(self) -> dict[str, Codec]:
        found: dict[str, Codec] = {}
        for cls in _family(self._types):
            codec = codec_of(cls)
            for name in (codec.name, *codec.formerly):
                other = found.setdefault(name, codec)
                if _replaced(other.cls, cls):
                    found[name] = codec
                elif other is not codec and not _replaced(cls, other.cls):
                    raise ValueError(
                        f"two classes of {self._subject} have the wire name {name!r}: {_known(other, name)} and "
                        f"{_known(codec, name)}; give one of them another name, as in class ...(Event, name='...')"
                    )
        return found


def _replaced(old: type, new: type) -> bool:
    """Whether one class is what ``dataclass(slots=True)`` has made of the other, which it may keep alive."""
    fields = old.__dict__.get("__dataclass_fields__")
    slotted = "__slots__" in new.__dict__ and "__slots__" not in old.__dict__
    return slotted and fields is not None and fields is new.__dict__.get("__dataclass_fields__")


def _known(codec: Codec, name: str) -> str:
    full = f"{codec.cls.__module__}.{codec.cls.__qualname__}"
    return full if codec.name == name else f"{full} (formerly)"


def _family(types: Iterable[type]) -> list[type]:
    """These classes and all that derive from them, each once."""
    found: dict[type, None] = {}
    waiting = list(types)
    while waiting:
        cls = waiting.pop()
        if cls not in found:
            found[cls] = None
            waiting.extend(type.__subclasses__(cls) if cls.__flags__ & _HEAP_TYPE else ())
    return list(found)


class _Stuck(Exception):
    """An event that cannot be brought up to the version of today."""


def _brought_up(codec: Codec, version: int, data: bytes) -> bytes:
    """The JSON of an event of another version, as that of an event of today."""
    name, steps = codec.cls.__name__, _steps_of(codec.cls)
    if version > codec.version:
        raise _Stuck(f"is newer than {name}, which has version={codec.version}: whoever published it knows more")
    missing = [step for step in range(version, codec.version) if step not in steps]
    if missing:
        raise _Stuck(
            f"cannot become a {name}, which has version={codec.version}: there is no step from "
            f"{', '.join(map(str, missing))}; write one with @upgrade({name}, from_version={missing[0]})"
        )
    try:
        content = from_json(data)
    except ValueError as error:
        raise _Stuck(f"is no JSON: {error}") from error
    for number in range(version, codec.version):
        if not isinstance(content, dict):
            raise _Stuck(f"is {content!r} before the step from {number}, and not a dict")
        try:
            content = steps[number](cast("dict[str, Any]", content))
        except Exception as error:
            raise _Stuck(f"made {_described(steps[number])} raise {error!r}") from error
    try:
        return to_json(content, bytes_mode="base64")
    except ValueError as error:
        raise _Stuck(f"was made into what is no JSON by its steps: {error}") from error
