"""The outcome of one `score` call."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, model_validator

from deemster.errors import DeemsterError
from deemster.records import Count, Finite, Record, Whole
from deemster.schemas.sampling import Sampling
from deemster.schemas.vote import Failure, Judgment, Vote
from deemster.usage import Usage

_REASONS = 3
"""Reasons that the text of an `UnscoredError` names."""


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
    sent: dict[str, JsonValue] | None = None
    """Decoding parameters as they were sent, in a verdict's record, where the provider's model
    does not take all of `sampling`; None where it does, or nothing was sent."""
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
    calibration: str = ""
    """Hash of the calibration that `Verdict.confidence` is from; empty: it is resampled."""
    from_file: tuple[str, ...] = ()
    """Names of the settings that the model's own `deemster.json` gave. The caller gave the others,
    or they are defaults."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits over all fields: equal judges have equal fingerprints.

        Who gave the settings (`from_file`) is left out.
        """
        exclude = _left_out(self)
        if not self.calibration:
            exclude["calibration"] = True
        text = self.model_dump_json(exclude=exclude)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _left_out(info: JudgeInfo) -> dict[str, Any]:
    """The fields that make no other judge, as `model_dump` excludes them."""
    members = {i: _left_out(one) for i, one in enumerate(info.members)}
    return {"from_file": True, **({"members": members} if members else {})}


class Verdict(Record):
    """Rewards of the responses, and every vote behind them.

    Three things can come of it, and none has to be told from a None: `best` is the winner, or
    `is_tie`, or not `is_scored`. `raise_if_unscored` makes the last one an exception.
    """

    rewards: tuple[Finite, ...] | None
    """One per response in the caller's order, higher is better; None if too few valid votes, or
    if no vote scores some response.

    What they are is up to the judge's aggregator, `Sum` by default: mean score times the votes
    asked for. Votes that were lost do not lower them."""
    scores: tuple[Finite, ...] | None = None
    """The mean score of each response on the judge's own scale (1 to 10 for the `grm` dialect),
    for thresholds: over the votes that the aggregator's selectors keep, with their weights.
    `PerJudge`, and so a cascade, averages each judge's votes first, then the judges.

    The same for every reducer: with `Sum` they are the rewards over k, with `Softmax`, `Borda`
    or `Majority` the scores behind the shares, ranks or wins.

    None if unscored, and where the votes have no scale in common: panels and debates standardise
    their members' rewards, unless `scale="none"` or a single response leaves them as they are;
    then, and in a cascade, the judges' scales must be known and equal. A single judge whose
    scale has no ends (a scalar reward model) has scores."""
    best: Count | None
    """The response with strictly the highest reward; None if unscored or tied on top."""
    ranking: tuple[Count, ...] | None
    """Response indices, best first. Equal rewards stand in an order drawn from the judge's seed
    (the paper breaks ties by a shuffle, section 2); `ties` says which."""
    ties: tuple[tuple[Count, ...], ...] = ()
    """Groups of two or more responses with equal rewards, best group first."""
    confidence: Annotated[Finite, Field(ge=0, le=1)] | None = None
    """Estimated probability that `ranking[0]` would stay best with unlimited votes, from
    resampling the votes; of a judge with a `calibration` the probability that it is right. None
    for one response, for fewer than 2 valid votes, or unscored."""
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
        if self.scores is not None and len(self.scores) != len(self.rewards or ()):
            raise ValueError("a verdict has as many scores as rewards, or none")
        return self

    @property
    def is_scored(self) -> bool:
        """Whether there are rewards. If not, `failures` says why."""
        return self.rewards is not None

    @property
    def is_tie(self) -> bool:
        """Whether several responses share the highest reward; `ties[0]` says which."""
        return self.is_scored and self.best is None

    def raise_if_unscored(self) -> Self:
        """This verdict, if it has rewards.

        Raises:
            UnscoredError: it has none.
        """
        if not self.is_scored:
            raise UnscoredError(self)
        return self

    def _repr_html_(self) -> str:
        """How notebooks show it."""
        from deemster.schemas.verdict_html import verdict_html  # noqa: PLC0415 - for notebooks

        return verdict_html(self)

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
        """The votes that have no scores, in draw order, each with its status and message.

        A verdict may be scored and have failures: it then rests on fewer votes.
        """
        return tuple(vote for vote in self.votes if isinstance(vote, Failure))


class UnscoredError(DeemsterError):
    """A verdict has no rewards. The text says how many votes are valid and why the others failed.

    Attributes:
        verdict: the verdict, with all its votes.
        failures: its failed votes. None of them failed where a cascade left the sample unanswered,
            or where the votes together leave out a response.
    """

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.failures = verdict.failures
        reasons = Counter(f"{one.status}: {one.message}" for one in self.failures)
        why = "".join(
            f"; {reason}" + (f" ({times} votes)" if times > 1 else "")
            for reason, times in reasons.most_common(_REASONS)
        )
        more = len(reasons) - _REASONS
        super().__init__(
            f"judge {verdict.judge.name!r} gave no rewards: {verdict.n_valid} of {verdict.k} votes "
            f"are valid{why}" + (f"; and {more} other reasons" if more > 0 else "")
        )

    def __reduce__(self) -> tuple[type[UnscoredError], tuple[Verdict]]:
        return type(self), (self.verdict,)
