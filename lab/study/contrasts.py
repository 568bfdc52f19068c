"""Differences besides the claims: voting variants, ablations, baselines, the paper's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.study.claims import DIFFERENCES
from lab.study.files import COOL, MAIN
from lab.study.measure import Gap, Key, Measurements
from lab.study.records import MEAN, Contrast, Shape
from lab.study.stopping import rules
from lab.study.voting import AGGREGATED_AT, AGGREGATORS, DEFAULT_META, KS, META, PLAIN

MOST = 32
"""The largest number of votes that figures are compared at."""
_COMPARED = ("greedy", "vote@1", "vote@8", f"vote@{MOST}")
_ABLATION = re.compile(rf"(?:(?P<reference>{'|'.join(MAIN)})-)?(?P<part>no-.+)")
_PAPER_ABLATIONS: Mapping[tuple[str, str], float] = {
    ("grpo", "no-principles"): 67.5 - 69.9,
    ("grpo", "no-rejection"): 68.7 - 69.9,
    ("rft", "no-hints"): 68.0 - 68.8,
    ("rft", "no-rejection"): 66.1 - 68.8,
    ("rft", "no-instruction"): 63.3 - 68.8,
}
"""Points, greedy (the paper's Table 4): against SPCT, and against RFT alone."""


@dataclass(frozen=True)
class PaperShape:
    """A difference between two figures of the paper (27B, overall), in points."""

    text: str
    high: float
    low: float
    gap: Gap


def _shape(text: str, high: float, low: float, *keys: str) -> PaperShape:
    model, rule, than_model, than_rule = keys
    return PaperShape(text, high, low, Gap(Key(model, rule), Key(than_model, than_rule)))


PAPER = (
    _shape("SPCT − RFT, greedy", 69.9, 68.8, "grpo", "greedy", "rft", "greedy"),
    _shape("SPCT − RFT, vote@8", 70.6, 69.3, "grpo", "vote@8", "rft", "vote@8"),
    _shape("RFT: vote@8 − vote@1", 69.3, 67.8, "rft", "vote@8", "rft", "vote@1"),
    _shape("SPCT: vote@1 − greedy", 67.9, 69.9, "grpo", "vote@1", "grpo", "greedy"),
    _shape("SPCT: vote@8 − vote@1", 70.6, 67.9, "grpo", "vote@8", "grpo", "vote@1"),
    _shape("SPCT: vote@32 − vote@8", 71.0, 70.6, "grpo", "vote@32", "grpo", "vote@8"),
    _shape("SPCT: vote@32 − greedy", 71.0, 69.9, "grpo", "vote@32", "grpo", "greedy"),
    _shape("SPCT: meta@8 − vote@8", 72.0, 70.6, "grpo", "half@8", "grpo", "vote@8"),
    _shape("SPCT: meta@32 − vote@32", 72.8, 71.0, "grpo", "half@32", "grpo", "vote@32"),
    _shape("k_meta = 1 − plain, k = 32", 71.5, 71.0, "grpo", "top1@32", "grpo", "vote@32"),
    _shape("k_meta = k/4 − plain, k = 32", 72.7, 71.0, "grpo", "quarter@32", "grpo", "vote@32"),
    _shape("k_meta = k/2 − k/4, k = 32", 72.8, 72.7, "grpo", "half@32", "grpo", "quarter@32"),
    _shape("SPCT − LLM judge, greedy", 69.9, 67.8, "grpo", "greedy", "llm-judge", "greedy"),
    _shape("LLM judge: vote@8 − vote@1", 67.6, 67.0, "llm-judge", "vote@8", "llm-judge", "vote@1"),
    _shape("SPCT − CLoud, greedy", 69.9, 68.7, "grpo", "greedy", "cloud", "greedy"),
    _shape("CLoud: vote@8 − vote@1", 68.8, 68.5, "cloud", "vote@8", "cloud", "vote@1"),
)  # fmt: skip


def wanted(keys: Sequence[Key]) -> Iterator[Gap]:
    """Every difference to compute: those whose two figures are among `keys`."""
    known = set(keys)
    every = (
        *(claim.gap for claim in DIFFERENCES),
        *(shape.gap for shape in PAPER),
        *_stops(),
        *guided(keys),
        *aggregated(),
        *cooled(),
        *ablations(keys),
        *baselines(keys),
    )
    return (gap for gap in dict.fromkeys(every) if known >= {gap.high, gap.low})


def _stops() -> Iterator[Gap]:
    for model in MAIN:
        for rule in rules(spread=1):  # their names do not say it
            yield Gap(Key(model, rule), Key(model, f"{PLAIN}@{MOST}"))


def guided(keys: Sequence[Key]) -> Iterator[Gap]:
    """Meta-guided variants compared with plain voting on the same votes."""
    for model in _models(keys):
        for name in META:
            for k in KS[1:]:
                yield Gap(Key(model, f"{name}@{k}"), Key(model, f"{PLAIN}@{k}"))


def aggregated() -> Iterator[Gap]:
    """Other aggregators against the sum."""
    for model in MAIN:
        for name in AGGREGATORS:
            for k in AGGREGATED_AT:
                yield Gap(Key(model, f"{name}@{k}"), Key(model, f"{PLAIN}@{k}"))


def cooled() -> Iterator[Gap]:
    """Trained models against the base at a lower temperature."""
    for model in MAIN[1:]:
        for rule in _COMPARED[1:]:
            yield Gap(Key(model, rule), Key(COOL, rule))


def ablations(keys: Sequence[Key]) -> Iterator[Gap]:
    """A model without one part against the model with it.

    `rft-no-hints` is compared with `rft`; a name that says nothing (`no-kl`) with `grpo`.
    """
    for model in _models(keys):
        for rule in (*_COMPARED, f"{DEFAULT_META}@{MOST}"):
            name = _ABLATION.fullmatch(model)
            if name is not None:
                yield Gap(Key(model, rule), Key(name["reference"] or MAIN[-1], rule))


def baselines(keys: Sequence[Key]) -> Iterator[Gap]:
    """GRPO against everything else: by one judgment, by as many votes, by most votes."""
    known = set(keys)
    for model in _models(keys):
        if model in MAIN or model == COOL or _ABLATION.fullmatch(model):
            continue
        one = next(
            (rule for rule in ("greedy", f"{PLAIN}@1") if Key(model, rule) in known), "greedy"
        )
        yield Gap(Key(MAIN[-1], "greedy"), Key(model, one))
        most = max((k for k in KS if Key(model, f"{PLAIN}@{k}") in known), default=1)
        if most > 1:
            yield Gap(Key(MAIN[-1], f"{PLAIN}@{most}"), Key(model, f"{PLAIN}@{most}"))
        yield Gap(Key(MAIN[-1], f"{PLAIN}@{MOST}"), Key(model, f"{PLAIN}@{most}"))


def shapes(found: Measurements) -> tuple[Shape, ...]:
    """The paper's differences beside ours, those that were measured."""
    return tuple(
        Shape(text=one.text, paper=round(one.high - one.low, 6), ours=found.get(one.gap)[MEAN])
        for one in PAPER
        if MEAN in found.get(one.gap)
    )


def contrasts(found: Measurements, gaps: Iterator[Gap]) -> tuple[Contrast, ...]:
    """The differences that were measured, as records."""
    return tuple(
        Contrast(
            model=high.model,
            rule=high.rule,
            than_model=low.model,
            than_rule=low.rule,
            measured=found.get(Gap(high, low)),
            paper=_paper_ablation(high, low),
        )
        for high, low in gaps
        if found.get(Gap(high, low))
    )


def _paper_ablation(high: Key, low: Key) -> float | None:
    name = _ABLATION.fullmatch(high.model)
    if name is None or high.rule != "greedy":
        return None
    points = _PAPER_ABLATIONS.get((low.model, name["part"]))
    return None if points is None else round(points, 6)


def _models(keys: Sequence[Key]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key.model for key in keys))
