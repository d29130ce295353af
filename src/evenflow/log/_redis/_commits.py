"""Commits: the changes of this process, sent in numbered batches, each made once, also where its answer was lost.

                                     what the next connection does first
    no answer to batch 7 has come    asks what 7 came to: its outcome, or that it was not made, and never will be
    it was not made                  sends what still waits again, as batch 8

Rule 1: one batch is on its way at a time, so there is at most one whose outcome is not known.
Rule 2: whoever has waited too long for one of that batch gets ``Uncertain``, and it is not sent again.
Rule 3: a server that has less than this process knows of is given a new line of history before anything is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from evenflow._errors import LogError, Uncertain, Unsupported
from evenflow.log._request import Request
from evenflow.log._stored import Change, Done, IdTaken, Outdated

from ._commit_script import ASK, COMMIT
from ._encoding import encoded
from ._faults import FULL, Lost, kind_of, words
from ._pump import Pump
from ._scripts import BEGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from evenflow._loop import RunningLoop

    from ._history import History
    from ._line import Line

MOST_EVENTS: Final = 1_000
"""How many events and records one batch holds, unless one change has more: the server does nothing else meanwhile."""
MOST_BYTES: Final = 1 << 20
VOID: Final = b"VOID"
LINEAGE: Final = b"LINEAGE"


class Commit(Request):
    """A change that somebody waits for."""

    __slots__ = ("appends", "arguments", "change", "made", "size", "weight")

    def __init__(self, change: Change, made: Callable[[Done], object] | None) -> None:
        super().__init__()
        if change.statements:
            raise Unsupported("a log on Redis has no tables of yours: it cannot run statements", missing=("own_rows",))
        self.change = change
        self.made = made
        self.appends: int = len(change.appends)
        self.weight: int = 1 + self.appends + len(change.puts)
        self.arguments: list[Any] = encoded(change)
        self.size: int = sum(len(append.data) for append in change.appends)

    def decide(self, outcome: bytes) -> int:
        """This is what it came to; returns the highest number that it tells of."""
        if self.is_done:
            return 0
        kind = outcome[:1]
        if kind == b"O":
            keys = list(self.change.expect)
            self.fail(Outdated([keys[int(place)] for place in outcome[1:].split(b",")]))
            return 0
        if kind == b"I":
            place, _, how = outcome[2:].partition(b",")
            taken = (self.change.appends if outcome[1:2] == b"a" else self.change.reserves)[int(place)]
            self.fail(IdTaken(taken.subject, taken.id or "", scheduled=how == b"1", same=how == b"2"))
            return 0
        version, _, text = outcome[1:].partition(b";")
        done = Done(self._seqs(text), dict.fromkeys(self.change.puts, int(version)))
        if self.made is not None:
            self.made(done)
        self.succeed(done)
        return max(done.seqs, default=0)

    def _seqs(self, text: bytes) -> Sequence[int]:
        if text.endswith(b"+"):
            first = int(text[:-1])
            return range(first, first + self.appends)
        return [int(seq) for seq in text.split(b",")] if text else []


class Commits(Pump):
    """Sends changes.

    Args:
        keep_ids: how long an id is known.
        changed: is called once something was changed, with the number of that change.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        loop: RunningLoop,
        timeout: float,
        *,
        history: History,
        member: str,
        keep_ids: timedelta,
        changed: Callable[[int], object],
    ) -> None:
        super().__init__(name, line, loop, timeout)
        self._history = history
        self._member = member
        self._keep_ids = round(keep_ids.total_seconds() * 1_000)
        self._changed = changed
        self._number = 0
        self._doubt: Sequence[Commit] = ()
        """The batch with the last number, if its answer was lost."""

    must_be_known = True

    @property
    def may_be_done(self) -> bool:
        """Whether the batch that was on its way may have been made."""
        return bool(self._doubt)

    def expired(self, request: Commit) -> LogError:
        """Nobody knows what became of one that is on its way."""
        if request.is_on_its_way:
            return Uncertain(
                f"{self._name} gave no answer for {self._timeout:g} s: it is not known whether this was stored; publish"
                " again with the same id, and it is there once"
            )
        return super().expired(request)

    def nothing(self) -> Request:
        """No change at all."""
        request = Commit(Change(), None)
        request.deadline = self._loop.now() + self._timeout
        return request

    def _next_round(self) -> Sequence[Commit]:
        queue, taken = self._queue, list[Commit]()
        weight = size = 0
        while queue and (not taken or weight + queue[0].weight <= MOST_EVENTS) and size < MOST_BYTES:
            request = queue.popleft()
            weight += request.weight
            size += request.size
            taken.append(request)
        return taken

    async def send(self, requests: Sequence[Commit]) -> None:
        """Make these changes, once what is in doubt is known."""
        if self._doubt:
            await self._settle_doubt()
        await self._make([request for request in requests if not request.is_done])

    async def _settle_doubt(self) -> None:
        outcome = await self.line.script(ASK, self._history.meta, self._member, self._number)
        if isinstance(outcome, Exception):
            raise await self.line.lose(outcome)
        doubt, self._doubt = self._doubt, ()
        if outcome != VOID:
            self._decide(doubt, outcome)

    async def _make(self, requests: Sequence[Commit], *, relief: bool = False) -> None:
        while requests:
            reply = await self._batch(requests, relief=relief)
            if isinstance(reply, Exception):
                await self._refused(requests, reply, relief=relief)
                return
            if reply != LINEAGE:
                self._decide(requests, reply)
                return
            await self._begin_line()
            requests = [request for request in requests if not request.is_done]

    async def _batch(self, requests: Sequence[Commit], *, relief: bool) -> Any:
        history = self._history
        self._number += 1
        arguments: list[Any] = [
            history.lineage, history.high, self._member, self._number, self._keep_ids, int(relief),
        ]  # fmt: skip
        for request in requests:
            arguments += request.arguments
        self._doubt = requests
        reply = await self.line.script(COMMIT, history.meta, *arguments)
        self._doubt = ()
        return reply

    def _decide(self, requests: Sequence[Commit], outcome: bytes) -> None:
        """The outcomes of a batch, in its order."""
        high, rev = 0, 0
        for request, text in zip(requests, outcome.split(b" "), strict=True):
            high = max(high, request.decide(text))
            if text.startswith(b"="):
                rev = int(text[1 : text.index(b";")])
        self._history.note(high, rev)
        if rev:
            self._changed(rev)

    async def _refused(self, requests: Sequence[Commit], reply: Exception, *, relief: bool) -> None:
        """The server refuses a batch whole. Where its memory is full, what appends nothing is made nevertheless."""
        kind = kind_of(reply, self.line.address)
        if kind == FULL and not relief:
            for request in requests:
                if request.appends:
                    request.fail(
                        LogError(
                            f"{self._name} has no memory left, and nothing was stored: {words(reply)}", stored=False
                        )
                    )
            await self._make([request for request in requests if not request.is_done], relief=True)
            return
        if kind == "broken":
            for request in requests:
                request.fail(Uncertain(f"{self._name} failed in the middle of a change: {words(reply)}"))
            return
        for request in requests:
            request.fail(LogError(f"{self._name} refuses to store anything: {words(reply)}", stored=False))

    async def _begin_line(self) -> None:
        """The server has another history than this process knows of."""
        reply = await self.line.script(BEGIN, self._history.meta, *self._history.arguments())
        if isinstance(reply, Exception):
            raise Lost(words(reply)) from reply
        self._history.learn(reply)
