"""evenflow.testing: tests of streams and subjects, exact and in no time.

Layout: a file imports only from those above it.

    _errors      Stuck
    _tasks       where tasks wait
    _loop        VirtualLoop: an asyncio loop whose clock jumps
    _run         run_virtual
    _diagram     reading and drawing marble diagrams
    _record      record: what a stream gave, and when
    _marbles     marbles and drawn: a stream of a drawing, a drawing of a stream
    _assertions  assert_drawn
    _recorder    subject_recorder
    plugin       for pytest: the marker and the fixture ``virtual_time``, and the fixture ``subject_recorder``
"""

from evenflow.testing._assertions import assert_drawn as assert_drawn
from evenflow.testing._errors import Stuck as Stuck
from evenflow.testing._loop import VirtualLoop as VirtualLoop
from evenflow.testing._marbles import Drawing as Drawing, MarbleError as MarbleError, drawn as drawn, marbles as marbles
from evenflow.testing._record import Recording as Recording, record as record
from evenflow.testing._recorder import SubjectRecorder as SubjectRecorder, subject_recorder as subject_recorder
from evenflow.testing._run import run_virtual as run_virtual
