"""What a member has begun, and what of it is settled."""

from __future__ import annotations

from random import Random

from hypothesis import given, strategies as st

from evenflow.log._begun import Begun, Run


def test_what_is_settled_together_is_over_together() -> None:
    """One run, however many events it has; several of them at once, and one alone."""
    begun = Begun()
    (_, one), (_, two), (_, three) = begun.begin("a", [5, 7, 9]), begun.begin("b", [5]), begun.begin("a", [11, 12])
    assert begun.events() == {("a", 5), ("a", 7), ("a", 9), ("b", 5), ("a", 11), ("a", 12)}
    assert begun.settle([*three, *two]) == ([Run("a", (11, 12)), Run("b", (5,))], [])
    assert begun.settle([*two]) == ([], [])
    assert begun.runs() == [Run("a", (5, 7, 9))]
    assert begun.settle(one) == ([Run("a", (5, 7, 9))], [])
    assert begun.events() == frozenset()


def test_a_run_falls_apart_where_only_a_part_of_it_is_settled() -> None:
    """What is left of it is begun as before, each event for itself."""
    begun = Begun()
    _, marks = begun.begin("a", [1, 2, 3])
    assert begun.settle(marks[1:2]) == ([Run("a", (1, 2, 3))], [Run("a", (1,)), Run("a", (3,))])
    assert begun.settle(marks[1:]) == ([Run("a", (3,))], [])
    assert begun.events() == {("a", 1)}


def test_nothing_that_is_begun_has_no_run() -> None:
    """And settles nothing."""
    begun = Begun()
    assert begun.begin("a", []) == (Run("a", ()), range(1, 1))
    assert begun.runs() == []
    assert begun.settle([]) == ([], [])


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.integers(1, 9), max_size=5, unique=True)), max_size=5),
    st.randoms(use_true_random=False),
)
def test_whatever_is_settled_in_whatever_order_the_others_are_begun(
    given_out: list[tuple[str, list[int]]], chance: Random
) -> None:
    """As if each event had been noted alone; and the runs that are told to others come to the same."""
    begun, alone, told = Begun(), dict[int, tuple[str, int]](), list[Run]()
    for group, seqs in given_out:
        run, marks = begun.begin(group, seqs)
        alone.update(zip(marks, [(group, seq) for seq in seqs], strict=True))
        told += [run] if seqs else []
    left = [*alone]
    while left:
        if chance.randint(0, 1):
            chance.shuffle(left)
        taken, left = left[: (size := chance.randint(1, len(left)))], left[size:]
        changed = begun.settle(taken)
        for mark in taken:
            del alone[mark]
        for run in changed.over:
            told.remove(run)
        told += changed.left
        assert sorted(begun.events()) == sorted(set(alone.values()))
        assert sorted(told) == sorted(begun.runs())
