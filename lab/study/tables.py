"""The tables of the page; accuracies in per cent, differences in points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deemster.suites.metrics.estimate import Estimate
from lab.study.contrasts import MOST
from lab.study.files import COOL, HELD_OUT, MAIN, SPLITS
from lab.study.markdown import NONE, bare, points, share, table
from lab.study.records import MEAN, MODEL_NAMES, SPLIT_NAMES, Claim, Contrast, Study
from lab.study.voting import AGGREGATED_AT, AGGREGATORS, DEFAULT_META, KS, META, PLAIN

_META_NAMES = {
    "top1": "k_meta = 1",
    "quarter": "k_meta = k/4",
    DEFAULT_META: "k_meta = k/2",
    "linear": "weighted",
    "logit": "weighted, log-odds",
}
_PAPER_ROWS: tuple[tuple[str, str, str, tuple[float | None, ...]], ...] = (
    ("LLM-as-a-judge", "llm-judge", PLAIN, (67.8, 67.0, 67.6, None)),
    ("CLoud", "cloud", PLAIN, (68.7, 68.5, 68.8, None)),
    ("after RFT only", "rft", PLAIN, (68.8, 67.8, 69.3, None)),
    ("SPCT (RFT, then GRPO)", "grpo", PLAIN, (69.9, 67.9, 70.6, 71.0)),
    ("SPCT, meta-guided", "grpo", DEFAULT_META, (None, None, 72.0, 72.8)),
)
"""Overall accuracy of the paper's 27B judges: greedy, vote@1, vote@8, vote@32."""


def model_name(model: str, study: Study) -> str:
    """What a model is called on the page."""
    if model == COOL and COOL in study.setting.temperature:
        return f"base at T = {study.setting.temperature[COOL]:g}"
    return MODEL_NAMES.get(model, model)


def models(study: Study) -> tuple[str, ...]:
    """All models: the stages, the cooled base, then the others."""
    first = [model for model in (*MAIN, COOL) if model in study.accuracy]
    return (*first, *(model for model in sorted(study.accuracy) if model not in first))


def differences(claims: Sequence[Claim]) -> str:
    """The claims that are differences."""
    rows = []
    for claim in claims:
        if claim.kind != "difference":
            continue
        mean = claim.measured.get(MEAN)
        seeds = mean.by_seed.values() if mean is not None else ()
        rows.append(
            (
                claim.text,
                *(points(claim.measured.get(split)) for split in (*HELD_OUT, MEAN)),
                ", ".join(f"{100 * value:+.1f}" for value in seeds) or NONE,
                f"**{claim.verdict}**",
            )
        )
    head = ("claim", *(SPLIT_NAMES[split] for split in (*HELD_OUT, MEAN)), "each seed", "")
    return table(head, rows)


def levels(claims: Sequence[Claim]) -> str:
    """The claims that ask for a level."""
    rows = []
    for claim in claims:
        if claim.kind == "difference":
            continue
        show = points if claim.kind == "saving" else share
        measured = "; ".join(show(figure) for figure in claim.measured.values()) or NONE
        rows.append((claim.text, claim.asked, measured, f"**{claim.verdict}**"))
    return table(("claim", "asked", "measured", ""), rows)


def paper_levels(study: Study) -> str:
    """The paper's Table 2 and ours: `paper / ours`."""
    rows = []
    for name, model, rule, figures in _PAPER_ROWS:
        ours = study.accuracy.get(model, {}).get(MEAN, {})
        keys = ("greedy", *(f"{rule}@{k}" for k in (1, 8, MOST)))
        cells = []
        for key, figure in zip(keys, figures, strict=True):
            mine = ours.get(key) if figure is not None or rule == PLAIN else None
            value = None if mine is None else mine.accuracy.value
            cells.append(
                f"{NONE if figure is None else figure} / "
                f"{NONE if value is None else format(100 * value, '.1f')}"
            )
        rows.append((name, *cells))
    return table(("paper / here", "greedy", "vote@1", "vote@8", f"vote@{MOST}"), rows)


