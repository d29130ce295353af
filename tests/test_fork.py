"""What a forked child process must forget: everything that is alive is told, and nothing is kept alive for it."""

from __future__ import annotations

import sys
from weakref import ref

import pytest

from evenflow import Subject
from evenflow._fork import forget_in_child

from .contract.forks import in_child
from .contract.kit import collect

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")


class Known:
    """Notes that it was told."""

    told = 0

    def _forked(self) -> None:
        """This is a copy."""
        self.told += 1


def test_what_is_alive_is_told_in_the_child_alone() -> None:
    """Each fork tells it once, in the child."""
    one = Known()
    forget_in_child(one)
    assert in_child(lambda: one.told) == "1"
    assert in_child(lambda: in_child(lambda: one.told)) == "'2'"
    assert one.told == 0


def test_a_fork_keeps_nothing_alive() -> None:
    """A subject that nobody holds is collected, although a fork would have reached it."""
    subject = Subject()
    life = ref(subject._life)
    del subject
    collect()
    assert life() is None
