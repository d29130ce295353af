"""Messages of several patterns, in order."""

from __future__ import annotations

from asyncio import sleep
from itertools import cycle
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from evenflow.log._nats import _merge
from evenflow.log._nats._merge import merged
from evenflow.log._nats._reads import Found
from evenflow.log._nats._stream import History
from evenflow.log._nats._values import Message

from .kit import on_asyncio


class Stream:
    """Messages by their pattern; more may be stored while it is asked."""

    def __init__(
        self, stored: list[str], later: list[str] | None = None, *, part: int = 1_000, turns: tuple[int, ...] = (0,)
    ) -> None:
        self.history = History()
        self._turns = cycle(turns)
        self.later = later or []
        self.asked: list[str] = []
        self._messages: list[Message] = []
        self._part = part
        for pattern in stored:
            self.store(pattern)

    def store(self, pattern: str) -> None:
        """One more; this process hears of none."""
        self._messages.append(Message(pattern, len(self._messages) + 1, 0, {}, b""))

    async def after(self, pattern: str, seq: int, count: int, size: int = 0) -> Found:
        """As ``Reads.after``; ``size`` bounds nothing here."""
        assert size >= 0
        self.asked.append(pattern)
        for _ in range(next(self._turns)):  # the answers come in any order
            await sleep(0)
        rest = [message for message in self._messages if message.seq > seq and message.subject == pattern]
        some = rest[: min(count, self._part)]
        if self.later:
            self.store(self.later.pop(0))
        return Found(some, len(rest) - len(some))


async def read_all(stream: Any, patterns: list[str], limit: int, until: int | None = None) -> list[int]:
    """All there is, in pages."""
    found: list[int] = []
    after = 0
    while True:
        part = await merged(stream, patterns, after, limit, until)
        seqs = [message.seq for message in part.messages]
        assert len(seqs) <= limit
        assert not seqs or seqs[-1] <= part.through
        found += seqs
        if part.through <= after:
            return found
        after = part.through


PATTERNS = st.lists(st.sampled_from("abcd"), max_size=60)


@given(
    stored=PATTERNS,
    later=PATTERNS,
    limit=st.integers(1, 20),
    part=st.integers(1, 20),
    turns=st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple),
)
@example(stored=[], later=["b", "a"], limit=5, part=5, turns=(2, 0, 1))
def test_none_is_passed_over_and_all_come_in_order(
    stored: list[str], later: list[str], limit: int, part: int, turns: tuple[int, ...]
) -> None:
    """However they lie, and whatever is stored between two questions."""
    stream = Stream(stored, later, part=part, turns=turns)

    @on_asyncio
    async def run() -> None:
        found = await read_all(stream, ["a", "b", "c"], limit)
        assert found == sorted(set(found))
        wanted = [message.seq for message in stream._messages if message.subject != "d"]
        assert found == wanted[: len(found)]
        assert len(found) >= sum(pattern != "d" for pattern in stored)

    run()


@on_asyncio
async def test_nothing_behind_the_end_that_was_asked_for_comes() -> None:
    """And everything up to it."""
    assert await read_all(Stream(list("abcabcabc")), ["a", "b"], 10, until=5) == [1, 2, 4, 5]


@on_asyncio
async def test_a_pattern_that_rarely_has_events_is_asked_once_for_a_page() -> None:
    """And the other is asked for the whole page at once."""
    stream = Stream(["P.eu"] * 100)
    stream.history.note(100, event=True)
    part = await merged(stream, ["P._", "P.eu"], 0, 64, None)  # type: ignore[arg-type]  # it is asked nothing else
    assert len(part.messages) == 64
    assert sorted(stream.asked) == ["P._", "P.eu"]


@on_asyncio
async def test_an_error_of_one_question_goes_out_once_all_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is, in no group."""
    stream = Stream(list("ab"))
    after = stream.after

    async def fail(pattern: str, *rest: Any) -> Found:
        if pattern == "a":
            raise TimeoutError
        return await after(pattern, *rest)

    monkeypatch.setattr(stream, "after", fail)
    monkeypatch.setattr(_merge, "LEAST", 1)
    with pytest.raises(TimeoutError):
        await read_all(stream, ["a", "b"], 1)
    assert stream.asked == ["b"]
