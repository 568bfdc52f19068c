"""What judges made of judges share: members, given or opened from model strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from deemster.errors import InputError
from deemster.judges.base import BaseJudge
from deemster.judges.judge import Judge
from deemster.judges.scorer import Scorer
from deemster.judges.settings import check_can


class Composite(BaseJudge):
    """A judge with members."""

    least_members: ClassVar[int] = 2
    _members: tuple[Scorer, ...] = ()

    @property
    def members(self) -> tuple[Scorer, ...]:
        """The judges it asks, each once."""
        return self._members

    def _open_members(self, members: Iterable[Scorer | str], *, what: str) -> tuple[str, ...]:
        """Take the members, opening those that are model strings; returns their names.

        Raises:
            InputError: they are no judges, there are too few, or two have one name.
        """
        if isinstance(members, str | Mapping) or not isinstance(members, Iterable):
            raise InputError(
                f"members of {what} must be a list of judges and model strings, "
                f"got {type(members).__name__}"
            )
        members = tuple(members)
        if len(members) < self.least_members:
            raise InputError(
                f"{what} needs {self.least_members} or more members, got {len(members)}"
            )
        self._members = tuple(self._member(member) for member in members)
        names = tuple(member.info.name for member in self._members)
        if len(set(names)) != len(names):
            raise InputError(
                f"{what}'s members need different names, got {list(names)}; give name="
            )
        return names

    def _member(self, member: Scorer | str) -> Scorer:
        if isinstance(member, str):
            return self._own(Judge(member))
        check_can("a member", member, "score", expected="a judge or a model string")
        return member
