"""Limits of time, which hold on a machine that does nothing else."""

from __future__ import annotations

import os
from typing import Final

HANGING: Final = 60.0
"""Seconds after which something hangs, however busy the machine is."""


def limit(seconds: float) -> float:
    """These seconds where a test runs alone (`make soak`), and beside other tests only that nothing hangs.

    Whoever uses it marks the test `timed`.
    """
    return HANGING if "PYTEST_XDIST_WORKER" in os.environ else seconds
