"""The files of operators by their names: each is imported when one of its operators is used for the first time.

A program uses few of the families, and importing all of them takes a fifth of ``import evenflow``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evenflow.streams import (
        _batches as batches,
        _combine as combine,
        _concurrent_map as concurrent_map,
        _failure as failure,
        _flatten as flatten,
        _group_by as group_by,
        _limit as limit,
        _paced as paced,
        _race as race,
        _sequential as sequential,
        _sinks as sinks,
        _timing as timing,
        _transform as transform,
        _watching as watching,
        _windows as windows,
    )
else:

    def __getattr__(name: str) -> object:
        """Import a family when it is asked for."""
        if name in __all__:
            return import_module(f"evenflow.streams._{name}")
        raise AttributeError(f"there is no family of operators {name!r}")


__all__ = [
    "batches",
    "combine",
    "concurrent_map",
    "failure",
    "flatten",
    "group_by",
    "limit",
    "paced",
    "race",
    "sequential",
    "sinks",
    "timing",
    "transform",
    "watching",
    "windows",
]
