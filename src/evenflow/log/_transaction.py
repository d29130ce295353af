"""Several things in one commit: events, acknowledgements, and statements on the application's own tables.

Rule 1: a transaction is a list. Nothing is done, and no lock is held, before its block ends normally.
Rule 2: then all of it is done, or nothing.
Rule 3: cancelled during the commit, the outcome is known before the cancellation goes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from evenflow._errors import refuses_copying

from ._delivery import Delivery, refuse_unsettleable
from ._group_transaction import commit_with
from ._stored import Change, IdTaken, Statement
from ._subject import DurableSubject

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ._offsets import Offset
    from ._opening import Opening
    from ._openings import Openings
    from ._stored import Append, Done

E = TypeVar("E")

MOST_ITEMS: Final = 10_000
MOST_BYTES: Final = 64 * 2**20


class Transaction:
    """What is done in one commit at the end of its ``async with``; see ``Log.transaction``."""

    def __init__(self, openings: Openings) -> None:
        self._openings = openings
        self._state = "made"
        self._appends: list[Append] = []
        self._subjects: list[DurableSubject[Any]] = []
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
        if not isinstance(subject, DurableSubject):
            raise TypeError(f"a transaction publishes to a durable subject, `log.subject(...)`, not to {subject!r}")
        if subject._openings is not self._openings:
            raise ValueError(
                f"{subject!r} is a subject of another log than this transaction's, {self._openings.name}; one commit is"
                " of one log: use that log's transaction, or a bridge"
            )
        append = subject._encoder.append(event, id, headers)
        self._grow(len(append.data) + _size_of(append.headers))
        self._appends.append(append)
        self._subjects.append(subject)

    def ack(self, delivery: Delivery[object], /) -> None:
        """Acknowledge this delivery in the commit; where it has gone out again meanwhile, nothing is done at all.

        Raises:
            TypeError: it is no delivery.
            ValueError: the delivery is another log's, or it becomes too large.
            RuntimeError: the block is not there or has ended, or the delivery was settled already.
        """
        self._check_open()
        if not isinstance(delivery, Delivery):
            more = "; of a batch, each by itself" if isinstance(delivery, tuple) else ""
            raise TypeError(f"a transaction acknowledges a delivery of a group, not {delivery!r}{more}")
        refuse_unsettleable([delivery])
        hands: Any = delivery._hands
        if hands.host.engine is not self._openings.open().engine:
            raise ValueError(
                f"{delivery!r} is of another log than this transaction's, {self._openings.name}; one commit is of one"
                " log: acknowledge it by itself, once this is committed"
            )
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
            raise taken.refusal() from None

    def _made(self, opening: Opening, done: Done) -> None:
        """It is done, also where the one who waits for it was cancelled meanwhile."""
        self._state = "committed"
        for subject in self._subjects:
            subject._sent += 1
        self._offsets = tuple(
            opening.running.offset(subject.name, seq) for subject, seq in zip(self._subjects, done.seqs, strict=True)
        )

    def __repr__(self) -> str:
        things = len(self._appends), len(self._deliveries), len(self._statements)
        what = "{} events, {} acknowledgements, {} statements".format(*things)
        return f"<{type(self).__name__} of log {self._openings.name}, {what}, {self._state}>"

    if not TYPE_CHECKING:  # a checker refuses it where it is written
        __reduce_ex__ = refuses_copying("make one for each commit, with log.transaction()")

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
            Unsupported: the log was put in memory for a test: there are no tables of yours.
            RuntimeError: the block is not there, or has ended.
        """
        self._openings.require("own_rows")
        self._check_open()
        self._check_statement(sql)
        if rows is not None and (not isinstance(rows, int) or isinstance(rows, bool) or rows < 0):
            raise ValueError(f"rows must be a whole number of at least 0, or None, not {rows!r}")
        if isinstance(parameters, (str, bytes)) or not isinstance(parameters, (Sequence, Mapping)):
            raise TypeError(f"parameters must be a sequence, (17,), or a mapping of names, not {parameters!r}")
        self._grow(len(sql) + _size_of(parameters))
        self._statements.append(Statement(sql, parameters, rows))

    @staticmethod
    def _check_statement(sql: str) -> None:
        check_statement(sql)


class SQLiteTransaction(SQLTransaction):
    """A transaction of a ``SQLiteLog``: its statements are of SQLite, on tables in the same file."""

    @staticmethod
    def _check_statement(sql: str) -> None:
        check_statement(sql)
        if _SECOND.search(_QUOTED.sub(" ", sql)):
            raise ValueError(f"execute takes one statement, and this is more than one; call it for each: {sql!r}")


def _size_of(values: Sequence[object] | Mapping[str, object]) -> int:
    """About how much memory texts and bytes take."""
    found = values.values() if isinstance(values, Mapping) else values
    return sum(len(value) for value in found if isinstance(value, (str, bytes, bytearray)))


_COMMENTS: Final = re.compile(r"(\s+|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
"""What may stand before a statement."""
_NO_WORDS: Final = re.compile(r"""("(?:[^"]|"")*")|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/""", re.DOTALL)
"""Texts and comments, which name no table; and quoted names, in which neither of them begins."""
_QUOTED: Final = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)""", re.DOTALL
)
"""Whatever SQLite reads as one word or as none: a semicolon in it ends nothing."""
_SECOND: Final = re.compile(r";\s*[^\s;]")
_WRITES_OURS: Final = re.compile(
    r"""\b(?:INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM)\s+(?:ONLY\s+)?(?:["`\[]?\w+["`\]]?\s*\.\s*)?["`\[]?(evenflow_\w*)""",
    re.IGNORECASE,
)
_ALLOWED: Final = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"})


def check_statement(sql: object) -> None:
    """Refuse what may not stand in a transaction.

    Raises:
        TypeError: it is no str.
        ValueError: it is none of the statements that change rows, or it changes rows of evenflow's own tables.
    """
    if not isinstance(sql, str):
        raise TypeError(f"execute takes the text of a statement, not {sql!r}")
    text = _COMMENTS.sub("", sql, count=1)
    word = text.split(None, 1)[0].upper() if text else ""
    if word not in _ALLOWED:
        raise ValueError(
            f"a transaction takes statements that change rows ({', '.join(sorted(_ALLOWED))}), not"
            f" {word or 'nothing'!r}: read with a connection of your own, and change your schema while it is closed"
        )
    if ours := _WRITES_OURS.search(_NO_WORDS.sub(lambda found: found[1] or " ", sql)):
        raise ValueError(
            f"a transaction's statements write to tables of your own, and {ours[1]} is evenflow's: publish, ack and"
            " the log's other methods change it; reading it in a statement is allowed"
        )
