"""Pure functions from votes to rewards, how sure they are, and when enough votes are drawn."""

from deemster.aggregators.base import Ballot, Pipeline, Reducer, Selector, rewards_of
from deemster.aggregators.confidence import confidence, rank, strict_best, tie_groups, win_shares
from deemster.aggregators.reducers import Majority, Mean, Median, Sum
from deemster.aggregators.selectors import TopK, Weighted
from deemster.aggregators.spec import AGGREGATORS, parse_aggregator

__all__ = [
    "AGGREGATORS",
    "Ballot",
    "Majority",
    "Mean",
    "Median",
    "Pipeline",
    "Reducer",
    "Selector",
    "Sum",
    "TopK",
    "Weighted",
    "confidence",
    "parse_aggregator",
    "rank",
    "rewards_of",
    "strict_best",
    "tie_groups",
    "win_shares",
]
