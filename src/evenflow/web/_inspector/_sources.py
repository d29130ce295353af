"""What can be shown: everything else is refused by whoever takes it, the application or the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from evenflow import State, Subject
from evenflow._share import Shared
from evenflow.log import DurableSubject, Log

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Source: TypeAlias = "Subject[Any] | State[Any] | Shared[Any] | DurableSubject[Any] | Log"
IN_MEMORY: Final = (Subject, State, Shared)
KINDS: Final = "subjects, states, what share() returns, and logs"


def can_be_shown(found: object) -> TypeIs[Source]:
    """Whether the inspector shows this."""
    return isinstance(found, (*IN_MEMORY, DurableSubject, Log))
