"""Who lives, and what each member has begun."""

from __future__ import annotations

import json
import time

from evenflow.log._heard import HEARD, ServerClock
from evenflow.log._nats._members import Members
from evenflow.log._nats._names import Names
from evenflow.log._nats._servers import Servers
from evenflow.log._nats._values import Message

NAMES = Names("S", "p")


def members() -> Members:
    return Members(Servers(["nats://nowhere:1"], {}), NAMES, "me", ServerClock(time.time()), "info", lambda: True)


def said(seq: int, age: float, *, closed: bool = False) -> Message:
    data = json.dumps({"closed": closed, "begun": [["g", 7]]}).encode()
    return Message(NAMES.member("other"), seq, round((time.time() - age) * 1e6), {}, data)


def pulse_of(known: Members, message: Message | None) -> tuple[bool | None, float]:
    found = {} if message is None else {message.subject: message}
    pulse = known.pulses(["other"], found)["other"]
    return pulse.alive, pulse.at


def test_one_that_was_heard_of_lately_lives() -> None:
    """Of a silent one that is not known; one that has left, or that nobody knows, does not live."""
    assert pulse_of(members(), said(1, 0.5))[0] is True
    assert pulse_of(members(), said(1, HEARD + 5))[0] is None
    assert pulse_of(members(), said(1, 0.5, closed=True))[0] is False
    assert pulse_of(members(), None)[0] is False


def test_what_is_begun_is_said_until_it_is_settled() -> None:
    """Each event once, however often it was begun."""
    known = members()
    marks = [*known.begin("g", [1, 2]), *known.begin("g", [2])]
    assert json.loads(known.said(closed=False)[0]) == {"closed": False, "begun": [["g", 1], ["g", 2]]}
    known.settled(marks[1:])
    assert known.begun() == {("g", 1)}
