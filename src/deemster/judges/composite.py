"""What judges made of judges share: members, given or opened from model strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from deemster.errors import InputError
from deemster.judges.base import BaseJudge
from deemster.judges.judge import Judge
from deemster.judges.scorer import Scorer


class Composite(BaseJudge):
    """A judge with members."""

    least_members: ClassVar[int] = 2
    _members: tuple[Scorer, ...] = ()

    @property
    def members(self) -> tuple[Scorer, ...]:
        """The judges it asks, each once."""
        return self._members

    def _open_members(self, members: Sequence[Scorer | str], *, what: str) -> tuple[str, ...]:
        """Take the members, opening those that are model strings; returns their names.

        Raises:
            InputError: there are too few, or two have one name.
        """
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
        return self._own(Judge(member)) if isinstance(member, str) else member
