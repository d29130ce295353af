"""One class of events, to JSON and back: encoded by pydantic, so that what is read is what was published.

Rule 1: an event is written and read with the schema of its own class, made once and kept with the class.
Rule 2: pydantic's settings serve web pages as well, and some of them lose what they write. Where what is written could
        not be read back, the log uses a copy of the schema with other settings; the class itself stays as it is.

    a field                        written                       read
    with an alias                  by its serialization alias    by that one too, besides its validation alias
    computed, ``Json[...]``        left out; as its text         computed anew; parsed
    bytes                          base64                        base64; hex, if the class says so for both
    float that is NaN, infinite    the text "NaN", "Infinity"    the same; as the class says, if it says something
    timedelta, datetime            ISO 8601                      ISO 8601

Rule 3: an event is read back before it is stored, and refused if that fails: nobody could ever read it. Pydantic does
        not look at what `model_copy(update=...)`, `model_construct` and dataclasses are given.
        What a serializer of the user's own hides is not seen.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import PydanticSerializationError, SchemaSerializer, SchemaValidator

from evenflow._events import identity_of

from ._names import checked_wire_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic_core import CoreConfig, CoreSchema

_KEPT: Final = "__evenflow_codec__"
_WITH_CONFIG: Final = frozenset({"model", "dataclass", "typed-dict"})
_FIELDS: Final = frozenset({"model-field", "dataclass-field", "typed-dict-field"})
_BY_NAME: Final = frozenset({"fields", "choices"})
"""Under these keys of a schema are schemas by a name of the user's."""
_VALUES: Final = frozenset({"default", "metadata", "expected", "members", "cls"})
"""Under these are values, not schemas."""
_LOSSY: Final = frozenset({"validate_by_alias", "ser_json_temporal", "ser_json_timedelta"})


class Codec:
    """What a class is called outside the process, and how its events are written and read.

    Making one is cheap, and asks pydantic nothing: the class may name others that are not defined yet.

    Attributes:
        cls: the class.
        name: its wire name.
        version: the version of its fields.
        formerly: the wire names that it had before.
    """

    __slots__ = ("__weakref__", "_made", "cls", "formerly", "name", "version")

    def __init__(self, cls: type, /) -> None:
        identity = identity_of(cls)
        self.cls: type = cls
        self.name: str = checked_wire_name(identity.name, cls.__qualname__)
        self.version: int = identity.version
        self.formerly: tuple[str, ...] = identity.formerly
        self._made: tuple[SchemaSerializer, SchemaValidator] | None = None

    def __repr__(self) -> str:
        return f"Codec({self.cls.__module__}.{self.cls.__qualname__}, name={self.name!r}, version={self.version})"

    def encode(self, event: object, /) -> bytes:
        """The JSON of an event of this very class.

        Raises:
            ValueError: the event cannot be written, or what was written could not be read.
            TypeError: pydantic has no schema for the class.
        """
        serializer, validator = self._made or self._make()
        try:
            data = serializer.to_json(event, by_alias=True, round_trip=True, warnings=False)
        except PydanticSerializationError as error:
            raise ValueError(f"this {self.name} cannot be written as JSON: {error}") from error
        try:
            validator.validate_json(data)
        except ValidationError as error:
            raise ValueError(
                f"this {self.name} could not be read back, so it is not stored: {error}; pydantic does not check what "
                "model_copy(update=...), model_construct and dataclasses are given, a field that is excluded needs a "
                "default, and a validator must take what it has returned"
            ) from error
        return data

    def encode_all(self, events: Sequence[object], /) -> list[bytes]:
        """The JSON of each of several events of this very class: as ``encode``, at four fifths of the cost.

        Raises:
            ValueError: one of them cannot be written, or not read back; ``encode`` says which, and why.
            TypeError: pydantic has no schema for the class.
        """
        serializer, validator = self._made or self._make()
        write, read = serializer.to_json, validator.validate_json
        found = [write(event, by_alias=True, round_trip=True, warnings=False) for event in events]
        for data in found:
            read(data)
        return found

    def decode(self, data: bytes, /) -> object:
        """The event that this JSON is.

        Raises:
            pydantic.ValidationError: it is not JSON, or not an event of this class.
            TypeError: pydantic has no schema for the class.
        """
        _, validator = self._made or self._make()
        return validator.validate_json(data)

    def reader(self) -> Callable[[bytes], object]:
        """``decode``, without a step in between: it takes half as long again as pydantic."""
        _, validator = self._made or self._make()
        return validator.validate_json

    def _make(self) -> tuple[SchemaSerializer, SchemaValidator]:
        schema, config = _storable(_schema_of(self.cls)), cast("CoreConfig", _settings({}))
        self._made = made = (_own(SchemaSerializer, schema, config), _own(SchemaValidator, schema, config))
        return made


