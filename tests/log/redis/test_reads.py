"""Questions that may be asked again."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow._loop import running_loop
from evenflow.log import LogError
from evenflow.log._redis._faults import Lost, ResponseError
from evenflow.log._redis._history import History
from evenflow.log._redis._reads import MOST_REQUESTS, Query, Reads
from tests.contract.kit import both

from .test_history import answer


class ReplyLine:
    """Answers what it is asked from a list."""

    is_up = True
    address: Any = None

    def __init__(self, *replies: Any) -> None:
        self.replies = [*replies]
        self.lost: list[Exception] = []

    async def exchange(self, commands: list[Any]) -> list[Any]:
        found, self.replies = self.replies[: len(commands)], self.replies[len(commands) :]
        return found

    async def lose(self, reply: Exception) -> Lost:
        self.lost.append(reply)
        return Lost()


def reads_on(line: Any, diverged: list[int]) -> Reads:
    reads = Reads("log shop", line, running_loop(), 10.0)
    history = History("log shop", "meta", lambda _: None)
    history.learn(answer("made", seq=5))
    reads.watch(history, lambda: diverged.append(1))
    return reads


@both
async def test_each_question_gets_its_own_replies() -> None:
    """Also if one of them is an error, or nonsense: that is its own affair."""
    reads = reads_on(ReplyLine(b"1", b"2", ResponseError("WRONGTYPE no"), b"x", b"4"), [])
    queries = [
        Query([("A",), ("B",)], lambda replies: replies),
        Query([("C",)], lambda replies: replies),
        Query([("D",)], lambda replies: int(replies[0])),
        Query([("E",)], lambda replies: int(replies[0])),
    ]
    await reads.send(queries)
    assert queries[0].result == [b"1", b"2"]
    assert isinstance(queries[1].error, LogError)
    assert "WRONGTYPE" in str(queries[1].error)
    assert "something else" in str(queries[2].error)
    assert queries[3].result == 4


@both
async def test_a_server_that_cannot_answer_now_is_asked_again() -> None:
    """The connection is dropped, and the question has no outcome yet; an error within a transaction counts too."""
    for replies in ([ResponseError("LOADING wait")], [[b"1", ResponseError("NOSCRIPT none")]]):
        line = ReplyLine(*replies)
        query = Query([("A",)], lambda found: found)
        with pytest.raises(Lost):
            await reads_on(line, []).send([query])
        assert len(line.lost) == 1
        assert not query.is_done


@both
async def test_an_answer_of_another_history_is_no_answer() -> None:
    """Another line, no line, or fewer events than were known when it was asked: that is looked into first."""
    for lineage, newest in ((b"other", b"9"), (None, None), (b"a", b"4")):
        diverged: list[int] = []
        reads = reads_on(ReplyLine([lineage, newest]), diverged)
        query = Query([("A",)], lambda replies, reads=reads: reads.note(*replies[0]))  # type: ignore[misc]  # reads is bound here
        with pytest.raises(Lost):
            await reads.send([query])
        assert diverged == [1]
        assert not query.is_done
    reads = reads_on(ReplyLine([b"a", b"9"]), [])
    query = Query([("A",)], lambda replies: reads.note(*replies[0]))
    await reads.send([query])
    assert query.result == 9


@both
async def test_a_round_asks_so_many_and_no_more() -> None:
    """The others are next."""
    reads = reads_on(ReplyLine(), [])
    reads._queue.extend(Query([("A",)], len) for _ in range(MOST_REQUESTS + 3))
    assert [len(reads._next_round()), len(reads._next_round())] == [MOST_REQUESTS, 3]
