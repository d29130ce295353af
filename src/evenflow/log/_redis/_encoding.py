"""A change as the arguments of the commit script, whose head says what they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._names import split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evenflow.log._stored import Append, Change


def encoded(change: Change, /) -> list[Any]:
    """The arguments for one change."""
    appends = change.appends
    if appends and not (change.expect or change.puts or change.deletes or change.reserves or change.frees):
        first = appends[0]
        if len(appends) == 1 and first.id is None and not first.headers:
            return ["S", first.subject, first.type, first.version, first.data]
        if len(appends) > 1 and (plain := _plain(appends)) is not None:
            return plain
    return _general(change)


def _plain(appends: Sequence[Append]) -> list[Any] | None:
    """Many events of one subject without id and headers; None if they are not."""
    subject = appends[0][0]
    arguments: list[Any] = ["M", subject, len(appends)]
    for of, kind, version, data, headers, name, _, _, _, _ in appends:
        if of != subject or name is not None or headers:
            return None
        arguments += (kind, version, data)
    return arguments


def _general(change: Change) -> list[Any]:
    expect, puts, deletes, appends, reserves, frees, _ = change
    found: list[Any] = ["C", len(expect), len(puts), len(deletes), len(appends), len(reserves), len(frees)]
    for key, version in expect.items():
        found += (*split(key), version)
    for key, (value, due) in puts.items():
        found += (*split(key), "-" if due is None else repr(float(due)), value)
    for key in deletes:
        found += split(key)
    for subject, kind, version, data, headers, name, digest, _key, scheduled, _route in appends:
        found += (subject, kind, version, data, name or "", digest, header_text(headers), int(scheduled))
    for subject, name, digest in reserves:
        found += (subject, name, digest)
    for subject, name in frees:
        found += (subject, name)
    return found


def header_text(headers: Mapping[str, str], /) -> str:
    """Headers as they are stored: JSON, or nothing where there are none."""
    return json.dumps(dict(headers), separators=(",", ":"), ensure_ascii=False) if headers else ""
