"""What was measured of one judge against human labels, and its confidence made to mean "right".

Made by `deemster calibrate` on a stored run. It holds for that judge alone: another model, prompt,
sampling or number of votes is another judge, and the file is refused for it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from deemster.aggregators import Ballot, Softmax, Sum, confidence, parse_aggregator
from deemster.aggregators.base import Floats
from deemster.errors import CalibrationError
from deemster.judges.checked_json import Fitted
from deemster.schemas import Count, Finite, JudgeInfo, Record, Verdict

FEATURES = ("confidence", "margin", "gap", "agreement", "length", "votes")
"""What the chance of being right is read from, all about the leader, `ranking[0]`: log-odds of the
share of resampled votes that it wins; its lead in `Softmax` rewards; logarithm of 1 + its lead in
mean scores; share of the votes that it wins outright; logarithm of its length over the mean length
of the others; logarithm of the number of valid votes."""
_FREE = ("name", "seed", "sent", "calibration", "from_file")
"""What may differ between the judge that was calibrated and the one that is used."""
_CLIP = 1 / 1026
"""Shares of 512 resamples are kept this far from 0 and 1, so that their log-odds are finite."""

Figure = tuple[Finite | None, Finite | None, Finite | None]
"""A value and the ends of its 95 % interval."""


class ChanceMap(Record):
    """How `FEATURES` become the chance that the leader is the labelled best."""

    method: Literal["logistic", "isotonic"]
    features: Annotated[tuple[str, ...], Field(min_length=1)]
    """Those that are used: one for `isotonic`."""
    weights: tuple[Finite, ...] = ()
    """With `logistic`: of the features, in log-odds."""
    intercept: Finite = 0.0
    knots: tuple[tuple[Finite, Finite], ...] = ()
    """With `isotonic`: feature and chance, rising; linear in between."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        unknown = sorted(set(self.features) - set(FEATURES))
        if unknown:
            raise ValueError(f"unknown feature {unknown[0]!r}; known: {', '.join(FEATURES)}")
        if self.method == "logistic" and len(self.weights) != len(self.features):
            raise ValueError(f"{len(self.weights)} weights for {len(self.features)} features")
        if self.method == "isotonic" and not (self.knots and len(self.features) == 1):
            raise ValueError("an isotonic calibration needs one feature and knots")
        return self

    def chance(self, values: Floats) -> Floats:
        """(...) chances.

        Args:
            values: (..., F) `FEATURES`; NaN where a used one is missing gives NaN.
        """
        x = pick(values, self.features)
        if self.method == "logistic":
            logits = np.clip(x @ np.array(self.weights) + self.intercept, -40, 40)
            found: Floats = 1 / (1 + np.exp(-logits))
            return found
        at, level = np.array(self.knots).T
        return np.where(np.isnan(x[..., 0]), np.nan, np.interp(x[..., 0], at, level))


