from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evenflow import Subject
from evenflow.log import SQLiteLog
from evenflow.web._inspector import _hub
from evenflow.web._inspector._hub import EVERY, FRAMES, LONGEST, MOST_POINTS, SHARE

from .kit import Order, Shipped, frames, hub, named

pytestmark = pytest.mark.anyio
ORDER = Order(region="eu", total=1)


async def test_the_first_frame_has_everything_and_the_next_what_has_changed() -> None:
    """A viewer gets everything once; then each frame has the fields that changed, and null for what is gone."""
    subject = Subject(Order, name="orders")
    one, clock = hub(subject)
    first = subject.subscribe(name="first")
    with one.viewer() as viewer:
        (frame,) = frames(viewer.frames())
        assert frame["full"] and set(frame["rows"]) == {"s1", "s1.1"}
        await subject.publish(ORDER)
        second = subject.subscribe(name="second")
        clock.pass_(EVERY)
        (frame,) = frames(viewer.frames())
        assert "full" not in frame
        assert frame["rows"]["s1"] == {"published": 1, "deliveries": 1}
        assert frame["rows"]["s1.1"] == {"wanted": 1, "waiting": 1, "oldest": round(clock.time, 1)}
        assert frame["rows"]["s1.2"]["name"] == "second"
        first.close()
        clock.pass_(EVERY)
        (frame,) = frames(viewer.frames())
        assert frame["rows"] == {"s1.1": None}
        clock.pass_(EVERY)
        (frame,) = frames(viewer.frames())
        assert frame["rows"] == {} and len(json.dumps(frame)) < 80
    second.close()


async def test_frames_add_up_to_the_rows() -> None:
    """Whoever applies all changes to the first frame has what a new viewer gets."""
    subject = Subject(Order, name="orders")
    one, clock = hub(subject)
    subscriptions = [subject.subscribe(name=f"{number}", buffer=3, overflow="drop_oldest") for number in range(5)]
    known: dict[str, dict[str, Any]] = {}
    with one.viewer() as viewer:
        for turn in range(12):
            for frame in frames(viewer.frames()):
                for key, changed in frame["rows"].items():
                    if changed is None:
                        del known[key]
                    else:
                        known.setdefault(key, {}).update(changed)
            await subject.publish(ORDER)
            if turn == 5:
                subscriptions[0].close()
            await subscriptions[1].receive()
            clock.pass_(EVERY)
        viewer.frames()
        with one.viewer() as late:
            (full,) = frames(late.frames())
        (frame,) = frames(one._frames[-1][1])
        for key, changed in frame["rows"].items():
            known[key].update(changed)
        assert full["rows"] == known
    for subscription in subscriptions[1:]:
        subscription.close()


async def test_one_look_serves_all_viewers() -> None:
    """However many look, everything is looked at and encoded once for each interval."""
    subject = Subject(Order, name="orders")
    one, clock = hub(subject)
    with one.viewer() as first, one.viewer() as second:
        full = first.frames()
        assert second.frames() is full
        for _ in range(3):
            clock.pass_(EVERY)
            assert first.frames() == second.frames() != b""
        assert one._number == 4
        assert first.frames() == b""
        assert first.pause() == EVERY


async def test_a_slow_viewer_gets_what_it_missed_or_everything() -> None:
    """A viewer that is a little late gets each frame that it missed; one that is late by many gets one with everything."""
    subject = Subject(Order, name="orders")
    one, clock = hub(subject)
    with one.viewer() as quick, one.viewer() as slow, one.viewer() as slower:
        for viewer in (quick, slow, slower):
            viewer.frames()
        for _ in range(3):
            clock.pass_(EVERY)
            quick.frames()
        assert [frame["n"] for frame in frames(slow.frames())] == [2, 3, 4]
        for _ in range(FRAMES):
            clock.pass_(EVERY)
            quick.frames()
        (frame,) = frames(slower.frames())
        assert frame["full"] and frame["n"] == 4 + FRAMES


async def test_a_look_that_takes_long_is_taken_more_rarely() -> None:
    """Looking takes a twentieth of the time at most, however much there is to look at."""
    subject = Subject(Order, name="orders")
    one, clock = hub(subject)
    (look,) = one.memory
    rows = look.rows

    def slowly() -> Any:
        clock.pass_(0.1)
        return rows()

    look.rows = slowly  # type: ignore[method-assign]  # a look that takes a tenth of a second
    with one.viewer() as viewer:
        viewer.frames()
        assert viewer.pause() == pytest.approx(0.1 * SHARE - 0.1)
        look.rows = lambda: clock.pass_(60) or rows()  # type: ignore[method-assign, func-returns-value]
        clock.pass_(100)
        viewer.frames()
        assert one._next_look - one._looked_at == LONGEST


async def test_a_viewer_that_comes_later_begins_its_charts_with_what_was() -> None:
    """The history of a subject's counters is sent with the first frame, and forgotten with the last viewer."""
    subject = Subject(Order, name="orders")
    one, clock = hub(subject)
    with one.viewer() as first:
        first.frames()
        for _ in range(3):
            await subject.publish(ORDER)
            clock.pass_(EVERY)
            first.frames()
        with one.viewer() as late:
            (frame,) = frames(late.frames())
            assert [point[1] for point in frame["history"]["s1"]] == [0, 1, 2, 3]
    with one.viewer() as viewer:
        (frame,) = frames(viewer.frames())
        assert len(frame["history"]["s1"]) == 1


async def test_the_history_of_many_subjects_is_short() -> None:
    """A first frame has a bounded number of points, however many subjects there are."""
    subjects = [Subject(Order, name=f"subject {number}") for number in range(100)]
    one, clock = hub(*subjects)
    with one.viewer() as viewer:
        for _ in range(_hub.HISTORY + 10):
            one.look()
            clock.pass_(EVERY)
        (frame,) = frames(viewer.frames())
        assert sum(map(len, frame["history"].values())) <= MOST_POINTS
        assert min(map(len, frame["history"].values())) >= 2


@pytest.mark.parametrize("order", ["the log first", "its subject first"])
async def test_a_log_and_its_subjects_are_one(order: str, tmp_path: Path) -> None:
    """A log given beside one of its subjects is shown once; subjects alone are shown without their neighbours."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    orders, shipped = log.subject("orders", Order), log.subject("shipped", Shipped)
    async with log:
        await orders.publish(ORDER)
        await shipped.publish(Shipped(order=1))
        both, _ = hub(*((log, orders) if order == "the log first" else (orders, log)))
        with both.viewer() as viewer:
            await both.look_into_stores()
            (frame,) = frames(viewer.frames())
            assert [row["name"] for row in frame["rows"].values()] == ["shop", "orders", "shipped"]
        alone, _ = hub(orders)
        with alone.viewer() as viewer:
            await alone.look_into_stores()
            (frame,) = frames(viewer.frames())
            assert [row["name"] for row in frame["rows"].values()] == ["shop", "orders"]
            assert named(frame["rows"], "shop")["events"] == 2


async def test_names_are_data() -> None:
    """Whatever a subject is called, a frame is JSON with that name in it, on one line."""
    name = '<img src=x onerror=alert(1)>"\\ data: {"n":1} \N{PILE OF POO}'
    subject = Subject(Order, name=name)
    one, _ = hub(subject)
    with one.viewer() as viewer:
        text = viewer.frames()
    assert text.count(b"\n") == 2 and text.endswith(b"\n\n")
    assert frames(text)[0]["rows"]["s1"]["name"] == name
