"""What the function ``change()`` is given, and what became of those whose changes it made.

Rule 1: neighbours that only append events are one call. Each other change is a call of its own.
Rule 2: where all events have the same, an array has one element; where they have nothing, it is NULL.
Rule 3: the data of all events is one text, with a separator between them: an array costs the client five times as much.
"""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from evenflow.log._stored import ABSENT, NONE, Change, Done, IdTaken, Outdated

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence

ARGUMENTS: Final = 25
"""Of a call: the writer's two, those of ``arguments``, and two settings."""

_DATAS: Final = 12
"""Which of them is the data of all events; the separator is the next."""

_SEPARATOR: Final = b"\x1e"
"""No JSON has this character."""

_IS_SCHEDULED: Final = attrgetter("scheduled")


class Job:
    """A change that is to be made.

    Attributes:
        change: the change.
        future: what whoever waits for it sleeps on; cancelled with its task.
        is_plain: whether it only appends events.
        is_begun: whether its transaction has begun.
        is_over: whether its outcome is known.
    """

    __slots__ = ("_made", "change", "future", "is_begun", "is_over", "is_plain")

    def __init__(self, change: Change, made: Callable[[Done], object] | None, future: asyncio.Future[Done]) -> None:
        self.change: Change = change
        self.future: asyncio.Future[Done] = future
        self.is_plain: bool = _is_plain(change)
        self.is_begun: bool = False
        self.is_over: bool = False
        self._made = made

    def succeed(self, done: Done) -> None:
        """It was made."""
        self.is_over = True
        if self._made is not None:
            self._made(done)
        if not self.future.done():
            self.future.set_result(done)

    def fail(self, error: BaseException) -> None:
        """It was not made."""
        self.is_over = True
        if not self.future.done():
            self.future.set_exception(error)


def _is_plain(change: Change) -> bool:
    expect, puts, deletes, appends, reserves, frees, statements = change
    if expect or puts or deletes or reserves or frees or statements:
        return False
    return not (appends[0].scheduled if len(appends) == 1 else any(map(_IS_SCHEDULED, appends)))


def merged(jobs: Iterable[Job]) -> list[list[Job]]:
    """The calls that make these changes, in their order."""
    groups: list[list[Job]] = []
    was_plain = False
    for job in jobs:
        if job.is_plain and was_plain:
            groups[-1].append(job)
        else:
            groups.append([job])
        was_plain = job.is_plain
    return groups


def topics_of(jobs: Sequence[Job]) -> set[str]:
    """What whoever waits hears of, once these are made."""
    topics: set[str] = set()
    for job in jobs:
        appends = job.change.appends
        if job.is_plain and len(appends) == 1:
            topics.add(appends[0].subject)
        else:
            topics |= job.change.topics()
    return topics


def answers(group: Sequence[Job], outcome: Any) -> list[tuple[Job, Done | Exception]]:
    """What those hear whose changes were one call, of what came of it."""
    if outcome["outcome"] == "outdated":
        return [(group[0], Outdated(outcome["detail"]))]
    if outcome["outcome"] == "taken":
        subject, name, how = outcome["detail"]
        return [(group[0], IdTaken(subject, name, scheduled=how == "true", same=how == "same"))]
    seqs: Sequence[int] | None = outcome["seqs"]
    base, version = outcome["base"] or 0, outcome["put_version"] or 0
    begin = 0
    found: list[tuple[Job, Done | Exception]] = []
    for job in group:
        puts, many = job.change.puts, len(job.change.appends)
        if seqs is not None:
            numbers = list(seqs[begin : begin + many])
        else:
            numbers = [base + 1] if many == 1 else list(range(base + 1, base + many + 1))
        found.append((job, Done(numbers, dict.fromkeys(puts, version) if puts else NONE)))
        begin, base = begin + many, base + many
    return found


def call_of(schema: str) -> str:
    """The statement that makes a change."""
    places = [f"${place}" for place in range(1, ARGUMENTS + 1)]
    data, separator = places[_DATAS - 1 : _DATAS + 1]
    array = f"CASE WHEN {data}::text = '' THEN ARRAY[''] ELSE string_to_array({data}, {separator}::text) END"
    places[_DATAS - 1 : _DATAS + 1] = [array]
    return f"SELECT * FROM {schema}.change({', '.join(places)})"


def arguments(changes: Sequence[Change]) -> list[Any]:
    """What of these changes a call is given."""
    first = changes[0]
    appends = first.appends if len(changes) == 1 else [append for change in changes for append in change.appends]
    subjects, types, versions, datas, headers, ids, digests, keys, scheduled, _ = (
        zip(*appends, strict=True) if appends else [()] * 10
    )
    puts, expect, reserves = first.puts, first.expect, first.reserves
    has_ids = _is_any(ids)
    return [
        list(expect) or None,
        [0 if version == ABSENT else version for version in expect.values()] or None,
        list(puts) or None,
        [put.value for put in puts.values()] or None,
        [put.due for put in puts.values()] or None,
        list(first.deletes) or None,
        _same(subjects),
        _same(types),
        _same(versions),
        *_joined(datas),
        [json.dumps(dict(one)) if one else None for one in headers] if any(headers) else None,
        ids if has_ids else None,
        digests if has_ids else None,
        keys if _is_any(keys) else None,
        scheduled if any(scheduled) else None,
        [reserve.subject for reserve in reserves] or None,
        [reserve.id for reserve in reserves] or None,
        [reserve.digest for reserve in reserves] or None,
        [subject for subject, _ in first.frees] or None,
        [name for _, name in first.frees] or None,
    ]


def _joined(datas: Sequence[bytes]) -> tuple[str | None, str | None]:
    """All of them in one text, and what is between them."""
    if not datas:
        return None, None
    separator = _SEPARATOR
    joined = separator.join(datas)
    if joined.count(separator) >= len(datas):  # it is in one of them, which is no JSON
        separator = uuid4().hex.encode()
        joined = separator.join(datas)
    return joined.decode(), separator.decode()


def _is_any(values: Sequence[object]) -> bool:
    return values.count(None) < len(values)


def _same(values: tuple[Any, ...]) -> tuple[Any, ...] | None:
    return (values[:1] if values.count(values[0]) == len(values) else values) if values else None
