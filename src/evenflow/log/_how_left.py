"""How the block of a delivery was left: by its task's end, or by an error, and what is kept of that."""

from __future__ import annotations

from typing import cast

from anyio import get_cancelled_exc_class


def is_cancellation(error: BaseException) -> bool:
    """Whether a block was left because its task ends, and not because its handler failed."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_cancellation, cast("BaseExceptionGroup[BaseException]", error).exceptions))
    return isinstance(error, get_cancelled_exc_class()) or not isinstance(error, Exception)


def described(error: BaseException) -> str:
    """An error, for a retry and for a dead letter."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
