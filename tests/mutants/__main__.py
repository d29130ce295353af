"""Break evenflow in every way that is kept here, one by one: `python -m tests.mutants [WORD...]`.

`--apply` only looks whether each of them can be applied.
"""

from __future__ import annotations

import os
import sys

import hypothesis  # noqa: F401 -- imported here once, and not in each process
import trio  # noqa: F401 -- the same

import evenflow  # noqa: F401 -- the same
from tests.mutants._mutant import Mutant, NothingToReplace, mutants
from tests.mutants._running import Job, Outcome, run


def main(words: list[str]) -> int:
    """Run every mutant whose name contains one of the words, all of them without words."""
    if words == ["--apply"]:
        return _apply_all()
    chosen = [each for each in mutants() if not words or any(word in each.name for word in words)]
    if not chosen:
        print("no such mutant")
        return 1
    if not _pass_unbroken(sorted({test for each in chosen for test in each.kills})):
        return 1
    wrong = 0
    for job, outcome in run(Job(each, each.kills) for each in chosen):
        assert job.mutant
        verdict = verdict_on(job.mutant, outcome)
        wrong += bool(verdict)
        print(f"{'SURVIVED' if verdict else 'noticed '}  {job.mutant.name}{verdict}", flush=True)
    print(f"{len(chosen) - wrong} of {len(chosen)} mutants were noticed")
    return 1 if wrong else 0


def verdict_on(mutant: Mutant, outcome: Outcome) -> str:
    """What is wrong with the mutant, or with the tests that it names; empty if they noticed it."""
    if not outcome.ran:
        return f": the tests did not run: {outcome.said}"
    return "".join(f"\n          {test} passed" for test in mutant.unnoticed(outcome.failed))


def _pass_unbroken(tests: list[str]) -> bool:
    size = os.cpu_count() or 1
    jobs = [Job(None, part) for start in range(size) if (part := tuple(tests[start::size]))]
    for _, outcome in run(jobs):
        if outcome.failed or not outcome.ran:
            print(
                f"{outcome.said}\nthe tests do not pass before anything is broken: nothing can be said of the mutants"
            )
            return False
    return True


def _apply_all() -> int:
    wrong = 0
    for each in mutants():
        try:
            with each.applied():
                pass
        except NothingToReplace as gone:
            print(f"{each.name} replaces nothing: {gone}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
