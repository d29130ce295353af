"""The functions given to map, filter and their like. They are plain data, so a failing program can be read and shrunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint
from hypothesis import strategies as st

from tests.streams.oracle.timelines import Boom

if TYPE_CHECKING:
    from collections.abc import Callable


def weigh(value: Any) -> int:
    """Return the sum of the numbers in a value, however they are nested."""
    if isinstance(value, tuple | list):
        return sum(weigh(part) for part in value)
    return int(value)


@dataclass(frozen=True)
class Function:
    """A function of an event: what it returns, when it fails, and whether ours is async."""

    kind: str
    by: int = 1
    rest: int = 0
    fails: int | None = None
    waits: bool = False

    def __repr__(self) -> str:
        fails = "" if self.fails is None else f", fails at {self.fails} of 7"
        return f"<{'async ' if self.waits else ''}{self.kind} {self.by} {self.rest}{fails}>"

    def __call__(self, *values: Any) -> Any:
        """Return the result at once."""
        weight = weigh(values)
        if self.fails is not None and weight % 7 == self.fails:
            raise Boom(f"{self.kind} of {weight}")
        match self.kind:
            case "add":
                return weight + self.by
            case "wrap":
                return values
            case "key":
                return weight % (self.by + 1)
            case "over":
                return weight >= self.by + self.rest
            case _:
                return weight % (self.by + 1) == self.rest % (self.by + 1)

    @property
    def ours(self) -> Callable[..., Any]:
        """The function as our operators get it."""
        if not self.waits:
            return self

        async def function(*values: Any) -> Any:
            await checkpoint()
            return self(*values)

        return function


def functions(*kinds: str, calm: bool = False) -> st.SearchStrategy[Function]:
    """Draw functions of these kinds; ``calm`` ones do not fail."""
    fails = st.none() if calm else st.sampled_from([None, None, None, *range(7)])
    waits = st.sampled_from([False, False, True])
    return st.builds(Function, st.sampled_from(kinds), st.integers(1, 4), st.integers(0, 4), fails, waits)
