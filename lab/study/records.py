"""What the study found: the record behind `study.json` and the page."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from deemster.schemas import Count, Record
from deemster.suites.metrics.estimate import Estimate
from lab.study.files import COOL
from lab.study.table import Figure

MEAN = "held-out"
"""Among the splits: the mean of new numbers, new words and new templates."""

SPLIT_NAMES = {
    "fresh": "in distribution",
    "numbers": "new numbers",
    "words": "new words",
    "templates": "new templates",
    MEAN: "mean of the three new",
}
MODEL_NAMES = {
    "base": "base",
    "rft": "RFT",
    "grpo": "GRPO",
    COOL: "base, cooled",
    "llm-judge": "LLM-as-a-judge",
    "llm-judge-tokenprob": "LLM-as-a-judge, token probability",
    "bt": "Bradley-Terry",
    "pair-rm": "PairRM",
    "cloud": "CLoud",
}

Verdict = Literal["shown", "shown on average", "not shown", "reversed", "not measured"]


class Score(Record):
    """How often a rule finds the strictly best response."""

    accuracy: Figure
    """Ties and unscored items are wrong."""
    lot: float
    """The same with ties broken at random, in expectation: a two-way tie counts half."""
    ties: float
    """Share tied on top."""
    unscored: float
    """Share in which some response has no score."""


class Saving(Record):
    """What a stopping rule saves, and what it costs."""

    votes: Figure
    """Votes drawn per item."""
    accuracy: Figure
    change: Figure
    """Its accuracy minus that of all votes, paired."""


class MetaRM(Record):
    """ROC-AUC of meta rewards against whether the judgment is right."""

    overall: Estimate
    """Over all judgments."""
    within: Figure
    """Mean over the items that have right and wrong judgments of the item's own AUC."""


class Claim(Record):
    """A claim of the study, and what was measured."""

    text: str
    kind: Literal["difference", "level", "failures", "saving"]
    asked: str
    measured: dict[str, Figure]
    """By split; differences of accuracy, except of kind `level` and `failures`."""
    verdict: Verdict


class Shape(Record):
    """A difference that the paper reports, beside ours."""

    text: str
    paper: float
    """Points of accuracy."""
    ours: Figure
    """As a share: the mean of the held-out splits."""


class Contrast(Record):
    """Accuracy of one model and rule minus that of another, on the same items."""

    model: str
    rule: str
    than_model: str
    than_rule: str
    measured: dict[str, Figure]
    """By split."""
    paper: float | None = None
    """The paper's figure in points, where it has one."""


class Setting(Record):
    """What was measured, and how intervals were drawn."""

    items: dict[str, Count]
    """Different items with 2 or more responses, by split."""
    seeds: dict[str, tuple[int, ...]]
    """By model."""
    votes: dict[str, Count]
    """Sampled per item, by model; rewards per item of a scalar baseline."""
    temperature: dict[str, float]
    """Of the sampled votes, by model, where known."""
    scalar: tuple[str, ...]
    """Models that give rewards without judgments."""
    resamples: Count
    level: float
    seed: int


BySplit = dict[str, dict[str, Score]]


class Study(Record):
    """All figures. Models, splits and rules are keys; what was not measured is absent."""

    setting: Setting
    claims: tuple[Claim, ...]
    paper: tuple[Shape, ...]
    accuracy: dict[str, BySplit]
    """By model, split, rule (`greedy`, `vote@8`, `half@8`: meta-guided with k_meta = k/2)."""
    failures: dict[str, dict[str, Figure]]
    """Share of judgments that do not parse: by model, split."""
    domains: dict[str, dict[str, dict[str, dict[str, Figure]]]]
    """Accuracy by model, split, domain, rule."""
    stopping: dict[str, dict[str, dict[str, Saving]]]
    """By model, split, stopping rule."""
    spreads: dict[str, float]
    """By model: the fitted spread of its scores, in points of the scale."""
    meta_rm: dict[str, dict[str, MetaRM]]
    """By model, split."""
    guided: tuple[Contrast, ...]
    """Meta-guided minus plain voting."""
    aggregators: tuple[Contrast, ...]
    """Other aggregators minus the sum."""
    cooled: tuple[Contrast, ...]
    """Trained models minus the base sampled at a lower temperature."""
    ablations: tuple[Contrast, ...]
    """A model trained without one part, minus the model with it."""
    baselines: tuple[Contrast, ...]
    """GRPO minus a baseline."""
    training: dict[str, JsonValue]
    """The training's own figures."""
