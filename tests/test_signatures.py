"""The typed signatures of a subject: what they hand on, and that checkers and the running code know the same arguments."""

from __future__ import annotations

import inspect
from typing import Any, get_overloads

import pytest

from evenflow import Event, Subject
from evenflow._options import BUFFER, ObserveOptions, SubjectOptions, SubscribeOptions
from evenflow._signatures import Subject as Signatures, caller

from .contract.kit import both


class Note(Event):
    """An event."""


class Recording(Signatures[Any]):
    """What the signatures hand on."""

    given: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 -- replaced, never changed

    def _note(self, *args: Any, **options: Any) -> Any:
        self.given, self.options = args, options
        return self

    _subscribe = _observe = _checked = _note


HERE = __file__
READER = {"where": None, "buffer": BUFFER, "overflow": None, "conflate": None, "name": None}
OBSERVER = READER | {"concurrency": 1, "ordered_by": None, "context": "subject"}


def test_a_subscription_is_asked_for_with_what_it_was_given_and_where() -> None:
    """The place is that of the call."""
    recording: Any = Recording()
    recording.subscribe()
    line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]
    assert recording.given == ((),)
    assert recording.options == READER | {"replay": True, "gaps": False, "created_at": (HERE, line)}
    options = {"where": "w", "buffer": 1, "overflow": "o", "conflate": "c", "replay": False, "gaps": True, "name": "n"}
    recording.subscribe(Note, **options)
    assert recording.given == ((Note,),)
    assert recording.options.items() >= options.items()


def test_an_observer_is_asked_for_with_what_it_was_given() -> None:
    """The handler first, and then what it wants."""
    recording: Any = Recording()
    recording.observe("handler")
    assert (recording.given, recording.options) == (("handler", ()), OBSERVER)
    options = {
        "where": "w",
        "buffer": 1,
        "overflow": "o",
        "conflate": "c",
        "concurrency": 2,
        "ordered_by": "k",
        "context": "publisher",
        "name": "n",
    }
    recording.observe("handler", Note, **options)
    assert (recording.given, recording.options) == (("handler", (Note,)), options)


def test_a_decorated_handler_is_observed_with_its_wants_and_returned() -> None:
    """The decorator hands the handler on, with what was named, and gives it back."""
    recording: Any = Recording()

    def handler(note: Note) -> None:
        """Handle it."""

    assert recording.observer(Note, name="n")(handler) is handler
    assert (recording.given, recording.options) == ((handler, (Note,)), OBSERVER | {"name": "n"})
    assert recording.observer(handler) is handler
    assert recording.given[:2] == (handler, ())


@pytest.mark.parametrize(
    "method, options, own",
    [
        ("__init__", SubjectOptions, set()),
        ("subscribe", SubscribeOptions, {"gaps"}),
        ("observe", ObserveOptions, set()),
    ],
)
def test_checkers_know_the_options_that_the_code_takes(method: str, options: Any, own: set[str]) -> None:
    """Neither more nor fewer: one that is missing in either cannot be used, or is not checked."""
    parameters = inspect.signature(getattr(Subject, method)).parameters.values()
    takes = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    assert takes == set(options.__annotations__) | own


@pytest.mark.parametrize("method", ["__init__", "subscribe", "first", "observe", "observer"])
def test_up_to_four_classes_are_known_to_checkers(method: str) -> None:
    """Some overload of each takes none, one, two, three and four of them."""
    counts = set()
    for overload in get_overloads(getattr(Subject, method)):
        names = set(inspect.signature(overload).parameters)
        counts.add(len(names & {"a", "b", "c", "d", "e"}))
    assert counts >= {0, 1, 2, 3, 4}


def test_the_caller_is_whoever_called_the_function_that_asks() -> None:
    """Its file, and the line of the call; a coroutine that asks has no caller, and names itself."""

    def asks(depth: int = 2) -> tuple[str, int]:
        return caller(depth)

    found, line = asks(), inspect.currentframe().f_lineno  # type: ignore[union-attr]
    assert found == (HERE, line)
    assert asks(1) == (HERE, asks.__code__.co_firstlineno + 1)


@both
async def test_a_subscription_knows_where_it_was_made() -> None:
    """The line of the user's own call, whether it subscribes or waits for the first event."""
    subject = Subject(Note)
    async with subject.subscribe() as subscription:
        assert subscription._mailbox.created_at[0] == HERE
    first = subject.first()
    (mailbox,) = subject._life.members.active
    assert mailbox.created_at[0] == HERE
    first.close()
