"""The subscriptions of one life: which of them want an event, and which have no room for it; without an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from evenflow import Event
from evenflow._mailbox import Mailbox, Overflow, UserFunctions
from evenflow._members import FAILED, FAR, Members, Targets
from evenflow._readers import WakeUps

from .contract.kit import collect
from .parts import Bell, mailbox


class Order(Event):
    n: int = 0


class BigOrder(Order):
    pass


class Note(Event):
    pass


class Scene:
    """The members of one life, and what their users gave."""

    def __init__(self, *types: type, history_key: Callable[[Any], object] | None = None) -> None:
        self.members: Members[Any] = Members("orders", types or (Order, Note), history_key)
        self.functions: list[UserFunctions] = []

    def join(
        self,
        *wants: object,
        where: Any = None,
        key: Any = None,
        capacity: int = 9,
        overflow: Overflow = "block",
        name: str = "",
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
            name=name,
            created_at=("file.py", 1),
        )
        self.members.add(box, interest)
        for n in range(holds):
            box.offer(n, n)
        return box

    def find(self, event: object, published: int = 0) -> Targets:
        """Who wants the event."""
        return self.members.find(event, published)


def all_of(targets: Targets) -> set[Mailbox]:
    """Those that want the event."""
    return set(targets.all())


def take(box: Mailbox) -> None:
    """A reader takes one event."""
    box.take([0, 0])


# ------------------------------------------------------------------ who wants an event


def test_the_class_of_an_event_decides_where_nothing_else_is_said() -> None:
    """A subclass is wanted too, another class is not, and whoever names no class wants all."""
    scene = Scene()
    orders, everything = scene.join(Order), scene.join()
    assert all_of(scene.find(Order())) == all_of(scene.find(BigOrder())) == {orders, everything}
    assert all_of(scene.find(Note())) == {everything}


@pytest.mark.parametrize("where", [Order.n > 1, lambda order: order.n > 1])
def test_a_condition_chooses_event_by_event(where: object) -> None:
    """Whether it is on a field, or a callable."""
    scene = Scene()
    always, sometimes = scene.join(Order), scene.join(Order, where=where)
    assert all_of(scene.find(Order(n=1))) == {always}
    found = scene.find(Order(n=2))
    assert all_of(found) == {always, sometimes}
    assert found.chosen == [sometimes]


@given(st.lists(st.tuples(st.sampled_from([Order, BigOrder, Note, None]), st.integers(0, 3), st.booleans())))
def test_everybody_is_found_who_would_say_so(wants: list[tuple[type | None, int, bool]]) -> None:
    """The model asks each subscription by itself; those that have left want nothing."""
    scene, boxes = Scene(), dict[Mailbox, tuple[type, int]]()
    for cls, least, stays in wants:
        where = None if least == 0 else lambda event, least=least: getattr(event, "n", 0) >= least
        box = scene.join(*(() if cls is None else (cls,)), where=where)
        if stays:
            boxes[box] = (cls or Event, least)
        else:
            scene.members.remove(box)
    assert list(scene.members.active) == list(boxes)
    for event in [Order(n=1), BigOrder(n=2), Note()]:
        expected = {
            box for box, (cls, least) in boxes.items() if isinstance(event, cls) and getattr(event, "n", 0) >= least
        }
        assert all_of(scene.find(event)) == expected


def test_a_where_that_raises_wants_nothing_and_is_named() -> None:
    """The others are asked as well."""

    def broken(_: Order) -> bool:
        raise ZeroDivisionError("no")

    scene = Scene()
    bad, good = scene.join(Order, where=broken), scene.join(Order, where=lambda _: True)
    found = scene.find(Order())
    assert all_of(found) == {good}
    ((box, error),) = found.failed
    assert box is bad
    assert isinstance(error, ZeroDivisionError)


def test_an_event_that_the_subject_does_not_carry_is_refused() -> None:
    """The error names what it carries, and no target of that class is kept."""
    scene = Scene(Order)
    with pytest.raises(TypeError, match=r"orders takes Order, not .*Note.*nobody got it"):
        scene.find(Note())
    assert id(Note) not in scene.members.of_classes


def test_a_subject_without_classes_carries_events() -> None:
    """Any `Event`, and nothing else."""
    members: Members[Any] = Members("all", ())
    members.check_type(Note())
    with pytest.raises(TypeError, match="all takes Event"):
        members.check_type("text")


def test_it_says_what_a_subscription_wants() -> None:
    """In words; one that has left wants nothing more."""
    scene = Scene()
    box = scene.join(Order, where=Order.n > 1)
    assert scene.members.wants_of(box) == "Order where Order.n > 1"
    assert "n" in scene.members.found_by(box)
    scene.members.remove(box)
    assert scene.members.wants_of(box) == "nothing more"


def test_leaving_twice_changes_nothing() -> None:
    """A subscription may have ended already."""
    scene = Scene()
    box = scene.join(Order, capacity=1, holds=1)
    for _ in range(2):
        scene.members.remove(box)
        assert (scene.members.active, scene.members.unready) == ({}, set())


def test_what_is_known_of_a_class_goes_with_the_class() -> None:
    """Before another class can have its number, and although many are known; those that live stay known."""
    scene = Scene(Event)
    scene.join(Event)
    scene.find(Order())
    classes = [type("Made", (Event,), {"__module__": __name__}) for _ in range(50)]
    for cls in classes:
        scene.find(cls())
    members = scene.members
    assert len(members.of_classes) == len(members._router._routes) == 51
    del cls, classes
    collect()
    assert list(members.of_classes) == [id(Order)]
    assert list(members._router._routes) == [Order]
    assert list(members._router._nodes) == [Event]


def test_a_class_may_go_while_room_is_forgotten() -> None:
    """The collector may run at any moment, and remove a class that is gone; whoever goes through all of them goes on."""
    scene = Scene(Event)
    classes = [type("Made", (Event,), {"__module__": __name__}) for _ in range(3)]
    for cls in classes:
        scene.find(cls())
    del cls

    class Last:
        """As targets: to touch them lets the classes go."""

        def __setattr__(self, name: str, value: object) -> None:
            classes.clear()
            collect()

    of_classes: dict[int, Any] = scene.members.of_classes
    first = next(iter(of_classes))
    of_classes[first] = Last()
    scene.members.became_ready(mailbox())
    assert len(of_classes) == 1
    of_classes.clear()


def test_the_classes_of_events_are_let_go_at_the_end() -> None:
    """A closed subject keeps no class alive, and whoever shares its targets sees that."""
    scene = Scene()
    scene.find(Order())
    of_classes = scene.members.of_classes
    scene.members.close()
    assert not of_classes
    assert scene.members.of_classes is of_classes


# ------------------------------------------------------------------ keys


def test_a_key_is_asked_for_once_however_often_room_is_looked_for() -> None:
    """A user's function runs once for each event."""
    asked: list[Order] = []
    scene = Scene()
    box = scene.join(Order, key=lambda order: asked.append(order) or order.n)
    found = scene.find(order := Order(n=7))
    scene.members.find_again(order, found, 0)
    assert found.keys == {box: 7}
    assert asked == [order]


