"""What one call of ``change()`` is given, and who hears what of it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from evenflow.log._postgres._calls import ARGUMENTS, Job, answers, arguments, merged, topics_of
from evenflow.log._stored import ABSENT, Append, Change, Done, IdTaken, Outdated, Put
from tests.conformance.kit import event, texts
from tests.servers import Postgres

from .kit import on_postgres, opened

NOTHING = {"outcome": "ok", "detail": None, "base": None, "seqs": None, "put_version": None}


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an async test."""

    @functools.wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


def job(change: Change, made: list[Done] | None = None) -> Job:
    """A change that somebody waits for."""
    return Job(change, None if made is None else made.append, asyncio.get_running_loop().create_future())


def tell(group: list[Job], outcome: Any) -> None:
    """All of them hear what came of it."""
    for one, answer in answers(group, outcome):
        if isinstance(answer, Done):
            one.succeed(answer)
        else:
            one.fail(answer)


@in_loop
async def test_neighbours_that_only_append_are_one_call() -> None:
    """Whatever else a change does, it is a call of its own, and so is an event whose id is reserved."""
    plain = [job(Change(appends=[event(f"{n}")])) for n in range(4)]
    record = job(Change(puts={"k": Put(b"")}, appends=[event("with a record")]))
    scheduled = job(Change(appends=[Append("orders", "Placed", 1, b"", id="one", scheduled=True)]))
    assert merged([*plain[:2], record, plain[2], scheduled, plain[3]]) == [
        plain[:2], [record], [plain[2]], [scheduled], [plain[3]],
    ]  # fmt: skip


@in_loop
async def test_each_hears_of_its_own_events() -> None:
    """They follow the base where all are new, and are given one by one where some were known."""
    for seqs, wanted in ((None, [[8], [9, 10]]), ([3, 8, 9], [[3], [8, 9]])):
        made: list[Done] = []
        group = [job(Change(appends=[event("a")]), made), job(Change(appends=[event("b"), event("c")]), made)]
        tell(group, {**NOTHING, "base": 7, "seqs": seqs})
        assert [one.future.result().seqs for one in group] == wanted
        assert [done.seqs for done in made] == wanted
        assert all(one.is_over for one in group)
    record = job(Change(puts={"k": Put(b"")}))
    tell([record], {**NOTHING, "put_version": 5})
    assert record.future.result() == Done([], {"k": 5})


@in_loop
async def test_a_refusal_is_an_error_with_its_reason() -> None:
    """Which records have changed, or whose id it is, and whether that event has gone out."""
    outdated, taken = job(Change(expect={"k": 1})), job(Change(appends=[event("a", id="one")]))
    tell([outdated], {**NOTHING, "outcome": "outdated", "detail": ["k"]})
    with pytest.raises(Outdated, match="k"):
        outdated.future.result()
    tell([taken], {**NOTHING, "outcome": "taken", "detail": ["orders", "one", "true"]})
    with pytest.raises(IdTaken) as error:
        taken.future.result()
    assert (error.value.subject, error.value.id, error.value.scheduled) == ("orders", "one", True)


@in_loop
async def test_whoever_has_gone_is_told_nothing_but_what_was_made_is_noted() -> None:
    """The future of a cancelled task is cancelled with it."""
    made: list[Done] = []
    gone, failed = job(Change(appends=[event("a")]), made), job(Change())
    gone.future.cancel()
    failed.future.cancel()
    tell([gone], {**NOTHING, "base": 7})
    failed.fail(ValueError())
    assert gone.is_over
    assert failed.is_over
    assert [done.seqs for done in made] == [[8]]


@in_loop
async def test_waiters_hear_of_all_topics() -> None:
    """The subjects of events, and the keys of records."""
    jobs = [job(Change(appends=[event("a")])), job(Change(appends=[event("b", subject="bills"), event("c")]))]
    assert topics_of([*jobs, job(Change(puts={"k": Put(b"")}))]) == {"orders", "bills", "k"}


def test_arrays_are_as_short_as_they_can_be() -> None:
    """One element where all events have the same, and none where they have nothing."""
    named = ["subjects", "types", "versions", "datas", "separator", "headers", "ids", "digests", "keys", "scheduled"]

    def given(*appends: Append) -> dict[str, Any]:
        made = arguments([Change(appends=[append]) for append in appends])
        assert len(made) == ARGUMENTS - 4
        assert made[:6] == [None] * 6
        return {name: value for name, value in zip(named, made[6:], strict=False) if value is not None}

    same = {"types": ("Placed",), "versions": (1,), "separator": "\x1e"}
    assert given(event("a"), event("b")) == {"subjects": ("orders",), "datas": "a\x1eb", **same}
    assert given(event("a", headers={"x": "é"}), event("b", subject="bills", key="k")) == {
        "subjects": ("orders", "bills"), "datas": "a\x1eb", "headers": ['{"x": "\\u00e9"}', None], "keys": (None, "k"),
        **same,
    }  # fmt: skip


@on_postgres
async def test_any_text_is_stored_as_it_is(server: Postgres) -> None:
    """Alone and with others: empty, with the separator in it, and with whatever else JSON may have."""
    odd = ["", "\x1e", "a\x1eb", "", '{\n\t"x": "é \\u001e"\r\n}', ","]
    async with opened(server) as engine:
        for text in odd:
            await engine.commit(Change(appends=[event(text)]))
        await engine.commit(Change(appends=[event(text) for text in odd]))
        await engine.commit(Change(appends=[event(""), event("")]))
        assert await texts(engine) == [*odd, *odd, "", ""]


def test_records_are_given_as_columns() -> None:
    """And one that must not exist has the version 0."""
    change = Change(expect={"a": ABSENT, "b": 3}, puts={"a": Put(b"x", 1.5)}, deletes=["b"])
    assert arguments([change])[:6] == [["a", "b"], [0, 3], ["a"], [b"x"], [1.5], ["b"]]
    assert arguments([change])[6:] == [None] * 15
