"""evenflow.testing: tests of streams and subjects, in virtual time.

Layout: a file imports only from the files above it in this list.

    _errors      Stuck
    _tasks       where tasks wait
    _loop        VirtualLoop: an asyncio loop whose clock jumps
    _run         run_virtual
    _diagram     reading and drawing marble diagrams
    _record      record: what a stream yielded, and when
    _marbles     marbles and drawn: a stream from a drawing, a drawing of a stream
    _assertions  assert_drawn
    _recorder    subject_recorder
    _memory_store, _memory_engine  what a log is stored in while it is tested
    plugin       for pytest: the marker and fixture ``virtual_time``, and the fixture ``subject_recorder``
"""

from evenflow.testing._assertions import assert_drawn as assert_drawn
from evenflow.testing._errors import Stuck as Stuck
from evenflow.testing._loop import VirtualLoop as VirtualLoop
from evenflow.testing._marbles import Drawing as Drawing, MarbleError as MarbleError, drawn as drawn, marbles as marbles
from evenflow.testing._memory_log import MemoryLog as MemoryLog, in_memory as in_memory
from evenflow.testing._record import Recording as Recording, record as record
from evenflow.testing._recorder import SubjectRecorder as SubjectRecorder, subject_recorder as subject_recorder
from evenflow.testing._run import run_virtual as run_virtual
