"""Several things in one commit: events, acknowledgements, and statements on the application's own tables.

Rule 1: a transaction is a list. Nothing is done, and no lock is held, before its block ends normally.
Rule 2: then all of it is done, or nothing.
Rule 3: cancelled during the commit, the outcome is known before the cancellation goes out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ._delivery import refuse_unsettleable
from ._engine import Change, IdTaken, Statement
from ._group_transaction import commit_with
from ._subject import id_is_taken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from ._delivery import Delivery
    from ._engine import Append, Done
    from ._offsets import Offset
    from ._opening import Opening
    from ._openings import Openings
    from ._subject import DurableSubject

E = TypeVar("E")

MOST_ITEMS: Final = 10_000
MOST_BYTES: Final = 64 * 2**20


class Transaction:
    """What is done in one commit at the end of its ``async with``; see ``Log.transaction``."""

    def __init__(self, openings: Openings) -> None:
        self._openings = openings
        self._state = "made"
        self._appends: list[Append] = []
        self._subjects: list[str] = []
        self._deliveries: list[Delivery[Any]] = []
        self._statements: list[Statement] = []
        self._bytes = 0
        self._offsets: tuple[Offset, ...] | None = None

    @property
    def offsets(self) -> tuple[Offset, ...]:
        """The offset of each event, in the order in which they were given; known once the block has ended.

        Raises:
            RuntimeError: nothing was committed (yet).
        """
        if self._offsets is None:
            raise RuntimeError(
                f"this transaction is {self._state}: offsets are known once its block has ended normally"
            )
        return self._offsets

    @property
    def committed(self) -> bool:
        """Whether all of it is done; known once the block has ended, also where it was cancelled."""
        return self._state == "committed"

    def publish(
        self,
        subject: DurableSubject[E],
        event: E,
        /,
        *,
        id: str | None = None,  # noqa: A002 -- the word of CloudEvents
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Store this event in the commit; arguments as for ``DurableSubject.publish``.

        Raises:
            TypeError, ValueError: an argument makes no sense, the subject is another log's, or it becomes too large.
            RuntimeError: the block is not there, or has ended.
        """
        self._check_open()
        if subject._openings is not self._openings:
            raise ValueError(
                f"{subject!r} is a subject of another log than this transaction's, {self._openings.name}; one commit is"
                " of one log: use that log's transaction, or a bridge"
            )
        append = subject._encoder.append(event, id, headers)
        self._grow(len(append.data))
        self._appends.append(append)
        self._subjects.append(subject.name)

    def ack(self, delivery: Delivery[object], /) -> None:
        """Acknowledge this delivery in the commit; where it has gone out again meanwhile, nothing is done at all.

        Raises:
            ValueError: the delivery is another log's, or it becomes too large.
            RuntimeError: the block is not there or has ended, or the delivery was settled already.
        """
        self._check_open()
        refuse_unsettleable([delivery])
        if any(each is delivery for each in self._deliveries):
            raise RuntimeError(f"{delivery!r} is acknowledged in this transaction already")
        self._grow(0)
        self._deliveries.append(delivery)

    def _grow(self, size: int) -> None:
        items = len(self._appends) + len(self._deliveries) + len(self._statements) + 1
        if items > MOST_ITEMS:
            raise ValueError(f"a transaction holds at most {MOST_ITEMS:,} items; use several")
        if self._bytes + size > MOST_BYTES:
            raise ValueError(f"a transaction holds at most {MOST_BYTES:,} bytes; use several")
        self._bytes += size

    def _check_open(self) -> None:
        if self._state != "open":
            raise RuntimeError(f"this transaction is {self._state}; use it inside its `async with` block")

    async def __aenter__(self) -> Self:
        if self._state != "made":
            raise RuntimeError(f"this transaction is {self._state}: a block is entered once; make another")
        self._openings.open()
        self._state = "open"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state = "rolled back"
        if error is not None:
            return
        opening = self._openings.open()
        change = Change(appends=self._appends, statements=self._statements)
        try:
            await commit_with(opening.engine, change, self._deliveries, made=partial(self._made, opening))
        except IdTaken as taken:
            raise id_is_taken(taken) from None

    def _made(self, opening: Opening, done: Done) -> None:
        """It is done, also where the one who waits for it was cancelled meanwhile."""
        self._state = "committed"
        self._offsets = tuple(
            opening.running.offset(subject, seq) for subject, seq in zip(self._subjects, done.seqs, strict=True)
        )

    if not TYPE_CHECKING:  # a checker refuses it where it is written

        def execute(self, *_: object, **__: object) -> None:
            """Refuse it: only an engine with ``own_rows`` has tables of the application's.

            Raises:
                Unsupported: always.
            """
            self._openings.require("own_rows")


class SQLTransaction(Transaction):
    """A transaction that also takes statements on the application's own tables."""

    def execute(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /, *, rows: int | None = None
    ) -> None:
        """Execute this statement in the commit, after everything else; one statement, on tables of your own.

        Args:
            sql: one INSERT, UPDATE, DELETE or the like; what changes the schema is refused.
            parameters: what its placeholders stand for.
            rows: how many rows it must affect; else ``Conflict``, and nothing is done at all.

        Raises:
            TypeError, ValueError: an argument makes no sense, or the statement is none that may stand here.
            RuntimeError: the block is not there, or has ended.
        """
        self._check_open()
        check_statement(sql)
        if rows is not None and (not isinstance(rows, int) or isinstance(rows, bool) or rows < 0):
            raise ValueError(f"rows must be a whole number of at least 0, or None, not {rows!r}")
        self._grow(len(sql))
        self._statements.append(Statement(sql, parameters, rows))


_ALLOWED: Final = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"})


def check_statement(sql: object) -> None:
    """Refuse what may not stand in a transaction.

    Raises:
        TypeError: it is no str.
        ValueError: it is none of the statements that change rows.
    """
    if not isinstance(sql, str):
        raise TypeError(f"execute takes the text of a statement, not {sql!r}")
    word = sql.split(None, 1)[0].upper() if sql.strip() else ""
    if word not in _ALLOWED:
        raise ValueError(
            f"a transaction takes statements that change rows ({', '.join(sorted(_ALLOWED))}), not"
            f" {word or 'nothing'!r}: read with a connection of your own, and change your schema while it is closed"
        )