def paper_shapes(study: Study) -> str:
    """The paper's differences, and ours."""
    rows = []
    for shape in study.paper:
        ours = shape.ours
        alike = "open"
        if ours.low is not None and ours.high is not None and not ours.low <= 0 <= ours.high:
            alike = "yes" if (ours.low > 0) == (shape.paper > 0) else "no"
        rows.append((shape.text, f"{shape.paper:+.1f}", points(ours), alike))
    return table(("difference", "paper", "here", "same direction"), rows)


def accuracy(study: Study, split: str) -> str:
    """Greedy and plain voting by number of votes."""
    rules = ("greedy", *(f"{PLAIN}@{k}" for k in KS))
    rows = []
    for model in models(study):
        found = study.accuracy[model].get(split, {})
        if found:
            cells = (share(found[rule].accuracy) if rule in found else NONE for rule in rules)
            rows.append((model_name(model, study), *cells))
    return table(("", "greedy", *(f"k = {k}" for k in KS)), rows)


def guided(study: Study, split: str) -> str:
    """Meta-guided variants minus plain voting with the same votes, k = 8 and 32."""
    found = _lookup(study.guided, split)
    rows = []
    for model in models(study):
        for k in (8, MOST):
            cells = [points(found.get((model, f"{name}@{k}"))) for name in META]
            if set(cells) != {NONE}:
                rows.append((model_name(model, study), str(k), *cells))
    return table(("", "k", *(_META_NAMES[name] for name in META)), rows)


def ties(study: Study, split: str) -> str:
    """Share tied on top, and accuracy if ties are broken at random."""
    rules = ("greedy", f"{PLAIN}@1", f"{PLAIN}@8", f"{PLAIN}@{MOST}")
    rows = []
    for model in models(study):
        found = study.accuracy[model].get(split, {})
        cells = [
            f"{100 * found[rule].ties:.1f} / {100 * found[rule].lot:.1f}" if rule in found else NONE
            for rule in rules
        ]
        if found:
            rows.append((model_name(model, study), *cells))
    return table(("ties / accuracy", *rules), rows)


def failures(study: Study) -> str:
    """Share of judgments that do not parse."""
    rows = [
        (model_name(model, study), *(share(study.failures[model].get(split)) for split in SPLITS))
        for model in models(study)
        if model in study.failures
    ]
    return table(("", *(SPLIT_NAMES[split] for split in SPLITS)), rows)


def domain_table(study: Study, split: str) -> str:
    """Accuracy by domain for the three stages: k = 1 / greedy / vote@32."""
    rules = (f"{PLAIN}@1", "greedy", f"{PLAIN}@{MOST}")
    found = {model: study.domains.get(model, {}).get(split, {}) for model in MAIN}
    rows = []
    for domain in sorted({domain for by_domain in found.values() for domain in by_domain}):
        figures = [found[model].get(domain, {}) for model in MAIN]
        n = max((one.n for by_rule in figures for one in by_rule.values()), default=0)
        cells = (" / ".join(bare(by_rule.get(rule)) for rule in rules) for by_rule in figures)
        rows.append((domain, str(n), *cells))
    return table(("k = 1 / greedy / vote@32", "items", *(MODEL_NAMES[m] for m in MAIN)), rows)


def domain_splits(study: Study) -> str:
    """GRPO with 32 votes, by domain and split."""
    found = study.domains.get(MAIN[-1], {})
    rows = [
        (
            domain,
            *(
                share(found.get(split, {}).get(domain, {}).get(f"{PLAIN}@{MOST}"))
                for split in SPLITS
            ),
        )
        for domain in sorted({domain for by_domain in found.values() for domain in by_domain})
    ]
    return table(("GRPO, vote@32", *(SPLIT_NAMES[split] for split in SPLITS)), rows)


