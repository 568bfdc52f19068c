"""The course of a debate: all votes, and which of them count now."""

from __future__ import annotations

from dataclasses import dataclass, field

from deemster.aggregators import strict_best
from deemster.judges.asking import Answer, judgment_shown
from deemster.judges.opinions import Opinion
from deemster.schemas import Judgment, Verdict, Vote


@dataclass
class Transcript:
    """The debate about one sample so far."""

    n: int
    votes: list[Vote] = field(default_factory=list)
    standing: dict[int, int] = field(default_factory=dict)
    """By member: place in `votes` of its judgment that counts."""
    opinions: dict[int, Opinion] = field(default_factory=dict)
    """By member: its present opinion."""

    def add(self, member: int, vote: Vote, answer: Answer) -> None:
        """Append a vote; a judgment takes the place of the member's earlier one."""
        if isinstance(vote, Judgment) and isinstance(answer, Verdict):
            if member in self.standing:
                self.supersede(self.standing[member])
            self.standing[member] = len(self.votes)
            self.opinions[member] = Opinion.of(vote, judgment_shown(answer))
        self.votes.append(vote)

    def supersede(self, place: int) -> None:
        """Keep a vote for the record only."""
        self.votes[place] = self.votes[place].model_copy(update={"superseded": True})

    def agrees(self, tolerance: float) -> bool:
        """Whether the members that have a judgment agree; a single one does."""
        scores = [self.opinions[member].scores for member in self.standing]
        given = [[score for score in one if score is not None] for one in scores]
        if self.n == 1:
            levels = [one[0] for one in given]
            return not levels or max(levels) - min(levels) <= tolerance
        bests = {strict_best(one) for one in given}
        return len(given) < 2 or (len(bests) == 1 and bests != {None})
