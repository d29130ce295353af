"""Changes in numbered batches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from evenflow import Unsupported
from evenflow._loop import running_loop
from evenflow.log import Uncertain
from evenflow.log._redis._commits import MOST_BYTES, MOST_EVENTS, Commit, Commits
from evenflow.log._redis._faults import Lost, ResponseError
from evenflow.log._redis._history import History
from evenflow.log._redis._scripts import BEGIN
from evenflow.log._stored import Append, Away, Change, Done, IdTaken, Outdated, Put, Reserve, Statement
from tests.contract.kit import both

from .test_history import answer

PLAIN = Append("orders", "Placed", 1, b"{}")


def publishing(data: bytes = b"{}", number: int = 1) -> Commit:
    return Commit(Change(appends=[PLAIN._replace(data=data)] * number), None)


@pytest.mark.parametrize(
    "outcome, seqs, versions",
    [
        (b"=7;3", [3], {}),
        (b"=7;3+", [3, 4], {}),
        (b"=7;3,1", [3, 1], {}),
        (b"=7;", [], {"k": 7}),
    ],
)
def test_an_outcome_has_numbers_and_versions(outcome: bytes, seqs: list[int], versions: dict[str, int]) -> None:
    """Each event's number; a run of them is told by its first."""
    made: list[Done] = []
    commit = Commit(Change(appends=[PLAIN] * len(seqs), puts={key: Put(b"") for key in versions}), made.append)
    assert commit.decide(outcome) == max(seqs, default=0)
    assert (list(commit.result.seqs), dict(commit.result.versions)) == (seqs, versions)
    assert made == [commit.result]


def test_a_refusal_says_what_was_in_its_way() -> None:
    """By the places of what was expected, or whose id was taken. ``made`` is not called."""
    made: list[Done] = []
    change = Change(
        expect={"a": 1, "b": 2}, appends=[PLAIN, PLAIN._replace(id="x")], reserves=[Reserve("orders", "y", b"")]
    )

    def refused(outcome: bytes) -> Any:
        commit = Commit(change, made.append)
        assert commit.decide(outcome) == 0
        return commit.error

    outdated = refused(b"O1")
    assert isinstance(outdated, Outdated)
    assert outdated.keys == ("b",)
    taken = refused(b"Ia1,0")
    assert isinstance(taken, IdTaken)
    assert (taken.id, taken.scheduled) == ("x", False)
    reserved = refused(b"Ir0,1")
    assert (reserved.id, reserved.scheduled) == ("y", True)
    assert not made


def test_statements_are_unsupported() -> None:
    """There are no tables."""
    with pytest.raises(Unsupported, match="tables"):
        Commit(Change(statements=[Statement("UPDATE", (), None)]), None)


class ScriptLine:
    """Answers scripts from a list; an exception is raised, a reply of the server's that is one is returned."""

    is_up = True
    address: Any = None

    def __init__(self, *answers: Any) -> None:
        self.answers = [*answers]
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    async def script(self, script: str, _: str, *arguments: Any) -> Any:
        self.asked.append(("begin" if script is BEGIN else "ask" if len(arguments) == 2 else "commit", arguments))
        found = self.answers.pop(0)
        if isinstance(found, Lost):
            raise found
        return found


def commits_on(line: Any, changed: list[int]) -> Commits:
    history = History("log shop", "meta", lambda _: None)
    history.learn(answer("made", seq=0, rev=0))
    return Commits(
        "log shop", line, running_loop(), 10.0,
        history=history, member="me", keep_ids=timedelta(seconds=5), changed=changed.append,
    )  # fmt: skip


async def sent(commits: Commits, requests: Sequence[Commit]) -> None:
    for request in requests:
        request.is_on_its_way = True
    await commits.send(requests)


@both
async def test_an_answer_that_was_lost_is_asked_for_by_number() -> None:
    """It was made: nothing is sent again. It was not: it is sent with the next number."""
    for outcome, words in ((b"=1;1", ["commit", "ask"]), (b"VOID", ["commit", "ask", "commit"])):
        line, changed = ScriptLine(Lost(), outcome, b"=2;2"), list[int]()
        commits, commit = commits_on(line, changed), publishing()
        with pytest.raises(Lost):
            await sent(commits, [commit])
        assert commits.may_be_done
        await sent(commits, [commit])
        assert [word for word, _ in line.asked] == words
        assert [arguments[-1] for word, arguments in line.asked if word == "ask"] == [1]
        assert [arguments[3] for word, arguments in line.asked if word == "commit"] == [1, 2][: len(words) - 1]
        assert commit.is_done
        assert not commits.may_be_done
        assert changed == [len(words) - 1]


@both
async def test_what_is_in_doubt_too_long_is_uncertain_and_not_sent_again() -> None:
    """What waits behind it was never sent, and ends as ``Away``."""
    line = ScriptLine(Lost(), b"VOID", b"=2;1")
    commits, first, second = commits_on(line, []), publishing(), publishing()
    with pytest.raises(Lost):
        await sent(commits, [first])
    assert isinstance(commits.expired(first), Uncertain)
    assert isinstance(commits.expired(second), Away)
    first.fail(commits.expired(first))
    await sent(commits, [first, second])
    assert [arguments.count("S") for word, arguments in line.asked if word == "commit"] == [1, 1]
    assert list(second.result.seqs) == [1]


@both
async def test_another_history_begins_a_line_and_the_batch_goes_out_again() -> None:
    """With a number of its own, and for the new line."""
    line = ScriptLine(b"LINEAGE", answer("behind", "a@0 b@3", 9, 9), b"=10;10")
    commits, commit = commits_on(line, []), publishing()
    await sent(commits, [commit])
    assert [word for word, _ in line.asked] == ["commit", "begin", "commit"]
    assert line.asked[-1][1][:2] == ("b", 9)
    assert list(commit.result.seqs) == [10]


@both
async def test_where_memory_is_full_what_appends_is_refused_and_the_rest_is_made() -> None:
    """With leave to write all the same; so what is acknowledged can be removed."""
    line = ScriptLine(ResponseError("OOM command not allowed when used memory > 'maxmemory'."), b"=1;")
    commits = commits_on(line, [])
    publish, ack = publishing(), Commit(Change(deletes=["page/1"]), None)
    await sent(commits, [publish, ack])
    assert publish.error is not None
    assert getattr(publish.error, "stored", None) is False
    assert ack.result == Done([], {})
    assert [arguments[5] for _, arguments in line.asked] == [0, 1]


@both
async def test_a_server_that_refuses_to_write_is_told_at_once_and_one_that_breaks_is_uncertain() -> None:
    """No disk, no replicas: nothing was stored. A script that fails in its middle: nobody knows."""
    for text, stored in (("MISCONF Errors writing to the AOF file", False), ("ERR something broke", None)):
        commits, commit = commits_on(ScriptLine(ResponseError(text)), []), publishing()
        await sent(commits, [commit])
        assert commit.error is not None
        assert getattr(commit.error, "stored", 0) is stored


@both
async def test_a_batch_holds_so_much_and_no_more() -> None:
    """The server does nothing else while it makes one; a single change may be larger."""
    commits = commits_on(ScriptLine(), [])

    huge = publishing(number=MOST_EVENTS + 5)
    big = [publishing(b"x" * (MOST_BYTES // 2)) for _ in range(3)]
    small = [publishing(number=MOST_EVENTS // 2 - 1) for _ in range(3)]
    commits._queue.extend((huge, *big, *small))
    rounds = [list(commits._next_round()) for _ in range(4)]
    assert rounds == [[huge], big[:2], [big[2], small[0]], small[1:]]
