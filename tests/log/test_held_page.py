"""HeldPage: what a reader knows of events in its hands."""

from __future__ import annotations

import pytest

from evenflow.log._group_records import FirstTime, Item, PageRecord
from evenflow.log._group_rules import Fate
from evenflow.log._held_page import HeldPage


def held() -> HeldPage:
    return HeldPage("p", PageRecord("m/1", 30.0, FirstTime([7, 8, 9]), ("",) * 3), 1)


def test_an_event_is_had_until_it_leaves_the_page_or_another_takes_it() -> None:
    """Of a page that another has taken nothing is left."""
    page = held()
    page.gone.add(1)
    assert [page.has(index) for index in range(3)] == [True, False, True]
    page.is_lost = True
    assert not any(map(page.has, range(3)))


@pytest.mark.parametrize("fate", list(Fate))
def test_what_a_commit_in_doubt_has_done_with_an_event_is_known(fate: Fate) -> None:
    """Another fate comes too late if the commit was made; the same one, or after an acknowledgement any, does not."""
    page = held()
    page.doubted = {0: Fate.AGAIN, 1: Fate.DONE}
    assert not page.went_out(0, fate)
    page.record = page.record.with_done(3)
    assert page.went_out(0, fate) == (fate is not Fate.AGAIN)
    assert not page.went_out(1, fate)


def test_a_plain_page_is_one_where_nothing_is_to_be_decided() -> None:
    """Not one with copies, not one that another has, not one that events have left, not one in doubt."""
    assert held().is_plain
    lost, left, doubtful = held(), held(), held()
    lost.is_lost = True
    left.gone.add(1)
    doubtful.doubted[0] = Fate.DONE
    copied = HeldPage("p", PageRecord("m/1", 30.0, (Item(7, copied=True),), ("",)), 1)
    assert not any(page.is_plain for page in (lost, left, doubtful, copied))
