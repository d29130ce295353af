"""The JSON Schema of what the log's codec writes, which is not what `model_json_schema` describes.

a field                      here
with a default               required, because it is always written; and named in ``x-may-be-left-out``
with ``exclude_if``          not required; with ``exclude``, not there at all
computed                     not there: it is computed anew where the event is read
``Json[...]``                the text
bytes                        base64 with ``-`` and ``_``, or hex, and their lengths in that form
float                        a number, or "NaN", "Infinity", "-Infinity" unless the class refuses these
timedelta, datetime          ISO 8601, whatever the class says
a serializer of unknown      anything
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from evenflow.log._codec import _schema_of, _storable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evenflow.log._codec import Codec

Schema = dict[str, Any]

NOT_FINITE = ("NaN", "Infinity", "-Infinity")
OPTIONAL = "x-may-be-left-out"
"""The word of a schema for the fields that are always written, and that a publisher need not write: with a default."""
REFERENCE = "#/components/schemas/{model}"


def wire_schemas(codecs: Mapping[str, Codec], /) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """The schema of what each of these codecs writes, by the same keys, and the schemas that they refer to.

    Raises:
        TypeError: pydantic has no schema for a class.
    """
    generator = _WireSchema(by_alias=True, ref_template=REFERENCE)
    inputs = [(key, "serialization", _storable(_schema_of(codec.cls))) for key, codec in sorted(codecs.items())]
    made, definitions = generator.generate_definitions(cast("Any", inputs))
    return {key: schema for (key, _), schema in made.items()}, cast("dict[str, Schema]", definitions)


def _text(form: str) -> Callable[[object, object], Schema]:
    """How something is described that is always written as a text of this format."""
    return lambda generator, schema: {"type": "string", "format": form}  # noqa: ARG005 -- as pydantic calls it


class _WireSchema(GenerateJsonSchema):
    """Pydantic's generator, for what is written by the codec."""

    def __init__(self, by_alias: bool, ref_template: str) -> None:
        super().__init__(by_alias=by_alias, ref_template=ref_template)
        self.ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}
        self._settings: list[Mapping[str, Any]] = [{}]
        """Those of the class whose fields are described: pydantic's own stack has what the user wrote."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        if field["type"] == "typed-dict-field":
            return super().field_is_required(field, total)
        return field.get("serialization_exclude_if") is None

    def model_schema(self, schema: Any) -> Any:
        return self._within(schema, super().model_schema)

    def dataclass_schema(self, schema: Any) -> Any:
        return self._within(schema, super().dataclass_schema)

    def typed_dict_schema(self, schema: Any) -> Any:
        made = self._within(_without_computed(schema), super().typed_dict_schema)
        return _with_optional(made, {name: each for name, each in schema["fields"].items() if _has_default(each)})

    def model_fields_schema(self, schema: Any) -> Any:
        made = super().model_fields_schema(_without_computed(schema))
        return _with_optional(made, {name: each for name, each in schema["fields"].items() if _has_default(each)})

    def dataclass_args_schema(self, schema: Any) -> Any:
        made = super().dataclass_args_schema(_without_computed(schema))
        return _with_optional(made, {field["name"]: field for field in schema["fields"] if _has_default(field)})

    def _within(self, schema: Any, describe: Any) -> Any:
        self._settings.append(schema.get("config") or {})
        try:
            return describe(schema)
        finally:
            self._settings.pop()

    decimal_schema: Any = _text("decimal")
    timedelta_schema: Any = _text("duration")
    datetime_schema: Any = _text("date-time")
    date_schema: Any = _text("date")
    time_schema: Any = _text("time")

    def bytes_schema(self, schema: Any) -> Any:
        mode = self._settings[-1].get("ser_json_bytes", "base64")
        if mode == "hex":
            made: Schema = {"type": "string", "contentEncoding": "base16"}
        else:
            made = {"type": "string", "format": "base64url", "contentEncoding": "base64"}
        for word, keyword in (("min_length", "minLength"), ("max_length", "maxLength")):
            if (length := schema.get(word)) is not None:
                made[keyword] = length * 2 if mode == "hex" else -(-length // 3) * 4
        return made

    def float_schema(self, schema: Any) -> Any:
        number = super().float_schema(schema)
        settings = self._settings[-1]
        finite = not schema.get("allow_inf_nan", settings.get("allow_inf_nan", True))
        if finite or settings.get("ser_json_inf_nan", "strings") != "strings":
            return number
        return {"anyOf": [number, {"type": "string", "enum": list(NOT_FINITE)}]}

    def json_schema(self, schema: Any) -> Any:
        inner = schema.get("schema")
        content: Any = {} if inner is None else self.generate_inner(inner)
        return {"type": "string", "contentMediaType": "application/json", "contentSchema": content}

    def ser_schema(self, schema: Any) -> Any:
        if schema["type"] in ("function-plain", "function-wrap") and schema.get("return_schema") is None:
            return {}
        return super().ser_schema(schema)

    def encode_default(self, dft: Any) -> Any:
        mode = self._settings[-1].get("ser_json_bytes", "base64")
        return to_jsonable_python(
            dft, bytes_mode=mode, inf_nan_mode="strings", round_trip=True, timedelta_mode="iso8601"
        )

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Any:  # noqa: ARG002 -- pydantic's own
        return {}


def _has_default(field: Any) -> bool:
    return bool(field["schema"]["type"] == "default")


def _with_optional(schema: Any, fields: Mapping[str, Any]) -> Any:
    """Say which fields a publisher may leave out: those with a default, by their names on the wire."""
    names = {field.get("serialization_alias") or name for name, field in fields.items()}
    if optional := sorted(names & schema.get("properties", {}).keys()):
        schema[OPTIONAL] = optional
    return schema


def _without_computed(schema: Any) -> Any:
    return {**schema, "computed_fields": []}
