"""A number of votes over a whole run, given to the samples whose winner they may change.

Every sample gets the first votes; then, in rounds, the samples whose leader is least sure to win
after k votes get some more, until the votes are spent. A round looks only at votes, never at
labels. What was drawn in an earlier round comes from the run's cassette, so that a killed run
makes the same choices again without buying a vote twice.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing

import numpy as np

from deemster.aggregators import Ballot, Decided, Reducer
from deemster.aggregators.base import Floats
from deemster.errors import InputError
from deemster.judges import BaseJudge, Judge
from deemster.judges.adaptive import first_round, scale_of
from deemster.judges.batch import score_numbered
from deemster.schemas import Sample, Verdict, Vote

_ROUNDS = 8
"""One over the share of the samples that get votes in a round: more rounds choose better."""
_RULE = Decided()


def is_over_budget(verdict: Verdict) -> bool:
    """Whether a budget of money, tokens or calls left some of the votes undrawn."""
    return any(failure.status == "over_budget" for failure in verdict.failures)


def first_votes(judge: Judge, n: int) -> tuple[int, int]:
    """Votes that a sample of n responses gets at once, and those of each further round."""
    size = _RULE.round_for(n, both_orders=judge.orders != "fixed")
    return min(first_round(_RULE, size, judge.min_valid), judge.k), size


def sureness(votes: Sequence[Vote], *, n: int, k: int, reducer: Reducer) -> float:
    """Probability that the leader is the winner of k votes; 1 where no vote can change it."""
    ballot = Ballot.from_votes(votes, n=n)
    return float(_RULE.probability(ballot, k, reducer=reducer, scale=scale_of(votes)))


def least_sure(sure: Floats, drawn: Floats, most: Floats, sizes: Floats, left: int) -> list[int]:
    """The items that get votes in this round, least sure first.

    Args:
        sure: (I,) see `sureness`.
        drawn: (I,) votes drawn.
        most: (I,) votes that an item may have.
        sizes: (I,) votes of one round.
        left: votes not spent.
    """
    open_ = np.flatnonzero((drawn < most) & (sure < 1))
    order = open_[np.argsort(sure[open_], kind="stable")]
    more = np.minimum(sizes, most - drawn)[order]
    room = int((np.cumsum(more) <= left).sum())
    return [int(i) for i in order[: min(room, max(1, len(sure) // _ROUNDS))]]


class SharedVotes:
    """How the votes of one judge are shared out over the samples of a run.

    Args:
        judge: asks each sample for k votes at most.
        votes: of the whole run.
        sample: gives a sample by its position.
        n_samples: how many there are.
        in_flight: samples judged at a time.
    """

    def __init__(
        self,
        judge: Judge,
        votes: int,
        sample: Callable[[int], Sample],
        *,
        n_samples: int,
        in_flight: int,
    ) -> None:
        self._judge, self._sample, self._in_flight = judge, sample, in_flight
        counts = [first_votes(judge, len(sample(i).responses)) for i in range(n_samples)]
        self.drawn = np.array([first for first, _ in counts], dtype=float)
        """(I,) votes of each sample."""
        self._sizes = np.array([size for _, size in counts], dtype=float)
        self._sure = np.zeros(n_samples)
        self._left = votes - int(self.drawn.sum())

    async def share_out(self, on_judged: Callable[[], None]) -> bool:
        """Judge in rounds until the votes are spent; False if another budget ended it first.

        Args:
            on_judged: called after each verdict.
        """
        chosen = list(range(len(self.drawn)))
        most = np.full(len(self.drawn), float(self._judge.k))
        while chosen:
            async with aclosing(self.judged(chosen)) as verdicts:
                async for position, sample, verdict in verdicts:
                    on_judged()
                    if is_over_budget(verdict):
                        return False
                    self._sure[position] = sureness(
                        verdict.votes,
                        n=len(sample.responses),
                        k=self._judge.k,
                        reducer=self._judge.aggregator,
                    )
            chosen = least_sure(self._sure, self.drawn, most, self._sizes, self._left)
            before = self.drawn[chosen]
            self.drawn[chosen] = np.minimum(before + self._sizes[chosen], most[chosen])
            self._left -= int((self.drawn[chosen] - before).sum())
        return True

    async def judged(
        self, positions: Sequence[int]
    ) -> AsyncGenerator[tuple[int, Sample, Verdict], None]:
        """Judge samples, each with its votes so far."""
        for votes in np.unique(self.drawn[list(positions)]):
            group = [position for position in positions if self.drawn[position] == votes]
            judge = self._judge.limited_to(int(votes))
            samples = map(self._sample, group)
            async with aclosing(
                score_numbered(judge, samples, in_flight=self._in_flight)
            ) as verdicts:
                async for number, sample, verdict in verdicts:
                    yield group[number], sample, verdict


def check_vote_budget(votes: int, judges: Sequence[BaseJudge], samples: Iterable[Sample]) -> None:
    """Refuse what votes cannot be shared out over.

    Raises:
        InputError: a judge does not draw votes itself or stops by its own rule, a sample has one
            response, or there are fewer votes than the first ones of every sample.
    """
    for judge in judges:
        if not isinstance(judge, Judge) or judge.meta_rm or judge.stop or judge.calibration:
            raise InputError(
                f"budget.votes: judge {judge.name!r} cannot have its votes shared out; that is for "
                "judges of type grm without meta_rm, stop and calibration"
            )
    needed = [0] * len(judges)
    for sample in samples:
        n = len(sample.responses)
        if n < 2:
            raise InputError(
                f"budget.votes: sample {sample.id!r} has one response, so no winner that a vote "
                "could change; set k instead, or data.min_responses: 2"
            )
        for j, judge in enumerate(judges):
            if isinstance(judge, Judge):
                needed[j] += first_votes(judge, n)[0]
    if judges and max(needed) > votes:
        raise InputError(
            f"budget.votes: {votes} votes are fewer than the first ones of every sample, "
            f"{max(needed)}; raise it to that or more"
        )