class Calibrator(Fitted):
    """A judge's measured agreement with labels, and how its votes become a chance of being right.

    `Judge(..., calibration=FILE)` reads it; then `Verdict.confidence` is the chance that
    `ranking[0]` is the labelled best.
    """

    format: Literal["deemster-calibration-1"] = "deemster-calibration-1"
    judge: JudgeInfo
    """Whom it holds for."""
    fingerprint: str
    """`judge_identity` of `judge`."""
    n: Count
    """Labelled items that the judge scored."""
    raters: Count
    figures: dict[str, Figure] = Field(default_factory=dict)
    """What was measured, cross-fitted where something was fitted: `agreement`, `kappa`, `ac` of
    the judge with the raters, `ece`, `brier`, `log_loss` of the calibrated confidence."""
    chances: ChanceMap | None = None
    """None leaves confidence as it is."""
    why_none: str = ""
    """Why no confidence could be fitted."""

    @model_validator(mode="after")
    def _is_of_its_judge(self) -> Self:
        if self.fingerprint != judge_identity(self.judge):
            raise ValueError("its fingerprint is not that of its judge; calibrate again")
        return self

    @property
    def digest(self) -> str:
        """16 hex digits over all of it: what `JudgeInfo.calibration` records."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def check(self, info: JudgeInfo) -> None:
        """Raise `CalibrationError` unless it was made for this judge."""
        changed = list(differences(self.judge, info))
        if changed:
            raise CalibrationError(
                f"the calibration is of another judge: {'; '.join(changed)}; calibrate this one: "
                "deemster calibrate RUN --labels FILE"
            )

    def apply(self, verdict: Verdict, lengths: Sequence[int] = ()) -> Verdict:
        """The verdict with its confidence calibrated; None where a feature is missing.

        Args:
            verdict: of this judge.
            lengths: characters of each response; none leaves the length out of account.
        """
        if self.chances is None or verdict.rewards is None or len(verdict.rewards) < 2:
            return verdict
        chance = float(self.chances.chance(verdict_features(verdict, lengths)))
        return verdict.model_copy(
            update={"confidence": None if math.isnan(chance) else min(max(chance, 0.0), 1.0)}
        )


def judge_identity(info: JudgeInfo) -> str:
    """16 hex digits over what decides a judge's verdicts, its name and seed left out."""
    text = json.dumps(_identity(info), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(old: JudgeInfo, new: JudgeInfo) -> Iterator[str]:
    """What differs between two judges beside their names and seeds, in words."""
    before, after = _identity(old), _identity(new)
    for key in before:
        was, now = before[key], after[key]
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            for part in was | now:
                if was.get(part) != now.get(part):
                    yield f"{key}.{part} was {was.get(part)!r}, is {now.get(part)!r}"
        else:
            yield f"{key} was {was!r:.80}, is {now!r:.80}"


def _identity(info: JudgeInfo) -> dict[str, Any]:
    found = info.model_dump(mode="json", exclude=set(_FREE))
    found["members"] = [_identity(member) for member in info.members]
    return found


def verdict_features(verdict: Verdict, lengths: Sequence[int] = ()) -> Floats:
    """(F,) `FEATURES` of a verdict about 2 or more responses; NaN where one is missing.

    They are computed from the votes: what the verdict gives as its confidence does not matter.

    Args:
        verdict: with its votes.
        lengths: characters of each response; without texts there is no length.
    """
    missing = np.full(len(FEATURES), np.nan)
    if verdict.rewards is None or verdict.ranking is None or len(verdict.rewards) < 2:
        return missing
    leader = verdict.ranking[0]
    ballot = Ballot.from_votes(verdict.votes, n=len(verdict.rewards))
    spec = verdict.judge.aggregator
    reducer = parse_aggregator(spec) if spec else Sum()
    sure = confidence(reducer, ballot, leader, seed=verdict.judge.seed)
    shares = Softmax().reduce(ballot)
    lead = _lead(ballot.mean, leader)
    counted = np.where(np.isnan(ballot.scores), -np.inf, ballot.scores)[ballot.weights > 0]
    wins = counted[:, leader] > np.delete(counted, leader, axis=1).max(axis=1)
    found = {
        "confidence": np.nan if sure is None else _log_odds(sure),
        "margin": _lead(shares, leader),
        "gap": math.copysign(math.log1p(abs(lead)), lead),
        "agreement": float(wins.mean()) if len(wins) else np.nan,
        "length": _relative_length(lengths, leader),
        "votes": math.log(max(verdict.n_valid, 1)),
    }
    return np.array([found[name] for name in FEATURES])


def pick(values: Floats, features: Sequence[str]) -> Floats:
    """(..., F') the named ones of (..., F) `FEATURES`."""
    return values[..., [FEATURES.index(name) for name in features]]


def _lead(values: Floats, leader: int) -> float:
    return float(values[leader] - np.delete(values, leader).max())


def _log_odds(share: float) -> float:
    share = min(max(share, _CLIP), 1 - _CLIP)
    return math.log(share / (1 - share))


def _relative_length(lengths: Sequence[int], leader: int) -> float:
    if not any(lengths):
        return math.nan
    others = [length for place, length in enumerate(lengths) if place != leader]
    return math.log((lengths[leader] + 1) / (sum(others) / len(others) + 1))
