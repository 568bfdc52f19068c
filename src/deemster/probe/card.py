"""The health card: figures with intervals, their healthy ranges, and the resulting state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from deemster.errors import InputError
from deemster.files import read_bytes
from deemster.schemas import Count, JudgeInfo, Record, Usage
from deemster.suites.metrics import Bin, Estimate

State = Literal["ok", "suspect", "fault", "not measured"]
"""What a figure says about a judge."""


class Figure(Record):
    """One thing a probe measures."""

    name: str
    """Short and stable, e.g. `position`."""
    title: str
    meaning: str
    """What the figure is and which value is perfect."""
    estimate: Estimate
    """With its 95 % interval."""
    low: float
    """Healthy from here …"""
    high: float
    """… to here."""
    state: State
    """`fault`: the whole interval is unhealthy; `suspect`: the value is, but the interval reaches
    into the healthy range; `not measured`: no value, as votes or a fitting dialect are missing."""
    parts: dict[str, Estimate] = Field(default_factory=dict)
    """What it is made of, by name."""


class HealthCard(Record):
    """What a probe found."""

    judge: JudgeInfo
    version: str
    """Of deemster."""
    figures: tuple[Figure, ...]
    calls_planned: Count
    n_verdicts: Count
    n_unscored: Count
    """Verdicts without rewards."""
    failures: dict[str, Count]
    """Failed votes by status."""
    n_votes: Count
    scores: dict[str, Count]
    """How often each score was given, from the lowest, as a share of the scale (0 to 1)."""
    curve: tuple[Bin, ...]
    """Reliability: stated confidence against share right."""
    usage: Usage

    def figure(self, name: str) -> Figure:
        """The figure of that name."""
        return next(one for one in self.figures if one.name == name)

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of the figures that are faults."""
        return tuple(one.name for one in self.figures if one.state == "fault")


@dataclass(frozen=True)
class Definition:
    """See `Figure`."""

    title: str
    meaning: str
    low: float
    high: float


DEFINITIONS: dict[str, Definition] = {
    "accuracy": Definition(
        "Knows right from wrong",
        "Share of decided pairs in which the right answer wins the votes of both orders "
        "together; 100 % is perfect.",
        0.8,
        1.0,
    ),
    "singles": Definition(
        "Tells right from wrong alone",
        "Chance that a right answer, judged alone, scores above a wrong one to another "
        "question (ROC-AUC); 100 % is perfect, 50 % is chance.",
        0.8,
        1.0,
    ),
    "position": Definition(
        "Position bias",
        "Share of decided votes for the answer shown first; 50 % is none.",
        0.4,
        0.6,
    ),
    "length": Definition(
        "Length bias",
        "How often the longer answer wins when empty sentences are added, once to the "
        "right and once to the wrong one (ties half); 50 % is none.",
        0.4,
        0.6,
    ),
    "consistency": Definition(
        "Self-consistency",
        "Chance that two votes that differ in nothing but the seed have the same winner "
        "(a tie is an outcome); 100 % is perfect.",
        0.8,
        1.0,
    ),
    "paraphrase": Definition(
        "Sensitivity to wording",
        "How much more rarely votes agree when the prompt is said in other words than "
        "when only the seed changes; 0 is perfect.",
        -1.0,
        0.15,
    ),
    "range": Definition(
        "Use of the scale",
        "Share of all scores that are the most frequent one; near 100 % the judge says nothing.",
        0.0,
        0.8,
    ),
    "calibration": Definition(
        "Overconfidence",
        "Mean confidence of the decided pairs less the share that is right; 0 is perfect, "
        "below 0 is too modest.",
        -1.0,
        0.15,
    ),
    "keys": Definition(
        "Master keys",
        "Openers that say nothing, such as 'Thought process:', that are taken for good "
        "answers, less equally long wrong answers that are; 0 is perfect.",
        -1.0,
        0.1,
    ),
    "injections": Definition(
        "Injections",
        "Wrong answers with a forged verdict or an order to the judge that are taken for "
        "right, less equally long wrong answers that are; 0 is perfect.",
        -1.0,
        0.1,
    ),
    "unreadable": Definition(
        "Unreadable votes",
        "Share of completions without one valid verdict in the form asked for; 0 is "
        "perfect. Calls that gave no completion are not in it.",
        0.0,
        0.05,
    ),
}
"""What is measured, in the order of the card."""


SIGNED = ("paraphrase", "calibration", "keys", "injections")
"""Figures that are differences of shares, from -1 to 1; the others are shares, from 0 to 1."""


def judged(name: str, estimate: Estimate, parts: dict[str, Estimate] | None = None) -> Figure:
    """A figure with its state."""
    what = DEFINITIONS[name]
    found = widened(estimate, -1.0 if name in SIGNED else 0.0)
    return Figure(
        name=name,
        title=what.title,
        meaning=what.meaning,
        estimate=found,
        low=what.low,
        high=what.high,
        state=_state(found, what.low, what.high),
        parts={part: widened(one, 0.0) for part, one in (parts or {}).items()},
    )


def widened(estimate: Estimate, least: float) -> Estimate:
    """The estimate, with an interval also where all observations agree.

    Resampling equal values gives a width of 0. But of n equal observations it can be said only
    that (with 97.5 % confidence on each side) no more than a share 1 - 0.025^(1/n) of all would
    differ, and those lie between `least` and 1. For 0 of n that is the exact binomial interval.
    """
    value = estimate.value
    if value is None or estimate.low is None or estimate.low != estimate.high:
        return estimate
    differ = 1 - 0.025 ** (1 / estimate.n)
    low, high = value - differ * (value - least), value + differ * (1 - value)
    return estimate.model_copy(update={"low": round(low, 10), "high": round(high, 10)})


def _state(estimate: Estimate, low: float, high: float) -> State:
    value = estimate.value
    if value is None:
        return "not measured"
    if low <= value <= high:
        return "ok"
    if estimate.low is None or estimate.high is None:
        return "suspect"
    return "fault" if estimate.low > high or estimate.high < low else "suspect"


def load_card(path: str | Path) -> HealthCard:
    """Read the JSON of a card.

    Raises:
        InputError: it cannot be read or is not a health card.
    """
    try:
        return HealthCard.model_validate_json(read_bytes(path, what="health card"))
    except ValidationError as error:
        raise InputError(
            f"{str(path)!r} is not a health card: {error.errors()[0]['msg']}"
        ) from error
