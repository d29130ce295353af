"""What a mutant is, and where all of them are."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Breaking = Callable[[Any], Any]


class NothingToReplace(Exception):
    """The part of evenflow that a mutant replaces is not there any more."""


@dataclass(frozen=True)
class Mutant:
    """One way to break evenflow, and the tests that must notice."""

    name: str
    targets: tuple[str, ...]
    """What it replaces: `package.module:Class.method`, in each place where it is known."""
    breaks: str
    """`guarantee 4`, `log promise 4`, or the rule of the contract."""
    kills: tuple[str, ...]
    """The ids of the tests that must fail; of a parametrized one, any."""
    replace: Breaking
    says: str

    @property
    def guarantee(self) -> int | None:
        """The number of the guarantee that it breaks."""
        return self._number_of("guarantee")

    @property
    def promise(self) -> int | None:
        """The number of the log's promise that it breaks."""
        return self._number_of("log promise")

    def _number_of(self, kind: str) -> int | None:
        found = re.fullmatch(rf"{kind} (\d+)", self.breaks)
        return int(found[1]) if found else None

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Break evenflow inside this block."""
        missing = object()
        before: list[tuple[Any, str, object]] = []
        try:
            for target in self.targets:
                owner, name, original = _find(target)
                before.append((owner, name, vars(owner).get(name, missing)))
                setattr(owner, name, self.replace(original))
            yield
        finally:
            for owner, name, original in reversed(before):
                if original is missing:
                    delattr(owner, name)
                else:
                    setattr(owner, name, original)

    def unnoticed(self, failed: set[str]) -> list[str]:
        """Those of its tests that did not fail."""
        return [test for test in self.kills if not any(_is_of(one, test) for one in failed)]


_known: list[Mutant] = []


def mutant(*targets: str, breaks: str, kills: list[str]) -> Callable[[Breaking], Breaking]:
    """Make a mutant of a function that gets what is there, and returns what to put in its place."""

    def decorate(replace: Breaking) -> Breaking:
        _known.append(Mutant(replace.__name__, targets, breaks, tuple(kills), replace, inspect.getdoc(replace) or ""))
        return replace

    return decorate


def mutants() -> list[Mutant]:
    """All of them, in the order in which they stand in the files of this package."""
    package = importlib.import_module(__package__ or "")
    for module in pkgutil.iter_modules(package.__path__, f"{__package__}."):
        if not module.name.rpartition(".")[2].startswith("_"):
            importlib.import_module(module.name)
    return list(_known)


def _find(target: str) -> tuple[Any, str, Any]:
    """The owner of a part, the part's name in it, and the part as it stands there."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    try:
        owner: Any = importlib.import_module(module)
        for each in owners:
            owner = getattr(owner, each)
        return owner, name, inspect.getattr_static(owner, name)
    except (ImportError, AttributeError) as error:
        raise NothingToReplace(f"{target}: {error}") from error


def _is_of(failed: str, named: str) -> bool:
    return failed == named or failed.startswith((named + "::", named + "["))
