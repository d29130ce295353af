"""MemoryStore: what a database would keep, whoever writes it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evenflow.log import Unsupported
from evenflow.log._stored import ABSENT, Append, Change, IdTaken, Outdated, Put, Reserve, Statement
from evenflow.testing._memory_store import MemoryStore


def append(n: int, name: str | None = None, *, scheduled: bool = False) -> Append:
    """An event, whose id is proven by its number."""
    return Append("orders", "Ordered", 1, b"%d" % n, {}, name, b"" if name is None else b"%d" % n, scheduled=scheduled)


def test_a_refused_change_does_nothing_at_all() -> None:
    """Neither its events nor its records are there."""
    store = MemoryStore()
    store.commit(Change(puts={"a": Put(b"1")}, appends=[append(1, "x")]))
    mark = store.mark
    for change, error in (
        (Change(expect={"a": 99}, appends=[append(2)]), Outdated),
        (Change(puts={"b": Put(b"2")}, appends=[append(2), append(3, "x")]), IdTaken),
        (Change(puts={"b": Put(b"2")}, statements=[Statement("UPDATE x", (), None)]), Unsupported),
    ):
        with pytest.raises(error):
            store.commit(change)
    assert store.mark == mark
    assert [row.data for row in store.read("orders", 0, 10, None, None).rows] == [b"1"]
    assert list(store.load((), "")) == ["a"]


def test_versions_never_come_again() -> None:
    """A record that was deleted and made again is another one."""
    store = MemoryStore()
    first = store.commit(Change(expect={"a": ABSENT}, puts={"a": Put(b"1")})).versions["a"]
    store.commit(Change(deletes=["a"]))
    second = store.commit(Change(expect={"a": ABSENT}, puts={"a": Put(b"1")})).versions["a"]
    assert first != second


def test_an_id_is_one_event_for_as_long_as_it_is_kept() -> None:
    """Reserved, taken, freed and forgotten."""
    store = MemoryStore(keep_ids=timedelta(0))
    store.commit(Change(reserves=[Reserve("orders", "x", b"1")]))
    with pytest.raises(IdTaken) as caught:
        store.commit(Change(appends=[append(1, "x")]))
    assert caught.value.scheduled
    assert store.commit(Change(appends=[append(1, "x", scheduled=True)])).seqs == [1]
    assert store.commit(Change(appends=[append(1, "x")])).seqs == [2]  # its time is over
    store.commit(Change(reserves=[Reserve("orders", "y", b"1")]))
    store.commit(Change(frees=[("orders", "y")]))
    assert store.commit(Change(appends=[append(5, "y")])).seqs == [3]
