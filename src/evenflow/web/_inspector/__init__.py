"""The inspector: a live page that shows what goes on in subjects and logs, to be mounted in an application.

    _words       what is said of wants, places and errors; without contents no value of an event
    _ages        how long the oldest event of a buffer waits, without a time on any event
    _happenings  failures, stalls, deadlocks, gaps: the newest
    _holds       how often and how long subscriptions hold publishers: what a subject tells whoever watches it
    _sources     what can be shown
    _subjects    from a subject in memory, or the newest end of a durable one, to rows
    _values      from a state, or a shared stream, to rows
    _logs        from a log and its groups to rows
    _hub         one look at everything for all viewers; frames with what has changed
    _connection  one stream: it ends when its viewer goes, or the process ends
    _stream      the frames of one viewer
    _tail        the last events of a subject, where contents are shown
    _actions     dead letters, and what may be done with them
    _guard       who may look
    _app         the addresses
    static       the page: HTML, CSS, JavaScript modules, and uPlot with its licence

What is looked at costs nothing while nobody looks: everything is hooked for the first viewer and unhooked after the
last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ._app import build
from ._sources import KINDS, can_be_shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.applications import Starlette
    from starlette.requests import Request

    from ._sources import Source


def inspector(
    *sources: Source,
    authorize: Callable[[Request], bool | Awaitable[bool]] | None = None,
    actions: bool = False,
    contents: bool = False,
    title: str = "evenflow",
) -> Starlette:
    """A live page of subjects, states, shared streams and logs, as an application to be mounted.

    ``app.mount("/evenflow", inspector(orders, log))`` is all that a Starlette or FastAPI application needs.
    It runs in the loop of what it shows, which is never published to, and never waited for. While nobody looks, nothing
    is hooked; while somebody does, a look at everything is taken twice a second for all viewers together.
    A log shows all its subjects, also those that are made later.

    Args:
        sources: what is shown: subjects, durable or not, states, what ``share()`` returns, and logs.
        authorize: is asked for each request, page, stream, action or file; only ``True`` lets it in, and what it raises
            is no. Without it only this machine may look: a loopback peer, a loopback ``Host``, and no proxy between.
        actions: whether dead letters can be redriven and discarded from the page.
        contents: whether values are shown: in conditions and errors, the value of a state, and the events of a subject
            as they come.
        title: what the page is called.

    Raises:
        TypeError: one of the arguments is nothing of the kind.
    """
    if not sources:
        raise TypeError(f"inspector() takes what it shows: {KINDS}")
    for source in sources:
        if not can_be_shown(cast("object", source)):
            raise TypeError(f"inspector() shows {KINDS}, not {source!r}")
    if authorize is not None and not callable(authorize):
        raise TypeError(
            f"authorize must be a function of the request, or None for this machine alone, not {authorize!r}"
        )
    if not isinstance(cast("object", title), str):
        raise TypeError(f"title must be a text, not {title!r}")
    return build(sources, authorize, actions=bool(actions), contents=bool(contents), title=title)
