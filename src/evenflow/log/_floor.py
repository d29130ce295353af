"""What a reader knows of retention: whether events were removed that it had a right to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._offsets import Since
    from ._stored import Page


class Floor:
    """How far retention has removed events, as far as one reader knows.

    Whoever begins at ``"start"`` takes what is there. Whoever begins elsewhere, and everyone later, is told once of
    each removal of what would have come next.
    """

    __slots__ = ("_known",)

    def __init__(self, since: Since) -> None:
        self._known: int | None = None if since == "start" else 0

    def has_risen(self, page: Page, position: int) -> bool:
        """Whether events after this position were removed that the reader was not told of."""
        known = page.floor if self._known is None else self._known
        self._known = max(known, page.floor)
        return page.floor > max(position, known)