def codec_of(cls: type, /) -> Codec:
    """The codec of a class; it is kept with the class, and goes with it."""
    kept: Codec | None = cls.__dict__.get(_KEPT)
    if kept is None or kept.cls is not cls:  # `dataclass(slots=True)` copies what a class has into another one
        try:
            setattr(cls, _KEPT, kept := Codec(cls))
        except TypeError:  # a class that was made in C, such as `int`
            return _codec_of_builtin(cls)
    return kept


@lru_cache(maxsize=64)
def _codec_of_builtin(cls: type) -> Codec:
    return Codec(cls)


def _schema_of(cls: type) -> CoreSchema:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(cls)
    except PydanticSchemaGenerationError as error:
        raise TypeError(
            f"events of {cls.__module__}.{cls.__qualname__} cannot be stored: pydantic cannot write them; "
            "derive it from Event or pydantic.BaseModel, or make it a dataclass"
        ) from error
    if not adapter.pydantic_complete:
        raise TypeError(
            f"{cls.__module__}.{cls.__qualname__} names classes in its annotations that pydantic cannot find; call "
            f"{cls.__name__}.model_rebuild() once they are defined"
        )
    return adapter.core_schema


def _own(make: Callable[..., Any], schema: CoreSchema, config: CoreConfig) -> Any:
    """Make a serializer or validator of this schema alone.

    Since 2.11 pydantic puts in what it has made for a class before, wherever the class is in the schema, and does not
    look at the settings here. Before that there was nothing to turn off.
    """
    try:
        return make(schema, config, _use_prebuilt=False)
    except TypeError:
        return make(schema, config)


def _storable(schema: CoreSchema) -> CoreSchema:
    """A copy of a schema that reads whatever it writes."""
    copied: CoreSchema = _copied(schema)
    return copied


def _copied(node: Any) -> Any:
    if isinstance(node, (list, tuple)):
        parts = cast("list[Any]", node)
        return type(parts)([_copied(part) for part in parts])
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key, value in cast("dict[str, Any]", node).items():
        if key in _BY_NAME and isinstance(value, dict):
            named = cast("dict[str, Any]", value)
            made[key] = {name: _readable(name, _copied(part)) for name, part in named.items()}
        else:
            made[key] = value if key in _VALUES else _copied(value)
    return _adapted(made)


def _adapted(node: dict[str, Any]) -> dict[str, Any]:
    kind = node.get("type")
    if not isinstance(kind, str):
        return node
    if kind in _WITH_CONFIG:
        node["config"] = _settings(node.get("config") or {})
    elif kind == "float":
        node["strict"] = False  # or the text "NaN" would not be read
    elif kind == "dataclass-field":  # those of a dataclass are a list, and have their names themselves
        _readable(node["name"], node)
    return node


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    made = {key: value for key, value in config.items() if key not in _LOSSY}
    binary = made.get("ser_json_bytes", "utf8")
    if binary == "utf8" or binary != made.get("val_json_bytes", "utf8"):
        made["ser_json_bytes"] = made["val_json_bytes"] = "base64"
    if made.get("ser_json_inf_nan", "null") == "null":
        made["ser_json_inf_nan"] = "strings"
    return made


def _readable(name: str, node: Any) -> Any:
    """A field that is read by the name it is written with."""
    if not isinstance(node, dict) or cast("dict[str, Any]", node).get("type") not in _FIELDS:
        return cast("Any", node)
    field = cast("dict[str, Any]", node)
    written, read = field.get("serialization_alias") or name, _paths(field.get("validation_alias") or name)
    if [written] not in read:
        field["validation_alias"] = [[written], *read]
    return field


def _paths(alias: str | list[Any]) -> list[list[Any]]:
    """An alias, a path, or several paths, as several paths."""
    if isinstance(alias, str):
        return [[alias]]
    return alias if all(isinstance(path, list) for path in alias) else [alias]