def stopping(study: Study, splits: Sequence[str]) -> str:
    """Votes drawn and the change of accuracy against all votes."""
    rows = []
    for model in (model for model in MAIN if model in study.stopping):
        found = study.stopping[model]
        for rule in next(iter(found.values())):
            cells: list[str] = []
            for split in splits:
                saving = found.get(split, {}).get(rule)
                used = None if saving is None else saving.votes.value
                change = None if saving is None else saving.change
                cells += [NONE if used is None else f"{used:.1f}", points(change)]
            rows.append((MODEL_NAMES[model], rule, *cells))
    head = [f"{what}, {SPLIT_NAMES[split]}" for split in splits for what in ("votes", "change")]
    return table(("", "rule", *head), rows)


def aggregators(study: Study, split: str) -> str:
    """Other aggregators minus the sum."""
    found = _lookup(study.aggregators, split)
    columns = [(model, k) for k in AGGREGATED_AT for model in MAIN]
    rows = []
    for name in AGGREGATORS:
        cells = [points(found.get((model, f"{name}@{k}"))) for model, k in columns]
        if set(cells) != {NONE}:
            rows.append((name, *cells))
    return table(("", *(f"{MODEL_NAMES[model]}, k = {k}" for model, k in columns)), rows)


def compared(contrasts: Sequence[Contrast], study: Study, split: str) -> str:
    """Differences between models under the same rule, and the paper's, if it reports them."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for one in contrasts:
        pair = (model_name(one.model, study), model_name(one.than_model, study))
        row = rows.setdefault(pair, {})
        row[one.rule] = points(one.measured.get(split))
        if one.paper is not None:
            row["paper, greedy"] = f"{one.paper:+.1f}"
    # the paper's column last
    rules = sorted({rule for row in rows.values() for rule in row}, key=_place)
    lines = (
        (f"{high} − {low}", *(row.get(rule, NONE) for rule in rules))
        for (high, low), row in rows.items()
    )
    return table(("", *rules), lines)


def _place(rule: str) -> tuple[bool, bool, int]:
    """Sorts rules: greedy, votes by number, meta-guided by number, the paper."""
    name, _, votes = rule.partition("@")
    return name.startswith("paper"), name not in ("greedy", PLAIN), int(votes or 0)


def baselines(study: Study, split: str) -> str:
    """Baselines with one judgment and with all votes, and GRPO minus these.

    A baseline without draws has no column of votes; GRPO's 32 are then compared with its one
    reward.
    """
    rows: dict[str, dict[str, str]] = {}
    for one in study.baselines:
        row = rows.setdefault(one.than_model, {})
        score = study.accuracy[one.than_model].get(split, {}).get(one.than_rule)
        given = NONE if score is None else f"{one.than_rule}: {share(score.accuracy)}"
        change = points(one.measured.get(split))
        if one.rule == "greedy":
            row |= {"one judgment": given, "GRPO greedy −": change}
        elif one.rule == one.than_rule:
            lot = NONE if score is None else f"{100 * score.lot:.1f}"
            row |= {"votes": given, "ties by lot": lot, "GRPO, as many votes −": change}
        if one.rule == f"{PLAIN}@{MOST}":
            row[f"GRPO vote@{MOST} −"] = change
    head = (
        "one judgment", "GRPO greedy −", "votes", "ties by lot", "GRPO, as many votes −",
        f"GRPO vote@{MOST} −",
    )  # fmt: skip
    named = (
        (model_name(model, study), *(row.get(name, NONE) for name in head))
        for model, row in rows.items()
    )
    return table(("baseline", *head), named)


def meta_rm(study: Study) -> str:
    """AUC of the meta RM, overall / within items."""
    splits = (*SPLITS, MEAN)
    rows = []
    for model in (model for model in models(study) if model in study.meta_rm):
        found = study.meta_rm[model]
        cells = (
            f"{share(found[split].overall)} / {share(found[split].within)}"
            if split in found
            else NONE
            for split in splits
        )
        rows.append((model_name(model, study), *cells))
    return table(("overall / within items", *(SPLIT_NAMES[split] for split in splits)), rows)


def _lookup(contrasts: Iterable[Contrast], split: str) -> dict[tuple[str, str], Estimate]:
    return {
        (one.model, one.rule): one.measured[split] for one in contrasts if split in one.measured
    }
