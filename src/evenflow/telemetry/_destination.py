"""Destination: a subject, as spans and metrics name it."""

from __future__ import annotations

import re
from typing import Final

from ._words import ANONYMOUS, DESTINATION, OPERATION_NAME, OPERATION_TYPE, SYSTEM, TYPES

_MADE_UP: Final = re.compile(r"subject-\d+")
"""What evenflow calls a subject that was given no name."""


class Destination:
    """A subject by its name.

    Attributes:
        name: the subject's.
        is_anonymous: whether evenflow made the name up, so that it says nothing, and another run has another.
    """

    __slots__ = ("is_anonymous", "name")

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.is_anonymous: bool = _MADE_UP.fullmatch(name) is not None

    def span_name(self, operation: str) -> str:
        """``publish orders``; the operation alone where the subject has no name."""
        return operation if self.is_anonymous else f"{operation} {self.name}"

    def attributes(self, operation: str) -> dict[str, str | bool | int]:
        """What every span and every metric of an operation says."""
        found: dict[str, str | bool | int] = {
            SYSTEM: "evenflow",
            OPERATION_NAME: operation,
            OPERATION_TYPE: TYPES[operation],
            DESTINATION: self.name,
        }
        if self.is_anonymous:
            found[ANONYMOUS] = True
        return found
