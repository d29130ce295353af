"""The way of an event to the mailboxes: all or none, in one order; the delivery with its parts, and no subject."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any
from weakref import ref

import anyio
import pytest
from pydantic import ConfigDict

from evenflow import Deadlock, Event, Subject, SubjectClosed
from evenflow._binding import LoopBinding
from evenflow._delivery import Delivery, _run
from evenflow._fairness import DELIVERIES_A_TURN, GIVEN, LOOK_WITHIN
from evenflow._gate import Gate
from evenflow._history import History
from evenflow._loop import running_loop
from evenflow._mailbox import Mailbox, Overflow, UserFunctions
from evenflow._members import Members, Targets
from evenflow._readers import WAKE_UPS_A_TURN, WakeUps

from .contract.kit import both, group, settle, turn
from .parts import emptied, on_both


class Load(Event):
    """An event that carries anything."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    n: int
    cargo: Any = None


class Other(Event):
    """An event of another class."""

    n: int = 0


class Scene:
    """A delivery, its parts, and what it told of."""

    def __init__(self, history: History | None = None) -> None:
        self.functions: list[UserFunctions] = []
        self.detached: list[tuple[Mailbox, Any]] = []
        self.unwanted: list[Event] = []
        self.watchers: list[anyio.Event] = []
        self.changes: list[int] = []
        self.members: Members[Any] = Members("loads", (Load, Other), None if history is None else history.key)
        self.gate = Gate(lambda box: self.delivery.ask(lambda: self.gate.freed(box)))
        self.binding = LoopBinding("loads", lambda: None)
        self.delivery: Delivery[Any] = Delivery(
            "loads",
            members=self.members,
            gate=self.gate,
            binding=self.binding,
            history=history,
            detach=self.detach,
            watchers=self.watchers,
            changed=lambda: self.changes.append(self.delivery.published),
            unwanted=self.unwanted.append,
            stall_after=2,
        )

    def detach(self, box: Mailbox, end: Any) -> None:
        """A subscription has ended."""
        self.detached.append((box, end))
        box.finish(end)
        self.members.remove(box)
        self.gate.gone(box)

    def join(
        self,
        *wants: type,
        where: Any = None,
        key: Any = None,
        capacity: int = 9,
        overflow: Overflow = "block",
        holds: int = 0,
    ) -> Mailbox:
        """A subscription begins."""
        interest = self.members.interest(wants, where)
        functions = UserFunctions(where if interest.asks else None, key)
        self.functions.append(functions)
        box = Mailbox(
            capacity=capacity,
            overflow=overflow,
            functions=functions,
            unready=self.members.unready,
            became_ready=self.members.became_ready,
            wake_ups=WakeUps(),
            name=f"loads/{len(self.functions)}",
            created_at=("file.py", 7),
        )
        self.members.add(box, interest)
        for n in range(holds):
            box.offer(Load(n=-1 - n), n)
        return box

    def publish_nowait(self, *numbers: int) -> list[int]:
        """Publish some loads."""
        return [self.delivery.publish_nowait(Load(n=n)) for n in numbers]

    async def publish(self, event: Event) -> int:
        """Publish as a subject does."""
        outcome = self.delivery.publish_at_once(event)
        return outcome if isinstance(outcome, int) else await self.delivery.publish_later(event, outcome)

    def is_at_rest(self) -> bool:
        """Whether nothing is left of a publish that has ended."""
        reserved = [box.reserved for box in self.members.active]
        return not self.delivery.busy and not self.gate.queue and not any(reserved)


def numbers(box: Mailbox) -> list[int]:
    """The numbers of all that can be taken."""
    return [event.n for event in emptied(box)]


# ------------------------------------------------------------------ in one instant


