"""When enough votes are drawn: the winner of all k is known, or near enough.

Only scores are looked at, so a rule stops a live judge and a stored run in the same way.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deemster.aggregators.base import Ballot, Floats, Pipeline, Reducer
from deemster.aggregators.confidence import win_shares
from deemster.aggregators.reducers import Mean, Sum
from deemster.aggregators.selectors import TopK
from deemster.aggregators.spread import noise, prefix, step_of
from deemster.errors import InputError
from deemster.schemas import Scale
from deemster.yaml_text import read_setting

Ints = npt.NDArray[np.intp]

_RULE = re.compile(
    r"\s*decided\s*(?::\s*([^,\s]+))?\s*((?:,\s*\w+\s*=\s*[^,\s]+\s*)*)", re.IGNORECASE
)


@dataclass(frozen=True)
class Decided:
    """Stop when the winner of all k votes would be the present leader with probability >= p.

    The votes still to come are predicted from those drawn. The gap between the leader and a rival
    is taken to be normal from vote to vote; its variance is the ballot's own, shrunk towards
    `spread`: a Student-t predictive distribution, summed over the rivals (Bonferroni), so p is a
    lower bound under the model. All responses share one variance, which makes it known sooner.
    Where the scale is known and the votes are summed, a leader that cannot be overtaken any more
    ends the draw whatever p is. A tie on top never does.

    With a single response there is no winner to decide: all k votes are drawn.

    Args:
        p: the probability asked for, over 0.5 and up to 1 (1: only when it cannot be overtaken).
        min_votes: fewest valid votes before stopping, >= 1.
        round: votes drawn at a time, >= 1. None: 2 for a pair shown in both orders, so that a
            preference for a place cannot decide; else 1. Larger rounds wait less and save less.
        spread: standard deviation of a response's score from vote to vote, before any vote is
            seen, > 0. None is half a step of the scale: a judge in two minds between neighbouring
            scores. `fit_spread` measures it on a run, without labels.
        strength: how many votes the prior counts as, > 0. 4 and half a step gave the least log
            loss in predicting the winner of all 8 votes from 1 to 4 of them, on average over five
            judges of RewardBench 2 (votes only, no labels; `benchmarks/votes.py calibrate`).
    """

    p: float = 0.99
    min_votes: int = 1
    round: int | None = None
    spread: float | None = None
    strength: float = 4.0

    def __post_init__(self) -> None:
        _check("p", self.p, 0.5 < _number(self.p) <= 1, "a number over 0.5 and up to 1")
        for name in ("min_votes", "round"):
            value = getattr(self, name)
            if not (name == "round" and value is None):
                _check(name, value, type(value) is int and value >= 1, "a whole number >= 1")
        if self.spread is not None:
            _check("spread", self.spread, 0 < _number(self.spread) < math.inf, "a number > 0")
        _check("strength", self.strength, 0 < _number(self.strength) < math.inf, "a number > 0")

    def __str__(self) -> str:
        """The text that `parse_stop` reads back."""
        text = f"decided:{_exact(self.p)}"
        for name, default in (("min_votes", 1), ("round", None), ("spread", None), ("strength", 4)):
            value = getattr(self, name)
            if value != default:
                text += f",{name}={_exact(value)}"
        return text

    def round_for(self, n: int, *, both_orders: bool) -> int:
        """Votes to draw at a time for n responses; see `round`."""
        return self.round or (2 if both_orders and n == 2 else 1)

    def probability(
        self, ballot: Ballot, k: int, *, reducer: Reducer | None = None, scale: Scale | None = None
    ) -> Floats:
        """(...): probability that the winner of k votes is the leader of those drawn.

        Args:
            ballot: the n <= k votes so far; batched over any leading axes. Failures have been
                drawn, but say nothing.
            k: votes in all.
            reducer: how votes become rewards; `Sum()` if None. It names the leader; how sure that
                is, is read from the scores it reduces (after its selectors), so that for reducers
                that do not add up votes this is an approximation.
            scale: the range of scores, where it is known.

        Returns:
            In 0..1; 1/m where m responses are tied on top, 0 where none has a score.
        """
        rule, counted = reducer or Sum(), ballot
        if isinstance(rule, Pipeline):
            counted, last = rule.select(counted), rule.last
        else:
            last = rule
        n_responses = ballot.scores.shape[-1]
        if n_responses < 2:
            return np.zeros(ballot.scores.shape[:-2])
        rewards = np.where(np.isnan(r := last.reduce(counted)), -np.inf, r)
        leader = rewards.argmax(axis=-1)[..., None]
        share = np.take_along_axis(win_shares(rewards), leader, -1)[..., 0]
        share = np.where(np.isfinite(rewards).any(axis=-1), share, 0.0)
        left = k - ballot.scores.shape[-2]
        if left <= 0:
            return share
        gap, size = _gaps(counted, leader)
        # A vote to come counts as much as a valid one drawn does: some are not selected, some leave
        # out a response. None is expected to fail.
        drawn = np.maximum(ballot.n_valid, 1).reshape(*ballot.n_valid.shape, 1)
        to_come = left * size / drawn
        stays = size
        if isinstance(rule, Pipeline) and (wanted := _wanted(rule, k)) is not None:
            # Better votes to come push out some of those that are kept now.
            stays = np.minimum(size, drawn * wanted / k)
            to_come = np.maximum(wanted - stays, 0.0)
        surpass = self._overtaken(counted, gap, size, stays, to_come, scale)
        if scale is not None and last is rule and isinstance(last, Sum | Mean):
            plain = np.isin(ballot.weights, (0.0, 1.0)).all(axis=-1, keepdims=True)
            # A response that some votes leave out has a mean of its own, over fewer votes: the
            # gaps do not add up to it.
            silent = np.isnan(ballot.scores).any(axis=-1) & (ballot.weights > 0)
            plain = plain & ~silent.any(axis=-1, keepdims=True)
            safe = plain & (size * gap > left * (scale.high - scale.low))
            surpass = np.where(safe, 0.0, surpass)
        rivals = np.arange(n_responses) != leader
        chance: Floats = 1 - np.where(rivals, surpass, 0.0).sum(axis=-1)
        # Of m on top, each is the winner with probability 1/m at best.
        return np.where(share < 1, share, np.clip(chance, 0.0, 1.0))

    def _overtaken(  # noqa: PLR0917
        self,
        ballot: Ballot,
        gap: Floats,
        size: Floats,
        stays: Floats,
        to_come: Floats,
        scale: Scale | None,
    ) -> Floats:
        """(..., N): probability that a rival's total passes the leader's; 1 where unknown.

        Args:
            ballot: what is counted.
            gap: (..., N) mean gap to each rival.
            size: (..., N) votes it rests on.
            stays: (..., N) how many of these count in the end.
            to_come: (..., N) votes besides that count in the end.
            scale: the range of scores.
        """
        from scipy.special import stdtr  # noqa: PLC0415 - slow to import

        squares, freedom = noise(ballot)
        prior = np.square(
            step_of(ballot.scores, scale) * 0.5 if self.spread is None else self.spread
        )
        degrees = self.strength + freedom
        # A gap is between two responses: twice the variance of one.
        variance = (2 * (self.strength * prior + squares) / degrees)[..., None]
        with np.errstate(invalid="ignore", divide="ignore"):
            # drawn and predicted together; the gap's true mean has a flat prior
            total = (stays + to_come) * gap
            chosen = stays * (1 - stays / size)  # which of the kept votes stay is left to chance
            deviation = np.sqrt(variance * (chosen + to_come + np.square(to_come) / size))
            chance: Floats = stdtr(degrees[..., None], -total / deviation)
        # never quite 0: that is for leads that cannot be overtaken
        return np.where(np.isnan(chance) | (size <= 0), 1.0, np.maximum(chance, 1e-12))

    def votes_used(
        self,
        ballot: Ballot,
        *,
        k: int | None = None,
        reducer: Reducer | None = None,
        scale: Scale | None = None,
        min_votes: int = 1,
        both_orders: bool = False,
    ) -> Ints:
        """(...): after how many of the votes, in their order, the rule would have stopped.

        Args:
            ballot: all votes there are, batched over any leading axes.
            k: votes in all; None for as many as there are.
            reducer: as in `probability`.
            scale: as in `probability`.
            min_votes: fewest valid votes, besides the rule's own `min_votes`.
            both_orders: whether pairs were shown in both orders; see `round`.
        """
        there, n = ballot.scores.shape[-2:]
        used = np.full(ballot.scores.shape[:-2], there, dtype=np.intp)
        going = np.ones(used.shape, dtype=bool)
        size = self.round_for(n, both_orders=both_orders)
        for drawn in range(size, there, size):
            now = prefix(ballot, drawn)
            chance = self.probability(now, k or there, reducer=reducer, scale=scale)
            enough = now.n_valid >= max(self.min_votes, min_votes)
            stop = going & enough & (chance >= self.p)
            used = np.where(stop, drawn, used)
            going = going & ~stop
        return used


def parse_stop(spec: str) -> Decided:
    """Read a stopping rule: `decided:0.95`, `decided:0.95,spread=0.6,min_votes=2`.

    Raises:
        InputError: it cannot be read, or a value is not allowed.
    """
    match = _RULE.fullmatch(spec)
    if match is None:
        raise InputError(
            f"cannot read the stopping rule {spec!r}; write for example 'decided:0.95'"
        )
    given = [part.split("=") for part in match[2].split(",") if part.strip()]
    if match[1] is not None:
        given.insert(0, ["p", match[1]])
    texts: dict[str, str] = {}
    for name, text in given:
        if name.strip() in texts:
            raise InputError(
                f"stopping rule {spec!r}: {name.strip()} is given twice; leave one out"
            )
        texts[name.strip()] = text
    where = f"stopping rule {spec!r:.200}"
    values = {name: read_setting(text, where) for name, text in texts.items()}
    try:
        return Decided(**values)
    except TypeError as error:
        allowed = "min_votes, round, spread, strength"
        raise InputError(f"stopping rule {spec!r}: {error}; allowed after p: {allowed}") from error


def _wanted(rule: Pipeline, k: int) -> int | None:
    """How many of k votes its `TopK` keeps; None without one."""
    found = None
    for step in rule.steps:
        if isinstance(step, TopK):
            found = step.wanted(k if found is None else found)
    return found


def _gaps(ballot: Ballot, leader: Ints) -> tuple[Floats, Floats]:
    """(..., N): mean gap of the leader to each response, and its effective number of votes.

    Over the votes that score both.
    """
    lead = np.take_along_axis(ballot.scores, leader[..., None], -1)
    gap = lead - ballot.scores
    weights = np.where(np.isnan(gap), 0.0, ballot.weights[..., None])
    total = weights.sum(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weights * np.nan_to_num(gap)).sum(axis=-2) / total
        size = np.square(total) / np.square(weights).sum(axis=-2)
    return mean, np.nan_to_num(size)


def _exact(value: float) -> str:
    """A short text that is read back as the same number."""
    short = f"{value:g}"
    return short if "e" not in short and float(short) == value else repr(value)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and type(value) is not bool else math.nan


def _check(name: str, value: object, right: bool, allowed: str) -> None:
    if not right:
        raise InputError(f"{name} of the stopping rule must be {allowed}, got {value!r}")