def test_nobody_else_is_asked_for_a_key() -> None:
    """Where nothing is conflated, nothing is asked, full or not."""
    scene = Scene()
    scene.join(Order, capacity=1, holds=1)
    assert scene.find(Order()).keys == {}


async def _awaitable(_: object) -> int:
    return 1


@pytest.mark.parametrize(
    "key, error", [(lambda _: 1 / 0, ZeroDivisionError), (lambda _: [], TypeError), (_awaitable, TypeError)]
)
def test_a_key_that_makes_no_sense_fails_that_subscription_alone(key: object, error: type) -> None:
    """It raises, cannot be hashed, or is a coroutine, which is closed."""
    scene = Scene()
    box = scene.join(Order, key=key)
    found = scene.find(Order())
    assert [(failed, type(raised)) for failed, raised in found.failed] == [(box, error)]
    assert found.keys == {box: FAILED}


def test_the_key_of_the_history_is_found_with_the_targets() -> None:
    """What it raises comes before anybody has got the event."""
    scene = Scene(history_key=lambda order: order.n)
    assert scene.find(Order(n=3)).history_key == 3
    broken = Scene(history_key=lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken.find(Order())


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("what", ["key", "where"])
def test_an_interrupt_is_nobodys_failure(what: str, interrupt: type[BaseException]) -> None:
    """It goes out to the publisher."""

    def interrupted(_: object) -> object:
        raise interrupt

    scene = Scene()
    scene.join(Order, **{what: interrupted})  # type: ignore[arg-type]
    with pytest.raises(interrupt):
        scene.find(Order())


# ------------------------------------------------------------------ room


POLICY: dict[tuple[Overflow, bool], str] = {
    ("block", False): "blocked",
    ("block", True): "blocked",
    ("drop_oldest", False): "neither",
    ("drop_oldest", True): "starving",
    ("drop_newest", True): "starving",
    ("disconnect", True): "starving",
}
"""What a full mailbox is, by its policy and whether its reader was woken and has not run yet."""


@pytest.mark.parametrize("overflow, woken", POLICY)
def test_what_a_full_mailbox_does_to_the_publish(overflow: Overflow, woken: bool) -> None:
    """A publisher waits for "block"; before anything is dropped, readers that were woken may run."""
    scene = Scene()
    box = scene.join(Order, capacity=1, overflow=overflow)
    if woken:
        box.line.join(Bell(), first=True)
    box.offer(0, None)
    found = scene.find(Order())
    assert found.blocked == ([box] if POLICY[overflow, woken] == "blocked" else [])
    assert list(found.starving) == ([box] if POLICY[overflow, woken] == "starving" else [])
    assert box in found.all()


def test_a_mailbox_with_a_condition_is_measured_each_time() -> None:
    """It may have been filled by events of another class, which were appended without a look."""
    scene = Scene()
    box = scene.join(Order, where=Order.n > 1, capacity=1)
    box.begin(Order(n=2))
    assert not scene.members.unready
    assert scene.find(Order(n=2)).blocked == [box]


@pytest.mark.parametrize("full", range(4))
def test_full_ones_are_found_among_many_and_among_few(full: int) -> None:
    """Whichever of the two is smaller: those that want the event, or those that are unready."""
    scene = Scene()
    boxes = [scene.join(Order, capacity=1, holds=n < full) for n in range(3)]
    scene.join(Note, capacity=1, holds=full == 3)
    assert set(scene.find(Order()).blocked) == set(boxes[:full])


def test_a_full_mailbox_with_a_condition_blocks_only_what_it_wants() -> None:
    """An event that it does not want passes by."""
    scene = Scene()
    box = scene.join(Order, where=Order.n > 1, capacity=1, holds=1)
    assert scene.find(Order(n=1)).blocked == []
    assert scene.find(Order(n=2)).blocked == [box]


def test_an_event_that_replaces_another_needs_no_room() -> None:
    """A full conflated mailbox blocks only events of other keys."""
    scene = Scene()
    box = scene.join(Order, key=lambda order: order.n, capacity=1)
    box.offer(Order(n=1), 1)
    assert scene.find(Order(n=1)).blocked == []
    assert scene.find(Order(n=2)).blocked == [box]


def test_a_mailbox_that_was_read_is_ready_again() -> None:
    """It is found out at the next look, and not before."""
    scene = Scene()
    box = scene.join(Order, capacity=1, holds=1)
    assert scene.find(Order()).blocked == [box]
    take(box)
    assert scene.find(Order()).blocked == []
    assert not scene.members.unready


def test_a_slot_that_is_held_is_room_for_the_one_that_holds_it() -> None:
    """For all others the mailbox is full."""
    scene = Scene()
    box = scene.join(Order, capacity=1)
    box.reserve()
    found = scene.find(Order())
    assert found.blocked == [box]
    scene.members.find_blocked(Order(), found, 0, held=[box])
    assert found.blocked == []


def test_it_is_known_for_how_many_events_there_is_room() -> None:
    """Until then nobody looks: the smallest of those that want the events counts, and full ones are looked at each time."""
    scene = Scene()
    scene.join(Order, capacity=9)
    scene.join(Order, capacity=5, holds=2)
    scene.join(Note, capacity=1)
    assert scene.find(Order(), 100).of_class.room_until == 103
    full = scene.join(Order, capacity=1, holds=1)
    assert scene.find(Order(), 100).of_class.room_until == 103
    assert scene.members.unready == {full}


def test_where_nobody_wants_the_events_nobody_looks() -> None:
    """There is room for any number."""
    assert Scene().find(Order(), 5).of_class.room_until == 5 + FAR


@pytest.mark.parametrize("who", ["a new one", "one that became ready"])
def test_room_is_looked_for_again_when_another_one_can_be_full(who: str) -> None:
    """What was known of the others says nothing of it."""
    scene = Scene()
    box = scene.join(Order, capacity=1, holds=1)
    scene.join(Order, capacity=50)
    found = scene.find(Order())
    assert found.of_class.room_until == 50
    if who == "a new one":
        scene.join(Order, capacity=1)
    else:
        take(box)
        box.measure()
    assert found.of_class.room_until == 0
    assert scene.find(Order()).of_class.room_until == 1


# ------------------------------------------------------------------ after a wait


def test_after_a_wait_only_those_that_have_come_since_are_asked() -> None:
    """A condition is asked once for each event."""
    asked: list[str] = []

    def says(name: str, answer: bool = True) -> Callable[[Order], bool]:
        return lambda _: asked.append(name) or answer

    scene = Scene()
    old = scene.join(Order, where=says("old"))
    found = scene.find(order := Order())
    new = scene.join(Order, where=says("new"))
    scene.join(Order, where=says("picky", answer=False))
    certain = scene.join(Order)
    scene.members.find_again(order, found, 0)
    scene.members.find_again(order, found, 0)
    assert asked == ["old", "new", "picky"]
    assert all_of(found) == {old, new, certain}
    assert found.chosen == [old, new]


def test_after_a_wait_those_that_have_left_want_nothing() -> None:
    """Whether the class alone decided, or a condition."""
    scene = Scene()
    certain, chosen = scene.join(Order), scene.join(Order, where=lambda _: True)
    found = scene.find(order := Order())
    for box in (certain, chosen):
        box.finish(EOFError)
        scene.members.remove(box)
    scene.members.find_again(order, found, 0)
    assert all_of(found) == set()


def test_after_a_wait_a_condition_of_a_new_one_that_raises_is_its_failure() -> None:
    """It is named, as in the first search."""
    scene = Scene()
    found = scene.find(order := Order())
    bad = scene.join(Order, where=lambda _: 1 / 0)
    scene.members.find_again(order, found, 0)
    assert [box for box, _ in found.failed] == [bad]
    assert all_of(found) == set()


def test_after_a_wait_room_is_looked_for_again() -> None:
    """One has come free, and a new one is full."""
    scene = Scene()
    box = scene.join(Order, capacity=1, holds=1)
    found = scene.find(order := Order())
    take(box)
    new = scene.join(Order, capacity=1, holds=1)
    scene.members.find_again(order, found, 0)
    assert found.blocked == [new]


@pytest.mark.parametrize(
    "options, nobody",
    [({}, True), ({"where": lambda _: True}, False), ({"key": lambda order: order.n}, False)],
    ids=["class alone", "where", "key"],
)
def test_it_is_known_whether_a_user_was_asked(options: dict[str, Any], nobody: bool) -> None:
    """Targets about which nobody was asked may be thrown away, and found anew."""
    scene = Scene()
    scene.join(Order, **options)
    assert scene.find(Order(n=1)).was_asked() is not nobody


def test_the_key_of_the_history_is_a_users_answer_too() -> None:
    """Its function must not run twice for one event."""
    scene = Scene(history_key=lambda order: order.n)
    scene.join(Order)
    assert scene.find(Order(n=1)).was_asked()
