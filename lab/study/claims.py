"""The claims of the study, written down before it was run, and the findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from lab.study.files import HELD_OUT, MAIN, SPLITS
from lab.study.measure import Gap, Key, Measurements
from lab.study.records import MEAN, MODEL_NAMES, SPLIT_NAMES, Claim, Verdict
from lab.study.stopping import CLAIMED_STOP, fitted
from lab.study.table import Figure
from lab.study.voting import DEFAULT_META

MARGIN = 0.01
"""How far below 0 an interval may reach for a difference to be "not below"."""
MOST_FAILURES = 0.01
FEWER, EQUAL = 5.0, 0.003
"""Adaptive stopping: how many times fewer votes, at an accuracy that differs by less than this."""
LEVELS: Mapping[str, float] = {"fresh": 0.95, "numbers": 0.92, "words": 0.85, "templates": 0.88}
"""Accuracy asked of GRPO with 32 votes."""


@dataclass(frozen=True)
class Difference:
    """A claim that one figure is above another, or not below it."""

    text: str
    gap: Gap
    apart: bool = False
    """Whether the two figures' own intervals must not overlap."""
    not_below: bool = False


def _right(model: str, rule: str) -> Key:
    return Key(model, rule)


def _differences() -> Iterator[Difference]:
    base, rft, grpo = MAIN
    yield Difference("GRPO above base, greedy", Gap(_right(grpo, "greedy"), _right(base, "greedy")))
    yield Difference(
        "RFT above base, k = 1", Gap(_right(rft, "vote@1"), _right(base, "vote@1")), apart=True
    )
    yield Difference(
        "GRPO above RFT, k = 1", Gap(_right(grpo, "vote@1"), _right(rft, "vote@1")), apart=True
    )
    for text, high, low in (
        ("GRPO: vote@32 above greedy", "vote@32", "greedy"),
        ("GRPO: vote@32 above k = 1", "vote@32", "vote@1"),
        ("GRPO: vote@8 above vote@1", "vote@8", "vote@1"),
        ("GRPO: vote@32 above vote@8", "vote@32", "vote@8"),
    ):
        yield Difference(text, Gap(_right(grpo, high), _right(grpo, low)))
    for model, name in ((base, "base"), (rft, "RFT"), (grpo, "GRPO")):
        for k in (8, 32):
            gap = Gap(_right(model, f"{DEFAULT_META}@{k}"), _right(model, f"vote@{k}"))
            asked = "not below" if model == grpo else "above"
            text = f"{name}, k = {k}: meta-guided {asked} plain"
            yield Difference(text, gap, not_below=model == grpo)


DIFFERENCES = tuple(_differences())


def all_claims(found: Measurements) -> tuple[Claim, ...]:
    """Every claim with its verdict, also those that were not measured."""
    return (
        *(_difference(one, found) for one in DIFFERENCES),
        *(_level(split, least, found) for split, least in LEVELS.items()),
        _failures(found),
        _stopping(found),
    )


def verdict_of(
    measured: Mapping[str, Figure],
    splits: Iterable[str],
    holds: Callable[[str], bool],
    fails: Callable[[str], bool],
) -> Verdict:
    """The verdict over splits and their mean.

    `shown` if it holds in every split and on average, `shown on average` if only in the mean,
    `reversed` if the mean shows the opposite.
    """
    needed = (*splits, MEAN)
    if any(split not in measured for split in needed):
        return "not measured"
    if fails(MEAN):
        return "reversed"
    if all(holds(split) for split in needed):
        return "shown"
    return "shown on average" if holds(MEAN) else "not shown"


def _difference(claim: Difference, found: Measurements) -> Claim:
    measured = found.get(claim.gap)
    highs, lows = found.get(claim.gap.high), found.get(claim.gap.low)

    def holds(split: str) -> bool:
        low = _low(measured[split])
        if claim.not_below:
            return low > -MARGIN
        return low > 0 and not (claim.apart and _low(highs[split]) <= _high(lows[split]))

    asked = f"> -{MARGIN:g}" if claim.not_below else "> 0"
    return Claim(
        text=claim.text,
        kind="difference",
        asked=f"{asked}, the two intervals apart" if claim.apart else asked,
        measured=measured,
        verdict=verdict_of(measured, HELD_OUT, holds, lambda split: _high(measured[split]) < 0),
    )


def _level(split: str, least: float, found: Measurements) -> Claim:
    measured = {
        name: figure
        for name, figure in found.get(_right("grpo", "vote@32")).items()
        if name == split
    }
    verdict: Verdict = "not measured"
    if measured:
        verdict = "shown" if (measured[split].value or 0.0) >= least else "not shown"
    return Claim(
        text=f"GRPO vote@32, {SPLIT_NAMES[split]}",
        kind="level",
        asked=f">= {least:g}",
        measured=measured,
        verdict=verdict,
    )


def _failures(found: Measurements) -> Claim:
    """The worst split of the worst model."""
    rates = [
        (figure.value, model, split, figure)
        for model in MAIN
        for split, figure in found.get(Key(model, "sampled", "failed")).items()
        if split in SPLITS and figure.value is not None
    ]
    text = "parse failures, worst model and split"
    asked = f"< {MOST_FAILURES:g}"
    if len(rates) < len(MAIN) * len(SPLITS):
        return Claim(text=text, kind="failures", asked=asked, measured={}, verdict="not measured")
    value, model, split, figure = max(rates, key=lambda rate: rate[0])
    return Claim(
        text=f"{text} ({MODEL_NAMES[model]}, {SPLIT_NAMES[split]})",
        kind="failures",
        asked=asked,
        measured={split: figure},
        verdict="shown" if value < MOST_FAILURES else "not shown",
    )


def _stopping(found: Measurements) -> Claim:
    rule = fitted(CLAIMED_STOP)
    used = found.get(Key("grpo", rule, "votes")).get(MEAN)
    change = found.get(Gap(_right("grpo", rule), _right("grpo", "vote@32"))).get(MEAN)
    text = f"GRPO, {rule} of 32 votes: {FEWER:g} times fewer at equal accuracy"
    asked = f"<= {32 / FEWER:g} votes and |change| <= {EQUAL:g}"
    if used is None or change is None or used.value is None or change.value is None:
        return Claim(text=text, kind="saving", asked=asked, measured={}, verdict="not measured")
    shown = used.value <= 32 / FEWER and abs(change.value) <= EQUAL
    return Claim(
        text=f"{text} (drew {used.value:.1f})",
        kind="saving",
        asked=asked,
        measured={MEAN: change},
        verdict="shown" if shown else "not shown",
    )


def _low(figure: Figure) -> float:
    return float("-inf") if figure.low is None else figure.low


def _high(figure: Figure) -> float:
    return float("inf") if figure.high is None else figure.high
