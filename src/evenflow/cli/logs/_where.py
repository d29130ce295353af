"""`--where` of `evenflow tail`: a condition as JSON, on events read as today's classes.

It is the operator's own command line: every field of the classes may be used, and every operator.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from evenflow import Allowed, Condition, DecodeError
from evenflow._fields import names_behind
from evenflow.cli._address import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evenflow.log._offsets import Offset
    from evenflow.log._schemas import Schemas
    from evenflow.log._stored import Row

DEEPEST: Final = 4
"""Names in one field, as in ``customer.address.country``: a class may hold itself."""


class Where:
    """A condition, asked of events as they are stored.

    Attributes:
        unread: how many events could not be read; the condition was not asked of them.

    Raises:
        Refused: the text is no condition on these classes.
    """

    def __init__(self, text: str, classes: Sequence[type], schemas: Schemas) -> None:
        self.unread: int = 0
        self._schemas = schemas
        try:
            allowed = Allowed(*(field for cls in classes for field in fields_of(cls)), also=("ne", "not"))
            self._condition = Condition.from_json(classes, text, allowed)
        except (ValueError, TypeError) as error:
            raise Refused(f"--where: {error}") from None

    def holds(self, row: Row, offset: Offset) -> bool:
        """Whether the condition holds; what cannot be read is said on stderr, and does not hold."""
        try:
            event = self._schemas.decode(row.type, row.version, row.data, offset=offset)
        except DecodeError as error:
            self.unread += 1
            print(f"evenflow: {error}", file=sys.stderr)
            return False
        return self._condition(event)


def fields_of(cls: Any) -> Iterator[object]:
    """The fields of a class of events that a condition as JSON can speak of, nested ones too.

    Raises:
        Refused: there are none.
    """
    names = getattr(cls, "__evenflow_fields__", None)
    if names is None:
        raise Refused(f"--where needs a class that derives from evenflow.Event, and {cls.__name__} does not")
    for name in cls.model_fields:
        yield from _with_nested(getattr(cls, name), 1)


def _with_nested(field: Any, depth: int) -> Iterator[object]:
    try:
        Allowed(field)
    except TypeError:  # a field without JSON
        return
    yield field
    if depth < DEEPEST:
        for name in names_behind(field._parts):
            try:
                nested = getattr(field, name)
            except (AttributeError, TypeError):
                continue
            yield from _with_nested(nested, depth + 1)