def test_an_event_goes_to_all_that_want_it_and_is_counted() -> None:
    """Published once, and delivered as often as it is wanted."""
    scene = Scene()
    loads, few, others = scene.join(Load), scene.join(Load, where=Load.n > 1), scene.join(Other)
    assert scene.publish_nowait(1, 2) == [1, 2]
    assert (numbers(loads), numbers(few), numbers(others)) == ([1, 2], [2], [])
    assert (scene.delivery.published, scene.delivery.deliveries) == (2, 3)


def test_a_mailbox_is_not_measured_again_where_its_class_is_known_to_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a publish that must look at everything first, as each does among more subscriptions than a turn serves."""
    scene = Scene()
    boxes = [scene.join(Load, capacity=5) for _ in range(3)]
    measured: list[Mailbox] = []
    measure = Mailbox.measure
    monkeypatch.setattr(Mailbox, "measure", lambda box: measured.append(box) or measure(box))
    assert scene.publish_nowait(1, 2, 3, 4, 5) == [3] * 5
    assert measured == []
    with pytest.raises(anyio.WouldBlock):
        scene.publish_nowait(6)
    assert [numbers(box) for box in boxes] == [[1, 2, 3, 4, 5]] * 3


def test_an_event_that_nobody_wants_is_told_of() -> None:
    """It is published all the same."""
    scene = Scene()
    scene.join(Other)
    assert scene.publish_nowait(1) == [0]
    assert [event.n for event in scene.unwanted] == [1]  # type: ignore[attr-defined]
    assert scene.delivery.published == 1


def test_where_one_has_no_room_nobody_gets_the_event() -> None:
    """It is not published, and the delivery is idle again."""
    scene = Scene()
    scene.join(Load, capacity=1, holds=1)
    other = scene.join(Load)
    with pytest.raises(anyio.WouldBlock):
        scene.publish_nowait(1)
    assert numbers(other) == []
    assert scene.delivery.published == 0
    assert scene.is_at_rest()


@pytest.mark.parametrize("what", ["where", "key"])
def test_what_a_users_function_raises_ends_that_subscription_alone(what: str) -> None:
    """It is detached with the error, and all others get the event."""
    scene = Scene()
    bad = scene.join(Load, **{what: lambda event: 1 / 0})  # type: ignore[arg-type]
    good = scene.join(Load)
    assert scene.publish_nowait(1) == [1]
    assert numbers(good) == [1]
    assert [(box, type(error)) for box, error in scene.detached] == [(bad, ZeroDivisionError)]


def test_a_slow_subscriber_is_detached_when_all_have_the_event() -> None:
    """Those behind it get it as well."""
    scene = Scene()
    slow, behind = scene.join(Load, capacity=1, overflow="disconnect", holds=1), scene.join(Load)
    scene.publish_nowait(1)
    assert [box for box, _ in scene.detached] == [slow]
    assert numbers(behind) == [1]
    assert slow not in scene.members.active


def test_what_is_published_is_kept_in_the_history_under_its_key() -> None:
    """The key is asked for once for each event."""
    asked: list[Load] = []
    history = History(1, lambda event: asked.append(event) or event.n % 2, 9)
    scene = Scene(history)
    scene.publish_nowait(1, 2, 3)
    assert [event.n for event in history.events()] == [2, 3]
    assert len(asked) == 3


def test_what_is_refused_is_not_kept_in_the_history() -> None:
    """Nobody got it, and nobody will."""
    history = History(9, None, 9)
    scene = Scene(history)
    scene.join(Load, capacity=1, holds=1)
    with pytest.raises(anyio.WouldBlock):
        scene.publish_nowait(1)
    assert history.events() == []


def test_a_claim_is_made_right_before_the_event_is_given_out() -> None:
    """If it is called off, nobody gets the event."""
    scene = Scene()
    box = scene.join(Load)

    def call_off() -> None:
        assert len(box.buffer) == 0
        raise LookupError("called off")

    with pytest.raises(LookupError, match="called off"):
        scene.delivery.publish_nowait(Load(n=1), call_off)
    assert (len(box.buffer), scene.delivery.published) == (0, 0)
    assert scene.is_at_rest()


def test_no_claim_is_made_where_there_is_no_room() -> None:
    """The thread may still withdraw the event."""
    scene = Scene()
    scene.join(Load, capacity=1, holds=1)
    claimed: list[bool] = []
    with pytest.raises(anyio.WouldBlock):
        scene.delivery.publish_nowait(Load(n=1), lambda: claimed.append(True))
    assert not claimed


@pytest.mark.parametrize("closed", [False, True])
def test_a_new_subscription_can_be_given_an_event_of_its_own(closed: bool) -> None:
    """Nobody else gets it; after the end it is its replay."""
    scene = Scene()
    other, new = scene.join(Load), scene.join(Load)
    if closed:
        scene.delivery.close()
        new.finish(EOFError)
    scene.delivery.give_first(new, Load(n=1), None)
    assert (numbers(new), numbers(other)) == ([1], [])
    assert scene.delivery.published == 0


def test_a_closed_delivery_takes_nothing() -> None:
    """It lets go of the classes of events as well."""
    scene = Scene()
    scene.publish_nowait(1)
    scene.delivery.close()
    with pytest.raises(SubjectClosed, match="loads is closed"):
        scene.publish_nowait(2)
    assert not scene.members.of_classes


# ------------------------------------------------------------------ the guard


@pytest.mark.parametrize("what", ["where", "key"])
def test_a_users_function_cannot_publish(what: str) -> None:
    """It is refused, and the event that it was asked about goes its way."""
    scene = Scene()
    refused: list[BaseException] = []

    def meddle(event: Load) -> bool:
        try:
            scene.delivery.publish_nowait(Load(n=9))
        except RuntimeError as error:
            refused.append(error)
        return True

    box = scene.join(Load, **{what: meddle})  # type: ignore[arg-type]
    assert scene.publish_nowait(1) == [1]
    assert "a condition only looks" in str(refused[0])
    assert numbers(box) == [1]


def test_what_is_deferred_is_done_after_the_event_in_order() -> None:
    """A user's function that closes something finds it open until all have the event."""
    scene = Scene()
    done: list[str] = []

    def meddle(_: Load) -> bool:
        for name in ("first", "second"):
            scene.delivery.deferred.append(lambda name=name: done.append(f"{name}, {len(last.buffer)} there"))  # type: ignore[misc]
        return True

    scene.join(Load, where=meddle)
    last = scene.join(Load)
    scene.publish_nowait(1)
    assert done == ["first, 1 there", "second, 1 there"]


