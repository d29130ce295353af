"""Doing something to its end, whatever happens to the one who waits for it.

A shielded scope keeps out what anyio and trio cancel, and not ``task.cancel()`` of asyncio, which ``wait_for``, a web
server and a task group of asyncio use. What must not be cut off half-way therefore runs in a task of the log's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import CancelScope, Event, get_cancelled_exc_class

from evenflow._errors import LogError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from evenflow._crew import Crew

T = TypeVar("T")


async def outlast(crew: Crew, work: Callable[[], Awaitable[T]], name: str) -> T:
    """Do ``work`` in a task of the crew, and wait until it is done; what asyncio cancels goes out then.

    Raises: what ``work`` raises, unless the caller was cancelled meanwhile.
    """
    over, results, errors = Event(), list[T](), list[Exception]()

    async def run() -> None:
        with CancelScope(shield=True):
            try:
                results.append(await work())
            except Exception as error:  # noqa: BLE001 -- it belongs to the caller
                errors.append(error)

    crew.start(run, name=name, ended=over.set)
    interrupted: BaseException | None = None
    while not over.is_set():
        try:
            with CancelScope(shield=True):
                await over.wait()
        except get_cancelled_exc_class() as error:  # noqa: ASYNC103 -- raised below, once it is done
            interrupted = error
    if interrupted is not None:
        raise interrupted
    if errors:
        raise errors[0]
    if not results:
        raise LogError(f"the loop was stopped during the {name}")
    return results[0]
