"""Where one subscription's events lie: in what order they leave, what is counted, and keys whose look-up runs none of their code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from evenflow._buffer import EMPTY, RATION, Buffer, ConflatedBuffer, HashedKey, hashed


def filled(count: int, capacity: int = 100) -> Buffer[int]:
    """A buffer with this many numbers, whose reader is known to be quick."""
    buffer: Buffer[int] = Buffer(capacity)
    buffer.ration = RATION
    for n in range(count):
        buffer.put(None, n)
    return buffer


def all_of(buffer: Buffer[Any]) -> list[Any]:
    """Everything that is buffered, taken one by one."""
    return [buffer.take() for _ in range(len(buffer))]


# ------------------------------------------------------------------ a plain buffer

STEPS = st.one_of(
    st.sampled_from(["put", "put", "take", "drop", "open lane", "close lane", "pop", "close", "clear"]),
    st.integers(0, 5),
)


@given(st.lists(STEPS, max_size=60), st.integers(0, 3))
def test_a_buffer_is_a_list_from_whose_front_events_leave(steps: list[str | int], replay: int) -> None:
    """Wherever events lie, they leave in order, and what was read, dropped and is to come is counted; a number takes a batch."""
    buffer: Buffer[int] = Buffer(1_000)
    old = list(range(-replay, 0))
    buffer.give_replay(old)
    events: list[int] = []
    numbers = iter(range(1_000))
    read = dropped = 0
    is_closed = False
    for step in steps:
        if step == "put" and not is_closed:
            events.append(next(numbers))
            buffer.put(None, events[-1])
        elif step == "take" and (old or events):
            read += not old
            assert buffer.take() == (old or events).pop(0)
        elif step == "drop" and events:
            assert buffer.drop_oldest() == events.pop(0)
            dropped += 1
        elif step == "open lane":
            buffer.open_lane()
        elif step == "close lane":
            buffer.close_lane()
            assert not buffer.fast
        elif step == "pop" and buffer.fast:
            assert not old
            assert buffer.fast.popleft() == events.pop(0)
            read += 1
        elif step == "close":
            buffer.close_stream()
            is_closed = True
        elif step == "clear":
            assert buffer.clear() == [*old, *events]
            old, events = [], []
            break
        elif isinstance(step, int):
            batch = buffer.take_all(step)
            assert list(batch) == [*old, *events][:step]
            read += len(batch) - len(old[:step])
            old, events = old[step:], events[max(0, step - len(old)) :]
        assert len(buffer) == len(old) + len(events)
        assert buffer.replayed == replay - len(old)
        assert buffer.dropped == dropped
        assert buffer.read() == read
        assert buffer.head() == read + dropped
        assert buffer.tail() == read + dropped + len(events)
    assert all_of(buffer) == [*old, *events]
    assert buffer.read() == read + len(events)
    buffer.close_stream()


def test_the_replay_is_read_first_and_counted_apart() -> None:
    """What came before the subscription is outside the positions of its own events."""
    buffer = filled(2)
    buffer.give_replay([-2, -1])
    assert buffer.take_all(3) == (-2, -1, 0)
    assert (buffer.replayed, buffer.read(), len(buffer)) == (2, 1, 1)


def test_the_stream_is_made_with_the_first_event_and_closed_with_the_end() -> None:
    """A subscription that never had an event pays for no stream."""
    buffer: Buffer[int] = Buffer(3)
    assert buffer._sending is None
    buffer.put(None, 1)
    assert buffer._sending is not None
    buffer.close_stream()
    assert buffer._sending is None
    assert all_of(buffer) == [1]


def test_many_events_are_one_item_of_the_stream() -> None:
    """The stream is asked once for all that was appended since the reader last asked."""
    buffer = filled(50)
    assert buffer.open_stream().statistics().current_buffer_used == 1
    buffer.take()
    assert buffer.open_stream().statistics().current_buffer_used == 0
    assert len(buffer.outbox) == 49


def test_one_event_is_taken_without_taking_the_inbox_out_of_the_stream() -> None:
    """The next event joins where it lay."""
    buffer = filled(1)
    assert buffer.take() == 0
    assert buffer.in_stream
    assert buffer.read() == 1


def test_a_lane_that_was_never_used_costs_nothing() -> None:
    """A new buffer shares one empty lane with all others."""
    buffer: Buffer[int] = Buffer(1)
    assert buffer.inbox is buffer.outbox is buffer.fast is buffer.replay is EMPTY


def test_a_reader_may_pop_from_the_open_lane_without_asking() -> None:
    """What is popped from it is read; the lane is empty again after it was closed."""
    buffer = filled(3)
    buffer.take()
    buffer.open_lane()
    assert buffer.fast.popleft() == 1
    assert buffer.read() == 2
    buffer.close_lane()
    assert not buffer.fast
    assert all_of(buffer) == [2]


@pytest.mark.parametrize("count, opens", [(RATION + 1, True), (RATION + 2, False)])
def test_a_long_outbox_opens_no_lane(count: int, opens: bool) -> None:
    """So many events at once would hold the loop for too long."""
    buffer = filled(count, capacity=count)
    buffer.take()
    buffer.open_lane()
    assert bool(buffer.fast) is opens


def test_nobody_is_quick_before_that_was_seen() -> None:
    """Each of the first takes is asked for."""
    buffer: Buffer[int] = Buffer(9)
    for n in range(4):
        buffer.put(None, n)
    buffer.take()
    assert buffer.open_lane() == 0
    assert not buffer.fast


def test_a_ration_grows_and_never_is_more_than_fits_into_a_while() -> None:
    """A reader that becomes slow loses it at once."""
    buffer = filled(4)
    buffer.ration = 1
    for fitting, ration in [(9, 8), (9, 9), (10**6, 72), (1, 1), (10**6, 8)]:
        buffer.adapt_ration(fitting)
        assert buffer.ration == ration
    for _ in range(20):
        buffer.adapt_ration(10**6)
    assert buffer.ration == RATION


def test_what_comes_while_the_lane_is_open_is_not_in_it() -> None:
    """The reader takes from the outbox, and the publisher appends to the inbox."""
    buffer = filled(2)
    buffer.take()
    buffer.open_lane()
    buffer.put(None, 2)
    assert list(buffer.fast) == [1]
    assert all_of(buffer) == [1, 2]


def test_no_lane_opens_before_the_replay_was_read() -> None:
    """It comes first, and lies elsewhere."""
    buffer = filled(3)
    buffer.take()
    buffer.give_replay([-1])
    buffer.open_lane()
    assert not buffer.fast


def test_a_lane_that_was_read_empty_is_closed_when_the_lanes_change_places() -> None:
    """Publishers append to what it was, and a reader must not pop from there."""
    buffer = filled(2)
    buffer.take()
    buffer.open_lane()
    buffer.fast.popleft()
    for n in (2, 3, 4):
        buffer.put(None, n)
    assert buffer.take() == 2
    buffer.put(None, 5)
    assert not buffer.fast
    assert all_of(buffer) == [3, 4, 5]


def test_the_end_closes_a_lane_to_which_it_adds_the_inbox() -> None:
    """What it adds was not counted when the lane was opened."""
    buffer = filled(2)
    buffer.take()
    buffer.open_lane()
    buffer.put(None, 2)
    buffer.close_stream()
    assert not buffer.fast
    assert all_of(buffer) == [1, 2]


def test_a_mark_is_passed_when_what_was_there_has_left() -> None:
    """What came later is not waited for; what was dropped has left."""
    buffer = filled(2)
    mark = buffer.mark()
    buffer.put(None, 2)
    buffer.take()
    assert not buffer.has_passed(mark)
    buffer.drop_oldest()
    assert buffer.has_passed(mark)


def test_a_replay_that_is_not_read_was_there_before_every_mark() -> None:
    """Whoever drains waits for it as well."""
    buffer: Buffer[int] = Buffer(1)
    buffer.give_replay([1])
    mark = buffer.mark()
    assert not buffer.has_passed(mark)
    buffer.take()
    assert buffer.has_passed(mark)


# ------------------------------------------------------------------ a conflated buffer

KEYS = st.sampled_from("abc")
CONFLATED_STEPS = st.one_of(
    st.tuples(st.just("offer"), KEYS), st.sampled_from(["take", "drop", "clear"]), st.integers(0, 4)
)


@given(st.lists(CONFLATED_STEPS, max_size=60))
def test_a_conflated_buffer_is_an_ordered_dict(steps: list[Any]) -> None:
    """A key keeps the place of its first event and the value of its last; a number takes a batch."""
    buffer: ConflatedBuffer[int] = ConflatedBuffer(100)
    model: dict[str, int] = {}
    for number, step in enumerate(steps):
        if isinstance(step, tuple):
            key = step[1]
            cell = buffer.find(key)
            assert (cell is not None) is (key in model)
            if cell is not None:
                assert buffer.replace(cell, number) == model[key]
            else:
                buffer.put(key, number)
            model[key] = number
        elif step == "take" and model:
            assert buffer.take() == model.pop(next(iter(model)))
        elif step == "drop" and model:
            assert buffer.drop_oldest().event == model.pop(next(iter(model)))  # type: ignore[attr-defined]  # a cell
        elif step == "clear":
            assert [cell.event for cell in buffer.clear()] == list(model.values())  # type: ignore[attr-defined]
            model.clear()
        elif isinstance(step, int):
            keys = list(model)[:step]
            assert buffer.take_all(step) == tuple(model.pop(key) for key in keys)
        assert len(buffer) == len(model)
        assert all((buffer.find(key) is not None) is (key in model) for key in "abc")
    assert all_of(buffer) == list(model.values())


@given(st.lists(KEYS, max_size=8), st.lists(KEYS, max_size=8), st.integers(0, 3))
def test_a_conflated_mark_waits_for_no_event_that_came_later(before: list[str], after: list[str], taken: int) -> None:
    """A replaced event has left, and so has one that was taken: the mark is passed when all have."""
    buffer: ConflatedBuffer[str] = ConflatedBuffer(100)
    model: dict[str, str] = {}

    def offer(key: str, when: str) -> None:
        if (cell := buffer.find(key)) is not None:
            buffer.replace(cell, when)
        else:
            buffer.put(key, when)
        model[key] = when

    for key in before:
        offer(key, "before")
    mark = buffer.mark()
    for key in after:
        offer(key, "after")
    for _ in range(min(taken, len(model))):
        buffer.take()
        model.pop(next(iter(model)))
    assert buffer.has_passed(mark) is ("before" not in model.values())


def test_a_conflated_buffer_has_no_fast_lane() -> None:
    """What lies in its lanes are cells, which must be opened."""
    buffer: ConflatedBuffer[int] = ConflatedBuffer(9)
    for n in range(3):
        buffer.put(n, n)
    buffer.take()
    buffer.open_lane()
    assert not buffer.fast


def test_a_conflated_replay_is_plain_events() -> None:
    """It is read first, and is in no cell."""
    buffer: ConflatedBuffer[str] = ConflatedBuffer(9)
    buffer.give_replay(["old"])
    buffer.put("a", "new")
    assert buffer.take_all(9) == ("old", "new")


def test_a_conflated_buffer_is_read_to_its_end_after_the_stream_was_closed() -> None:
    """What is buffered stays readable."""
    buffer: ConflatedBuffer[int] = ConflatedBuffer(9)
    for n in range(3):
        buffer.put(n, n)
    buffer.close_stream()
    assert all_of(buffer) == [0, 1, 2]


@pytest.mark.parametrize("way", ["take", "drop_oldest", "take_all"])
def test_a_key_that_is_not_found_again_harms_nothing(way: str) -> None:
    """Its comparison may change its mind while the event is buffered."""

    class Fickle:
        def __hash__(self) -> int:
            return id(object())

    buffer: ConflatedBuffer[int] = ConflatedBuffer(9)
    buffer.put(Fickle(), 1)
    buffer.take_all(9) if way == "take_all" else getattr(buffer, way)()
    assert len(buffer) == 0


# ------------------------------------------------------------------ keys


class Counted:
    """A key that counts how often its hash is asked for."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.asked = 0

    def __hash__(self) -> int:
        self.asked += 1
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counted) and other.value == self.value


