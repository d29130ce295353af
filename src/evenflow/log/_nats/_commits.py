"""Commits: the changes of this process. Those of one message are sent as they come, the others in atomic batches.

    what comes back             a change of one message            a batch
    stored                      done                               all its changes are done
    stored before               done                               done: its messages are looked for
    another sequence            looked at alone, as a batch        alone already: looked at; else each of them alone
    not now                     sent again after a pause           the same
    nothing, connection lost    sent again, with the same id       the same
    anything else               ``LogError``: nothing was done     alone already: the same; else each of them alone

Rule 1: whatever may have been stored is sent again with the same ``Nats-Msg-Id`` until it is known, or too late.
Rule 2: whoever has waited too long for what was sent gets ``Uncertain``.
Rule 3: one batch is on its way at a time. Changes that come meanwhile go together in the next one, if no record or id
        is in two of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from anyio.lowlevel import checkpoint_if_cancelled

from evenflow._errors import EvenflowError, LogError, Uncertain, Unsupported
from evenflow.log._stored import Away, Done, IdTaken, Outdated

from ._batches import Batch, sent
from ._event import EventPlan, is_one_event
from ._faults import BUSY, CHANGED, MADE, Busy, Lost, Reply, reply_of
from ._line import REPLY
from ._plan import MOST, Plan, differing, id_in, ids_of
from ._requests import Commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evenflow._loop import RunningLoop
    from evenflow.log._stored import Change

    from ._line import Line
    from ._plan import Writing
    from ._reads import Reads
    from ._stream import History

MOST_AT_ONCE: Final = 1_000
"""How many changes of one message are on their way at a time."""
MOST_BYTES: Final = 1 << 22
"""Bytes of events that go into one batch, unless one change has more."""
BUSY_PAUSE: Final = 0.05


class Commits:
    """Sends changes.

    Args:
        told: is told each change that is made, with its outcome and the highest sequence of it.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        reads: Reads,
        history: History,
        writing: Writing,
        timeout: float,
        running: RunningLoop,
        told: Callable[[Change, Done, int], object],
    ) -> None:
        self._name = name
        self._line = line
        self._reads = reads
        self._history = history
        self._writing = writing
        self._timeout = timeout
        self._running = running
        self._told = told
        self._numbers = count(1)
        self._singles: deque[Commit] = deque()
        self._flying: dict[str, Commit] = {}
        self._many: deque[Commit] = deque()
        self._batch: Batch | None = None
        self._single_came = asyncio.Event()
        self._many_came = asyncio.Event()
        self._closed: str | None = None

    # ------------------------------------------------------------------ asking

    async def do(self, change: Change, made: Callable[[Done], object] | None) -> Done:
        """Make a change; see ``Engine.commit``."""
        if self._running.is_cancelled():
            await checkpoint_if_cancelled()
        if self._closed is not None:
            raise LogError(self._closed)
        if change.statements:
            raise Unsupported("a log on NATS has no tables of yours: it cannot run statements", missing=("own_rows",))
        commit = Commit(change, made, f"{self._writing.member}-{next(self._numbers)}")
        commit.deadline = asyncio.get_running_loop().time() + self._timeout
        if not commit.must_look:
            self._make_plan(commit)
        plan = commit.plan
        if commit.is_done:
            pass
        elif type(plan) is EventPlan or (plan is not None and len(plan.messages) == 1):
            self._singles.append(commit)
            self._single_came.set()
        else:
            self._many.append(commit)
            self._many_came.set()
        done: Done = await commit.outcome(self._running.backend.wake_up)
        return done

    def _make_plan(self, commit: Commit) -> None:
        if is_one_event(commit.change):
            commit.plan = EventPlan(self._writing, commit.change.appends[0], commit.name)
        else:
            self._make_other_plan(commit)
        if not commit.is_done and (plan := commit.plan) is not None and plan.largest > (most := self._line.max_payload):
            commit.fail(
                LogError(
                    f"{self._name} takes messages of {most:,} bytes, and this has {plan.largest:,} with its"
                    " headers: raise max_payload of the server, and nothing was stored",
                    stored=False,
                )
            )

    def _make_other_plan(self, commit: Commit) -> None:
        try:
            plan = Plan(self._writing, commit.change, commit.name, commit.ids, commit.deletions)
        except IdTaken as taken:
            commit.fail(taken)
            return
        commit.plan = plan
        if not plan.messages:
            commit.finish(plan.done(0))

    # ------------------------------------------------------------------ changes of one message

    async def send_singles(self) -> None:
        """The task that sends changes of one message, until it is cancelled."""
        made = self._line.made
        while True:
            await self._line.until_up()
            if self._line.made != made:
                made = self._line.made
                self._send_again()
            while self._singles and len(self._flying) < MOST_AT_ONCE and self._line.is_up:
                self._send_single(self._singles.popleft())
            self._single_came.clear()
            if not self._line.is_up or self._line.made != made or (self._singles and len(self._flying) < MOST_AT_ONCE):
                continue
            await self._single_came.wait()

    def _send_again(self) -> None:
        """What was on its way when the connection was lost is sent again.

        Of a message that expects something the server looks at that first, and only then whether it has it already; of
        a batch it is the other way round.
        """
        flying, self._flying = self._flying, {}
        for commit in reversed(flying.values()):
            if commit.is_done:
                continue
            assert commit.plan is not None
            commit.in_doubt = True
            if commit.plan.expects:
                commit.alone = True
                self._many.appendleft(commit)
                self._many_came.set()
            else:
                self._singles.appendleft(commit)

    def _send_single(self, commit: Commit) -> None:
        if commit.is_done:
            return
        assert commit.plan is not None
        to, data, headers = commit.plan.single()

        def heard(answer: Any) -> None:
            self._line.forget(commit.token)
            if isinstance(answer, Lost):
                self._single_came.set()  # it is sent again once there is a connection
            elif self._flying.pop(commit.token, None) is commit:
                self._single_came.set()
                self._answered(commit, reply_of(answer.data, answer.headers))

        commit.token = self._line.listen(heard)
        self._flying[commit.token] = commit
        commit.is_on_its_way = True
        commit.sent_at = asyncio.get_running_loop().time()
        try:
            self._line.post(to, data, headers, commit.token)
        except Lost:
            self._single_came.set()

    def _answered(self, commit: Commit, reply: Reply) -> None:
        if not reply.kind:
            self._made(commit, reply.seq)
        elif reply.kind == BUSY:
            commit.is_on_its_way = commit.in_doubt
            asyncio.get_running_loop().call_later(BUSY_PAUSE, self._send_later, commit)
        elif reply.kind == CHANGED:
            commit.is_on_its_way = commit.is_done
            commit.alone = commit.must_look = True
            self._many.append(commit)
            self._many_came.set()
        else:
            self._refuse(commit, reply.words)

    def _send_later(self, commit: Commit) -> None:
        self._singles.append(commit)
        self._single_came.set()

    def _made(self, commit: Commit, first: int) -> None:
        plan = commit.plan
        assert plan is not None
        done = plan.done(first)
        last = first if type(plan) is EventPlan else first + len(plan.messages) - 1
        self._history.note(last)
        self._history.note(plan.newest_event(first), event=True)
        self._told(commit.change, done, last)
        commit.finish(done)

    def _refuse(self, commit: Commit, said: str) -> None:
        commit.fail(LogError(f"{self._name} refuses to store it: {said}", stored=False))

    # ------------------------------------------------------------------ changes of several messages

    async def send_batches(self) -> None:
        """The task that sends batches, until it is cancelled."""
        while True:
            await self._line.until_up()
            if self._batch is None:
                commits = self._next()
                if not commits:
                    self._many_came.clear()
                    await self._many_came.wait()
                    continue
                if not await self._ready(commits):
                    continue
                self._batch = Batch(commits[0].name, commits)
            try:
                reply, first = await sent(self._line, self._reads, self._batch)
            except Lost:
                self._note_not_made(in_doubt=True)
                continue
            except Busy:
                self._note_not_made(in_doubt=False)
                await asyncio.sleep(BUSY_PAUSE)
                continue
            batch, self._batch = self._batch, None
            self._decide(batch, reply, first)

    def _note_not_made(self, *, in_doubt: bool) -> None:
        """The batch was not made, as far as is known; ``in_doubt``: it may be made yet."""
        assert self._batch is not None
        for commit in self._batch.commits:
            commit.in_doubt = commit.in_doubt or in_doubt
        if all(commit.is_done for commit in self._batch.commits):
            self._batch = None

    def _next(self) -> list[Commit]:
        taken: list[Commit] = []
        touched: set[str] = set()
        weight = size = 0
        while self._many:
            commit = self._many[0]
            if commit.is_done:
                self._many.popleft()
                continue
            if commit.alone or commit.plan is None:
                return taken or [self._many.popleft()]
            weight += len(commit.plan.messages)
            size += commit.size
            if taken and (weight > MOST or size > MOST_BYTES or not touched.isdisjoint(commit.plan.touched)):
                return taken
            touched |= commit.plan.touched
            taken.append(self._many.popleft())
        return taken

    async def _ready(self, commits: list[Commit]) -> bool:
        """Look up what a change must know; False where it must not be sent."""
        for commit in commits:
            if commit.must_look:
                try:
                    await self._look(commit)
                except (Lost, Busy, EvenflowError, ValueError) as error:
                    if isinstance(error, Lost | Busy):
                        self._many.appendleft(commit)
                        await asyncio.sleep(BUSY_PAUSE)
                    else:
                        commit.fail(error)
                    return False
            commit.is_on_its_way = not commit.is_done
        return not all(commit.is_done for commit in commits)

    async def _look(self, commit: Commit) -> None:
        names, change = self._writing.names, commit.change
        ids = ids_of(names, change)
        found = await self._reads.last([*ids, *map(names.record, change.expect)])
        try:
            commit.deletions = differing(names, change, found)
        except Outdated as outdated:
            commit.fail(outdated)
            return
        commit.ids = {subject: id_in(found.get(subject)) for subject in ids}
        commit.must_look = False
        self._make_plan(commit)

    def _decide(self, batch: Batch, reply: Reply, first: int) -> None:
        if not reply.kind or reply.kind == MADE:
            for commit in batch.commits:
                assert commit.plan is not None
                if not commit.is_done:
                    self._made(commit, first)
                first += len(commit.plan.messages)
            return
        for commit in reversed(batch.commits):
            commit.is_on_its_way = commit.is_done
            if commit.is_done:
                continue
            if len(batch.commits) == 1 and reply.kind != CHANGED:
                self._refuse(commit, reply.words)
                continue
            commit.must_look = reply.kind == CHANGED
            commit.alone = True
            commit.name = f"{commit.name}+"  # what was refused is another one from now on
            if not commit.must_look:
                self._make_plan(commit)
            self._many.appendleft(commit)

    # ------------------------------------------------------------------ time, and the end

    def _all(self) -> Iterable[Commit]:
        yield from self._flying.values()
        yield from self._singles
        if self._batch is not None:
            yield from self._batch.commits
        yield from self._many

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked."""
        return all(commit.is_done for commit in self._all())

    def expire(self, now: float) -> None:
        """The time of some changes may be over."""
        for commit in list(self._all()):
            if commit.deadline <= now and not commit.is_done:
                self._expired(commit)
        for token in [token for token, commit in self._flying.items() if commit.is_done]:
            del self._flying[token]
        if any(commit.sent_at + REPLY < now for commit in self._flying.values()) and self._line.is_up:
            self._line.drop("no answer to what was published came in time")

    def _expired(self, commit: Commit) -> None:
        if commit.is_on_its_way:
            commit.fail(
                Uncertain(
                    f"{self._name} gave no answer for {self._timeout:g} s: it is not known whether this was stored;"
                    " publish again with the same id, and it is there once"
                )
            )
        else:
            commit.fail(Away(f"{self._name} could not be reached for {self._timeout:g} s: nothing was done"))

    def close(self, why: str) -> None:
        """Take nothing more; what is there is still sent, as long as the tasks run."""
        if self._closed is None:
            self._closed = why

    def fail_all(self) -> None:
        """Nobody sends any more."""
        for commit in list(self._all()):
            if not commit.is_done:
                self._expired(commit)
