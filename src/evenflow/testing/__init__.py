"""evenflow.testing: tests of streams and subjects, exact and in no time.

Layout: a file imports only from those above it.

    _errors      Stuck
    _tasks       where tasks wait
    _loop        VirtualLoop: an asyncio loop whose clock jumps
    _run         run_virtual
    plugin       for pytest: the marker and the fixture ``virtual_time``
"""

from evenflow.testing._errors import Stuck as Stuck
from evenflow.testing._loop import VirtualLoop as VirtualLoop
from evenflow.testing._run import run_virtual as run_virtual
