"""A client's own condition, joined to the endpoint's: a client can only narrow what it gets.

The text is never evaluated: ``Condition.from_json`` reads it, with the fields and operators that ``Allowed`` names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from evenflow import Allowed, Condition, Event
from evenflow._fields import members
from evenflow._routing._classes import related
from evenflow._subject import Subject
from evenflow.log import DurableSubject

from ._cursor import Refused

if TYPE_CHECKING:
    from collections.abc import Callable


def narrowed(
    source: Any, wants: tuple[Any, ...], where: Any, client_where: object, text: str | None
) -> tuple[tuple[Any, ...], Any]:
    """What the endpoint's ``wants`` and ``where`` become by what the client asks; unchanged where it asks nothing.

    Of the classes that are wanted, the client gets those of which its condition says something.

    Raises:
        Refused: the client's text is no such condition.
        TypeError: ``client_where`` is no ``Allowed``, or of other classes; or the source cannot choose.
    """
    if client_where is None:
        return wants, where
    if not isinstance(client_where, Allowed):
        raise TypeError(f"client_where must be Allowed(OrderPlaced.status, ...), not {client_where!r}")
    if not isinstance(source, (Subject, DurableSubject)):
        raise TypeError(f"client_where chooses events of a subject; {source!r} gives all that it has")
    given = cast("Any", source)
    classes = wants or given._types or (Event,)
    if not text:
        client_where._check(classes)  # or the endpoint would fail only for the first client that asks
        return wants, where
    # before it is hidden in another one: an async callable would be true for every event
    own = (given._life.members if isinstance(source, Subject) else given._router).interest(wants, where).condition
    try:
        asked = Condition.from_json(classes, text, client_where)
    except ValueError as error:
        raise Refused(f"where: {error}") from None
    if where is None:
        return _spoken_of(wants, asked), asked
    if own is not None:
        return wants, own & asked
    # a callable is asked for each event anyway; the client's condition first, which raises nothing
    return wants, _both(asked, where)


def _both(asked: Condition, where: Callable[[Any], object]) -> Callable[[Any], bool]:
    return lambda event: asked(event) and bool(where(event))


def _spoken_of(wants: tuple[Any, ...], asked: Condition) -> tuple[Any, ...]:
    """The wanted classes of which a condition says something; a subject refuses to be asked for the others."""
    classes = tuple(part for want in wants for part in members(want))
    return tuple(cls for cls in classes if any(related(cls, owner) for owner in asked._owners))
