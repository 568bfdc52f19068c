"""Pure functions from votes to rewards, how sure they are, and when enough votes are drawn."""

from deemster.aggregators.base import Ballot, Pipeline, Reducer, Selector, rewards_of
from deemster.aggregators.confidence import (
    confidence,
    confidences,
    rank,
    strict_best,
    tie_groups,
    win_shares,
)
from deemster.aggregators.learned import Learned
from deemster.aggregators.reducers import Majority, Mean, Median, Sum
from deemster.aggregators.relative import Borda, Centred, PerJudge, Softmax
from deemster.aggregators.reliability import Reliable, judge_weights, reliability_weights
from deemster.aggregators.selectors import TopK, Weighted, selects_by_meta
from deemster.aggregators.spec import AGGREGATORS, parse_aggregator
from deemster.aggregators.spread import fit_spread
from deemster.aggregators.stopping import Decided, parse_stop

__all__ = [
    "AGGREGATORS",
    "Ballot",
    "Borda",
    "Centred",
    "Decided",
    "Learned",
    "Majority",
    "Mean",
    "Median",
    "PerJudge",
    "Pipeline",
    "Reducer",
    "Reliable",
    "Selector",
    "Softmax",
    "Sum",
    "TopK",
    "Weighted",
    "confidence",
    "confidences",
    "fit_spread",
    "judge_weights",
    "parse_aggregator",
    "parse_stop",
    "rank",
    "reliability_weights",
    "rewards_of",
    "selects_by_meta",
    "strict_best",
    "tie_groups",
    "win_shares",
]
