"""What a process knows of the history, and what the server's answer makes of it."""

from __future__ import annotations

import pytest

from evenflow import EvenflowError
from evenflow.log._redis._history import LEAP, History
from evenflow.log._stored import Lineage


def answer(what: str, lines: str = "a@0", seq: int = 5, rev: int = 9) -> list[bytes]:
    return [what.encode(), lines.encode(), str(seq).encode(), str(rev).encode(), b"1000"]


def test_it_learns_lines_and_numbers(caplog: pytest.LogCaptureFixture) -> None:
    """What was known and is higher stays; a server that has lost something is an error in the log."""
    learned: list[object] = []
    history = History("log shop", "meta", learned.append)
    assert history.lineage == ""
    assert history.learn(answer("made")) == 1000
    assert (history.lineage, history.high, history.rev) == ("a", 5, 9)
    history.note(7)
    history.note(3, 4)
    assert (history.high, history.rev) == (7, 9)
    fresh, *rest = history.arguments()
    assert rest == ["a", "a@0", 7, 9, LEAP]
    assert fresh != history.arguments()[0]
    assert not caplog.records
    history.learn(answer("behind", "a@0 b@6", 7 + LEAP))
    assert history.lineages == (Lineage("a", 0), Lineage("b", 6)) == learned[-1]
    assert "has lost events" in caplog.text


def test_a_later_format_is_refused() -> None:
    """Nothing is read that this version may not understand."""
    history = History("log shop", "meta", lambda _: None)
    with pytest.raises(EvenflowError, match="later evenflow: its format is 2"):
        history.learn([b"FORMAT", b"2"])
