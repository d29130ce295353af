"""A function in a forked child process, for tests: what it returns or raises, and whether it hangs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def in_child(ask: Callable[[], object]) -> str:
    """What a function says in a forked child process: what it returns, or what it raises; "it hangs" after 5 s."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)
        try:
            said = repr(ask())
        except BaseException as error:  # noqa: ASYNC103 -- the child writes down what was raised, and ends
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said or "it hangs"
