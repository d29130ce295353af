"""Break evenflow in every way that is kept here, one by one: `python -m tests.mutants [WORD...]`."""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants._patch import ROOT, TESTS_FAILED, Patch, run, unnoticed


def main(words: list[str]) -> int:
    """Run every patch whose name contains one of the words, all of them without words."""
    patches = [Patch(path) for path in sorted(Path(__file__).parent.glob("*.patch"))]
    patches = [patch for patch in patches if not words or any(word in patch.name for word in words)]
    if not patches:
        print("no such mutant")
        return 1

    everything = tuple(sorted({test for patch in patches for test in patch.kills}))
    code, _, said = run(everything, ROOT / "src", timeout=60)
    if code != 0:
        print(f"{said}\nthe tests do not pass before anything is broken: nothing can be said of the mutants")
        return 1

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        verdicts = list(pool.map(_verdict, patches))
    wrong = sum(1 for verdict in verdicts if verdict)
    print(f"{len(patches) - wrong} of {len(patches)} mutants were noticed")
    return 1 if wrong else 0


def _verdict(patch: Patch) -> str:
    """What is wrong with the patch, or with the tests that it names; empty if they noticed it."""
    with tempfile.TemporaryDirectory() as folder:
        verdict = _judge(patch, Path(folder))
    print(f"{'SURVIVED' if verdict else 'noticed '}  {patch.name}{': ' if verdict else ''}{verdict}", flush=True)
    return verdict


def _judge(patch: Patch, folder: Path) -> str:
    if not patch.kills:
        return "it names no test: `# kills: tests/...::test_...`"
    if refused := patch.apply_to(folder):
        return f"it does not apply any more: {refused}"
    code, failed, said = run(patch.kills, folder / "src")
    if code not in {0, TESTS_FAILED}:
        return f"the tests did not run (pytest's exit code {code})\n{said}"
    return "".join(f"\n          {test} passed" for test in unnoticed(patch, failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
