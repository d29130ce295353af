"""What the demo says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evenflow import SubscriptionStatistics
from evenflow.cli.demo._ledger import Ledger, Row
from evenflow.cli.demo._output import Output
from evenflow.cli.demo._publishers import Books
from evenflow.cli.demo._report import (
    ABOUT,
    MADE,
    intro,
    ledger_lines,
    now_head,
    now_line,
    print_ledger,
    print_next,
    so_far,
    times,
    verdict,
    waited,
)

SAMPLER = Books("sampler", rounds=3, published=700, wanted=1_250, waits=2, waited=0.5)
ROWS = [
    Row("newer replaces", SubscriptionStatistics("machine/screen", 25, 10, 15, 0, 0, 0, 8)),
    Row("publishers wait", SubscriptionStatistics("machine/archive", 1_205, 1_205, 0, 0, 0, 0, 3)),
    Row("oldest dropped", SubscriptionStatistics("machine/analyst", 20, 14, 0, 6, 0, 0, 8)),
]
LEDGER = Ledger(rows=ROWS, publishers=[SAMPLER], missed=6, dropped=6, lines=1_205, taken=1_205)


def words(lines: object) -> str:
    return " ".join(" ".join(lines).split())  # type: ignore[call-overload]


def test_the_first_words_say_what_evenflow_does_and_who_reads() -> None:
    """No word of ours, but the readers' names, comes before it was explained; no line is longer than a terminal."""
    lines = list(intro(50))
    assert all(len(line) <= 80 for line in lines)
    said = words(lines)
    assert said.startswith("evenflow hands the events of a program to any number of readers, each at its own pace.")
    assert "up to 50 times a second" in said
    assert all(f"{name} {about}" in said for name, about in ABOUT.items())
    assert ABOUT.keys() == {name for _, name in MADE}
    for unexplained in ("conflate", "overflow", "subject", "subscription", "ledger", "gap"):
        assert unexplained not in said.lower()


def test_a_row_is_a_sum_and_shows_what_was_not_read_only_if_there_is_any() -> None:
    """Large numbers have commas."""
    head, _, archive, analyst = ledger_lines(ROWS)
    assert head.split() == ["reader", "when", "full", "wanted", "=", "delivered", "+", "replaced", "+", "dropped"]
    assert archive.split() == ["archive", "publishers", "wait", "1,205", "=", "1,205", "+", "0", "+", "0"]
    assert analyst.split() == ["analyst", "oldest", "dropped", "20", "=", "14", "+", "0", "+", "6"]
    assert len(set(map(len, (head, archive, analyst)))) == 1
    left = replace(ROWS[1], of=replace(ROWS[1].of, delivered=1_200, discarded=2, waiting=3))
    head, _, archive = ledger_lines([ROWS[0], left])
    assert head.endswith("+ unread")
    assert archive.split()[-2:] == ["+", "5"]


def test_while_it_runs_a_row_shows_how_full_the_buffer_is() -> None:
    """The bar and the numbers stand below their names."""
    row = replace(ROWS[1], of=replace(ROWS[1].of, waiting=3))
    line = now_line(row, lambda part, width: "#" * round(part * width))
    assert line.split() == ["archive", "######", "3/3", "1,205", "1,205", "0", "0"]
    assert len(line) == len(now_head()) <= 80


@pytest.mark.parametrize(
    "name, said",
    [
        ("screen", "shows only the newest: 15 older values were replaced unseen"),
        ("archive", "waits for the disk: publishers waited twice (0.5 s) for it"),
        ("analyst", "thinks for long: 6 old events were dropped, and it was told"),
        ("alarm", "called only above 90 %: cpu0 is at 97 %"),
        ("census", "called only for processes: nothing yet"),
    ],
)
def test_what_a_readers_speed_leads_to_is_said_in_words_where_it_happens(name: str, said: str) -> None:
    """It fits on a line of a terminal, beside the name."""
    row = Row("", replace(ROWS[0 if name == "screen" else 2].of, name=f"machine/{name}"))
    assert so_far(row, [SAMPLER], {"alarm": "cpu0 is at 97 %"}) == said


@pytest.mark.parametrize("number, said", [(1, "once"), (2, "twice"), (1_000, "1,000 times")])
def test_how_often_something_happened_is_said_in_words(number: int, said: str) -> None:
    """Once and twice are words of their own."""
    assert times(number) == said


def test_publishers_that_never_waited_say_so() -> None:
    """Otherwise how often and how long, all publishers together."""
    assert waited([SAMPLER, replace(SAMPLER, waits=3, waited=1.0)]) == "waited 5 times (1.5 s)"
    assert waited([Books("watcher")]) == "never had to wait"


def test_both_ends_are_compared_in_the_verdict() -> None:
    """What publish returned, and what the readers wanted."""
    assert verdict(LEDGER).endswith("the publishers counted 1,250 for their readers, and the readers 1,250.")


def test_the_ledger_is_printed_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    """What a line means, and for each slow reader what became of the events that it did not get."""
    print_ledger(Output(), LEDGER, pace=0.0123)
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    said = words([out])
    assert "Each line adds up" in said
    assert "screen showed the newest values; 15 older ones were replaced unseen." in said
    assert "was given 1,205 events, and its file has 1,205 lines. The publishers waited twice (0.5 s)." in said
    assert "took 12.3 ms for an event, too long for all of them: 6 of the oldest were dropped" in said
    assert "add up to 6." in said


def test_the_last_words_are_python_and_where_to_go(capsys: pytest.CaptureFixture[str]) -> None:
    """The line that makes each reader stands beside its name."""
    print_next(Output())
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[-1] for line in lines[2 : 2 + len(MADE)]] == [name for _, name in MADE]
    assert any("evenflow demo --help" in line for line in lines)
