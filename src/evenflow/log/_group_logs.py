"""What a group tells of events that nobody will handle, in the log of the process."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ._claiming import MOST_WAITING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._group_records import DeadRecord
    from ._group_spec import GroupSpec

_log = logging.getLogger("evenflow.groups")


class GroupLogs:
    """What one reader of a group tells."""

    def __init__(self, spec: GroupSpec, subject: str) -> None:
        self._spec = spec
        self._subject = subject
        self._told: set[str] = set()

    def choked(self) -> None:
        """So many events wait behind others that no more are fetched; said once."""
        if "choked" not in self._told:
            self._told.add("choked")
            _log.warning(
                "group %s of %s fetches no more: %s events wait behind others of their key; redrive or discard its dead"
                " letters, or look for the handler that does not end",
                self._spec.group,
                self._subject,
                MOST_WAITING,
                extra=self._spec.log_fields(self._subject),
            )

    def removed(self, after: int, floor: int) -> None:
        """Events before the floor were removed unseen; said once for each floor."""
        if f"floor {floor}" not in self._told:
            self._told.add(f"floor {floor}")
            _log.warning(
                "retention has removed events of %s before group %s had them: those between %s and %s are lost to it",
                self._subject,
                self._spec.group,
                after,
                floor,
                extra=self._spec.log_fields(self._subject),
            )

    def gone(self, gone: list[int]) -> None:
        """These events were removed before they were handled."""
        if gone:
            _log.warning(
                "retention has removed %s that group %s of %s had still to handle: %s",
                "1 event" if len(gone) == 1 else f"{len(gone)} events",
                self._spec.group,
                self._subject,
                gone,
                extra=self._spec.log_fields(self._subject),
            )


def tell_dead(subject: str, group: str, dead: Iterable[DeadRecord]) -> None:
    """Log dead letters."""
    for letter in dead:
        _log.error(
            "event %s of %s is a dead letter of group %s, after %s attempts: %s",
            letter.row.seq,
            subject,
            group,
            letter.attempts,
            letter.error,
            extra={"subject": subject, "group": group},
        )
