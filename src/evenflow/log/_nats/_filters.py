"""Which subjects of a stream have what a reader wants: patterns, of which the server sends what matches one.

    an event of a wanted type                       its pattern
    without a route                                 ``T._``
    routed by a field whose texts are known         one for each text: ``T.region@1.eu``; with several fields each pair
    routed for another version of its class, or     ``T.region@1.>``
    by fields of which nothing is known

Rule 1: of each layout that the log has, every event that may be wanted matches a pattern.
Rule 2: there are at most ``MOST`` patterns. Where there would be more, the field with the most texts is left open; at
        last all events of the types are asked for, or all of the subject.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final

from ._names import layout_token, token

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from evenflow.log._routes import Wanted

    from ._layouts import Layout
    from ._names import Names

MOST: Final = 16
"""Patterns of one reader: each is a question to the server for each page."""
ANY: Final = "*"


def patterns(names: Names, subject: str, wanted: Wanted, layouts: Collection[Layout]) -> list[str]:
    """Where everything is that a reader wants; other events may be there, too."""
    types = wanted.types
    relevant = sorted(layout for layout in layouts if types is None or layout.type in types)
    every = [ANY] if types is None else sorted(map(token, types))
    of_types = [names.of_subject(subject)] if types is None else [names.of_subject(subject, name) for name in types]
    if not relevant or not wanted.fields:
        return _few(of_types, names.of_subject(subject))
    start = names.of_subject(subject)[:-1]
    found = [f"{start}{name}._" for name in every]
    room = MOST - len(found)
    texts = [_texts_of(layout, wanted) for layout in relevant]
    _leave_open(texts, room)
    if sum(map(_count, texts)) > room or not any(any(each is not None for each in some) for some in texts):
        return _few(of_types, names.of_subject(subject))
    for layout, some in zip(relevant, texts, strict=True):
        found += [
            f"{start}{token(layout.type)}.{layout_token(layout.fields, layout.version)}.{end}" for end in _ends(some)
        ]
    return found


def _few(found: list[str], everything: str) -> list[str]:
    return found if 0 < len(found) <= MOST else [everything]


def _texts_of(layout: Layout, wanted: Wanted) -> list[frozenset[str] | None]:
    found = wanted.texts(layout.type, layout.fields, layout.version)
    return [None] * len(layout.fields) if found is None else list(found)


def _count(texts: Sequence[frozenset[str] | None]) -> int:
    """How many patterns these make."""
    return prod(1 if each is None else len(each) for each in texts)


def _leave_open(all_texts: list[list[frozenset[str] | None]], room: int) -> None:
    """Ask for all texts of a field, of those with the most first, until there is room for the patterns."""
    while sum(map(_count, all_texts)) > room:
        places = [(texts, place) for texts in all_texts for place, each in enumerate(texts) if each and len(each) > 1]
        if not places:
            return
        texts, place = max(places, key=lambda at: len(at[0][at[1]] or ()))
        texts[place] = None


def _ends(texts: Sequence[frozenset[str] | None]) -> list[str]:
    """The last tokens of the patterns."""
    if all(each is None for each in texts):
        return [">"]
    return [
        ".".join(each) for each in product(*([ANY] if some is None else sorted(map(token, some)) for some in texts))
    ]
