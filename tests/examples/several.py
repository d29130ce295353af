"""Serve an app in several processes, each on a port of its own: `python -m tests.examples.several board:app 3 FOLDER`.

The app is imported once and the processes are forks, so that three of them start as quickly as one.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module


def main(app: str, count: int, folder: str) -> None:
    """Serve until SIGTERM."""
    import uvicorn

    sys.path.insert(0, folder)
    module, _, name = app.partition(":")
    served = getattr(import_module(module), name)
    children: list[int] = []
    for _ in range(count):
        if (child := os.fork()) == 0:
            uvicorn.run(served, port=0)
            os._exit(0)
        children.append(child)

    def stop(*_: object) -> None:
        for child in children:
            os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGTERM, stop)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
