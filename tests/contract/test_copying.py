"""What stands for something that runs cannot be copied or pickled: the error says why, and the way out."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable

import pytest

from evenflow import Event, State, Subject, share, stream


class Note(Event):
    """A number."""

    n: int = 0


HOW: dict[str, Callable[[object], object]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy of what holds it": lambda one: copy.deepcopy({"held": [one]}),
    "pickle": pickle.dumps,
    "pickle 0": lambda one: pickle.dumps(one, 0),
}
notes = Subject(Note, name="notes")
WHAT: dict[str, tuple[Callable[[], object], str]] = {
    "a subject": (lambda: notes, "<Subject notes of Note"),
    "a subscription": (lambda: notes.subscribe(), "<Subscription notes/"),
    "batches": (lambda: notes.subscribe().batches(), "share()"),
    "an observer": (lambda: notes.observe(print, Note), "observe()"),
    "a state": (lambda: State(1), "its value"),
    "a stream": (lambda: stream([1, 2]), "share()"),
    "a chain": (lambda: stream([1, 2]).map(str).take(1), "share()"),
    "a shared stream": (lambda: share(stream([1, 2])), "subscribe()"),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("what", WHAT)
def test_it_cannot_be_copied_or_pickled(what: str, how: str) -> None:
    """Half a copy would share the original's insides, and follow neither life."""
    make, said = WHAT[what]
    with pytest.raises(TypeError, match="cannot be copied or pickled") as raised:
        HOW[how](make())
    text = str(raised.value)
    del raised
    gc.collect()  # what was made here is dropped here, and not in another test
    assert said in text


def test_events_can() -> None:
    """They are plain values: send these to another process."""
    note = Note(n=3)
    assert pickle.loads(pickle.dumps(note)) == copy.deepcopy(note) == note
