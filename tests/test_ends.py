"""What a reader gets at the end: an exception of its own, whatever the class of the one that was given."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Self

import anyio
import pytest

from evenflow import EvenflowError, Event, SlowSubscriber
from evenflow._ends import error_for_a_reader, is_the_end, own_copy, reason_of


class Keyword(Exception):
    """It can be made by keyword alone, and its words are its own."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"failed with {code}")
        self.code = code


class Prefixed(Exception):
    """To call its class again with its ``args`` would say "no such user" twice."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no such user: {name}")


class Slotted(Exception):
    """Its state lies in slots, one of them private, one of them empty."""

    __slots__ = ("__hidden", "empty", "shown")

    def __init__(self, shown: int) -> None:
        self.shown = shown
        self.__hidden = shown

    def hidden(self) -> int:
        """What the private slot holds."""
        return self.__hidden


class MadeOddly(Exception):
    """Its ``__new__`` takes what nobody else knows."""

    def __new__(cls, *, code: int) -> Self:
        made = super().__new__(cls, "oddly")
        made.__dict__["code"] = code
        return made

    def __init__(self, *, code: int) -> None:
        super().__init__("oddly", code)


class Frozen(Exception):
    """Nothing can be assigned to it."""

    def __init__(self) -> None:
        super().__init__("frozen")
        self.__dict__["code"] = 7

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class NotReduced(Exception):
    """It refuses to be pickled, and so to be copied that way."""

    def __reduce__(self) -> Any:
        raise RuntimeError("no pickles")


class OddGroup(ExceptionGroup[Exception]):
    """A group whose constructor takes the exceptions alone."""

    def __new__(cls, errors: list[Exception]) -> Self:
        return super().__new__(cls, "several", errors)

    def __init__(self, errors: list[Exception]) -> None:
        self.count = len(errors)

    def derive(self, errors: Any) -> OddGroup:
        """A part of it is of its kind."""
        return OddGroup(list(errors))


class WithCode(OSError):
    """A class with a constructor of its own over one written in C."""

    def __init__(self, number: int, words: str, code: int) -> None:
        super().__init__(number, words)
        self.code = code


class Number(Event):
    """What cannot be validated below."""

    n: int


def raised_by(function: Callable[[], object]) -> BaseException:
    """What the function raises."""
    try:
        function()
    except Exception as error:
        return error.with_traceback(None)
    raise AssertionError("nothing was raised")


GIVEN: dict[str, Callable[[], BaseException]] = {
    "keyword": lambda: Keyword(code=3),
    "prefixed": lambda: Prefixed("ann"),
    "slotted": lambda: Slotted(4),
    "made oddly": lambda: MadeOddly(code=5),
    "frozen": Frozen,
    "not reduced": lambda: NotReduced("words"),
    "a group": lambda: ExceptionGroup("several", [ValueError(1), KeyError("k")]),
    "a group of any": lambda: BaseExceptionGroup("several", [KeyboardInterrupt()]),
    "an odd group": lambda: OddGroup([ValueError(1)]),
    "a file": lambda: OSError(2, "no such file", "a.txt", None, "b.txt"),
    "an OSError of words": lambda: OSError("words alone"),
    "an OSError with a code": lambda: WithCode(2, "no such file", 9),
    "two bases": lambda: type("Both", (ValueError, OSError), {})(2, "words"),
    "a key": lambda: KeyError("k"),
    "an exit": lambda: SystemExit(3),
    "an interrupt": KeyboardInterrupt,
    "too slow": lambda: SlowSubscriber("too slow", missed=4),
    "json": lambda: raised_by(lambda: json.loads("{")),
    "unicode": lambda: raised_by(b"\xff".decode),
    "an attribute": lambda: raised_by(lambda: object().there),  # type: ignore[attr-defined]
    "syntax": lambda: raised_by(lambda: compile("a b", "file.py", "exec")),
    "pydantic": lambda: raised_by(lambda: Number(n="many")),  # type: ignore[arg-type]
}
ATTRIBUTES = ["args", "code", "count", "errno", "strerror", "filename", "filename2", "exceptions", "message", "missed"]
ATTRIBUTES += ["shown", "doc", "pos", "encoding", "object", "start", "end", "reason", "name", "lineno", "text"]


@pytest.mark.parametrize("given", GIVEN)
def test_a_copy_says_and_holds_what_the_given_exception_does(given: str) -> None:
    """Whatever its constructor takes, and wherever it keeps its state; and it comes without a history."""
    error = GIVEN[given]()
    if given != "frozen":
        error.add_note("seen at noon")
    made = own_copy(error)
    assert made is not error
    assert type(made) is type(error)
    assert (str(made), repr(made)) == (str(error), repr(error))
    for name in ATTRIBUTES:
        assert getattr(made, name, None) == getattr(error, name, None), name
    assert getattr(made, "__notes__", None) == getattr(error, "__notes__", None)
    assert (made.__traceback__, made.__context__, made.__cause__) == (None, None, None)


def test_what_lies_in_a_private_slot_is_copied_and_an_empty_one_stays_empty() -> None:
    """A copy is as complete as the exception that was given."""
    made = own_copy(Slotted(4))
    assert isinstance(made, Slotted)
    assert made.hidden() == 4
    assert not hasattr(made, "empty")


def test_a_note_of_one_reader_is_not_seen_by_the_others() -> None:
    """Neither on the exception that was given, nor on the next copy."""
    given = ValueError("given")
    given.add_note("first")
    own_copy(given).add_note("second")
    assert given.__notes__ == ["first"]
    assert own_copy(given).__notes__ == ["first"]


def test_the_exceptions_in_a_group_are_shared() -> None:
    """The copy is shallow: what was given inside is found there."""
    inner = ValueError(1)
    made = own_copy(ExceptionGroup("several", [inner]))
    assert isinstance(made, ExceptionGroup)
    assert made.exceptions[0] is inner


def test_an_exception_that_cannot_be_copied_becomes_one_that_says_so() -> None:
    """It names the class and has its words, and what was given is its cause."""

    class Lonely(Exception):
        @property
        def __dict__(self) -> Any:
            raise TypeError("mine")

        def __copy__(self) -> Any:
            raise TypeError("there is only one")

    given = Lonely("by itself")
    error = error_for_a_reader(given, "orders/1")
    assert type(error) is EvenflowError
    assert error.__cause__ is given
    assert "Lonely" in str(error)
    assert "by itself" in str(error)


def test_a_copy_of_another_class_is_no_copy() -> None:
    """A class that copies itself into something else is not believed."""

    class Turncoat(Exception):
        @property
        def __dict__(self) -> Any:
            raise TypeError("mine")

        def __copy__(self) -> ValueError:
            return ValueError(str(self))

    assert type(own_copy(Turncoat("words"))) is EvenflowError


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
def test_an_error_that_a_loop_would_take_for_a_normal_end_is_told_in_other_words(kind: type[Exception]) -> None:
    """As Python does where a generator raises it."""
    error = error_for_a_reader(given := kind("gone"), "orders/1")
    assert type(error) is RuntimeError
    assert error.__cause__ is given
    assert kind.__name__ in str(error)


@pytest.mark.parametrize("end", [anyio.EndOfStream, anyio.ClosedResourceError])
def test_an_end_that_nobody_gave_is_a_new_exception_with_words_each_time(end: type[Exception]) -> None:
    """It names the subscription, and has no cause."""
    one, two = error_for_a_reader(end, "orders/1"), error_for_a_reader(end, "orders/1")
    assert one is not two
    assert type(one) is type(two) is end
    assert "orders/1" in str(one)
    assert one.__cause__ is None


def test_the_reason_is_the_very_exception_that_was_given() -> None:
    """Where one was; only a reader gets a copy."""
    given = ValueError()
    assert reason_of(given, "orders/1") is given
    assert isinstance(reason_of(anyio.EndOfStream, "orders/1"), anyio.EndOfStream)


def test_a_normal_end_may_be_a_class_or_an_exception() -> None:
    """``close(anyio.EndOfStream())`` is a normal end too."""
    assert is_the_end(anyio.EndOfStream)
    assert is_the_end(anyio.EndOfStream("that was all"))
    assert not is_the_end(anyio.ClosedResourceError)
    assert not is_the_end(ValueError())