class Incomparable:
    """A key that cannot be compared."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise ValueError("no")


def test_a_hash_is_asked_for_once() -> None:
    """It does not matter how often the key is looked up."""
    key = Counted(1)
    wrapped = hashed(key)
    table = {wrapped: "here"}
    assert table[wrapped] == "here"
    assert wrapped in table
    assert key.asked == 1


def test_equal_keys_are_one_key() -> None:
    """As in any dict: 1, 1.0 and True, and objects that say that they are equal."""
    assert {hashed(1): "x"}[hashed(1.0)] == "x"
    assert {hashed(True): "x"}[hashed(1)] == "x"
    assert {hashed(Counted(1)): "x"}[hashed(Counted(1))] == "x"
    assert hashed(Counted(1)) != hashed(Counted(2))


@pytest.mark.parametrize("key", ["a", 3, b"c"])
def test_texts_whole_numbers_and_bytes_stay_as_they_are(key: object) -> None:
    """Their hash and comparison run nobody's code."""
    assert hashed(key) is key


def test_keys_that_cannot_be_compared_are_different_keys() -> None:
    """Looking one up raises nothing, so that no publish is torn by it; each is still itself."""
    key = Incomparable()
    table = {HashedKey(key): 1}
    assert HashedKey(Incomparable()) not in table
    assert HashedKey(key) in table


def test_a_key_that_cannot_be_hashed_is_refused_when_it_is_wrapped() -> None:
    """That is before the event is given out."""
    with pytest.raises(TypeError, match="unhashable"):
        hashed([])


def test_a_coroutine_is_no_key() -> None:
    """Each call of an async function makes another, which nobody would await."""

    async def key() -> None: ...

    with pytest.raises(TypeError, match="a plain function"):
        hashed(key())
