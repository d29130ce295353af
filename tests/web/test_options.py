"""The options of an endpoint, checked before anything begins."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from evenflow.web._options import Options, checked_options

GIVEN: dict[str, Any] = {
    "source": None, "wants": (), "where": None, "client_where": None, "asked": None, "created_at": ("f", 1), "buffer": 4, "overflow": None, "conflate": None, "since": "now", "resume": True,
    "ping": 1, "send_timeout": 1, "lifetime": None, "retry": 1, "headers": (), "name": None,
}  # fmt: skip


def checked(**given: Any) -> Options:
    return checked_options(**{**GIVEN, **given})


def test_what_is_left_open_has_a_meaning() -> None:
    """No lifetime is for ever, resuming for as long as events are kept, or never."""
    assert checked().lifetime == math.inf
    assert checked().resume is True
    assert checked(resume=False).resume is None
    assert checked(resume=timedelta(1)).resume == timedelta(1)
    assert checked(headers=["b", "a"]).headers == ("b", "a")


@pytest.mark.parametrize(
    "given, error, words",
    [
        ({"ping": 0}, ValueError, "ping must be more than 0"),
        ({"ping": "1"}, TypeError, "ping must be a number"),
        ({"send_timeout": -1}, ValueError, "send_timeout"),
        ({"lifetime": 0}, ValueError, "lifetime"),
        ({"retry": None}, TypeError, "retry"),
        ({"retry": 0}, ValueError, "retry must be more than 0 seconds, not 0$"),
        ({"retry": math.inf}, ValueError, "retry must be at most 1_000_000 seconds, not inf; .* close the subject"),
        ({"retry": math.nan}, ValueError, "retry must be more than 0"),
        ({"resume": 60}, TypeError, "timedelta"),
        ({"resume": timedelta(0)}, ValueError, "more than nothing"),
        ({"headers": "traceparent"}, TypeError, "names of headers"),
        ({"headers": (1,)}, TypeError, "names of headers"),
        ({"headers": None}, TypeError, "names of headers"),
        ({"headers": ["X-Tenant"]}, ValueError, "name of a header must be 1 to 20 of the characters a-z 0-9"),
        ({"headers": ["a\nb"]}, ValueError, "name of a header"),
        ({"headers": ["type"]}, ValueError, "'type' is reserved"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_out(
    given: dict[str, Any], error: type[Exception], words: str
) -> None:
    """The message has the name of the argument."""
    with pytest.raises(error, match=words):
        checked(**given)
