"""Settlement: what callers settle, put together for one commit."""

from __future__ import annotations

from evenflow.log._group_records import FirstTime, Item, PageRecord
from evenflow.log._group_rules import DONE, Fate, Outcome
from evenflow.log._held_page import HeldPage
from evenflow.log._settlement import Settlement, together
from evenflow.log._stored import Row


def plain(name: str = "p") -> HeldPage:
    return HeldPage(name, PageRecord("m/1", 30.0, FirstTime([7, 8, 9]), ("",) * 3), 1)


def settled(page: HeldPage, bits: int, *outcomes: Outcome) -> Settlement:
    made = Settlement()
    if bits:
        made.acked[page] = bits
    if outcomes:
        made.outcomes[page] = list(outcomes)
    return made


def test_what_several_acknowledge_is_one_number() -> None:
    """The bits of each plain page are put together, and no event has an object of its own."""
    page, other = plain(), plain("q")
    assert together([settled(page, 1), settled(other, 2), settled(page, 4)]) == ({page: 5, other: 2}, {})


def test_events_that_are_not_acknowledged_have_outcomes() -> None:
    """Beside them the acknowledged ones of the page stay bits."""
    page, again = plain(), Outcome(1, Fate.AGAIN, 5.0, "why", Row(8, "A", 1, b"", {}, "", 0))
    assert together([settled(page, 1), settled(page, 0, again)]) == ({page: 1}, {page: [again]})


def test_each_event_of_a_page_with_copies_is_decided() -> None:
    """An event that is kept in its dead letter leaves something to be done: its acknowledgement is an outcome."""
    page = HeldPage("p", PageRecord("m/1", 30.0, (Item(7, copied=True), Item(8)), ("", "")), 1)
    assert together([settled(page, 3)]) == ({}, {page: [DONE[0], DONE[1]]})


def test_what_another_has_taken_is_lost() -> None:
    """All of a page that was taken; of a page that some events have left, these."""
    taken, partly = plain(), plain("q")
    taken.is_lost = True
    partly.gone.add(1)
    one, two = settled(taken, 5), settled(partly, 3)
    assert together([one, two]) == ({}, {partly: [DONE[0]]})
    assert (one.lost, two.lost) == ([7, 9], [8])
    assert together([one, two])[1] == {partly: [DONE[0]]}
    assert (one.lost, two.lost) == ([7, 9], [8])


def test_what_a_lost_answer_has_sent_out_again_is_lost() -> None:
    """The page says that the event is settled, and the commit in doubt would have sent it out again."""
    page = plain()
    page.doubted = {0: Fate.AGAIN, 1: Fate.DONE}
    page.record = page.record.with_done(3)
    one = settled(page, 3)
    assert together([one]) == ({}, {page: [DONE[0], DONE[1]]})
    assert one.lost == [7]
