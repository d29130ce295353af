"""Schemas and values at random, made of few words so that a value often meets a schema."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers(-2, 4) | st.sampled_from([0.5, 1.0, 2.5]) | st.text("ab", max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
_SMALL = st.integers(0, 3)


def _with(kind: str, **words: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind)}, optional=words)


LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.just({}),
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    _with(
        "integer", minimum=_SMALL, maximum=_SMALL, exclusiveMinimum=_SMALL, exclusiveMaximum=_SMALL,
        multipleOf=st.integers(1, 2),
    ),
    _with("number", minimum=_SMALL, exclusiveMaximum=_SMALL),
    _with("string", minLength=_SMALL, maxLength=_SMALL, pattern=st.sampled_from(["^a", "b$"])),
    SCALARS.map(lambda value: {"const": value}),
    st.lists(SCALARS, min_size=1, max_size=3).map(lambda values: {"enum": values}),
    st.just({"type": ["string", "null"]}),
)  # fmt: skip


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(inner, min_size=1, max_size=2)
    required = st.lists(NAMES, unique=True, max_size=2)
    return st.one_of(
        _with("array", items=inner, minItems=_SMALL, maxItems=_SMALL, uniqueItems=st.booleans()),
        _with("array", items=parts, additionalItems=st.booleans() | inner),
        _with("object", properties=st.dictionaries(NAMES, inner, max_size=2), required=required),
        _with(
            "object", properties=st.dictionaries(NAMES, inner, max_size=2), required=required,
            additionalProperties=st.booleans() | inner,
        ),
        _with("object", additionalProperties=inner, propertyNames=st.just({"enum": ["a", "b"]}), maxProperties=_SMALL),
        _with("object", patternProperties=st.builds(lambda part: {"^a": part}, inner), minProperties=_SMALL),
        parts.map(lambda found: {"anyOf": found}),
        parts.map(lambda found: {"oneOf": found}),
        parts.map(lambda found: {"allOf": found}),
    )  # fmt: skip


SCHEMAS: st.SearchStrategy[Any] = st.recursive(LEAVES, _deeper, max_leaves=5)