def test_what_is_deferred_while_nothing_runs_is_done_by_whoever_looks_next() -> None:
    """A destructor in another thread only defers."""
    scene = Scene()
    done: list[int] = []
    scene.delivery.deferred.append(lambda: done.append(1))
    assert not done
    scene.delivery.check_idle()
    assert done == [1]


def test_a_question_that_raises_leaves_the_delivery_idle() -> None:
    """And what was deferred meanwhile is done."""
    scene = Scene()
    done: list[int] = []

    def question() -> None:
        assert scene.delivery.busy
        scene.delivery.deferred.append(lambda: done.append(1))
        raise LookupError

    with pytest.raises(LookupError):
        scene.delivery.ask(question)
    assert scene.is_at_rest()
    assert done == [1]


class Bomb:
    """Does something when it is let go."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __del__(self) -> None:
        self.act()


@pytest.mark.parametrize("how", ["dropped", "replaced"])
def test_a_destructor_of_an_event_that_is_given_up_runs_after_all_have_the_new_one(how: str) -> None:
    """It can tear nothing."""
    scene = Scene()
    seen: list[int] = []
    if how == "dropped":
        scene.join(Load, capacity=1, overflow="drop_oldest")
    else:
        scene.join(Load, key=lambda _: "same")
    last = scene.join(Load)
    scene.delivery.publish_nowait(Load(n=0, cargo=Bomb(lambda: seen.append(len(last.buffer)))))
    emptied(last)
    assert not seen
    scene.publish_nowait(1)
    assert seen == [1]


# ------------------------------------------------------------------ at once


@both
async def test_the_quick_way_begins_when_loop_and_task_are_known() -> None:
    """Before that somebody must look where it runs, and whether it is cancelled."""
    scene = Scene()
    box = scene.join(Load)
    assert scene.delivery.publish_at_once(Load(n=0)) is None
    loop = scene.binding.bind()
    for _ in range(2):
        loop.is_cancelled()
    assert scene.delivery.publish_at_once(Load(n=1)) == 1
    assert numbers(box) == [1]


WAYS_OUT: dict[str, Callable[[Scene], object]] = {
    "busy": lambda scene: setattr(scene.delivery, "busy", True),
    "something was deferred": lambda scene: scene.delivery.deferred.append(lambda: None),
    "the loop should turn": lambda scene: running_loop().counts.__setitem__(GIVEN, DELIVERIES_A_TURN),
}


@pytest.mark.parametrize("why", WAYS_OUT)
@both
async def test_the_quick_way_ends_where_somebody_must_look(why: str) -> None:
    """Nothing is published then."""
    scene = Scene()
    scene.join(Load)
    loop = scene.binding.bind()
    for _ in range(2):
        loop.is_cancelled()
    WAYS_OUT[why](scene)
    assert scene.delivery.publish_at_once(Load(n=1)) is None
    assert scene.delivery.published == 0


@both
async def test_the_quick_way_refuses_an_event_of_a_closed_subject() -> None:
    """No class is known there any more, so that nobody pays for the question before."""
    scene = Scene()
    scene.join(Load)
    loop = scene.binding.bind()
    for _ in range(2):
        loop.is_cancelled()
    assert scene.delivery.publish_at_once(Load(n=0)) == 1
    scene.delivery.close()
    with pytest.raises(SubjectClosed):
        scene.delivery.publish_at_once(Load(n=1))
    assert (scene.delivery.published, scene.delivery.busy) == (1, False)


@both
async def test_a_caller_that_has_looked_is_not_made_to_look_again() -> None:
    """It gives the loop, in which it has just waited."""
    scene = Scene()
    box = scene.join(Load)
    assert scene.delivery.publish_at_once(Load(n=1), scene.binding.bind()) == 1
    assert numbers(box) == [1]


@both
async def test_the_quick_way_returns_whom_it_waits_for() -> None:
    """Where one is full, the targets tell."""
    scene = Scene()
    full, roomy = scene.join(Load, capacity=1, holds=1), scene.join(Load)
    loop = scene.binding.bind()
    for _ in range(2):
        loop.is_cancelled()
    targets = scene.delivery.publish_at_once(Load(n=1))
    assert isinstance(targets, Targets)
    assert targets.blocked == [full]
    assert len(roomy.buffer) == 0
    scene.delivery._become_idle()


@both
async def test_many_publishes_let_the_loop_turn() -> None:
    """After a number of deliveries another task runs."""
    scene = Scene()
    box = scene.join(Load, capacity=2 * DELIVERIES_A_TURN)
    ran: list[int] = []

    async def other() -> None:
        ran.append(len(box.buffer))

    async with group() as tasks:
        tasks.start_soon(other)
        for n in range(DELIVERIES_A_TURN + LOOK_WITHIN + 2):
            await scene.publish(Load(n=n))
            if n < DELIVERIES_A_TURN - 1:
                assert not ran
        await turn()
    assert DELIVERIES_A_TURN <= ran[0] <= DELIVERIES_A_TURN + LOOK_WITHIN + 2


@both
async def test_in_a_cancelled_scope_nobody_gets_the_event() -> None:
    """It is looked at before anything else."""
    scene = Scene()
    box = scene.join(Load)
    for _ in range(3):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await scene.publish(Load(n=1))
    assert (len(box.buffer), scene.delivery.published) == (0, 0)


# ------------------------------------------------------------------ a run of events


def test_a_run_is_events_of_one_class() -> None:
    """It ends before another class, and at the limit."""
    events: tuple[Event, ...] = (Load(n=0), Load(n=1), Other(), Load(n=2))
    assert _run(events, 0, 9) == events[:2]
    assert _run(events, 0, 1) == events[:1]
    assert _run(events, 2, 9) == events[2:3]
    assert _run(events, 3, 9) == events[3:]


SETTINGS: dict[str, Callable[[Scene], Iterator[Mailbox]]] = {
    "plain": lambda scene: iter([scene.join(), scene.join()]),
    "with a condition": lambda scene: iter([scene.join(), scene.join(Load, where=lambda load: load.n % 2)]),
    "one conflated": lambda scene: iter([scene.join(), scene.join(key=lambda event: event.n)]),
    "one drops": lambda scene: iter([scene.join(), scene.join(capacity=2, overflow="drop_oldest")]),
    "nobody": lambda scene: iter(()),
}


@pytest.mark.parametrize("setting", SETTINGS)
@both
async def test_many_events_are_published_as_one_after_another(setting: str) -> None:
    """The same counts, and the same events in the same order in each mailbox."""
    events = (*[Load(n=n) for n in range(4)], Other(n=4), *[Load(n=n) for n in range(5, 8)])
    apart, together = Scene(), Scene()
    one, other = list(SETTINGS[setting](apart)), list(SETTINGS[setting](together))
    together.binding.bind()
    total = 0
    for event in events:
        total += await apart.publish(event)
    assert await together.delivery.publish_many(events) == total
    assert [numbers(box) for box in one] == [numbers(box) for box in other]
    assert apart.delivery.published == together.delivery.published == len(events)
    assert apart.delivery.deliveries == together.delivery.deliveries == total
    assert len(apart.unwanted) == len(together.unwanted)


@both
async def test_many_events_are_refused_and_wait_their_turn_as_one_is() -> None:
    """Not from a condition, not past what was deferred, and without a loop that is known yet."""
    scene = Scene()
    box = scene.join()
    events = (Load(n=1), Load(n=2))
    assert await scene.delivery.publish_many(events) == 2
    scene.binding.bind()
    scene.delivery.deferred.append(lambda: emptied(box).clear())
    assert await scene.delivery.publish_many(events) == 2
    assert len(box.buffer) == 2
    scene.delivery.busy = True
    with pytest.raises(RuntimeError, match="a condition only looks"):
        await scene.delivery.publish_many(events)


@both
async def test_many_events_are_kept_in_the_history_one_by_one() -> None:
    """None is passed over."""
    history = History(9, None, 9)
    scene = Scene(history)
    scene.binding.bind()
    scene.join()
    await scene.delivery.publish_many(tuple(Load(n=n) for n in range(4)))
    assert [event.n for event in history.events()] == [0, 1, 2, 3]


@both
async def test_many_events_wait_for_room_as_one_does() -> None:
    """What is there fills the buffer; the rest comes when a reader has taken something."""
    scene = Scene()
    scene.binding.bind()
    box = scene.join(capacity=3)
    got: list[int] = []

    async def publish() -> None:
        got.append(await scene.delivery.publish_many(tuple(Load(n=n) for n in range(7))))

    async with group() as tasks:
        tasks.start_soon(publish)
        read: list[int] = []
        while len(read) < 7:
            await settle()
            assert 0 < len(box.buffer) <= 3
            read += numbers(box)
        await settle()
    assert read == list(range(7))
    assert got == [7]
    assert scene.is_at_rest()


# ------------------------------------------------------------------ waiting


@both
async def test_a_publish_waits_for_room_and_then_reaches_all_at_once() -> None:
    """Nobody gets it before."""
    scene = Scene()
    full, other = scene.join(capacity=1, holds=1), scene.join()
    got: list[int] = []

    async def publish() -> None:
        got.append(await scene.publish(Load(n=1)))

    async with group() as tasks:
        tasks.start_soon(publish)
        await settle()
        assert (len(other.buffer), scene.gate.waiting(), scene.delivery.busy) == (0, 1, False)
        assert numbers(full) == [-1]
        await settle()
    assert got == [2]
    assert numbers(full) == numbers(other) == [1]
    assert scene.is_at_rest()


@both
async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    """No slot is reserved, nobody waits, and the event is nowhere."""
    scene = Scene()
    full, other = scene.join(capacity=1, holds=1), scene.join()
    async with group() as tasks:
        tasks.start_soon(scene.publish, Load(n=1))
        await settle()
        assert scene.gate.waiting() == 1
        tasks.cancel_scope.cancel()
    assert (numbers(full), numbers(other)) == ([-1], [])
    assert scene.is_at_rest()
    assert not running_loop().waiting


@both
async def test_closing_refuses_those_that_wait() -> None:
    """Nobody gets their events."""
    scene = Scene()
    scene.join(capacity=1, holds=1)
    refused: list[BaseException] = []

    async def publish() -> None:
        try:
            await scene.publish(Load(n=1))
        except SubjectClosed as error:
            refused.append(error)

    async with group() as tasks:
        tasks.start_soon(publish)
        tasks.start_soon(publish)
        await settle()
        scene.delivery.close()
        await settle()
    assert len(refused) == 2
    assert scene.is_at_rest()


@both
async def test_whoever_subscribes_during_a_wait_gets_the_event() -> None:
    """It is active in the instant in which the event is given out."""
    scene = Scene()
    full = scene.join(capacity=1, holds=1)
    async with group() as tasks:
        tasks.start_soon(scene.publish, Load(n=1))
        await settle()
        new, picky = scene.join(), scene.join(where=lambda event: event.n > 1)
        emptied(full)
        await settle()
    assert (numbers(new), numbers(picky)) == ([1], [])


@both
async def test_nobody_waits_for_a_subscription_that_has_left() -> None:
    """The others get the event then."""
    scene = Scene()
    full, other = scene.join(capacity=1, holds=1), scene.join()
    async with group() as tasks:
        tasks.start_soon(scene.publish, Load(n=1))
        await settle()
        scene.detach(full, EOFError)
        await settle()
    assert numbers(other) == [1]
    assert scene.is_at_rest()


@both
async def test_events_that_wait_come_in_the_order_in_which_they_were_published() -> None:
    """However many wait, and however little is read at a time."""
    scene = Scene()
    box = scene.join(capacity=2, holds=2)
    got: list[int] = []
    async with group() as tasks:
        for n in range(6):
            tasks.start_soon(scene.publish, Load(n=n))
            await settle()
        while len(got) < 8:
            got.append(box.take([0, 0]).n)
            await settle()
    assert got == [-1, -2, *range(6)]
    assert scene.is_at_rest()


@pytest.mark.parametrize("others", [0, WAKE_UPS_A_TURN])
@both
async def test_readers_that_were_woken_read_before_anything_is_dropped(others: int) -> None:
    """A buffer that only seems full loses no event, however many other readers are about to run."""
    scene = Scene()
    box = scene.join(capacity=1, overflow="drop_oldest")
    box.line._wake_ups.fired = others
    loop = scene.binding.bind()
    wake_up = loop.backend.wake_up()
    got: list[int] = []

    async def read() -> None:
        box.line.join(wake_up, first=True)
        await wake_up
        box.line.answer(wake_up)
        got.extend(numbers(box))

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        assert await scene.publish(Load(n=1)) == 1
        assert await scene.publish(Load(n=2)) == 1
        await settle()
    assert (got, numbers(box)) == ([1], [2])
    assert box.ledger().dropped == 0


@both
async def test_a_wait_that_can_never_end_is_refused() -> None:
    """The task that publishes is the only one that reads."""
    scene = Scene()
    box = scene.join(capacity=1, holds=1)
    task = running_loop().current_task()
    assert task is not None
    box.line.note_task(ref(task))
    with pytest.raises(Deadlock, match="Load to loads"):
        await scene.publish(Load(n=1))
    assert scene.is_at_rest()
    assert not running_loop().waiting


@both
async def test_a_subscription_that_holds_a_publisher_for_long_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """With its name, where it was made, its bound, and what is wrong with it."""
    scene = Scene()
    scene.join(capacity=3, holds=3)
    with caplog.at_level(logging.WARNING, logger="evenflow.subject"):
        for waits_for in (1.25, 10, 10):
            with anyio.move_on_after(waits_for):
                await scene.publish(Load(n=1))
            assert len(caplog.records) == (0 if waits_for == 1.25 else 1)
    (message,) = caplog.messages
    assert message == (
        "loads/1, made at file.py:7, has held a publisher of loads for more than 2 s: its buffer of 3 is full and"
        " nobody reads it"
    )


@both
async def test_an_event_whose_key_has_come_meanwhile_waits_no_longer() -> None:
    """It replaces the one that took the slot."""
    scene = Scene()
    box = scene.join(key=lambda event: event.n, capacity=1)
    scene.publish_nowait(1)
    async with group() as tasks:
        for _ in range(2):
            tasks.start_soon(scene.publish, Load(n=2))
        await settle()
        assert scene.gate.waiting() == 2
        assert box.take([0, 0]).n == 1
        await settle()
        assert scene.gate.waiting() == 0
    assert box.ledger().replaced == 1
    assert scene.is_at_rest()


@pytest.mark.parametrize("cancelled", [False, True])
@both
async def test_a_publish_that_lets_readers_run_keeps_their_slots_only_until_it_has_ended(cancelled: bool) -> None:
    """Cancelled in that very turn it leaves none behind, and its event is nowhere."""
    scene = Scene()
    box = scene.join(capacity=1)
    loop = scene.binding.bind()
    wake_up = loop.backend.wake_up()
    got: list[int] = []

    async def read() -> None:
        box.line.join(wake_up, first=True)
        await wake_up
        box.line.answer(wake_up)
        got.extend(numbers(box))

    async def publish() -> None:
        for _ in range(2):
            loop.is_cancelled()
        scene.publish_nowait(1)
        outcome = scene.delivery.publish_at_once(Load(n=2))
        assert isinstance(outcome, Targets)
        if cancelled:
            tasks.cancel_scope.cancel()
        await scene.delivery.publish_later(Load(n=2), outcome)

    async with anyio.create_task_group() as outer:
        outer.start_soon(read)
        await settle()
        async with group() as tasks:
            tasks.start_soon(publish)
            await settle()
    assert got == [1]
    assert numbers(box) == ([] if cancelled else [2])
    assert scene.is_at_rest()


@both
async def test_an_event_that_is_dropped_or_replaced_is_a_change() -> None:
    """Whoever drains need not wait for it any more; nothing is told where nobody waits."""
    scene = Scene()
    scene.join(capacity=1, overflow="drop_oldest")
    scene.publish_nowait(1, 2)
    assert scene.changes == []
    scene.watchers.append(anyio.Event())
    scene.publish_nowait(3)
    assert scene.changes == [3]


@both
async def test_many_events_at_once_let_the_loop_turn_too() -> None:
    """Another task runs before all of them are there."""
    scene = Scene()
    box = scene.join(capacity=4 * DELIVERIES_A_TURN)
    ran: list[int] = []

    async def other() -> None:
        ran.append(len(box.buffer))

    scene.binding.bind()
    event = Load(n=0)
    await scene.publish(event)
    async with group() as tasks:
        tasks.start_soon(other)
        await scene.delivery.publish_many((event,) * (3 * DELIVERIES_A_TURN))
    # trio may run the publisher before the other task in the first turn
    assert DELIVERIES_A_TURN - 1 <= ran[0] <= 2 * DELIVERIES_A_TURN + 4


@both
async def test_a_claim_is_made_after_the_wait() -> None:
    """What was withdrawn while it waited reaches nobody."""
    scene = Scene()
    box = scene.join(capacity=1, holds=1)
    claims: list[int] = []

    async def publish() -> None:
        with pytest.raises(LookupError):
            await scene.delivery.publish_later(Load(n=1), None, partial(claim, len(box.buffer)))

    def claim(_: int) -> None:
        claims.append(len(box.buffer))
        raise LookupError

    async with group() as tasks:
        tasks.start_soon(publish)
        await settle()
        assert not claims
        emptied(box)
        await settle()
    assert claims == [0]
    assert len(box.buffer) == 0
    assert scene.is_at_rest()


# ------------------------------------------------------------------ with a subject around it


@pytest.mark.parametrize(
    "backends", [("asyncio", "trio"), ("trio", "asyncio"), ("asyncio", "asyncio"), ("trio", "trio")]
)
def test_a_subject_goes_on_in_the_next_loop_when_the_last_has_ended(backends: tuple[str, str]) -> None:
    """It was bound by a reader that waited, and publishes in whatever runs later; what was buffered is still there."""
    subject = Subject(Load)
    subscription = subject.subscribe()

    async def main() -> list[int]:
        with anyio.move_on_after(0):
            await subscription.receive()
        assert await subject.publish(Load(n=1)) == 1
        assert subject.publish_nowait(Load(n=2)) == 1
        with anyio.CancelScope() as scope:
            scope.cancel()
            await subject.publish(Load(n=3))
        return [(await subscription.receive()).n, (await subscription.receive()).n]

    for backend in backends:
        assert anyio.run(main, backend=backend) == [1, 2]
    subscription.close()


@on_both
@pytest.mark.parametrize(
    "publish",
    [lambda subject: subject.publish(Load(n=9)), lambda subject: subject.publish_many([Load(n=8), Load(n=9)])],
    ids=["publish", "publish_many"],
)
def test_another_thread_is_refused_even_where_readers_are_about_to_run(
    publish: Callable[[Subject[Load]], Coroutine[Any, Any, int]], backend: str
) -> None:
    """A full buffer whose reader was woken: nothing is looked at, kept or waited for from a foreign loop."""
    subject = Subject(Load)
    received: list[int] = []
    refused: list[BaseException] = []

    def elsewhere() -> None:
        with pytest.raises(RuntimeError, match="publish_from_thread") as caught:
            asyncio.run(publish(subject))
        refused.append(caught.value)

    async def main() -> None:
        async with subject.subscribe(buffer=2) as subscription:

            async def read() -> None:
                received.extend([(await subscription.receive()).n for _ in range(3)])

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                assert await subject.publish_many([Load(n=0), Load(n=1)]) == 2
                thread = threading.Thread(target=elsewhere)
                thread.start()
                thread.join()
                assert await subject.publish(Load(n=2)) == 1

    anyio.run(main, backend=backend)
    assert len(refused) == 1
    assert received == [0, 1, 2]


@both
async def test_a_destructor_that_closes_a_subscription_acts_after_the_event_that_set_it_off() -> None:
    """What is dropped is let go after everybody has the new event: closing then tears nothing."""
    subject = Subject(Load)
    dropping = subject.subscribe(buffer=1, overflow="drop_oldest")
    victim, last = subject.subscribe(), subject.subscribe()
    subject.publish_nowait(Load(n=0, cargo=Bomb(victim.close)))
    victim.receive_nowait()
    last.receive_nowait()
    assert subject.publish_nowait(Load(n=1)) == 3
    assert last.receive_nowait().n == 1
    assert victim.statistics().wanted == 2
    assert subject.publish_nowait(Load(n=2)) == 2
    for subscription in (dropping, last):
        subscription.close()
