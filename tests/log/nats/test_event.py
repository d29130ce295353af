"""One event without an id and headers, on its way alone."""

from __future__ import annotations

import pytest

from evenflow.log._nats._event import EventPlan, is_one_event
from evenflow.log._nats._line import packed
from evenflow.log._nats._names import Names
from evenflow.log._nats._plan import Plan, Writing
from evenflow.log._routes import Route
from evenflow.log._stored import Append, Change, Put, Reserve

WRITING = Writing(Names("S", "p"), "shop", "me", 600)
PLACED = Append("orders", "shop.order placed", 2, b'{"n":1}')
ROUTED = PLACED._replace(route=Route(("region",), 2, ("north pole",)))


@pytest.mark.parametrize("event", [PLACED, ROUTED, PLACED._replace(data=b""), PLACED._replace(data=b"x" * 5_000)])
def test_its_message_is_that_of_any_plan(event: Append) -> None:
    """Alone and in a batch, byte for byte; and so is what it comes to."""
    change = Change(appends=(event,))
    quick, whole = EventPlan(WRITING, event, "c"), Plan(WRITING, change, "c", {}, {})
    assert packed(*_with_reply(quick)) == packed(*_with_reply(whole))
    assert quick.messages == whole.messages
    assert (quick.largest, quick.touched, quick.expects) == (whole.largest, whole.touched, whole.expects)
    done, wanted = quick.done(7), whole.done(7)
    assert (list(done.seqs), done.versions) == (list(wanted.seqs), wanted.versions)
    assert quick.newest_event(7) == whole.newest_event(7)


def _with_reply(plan: EventPlan | Plan) -> tuple[str, bytes, str, dict[str, str] | bytes]:
    subject, data, headers = plan.single()
    return subject, data, "reply", headers


def test_only_one_event_without_anything_else_is_planned_so() -> None:
    """Neither with an id or headers, nor beside a record or another event."""
    assert is_one_event(Change(appends=[PLACED]))
    assert is_one_event(Change(appends=[ROUTED]))
    for other in (
        Change(),
        Change(appends=[PLACED, PLACED]),
        Change(appends=[PLACED._replace(id="one", digest=b"d")]),
        Change(appends=[PLACED._replace(headers={"a": "b"})]),
        Change({"a": 1}, appends=[PLACED]),
        Change(puts={"a": Put(b"")}, appends=[PLACED]),
        Change(deletes=["a"], appends=[PLACED]),
        Change(appends=[PLACED], reserves=[Reserve("orders", "one", b"d")]),
        Change(appends=[PLACED], frees=[("orders", "one")]),
    ):
        assert not is_one_event(other)
