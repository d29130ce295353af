"""What is asked of a durable subject's groups, and done to them, from outside: numbers, places, dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from evenflow._options import whole

from ._offsets import checked_since

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenflow._conditions import Condition
    from evenflow._routing import Router
    from evenflow.streams._stream import Stream

    from ._coding import Kind
    from ._dead_letters import DeadLetter
    from ._group_statistics import GroupStatistics
    from ._offsets import Offset, Since
    from ._openings import Openings

E = TypeVar("E")


class GroupAdministration(Generic[E]):
    """A durable subject's groups, whoever reads them. Needs no reader in this process."""

    _openings: Openings
    _kind: Kind
    _name: str
    _router: Router[Any]

    async def groups(self) -> tuple[GroupStatistics, ...]:
        """The numbers of all groups of this subject, by name.

        Raises:
            RuntimeError: the log is not open.
            LogError: the log failed.
        """
        return await self._openings.open().groups(self._kind).statistics()

    async def seek(self, group: str, to: Since) -> None:
        """Have a group go on from there; what is in hand is not affected. Kept: a restart knows.

        Raises:
            TypeError, ValueError: ``to`` is no place in this subject, or there is no such group.
            RuntimeError: the log is not open.
            LogError: the log failed.
        """
        opening, place = self._openings.open(), checked_since(to, "to")
        seq = await opening.running.position(self._name, place, await opening.engine.end(self._name))
        await opening.groups(self._kind).seek(group, seq)

    async def pause(self, group: str) -> None:
        """Have all members of a group fetch no more, until ``resume``; what they have they go on with. A restart knows.

        Raises:
            ValueError: there is no such group.
            RuntimeError: the log is not open.
            LogError: the log failed.
        """
        await self._openings.open().groups(self._kind).pause(group)

    async def resume(self, group: str) -> None:
        """Have a group go on.

        Raises: as for ``pause``.
        """
        await self._openings.open().groups(self._kind).resume(group)

    async def delete_group(self, group: str) -> None:
        """Forget a group, its retries and its dead letters; whoever reads it gets a ``LogError``.

        Raises: as for ``pause``.
        """
        await self._openings.open().groups(self._kind).delete(group)

    def dead_letters(self, group: str) -> Stream[DeadLetter[E]]:
        """What a group has given up on, in order, as it is when the first is read; a stream that ends.

        Raises:
            RuntimeError: the log is not open.
            LogError: (when read) the log failed.
        """
        return self._openings.open().groups(self._kind).dead_letters(group)

    async def redrive(
        self,
        group: str,
        offsets: Iterable[Offset] | Literal["all"],
        *,
        where: Condition | int | None = None,
        limit: int | None = None,
    ) -> int:
        """Send dead letters out again, with attempt 1; returns how many.

        In an ordered group one comes before the others of its key that were not claimed.

        Args:
            group: the group.
            offsets: which; or ``"all"``.
            where: of these, those whose event meets a condition; one that nobody here can read is none.
            limit: at most this many.

        Raises:
            TypeError, ValueError: an argument makes no sense, or an offset is none of this subject.
            RuntimeError: the log is not open.
            LogError: the log failed; some may have been sent.
        """
        condition = self._router.interest((), where).condition
        if where is not None and condition is None:
            raise TypeError(f"where of redrive must be a condition, such as OrderPlaced.total > 100, not {where!r}")
        if limit is not None:
            whole(limit, "limit", 0, "; None is all of them")
        opening = self._openings.open()
        return await opening.groups(self._kind).redrive(
            group, opening.running.seqs(self._name, offsets), where=condition, limit=limit
        )

    async def discard(self, group: str, offsets: Iterable[Offset] | Literal["all"]) -> int:
        """Delete dead letters; a key that they held goes on. Returns how many.

        Raises: as for ``redrive``.
        """
        opening = self._openings.open()
        return await opening.groups(self._kind).discard(group, opening.running.seqs(self._name, offsets))
