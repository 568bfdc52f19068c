"""The outcome of one `score` call."""

from __future__ import annotations

import hashlib
from typing import Annotated, Self

from pydantic import Field, model_validator

from deemster.records import Count, Finite, Record, Whole
from deemster.schemas.sampling import Sampling
from deemster.schemas.vote import Failure, Judgment, Vote
from deemster.usage import Usage


class JudgeInfo(Record):
    """What made a verdict, so that it can be made again."""

    name: str
    model: str
    dialect: str = ""
    prompt: str = ""
    """Hash of the prompt template's text."""
    principles: str = ""
    """Where the principles came from: `self`, `ahead`, or the name and hash of a fixed set."""
    sampling: Sampling | None = None
    k: Count = 1
    seed: Whole = 0
    aggregator: str = ""
    min_valid: Count = 1
    """Fewest valid votes for a verdict with rewards."""
    stop: str = ""
    """The rule that may end the draw before k votes; empty: all k are drawn."""
    meta_rm: str = ""
    tool: str = ""
    """What put its findings before the judge."""
    members: tuple[JudgeInfo, ...] = ()
    """The judges inside a composite one."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits over all fields: equal judges have equal fingerprints."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


class Verdict(Record):
    """Rewards of the responses, and every vote behind them."""

    rewards: tuple[Finite, ...] | None
    """One per response in the caller's order, higher is better; None if too few valid votes."""
    best: Count | None
    """The response with strictly the highest reward; None if unscored or tied on top."""
    ranking: tuple[Count, ...] | None
    """Response indices, best first. Equal rewards stand in an order drawn from the judge's seed
    (the paper breaks ties by a shuffle, section 2); `ties` says which."""
    ties: tuple[tuple[Count, ...], ...] = ()
    """Groups of two or more responses with equal rewards, best group first."""
    confidence: Annotated[Finite, Field(ge=0, le=1)] | None = None
    """Estimated probability that `ranking[0]` would stay best with unlimited votes, from
    resampling the votes. None for one response, for fewer than 2 valid votes, or unscored."""
    votes: tuple[Vote, ...] = ()
    k: Count
    """Votes asked for; fewer may have been drawn if a stopping rule ended the draw."""
    n_valid: Count
    """How many of the votes are judgments."""
    usage: Usage = Usage()
    judge: JudgeInfo

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.rewards is None and (self.best is not None or self.ranking is not None):
            raise ValueError("a verdict without rewards has no best and no ranking")
        return self

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why not to rely on this verdict, as the votes say, each reason once."""
        return tuple(dict.fromkeys(reason for vote in self.votes for reason in vote.warnings))

    @property
    def judgments(self) -> tuple[Judgment, ...]:
        """The valid votes."""
        return tuple(vote for vote in self.votes if isinstance(vote, Judgment))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The votes without a verdict."""
        return tuple(vote for vote in self.votes if isinstance(vote, Failure))
