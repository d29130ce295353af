"""Names of a module that few programs use: each is imported from its file when somebody asks for it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def import_later(module: str, files: Mapping[str, str], /) -> Callable[[str], object]:
    """The ``__getattr__`` of a module: ``files`` has these names, each with the module that it is imported from."""

    def get(name: str, /) -> object:
        if name not in files:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(import_module(files[name]), name)

    return get
