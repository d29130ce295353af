"""NATSEngine: a log in a stream of JetStream, which processes on several machines may have open.

What is asked is asked again until it is answered, or its time is over.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from evenflow._errors import Unsupported
from evenflow.log._member_engine import MemberEngine
from evenflow.log._stored import Change, Done, Page, Pulse, Record, Size

from . import _queries
from ._dues import earliest, records_of
from ._filters import patterns
from ._names import Names
from ._opening import Opening, Settings
from ._plan import parts_of
from ._servers import Servers, split
from ._stream import Shape

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import timedelta

    from evenflow._loop import RunningLoop
    from evenflow.log._routes import Wanted

T = TypeVar("T")

MOST_REPLICAS: Final = 5


def _nothing(_: bool) -> None:
    """Nobody needs to hear of it."""


class NATSEngine(MemberEngine[Opening]):
    """A log in a stream.

    Args:
        servers: URLs of servers.
        log: the name of the log.
        stream: the name of the stream; without it made of the log's name.
        prefix: what the subjects of its messages begin with; without it made of the log's name.
        replicas: of a stream that is made.
        domain: of JetStream.
        keep_ids: how long the ids that publishers gave are known.
        publish_timeout: seconds that anything may take.
        options: for the connection.
        on_connected: is told, in the loop, whether a server can be reached.
    """

    most_claimed: ClassVar[int] = 400
    """A batch has 1,000 messages: each event may have a record for itself and one for its key."""
    filters: ClassVar[bool] = True
    client: ClassVar[str] = "nats-py"

    def __init__(
        self,
        servers: str | Sequence[str],
        log: str = "log",
        *,
        stream: str | None = None,
        prefix: str | None = None,
        replicas: int = 1,
        domain: str | None = None,
        keep_ids: timedelta,
        publish_timeout: float = 30.0,
        options: Mapping[str, Any] | None = None,
        on_connected: Callable[[bool], object] = _nothing,
    ) -> None:
        if not 1 <= replicas <= MOST_REPLICAS:
            raise ValueError(f"replicas must be 1 to {MOST_REPLICAS}, not {replicas}")
        if keep_ids.total_seconds() < 0:
            raise ValueError(f"keep_ids must not be negative, and is {keep_ids}")
        if not publish_timeout > 0:
            raise ValueError(f"publish_timeout must be more than 0 seconds, not {publish_timeout}")
        urls, _ = split(servers)
        self._settings = Settings(
            Servers(urls, options or {}),
            log,
            Names(stream or f"evenflow-{log}", prefix or f"evenflow.{log}"),
            Shape(replicas, publish_timeout),
            domain,
            keep_ids.total_seconds(),
            on_connected,
        )
        super().__init__(self._settings.name)

    def _make(self, loop: RunningLoop) -> Opening:
        return Opening(self._settings, loop, creates=self.creates)

    async def open(self) -> None:
        """Connect, look at the server and the stream, and become a member."""
        await super().open()
        self.lineages = self._opened().history.lineages

    # ------------------------------------------------------------------ changes

    async def commit(self, change: Change, /, *, made: Callable[[Done], object] | None = None) -> Done:
        """Make a change; see ``Engine.commit``. More events than a batch can have are several changes."""
        opening = self._opened()
        commits, layouts = opening.commits, opening.reads.layouts
        if change.appends and (missing := layouts.missing(change.appends)):
            for subject, new in missing.items():
                await self._ask(_queries.add_layouts, subject, new)
        parts = parts_of(change)
        if len(parts) == 1:
            return await commits.do(change, made)
        done = [await commits.do(part, None) for part in parts]
        whole = Done([seq for one in done for seq in one.seqs], {})
        if made is not None:
            made(whole)
        return whole

    async def trim(self, subject: str, through: int, limit: int, *, keep_newest_of_keys: bool = False) -> int:
        """Remove the oldest events up to a number.

        Raises:
            Unsupported: the newest of each key are to be kept.
        """
        if keep_newest_of_keys:
            raise Unsupported("a stream of NATS cannot keep the newest event of each key", missing=("last_by",))
        removed = await self._ask(_queries.trim, subject, through, limit)
        if removed:
            self._opened().marks.changed()
        return removed

    # ------------------------------------------------------------------ reading

    async def _ask(self, query: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        reads = self._opened().reads
        return await reads.patiently(partial(query, reads, *arguments))

    async def read(
        self, subject: str, after: int, limit: int, *, types: Collection[str] | None = None, until: int | None = None
    ) -> Page:
        """A page of a subject's events."""
        return await self._ask(_queries.read, subject, after, limit, types, until)

    async def read_wanted(
        self, subject: str, after: int, limit: int, wanted: Wanted, *, until: int | None = None
    ) -> Page:
        """A page of the events that may be wanted."""
        return await self._ask(_queries.read_wanted, subject, after, limit, wanted, until)

    async def end(self, subject: str) -> int:
        """The number of the newest event."""
        return await self._ask(_queries.end, subject)

    async def place(self, subject: str, time: int) -> int:
        """The number before the first event at or after a time."""
        return await self._ask(_queries.place, subject, time)

    async def floor(self, subject: str) -> int:
        """Up to where events may have been removed."""
        return (await self._ask(_queries.floor_and_end, subject))[0]

    async def older_than(self, subject: str, events: int) -> int:
        """The number of the newest event with as many newer ones."""
        return await self._ask(_queries.older_than, subject, events)

    async def subjects(self) -> Sequence[str]:
        """The names of the subjects, sorted."""
        return await self._ask(_queries.subjects)

    async def size(self) -> Size:
        """How much is stored; ``bytes`` are those of the stream, records included."""
        return await self._ask(_queries.size)

    async def load(self, keys: Collection[str] = (), *, prefix: str | None = None) -> Mapping[str, Record]:
        """Records by key or prefix."""
        opening = self._opened()
        names, reads = opening.names, opening.reads

        async def ask() -> Mapping[str, Record]:
            found = await reads.last([names.record(key) for key in keys]) if keys else {}
            records = records_of(names, found, "")
            if prefix is not None:
                more = {message.subject: message for message in await reads.scan(names.records(prefix))}
                records = dict(sorted((records | records_of(names, more, prefix)).items()))
            return records

        return await reads.patiently(ask)

    async def due(self, prefix: str, until: float, limit: int) -> Mapping[str, Record]:
        """The records that are due until then, the earliest first."""
        opening = self._opened()
        return earliest(await opening.reads.patiently(partial(opening.dues.of, prefix)), until, limit)

    async def read_with_due(
        self,
        subject: str,
        after: int,
        limit: int,
        prefix: str,
        until: float,
        most: int,
        *,
        types: Collection[str] | None = None,
    ) -> tuple[Page, Mapping[str, Record]]:
        """A page of a subject's events, and the records that are due until then: both are asked for at once."""
        opening = self._opened()
        page, records = await opening.reads.both(
            partial(_queries.read, opening.reads, subject, after, limit, types, None), partial(opening.dues.of, prefix)
        )
        return page, earliest(records, until, most)

    async def next_due(self, prefix: str) -> float | None:
        """When the next record is due."""
        opening = self._opened()
        records = await opening.reads.patiently(partial(opening.dues.of, prefix))
        return min((record.due for record in records.values() if record.due is not None), default=None)

    # ------------------------------------------------------------------ waiting

    async def wait_for_wanted(self, mark: int, subject: str, wanted: Wanted) -> int:
        """As ``wait``: the server says only of events that may be wanted that they are stored."""
        opening = self._opened()
        names, layouts = opening.names, opening.reads.layouts.of(subject)
        if layouts is None:
            return await opening.marks.wait(mark)
        found = [*patterns(names, subject, wanted, layouts), names.routes(subject)]
        return await opening.marks.wait(mark, frozenset(map(names.heard_of, found)))

    # ------------------------------------------------------------------ members

    async def pulses(self, members: Collection[str], /) -> Mapping[str, Pulse]:
        """What is known of these members: one that was heard of lately lives; of a silent one that is not known."""
        opening = self._opened()
        if not members:
            return {}
        reads, names = opening.reads, opening.names
        found = await reads.patiently(partial(reads.last, [names.member(member) for member in members]))
        return opening.members.pulses(tuple(members), found)
