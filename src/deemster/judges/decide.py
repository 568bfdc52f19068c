"""From votes to a verdict: pure, so that stored votes can be decided again in another way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deemster.aggregators import (
    Ballot,
    Reducer,
    confidence,
    rank,
    rewards_of,
    strict_best,
    tie_groups,
)
from deemster.errors import BackendError, InputError
from deemster.judges.adaptive import scale_of
from deemster.schemas import Failure, JudgeInfo, Judgment, Usage, Verdict, Vote


def decide(
    votes: Sequence[Vote],
    *,
    n: int,
    k: int,
    reducer: Reducer,
    info: JudgeInfo,
    min_valid: int = 1,
    extra: Usage | None = None,
) -> Verdict:
    """The verdict that votes give.

    Args:
        votes: judgments and failures about the same `n` responses, in draw order.
        n: number of responses.
        k: votes asked for.
        reducer: how votes become rewards.
        info: which judge; its seed breaks ties and draws the resamples. Where its k is larger
            (a cascade that did not ask all its judges, a log with more votes on other samples),
            sums are over that many votes, so that they are the same size for all samples.
        min_valid: fewest judgments for a verdict with rewards, >= 1.
        extra: usage that belongs to no single vote (principles made ahead, meta rewards).
    """
    usage = Usage.total(vote.usage for vote in votes)
    if extra is not None:
        usage += extra
    ballot = Ballot.from_votes(votes, n=n, k=max(k, info.k))
    n_valid = sum(isinstance(vote, Judgment) for vote in votes)
    rewards = rewards_of(reducer, ballot, min_valid=min_valid) if n_valid else None
    # Not validated: the votes are records already, and what is made of them is what fields say.
    verdict = Verdict.model_construct(
        rewards=None,
        best=None,
        ranking=None,
        votes=tuple(votes),
        k=k,
        n_valid=n_valid,
        usage=usage,
        judge=info,
    )
    if rewards is None:
        return verdict
    ranking = rank(rewards, seed=info.seed)
    return verdict.model_copy(
        update={
            "rewards": rewards,
            "scores": _mean_scores(votes, ballot, reducer),
            "best": strict_best(rewards),
            "ranking": ranking,
            "ties": tie_groups(rewards),
            "confidence": confidence(reducer, ballot, ranking[0], seed=info.seed),
        }
    )


def _mean_scores(
    votes: Sequence[Vote], ballot: Ballot, reducer: Reducer
) -> tuple[float, ...] | None:
    """See `Verdict.scores`: means only of what is on one scale."""
    counted = [vote for vote in votes if isinstance(vote, Judgment) and not vote.superseded]
    one_judge = len({vote.judge for vote in votes}) == 1
    if scale_of(counted) is None and not (one_judge and all(v.scale is None for v in counted)):
        return None
    means = reducer.mean_scores(ballot)
    return tuple(float(mean) for mean in means) if np.isfinite(means).all() else None


def unscored(error: BackendError | InputError, *, k: int, info: JudgeInfo) -> Verdict:
    """The verdict of a sample that could not be judged at all: k failures, no rewards.

    What the error cost is the verdict's usage: it belongs to no single vote.
    """
    spent = error.usage if isinstance(error, BackendError) else None
    votes = tuple(Failure.of(error, draw=draw) for draw in range(k))
    return Verdict(
        rewards=None,
        best=None,
        ranking=None,
        votes=votes,
        k=k,
        n_valid=0,
        usage=spent or Usage(),
        judge=info,
    )
