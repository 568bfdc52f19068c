"""What the aggregators, the stopping rule, the cascade and panel weights do on real samples.

Reads published judge logs only; no model is called. Prints the tables of docs/aggregators.md.

    python -m benchmarks.votes [PART ...] [--data DIR]

PART: calibrate, aggregators, stop, cascade, calibration or panels.

DIR holds rb2_k8_scores, realmistake, llmjudge_trec and mt_bench. How many votes a rule uses, and
all accuracies, are counted on every item with rewards; ties on top are wrong, or worth 1/m each
in the columns called half.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deemster.aggregators import (
    Ballot,
    Borda,
    Centred,
    Decided,
    Median,
    Reducer,
    Reliable,
    Softmax,
    Sum,
    confidence,
    fit_spread,
    reliability_weights,
    win_shares,
)
from deemster.aggregators.base import Floats
from deemster.aggregators.learned import cross_fit
from deemster.benchmarks import open_trace_format
from deemster.errors import InputError
from deemster.judges.cascade_fit import StagedItems, fit_rule, run_rule, staged
from deemster.schemas import Scale

DATA = Path("../shared/data")
SCALE = Scale(low=1, high=10)
PERMUTATIONS = 20
SPLITS = 50
RB2 = {
    "full": ("base_both_k8", "full"),
    "mini": ("base_both_k8", "mini"),
    "Sonnet": ("base_claude_both_k8", "full"),
    "Haiku": ("base_claude_both_k8", "mini"),
    "full t=0": ("base_full_k8_t0.0", "full"),
    "full t=0.3": ("base_full_k8_t0.3", "full"),
    "full t=0.7": ("base_full_k8_t0.7", "full"),
    "nano": ("base_nano_k8", "nano"),
}


def ratings(data: Path, name: str) -> dict[str, Floats]:
    """(8, N) ratings by sample id; response 0 is the labelled best."""
    file, judge = RB2[name]
    path = data / "rb2_k8_scores" / f"{file}.jsonl.gz"
    found = {}
    for sample, votes in open_trace_format("rb2-ratings").read(path, judge=judge):
        found[sample.id] = Ballot.from_votes(votes, n=len(sample.responses)).scores
    return found


def ballot(scores: Floats) -> Ballot:
    """(..., K, N) scores of one judge as a ballot."""
    weights = (~np.isnan(scores).all(axis=-1)).astype(float)
    return Ballot(
        scores=scores,
        weights=weights,
        meta=np.full(weights.shape, np.nan),
        judges=np.zeros(weights.shape, dtype=np.intp),
        by_principle=np.full(scores.shape, np.nan),
    )


def right(rewards: Floats) -> tuple[Floats, Floats]:
    """(I,) strictly right, and with ties shared; NaN where unscored."""
    share = win_shares(rewards)[:, 0]
    unscored = np.isnan(rewards).any(axis=1)
    return np.where(unscored, np.nan, share == 1), np.where(unscored, np.nan, share)


def paired(new: Floats, old: Floats) -> str:
    """Mean difference in points with its 95 % paired bootstrap interval over items."""
    both = ~np.isnan(new) & ~np.isnan(old)
    gap = 100 * (new[both] - old[both])
    draws = np.random.default_rng(0).integers(0, len(gap), (2000, len(gap)))
    low, high = np.quantile(gap[draws].mean(axis=1), (0.025, 0.975))
    return f"{gap.mean():+.2f} [{low:+.2f}, {high:+.2f}]"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n### {title}\n")
    print("|" + "|".join(header) + "|")
    print("|" + "-|" * len(header))
    for row in rows:
        print("|" + "|".join(row) + "|")


def calibrate(data: Path) -> None:
    """Log loss of the predicted winner of 8 votes, by spread and strength: votes only."""
    names = ["full", "mini", "Sonnet", "Haiku", "nano"]
    stacks = {name: ballot(np.stack(list(ratings(data, name).values()))) for name in names}
    rows = []
    for spread, strength in itertools.product((0.35, 0.5, 0.7), (2, 4, 8)):
        rule = Decided(0.95, spread=spread, strength=strength)
        losses = [np.mean([_loss(rule, stacks[name], n) for n in range(1, 5)]) for name in names]
        cells = [f"{loss:.4f}" for loss in (*losses, np.mean(losses))]
        rows.append([f"{spread}", f"{strength}", *cells])
    table("Log loss", ["spread", "strength", *names, "mean"], rows)


def _loss(rule: Decided, votes: Ballot, n: int) -> float:
    from deemster.aggregators.spread import prefix

    final = Sum().reduce(votes)
    now = prefix(votes, n)
    so_far = Sum().reduce(now)
    shares = win_shares(so_far)
    usable = (shares.max(axis=1) == 1) & ~np.isnan(final).any(axis=1)
    leader = shares.argmax(axis=1)[:, None]
    kept = np.take_along_axis(win_shares(final), leader, 1)[:, 0][usable]
    chance = rule.probability(now, votes.scores.shape[-2], scale=SCALE)[usable]
    chance = np.clip(chance, 1e-4, 1 - 1e-4)
    return float(-(kept * np.log(chance) + (1 - kept) * np.log(1 - chance)).mean())


def aggregators(data: Path) -> None:
    """Every aggregator against Sum, all eight votes."""
    rules: dict[str, Reducer] = {
        "centred >> sum": Centred() >> Sum(),
        "softmax": Softmax(),
        "softmax(0.25)": Softmax(0.25),
        "softmax(4)": Softmax(4),
        "borda": Borda(),
        "median": Median(),
        "reliable >> sum": Reliable() >> Sum(),
        "reliable >> softmax": Reliable() >> Softmax(),
    }
    strict_rows: list[list[str]] = []
    half_rows: list[list[str]] = []
    for name in RB2:
        scores = list(ratings(data, name).values())
        votes = ballot(np.stack(scores))
        base = right(Sum().reduce(votes))
        found = {label: right(rule.reduce(votes)) for label, rule in rules.items()}
        learned = cross_fit([ballot(one) for one in scores], [0] * len(scores))
        found["learned (5 folds)"] = right(np.stack(learned))
        for rows, which in ((strict_rows, 0), (half_rows, 1)):
            rows.append([name, "sum", f"{100 * np.nanmean(base[which]):.2f}", ""])
            for label, hits in found.items():
                value = f"{100 * np.nanmean(hits[which]):.2f}"
                rows.append([name, label, value, paired(hits[which], base[which])])
    header = ["judge", "aggregator", "accuracy", "against sum (95 %)"]
    table("Ties are wrong", header, strict_rows)
    table("Ties are half", header, half_rows)


def _stopped(scores: Floats, rule: Decided) -> tuple[Floats, Ballot]:
    votes = ballot(scores)
    used = rule.votes_used(votes, scale=SCALE)
    drawn = np.arange(scores.shape[1])[None, :, None] < used[:, None, None]
    return used.astype(float), ballot(np.where(drawn, scores, np.nan))


def stop(data: Path) -> None:
    """`Decided` on all files: votes in file order, and over random orders."""
    rows = []
    for name in RB2:
        scores = np.stack(list(ratings(data, name).values()))
        half = np.random.default_rng(0).permutation(len(scores)) < len(scores) // 2
        fits = [fit_spread([ballot(scores[part])]) for part in (half, ~half)]
        everything = right(Sum().reduce(ballot(scores)))[0]
        for p in (0.9, 0.95, 0.99):
            for label in ("default", "measured"):
                rows.append([name, f"{100 * np.nanmean(everything):.2f}", f"{p}", label])
                for orders in (1, PERMUTATIONS):
                    rows[-1] += _over_orders(scores, half, fits, p, label == "measured", orders)
    header = ["judge", "all 8", "p", "spread", "samples", "sum", "softmax"]
    table("Adaptive k", [*header, "samples*", "sum*", "softmax*"], rows)
    print(f"\n\\* over {PERMUTATIONS} random orders of the votes. Measured spread: half of the")
    print("items use the spread of the other half.")


def _over_orders(  # noqa: PLR0917
    scores: Floats,
    half: npt.NDArray[np.bool_],
    fits: Sequence[float | None],
    p: float,
    measured: bool,
    orders: int,
) -> list[str]:
    found = []
    for seed in range(orders):
        order = np.random.default_rng(seed).random(scores.shape[:2]).argsort(axis=1)
        moved = scores if orders == 1 else np.take_along_axis(scores, order[:, :, None], 1)
        used, sums, shares = (np.full(len(scores), np.nan) for _ in range(3))
        for part, spread in ((half, fits[1]), (~half, fits[0])):
            cut = _stopped(moved[part], Decided(p, spread=spread if measured else None))
            used[part] = cut[0]
            sums[part] = right(Sum().reduce(cut[1]))[0]
            shares[part] = right(Softmax().reduce(cut[1]))[0]
        # items that all eight votes leave unscored are left out, as in the published figures
        asked = ~np.isnan(Sum().reduce(ballot(scores))).any(axis=1)
        found.append(
            [
                used[asked].mean(),
                *(100 * np.nan_to_num(hit[asked]).mean() for hit in (sums, shares)),
            ]
        )
    return [f"{value:.2f}" for value in np.mean(found, axis=0)]


def cascade(data: Path) -> None:
    """mini, then full: fitted on one half, tested on the other."""
    mini, full = ratings(data, "mini"), ratings(data, "full")
    cuts = []
    for runs in (mini, full):
        scores = np.stack(list(runs.values()))
        spread = fit_spread([ballot(scores)])
        used, _ = _stopped(scores, Decided(0.9, spread=spread))
        cuts.append({key: int(n) for key, n in zip(runs, used, strict=True)})
    cases = []
    for key in mini:
        parts = [mini[key][: cuts[0][key]], full[key][: cuts[1][key]]]
        joined = ballot(np.concatenate(parts))
        judges = np.repeat([0, 1], [len(part) for part in parts])
        both = replace(joined, judges=judges, judge_names=("mini", "full"))
        first = replace(ballot(parts[0]), judge_names=("mini",))
        cases.append(((first, both), 0))
    items = staged(cases)
    header = ["asked", "delta", "not fitted", "threshold", "agreement", "answered", "mini samples"]
    rows = [
        _splits(items, level=level, delta=delta, abstain=abstain)
        for abstain, levels in ((False, (0.77, 0.78, 0.79, 0.8)), (True, (0.85, 0.9)))
        for level in levels
        for delta in (0.1, 0.05, 0.01)
    ]
    table("Cascade", [*header, "full samples", "holds on test half", "holds in truth"], rows)


def calibration(data: Path) -> None:
    """Confidence that the labelled best leads: resampled from the votes, and calibrated."""
    rows = []
    for name in RB2:
        if name == "full t=0":  # votes hardly differ: nothing to resample
            continue
        cases = [((ballot(one),), 0) for one in ratings(data, name).values()]
        items = staged(cases)
        twice = StagedItems(*(np.repeat(part, 2, axis=1) for part in vars(items).values()))
        raw = np.array([_resampled(votes[0]) for votes, _ in cases])
        found = []
        for seed in range(10):
            order = np.random.default_rng(seed).permutation(len(cases))
            train, test = order[: len(order) // 2], order[len(order) // 2 :]
            rule = fit_rule(twice.take(train), ("one", "again"), samples=8.0, seed=seed)
            usable = test[~np.isnan(raw[test])]
            fitted = rule.confidence(0, items.values[usable, 0])
            hits = items.right[usable, 0].astype(float)
            found.append([*_quality(raw[usable], hits), *_quality(fitted, hits)])
        mean = np.mean(found, axis=0)
        rows.append([name, *(f"{value:.3f}" for value in mean)])
    header = ["judge", "ECE raw", "Brier raw", "ECE calibrated", "Brier calibrated"]
    table("Confidence, all eight votes, held-out halves", header, rows)


def _resampled(votes: Ballot) -> float:
    rewards = Sum().reduce(votes)
    found = None
    if np.isfinite(rewards).all():
        found = confidence(Sum(), votes, int(rewards.argmax()), seed=0)
    return np.nan if found is None else found


def _quality(stated: Floats, hits: Floats) -> tuple[float, float]:
    """Expected calibration error over ten equal bins, and the Brier score."""
    order = np.argsort(stated, kind="stable")
    bins = [part for part in np.array_split(order, 10) if len(part)]
    ece = sum(abs(hits[part].sum() - stated[part].sum()) for part in bins) / len(stated)
    return float(ece), float(np.square(stated - hits).mean())


def _splits(items: StagedItems, **asked: Any) -> list[str]:  # noqa: ANN401
    found, refused, n = [], 0, len(items.right)
    level = asked["level"]
    truly = []
    for seed in range(4 * SPLITS):
        # The promise itself: fitted on items drawn from a population, held to all of it.
        drawn = np.random.default_rng([1, seed]).integers(0, n, n // 2)
        try:
            rule = fit_rule(items.take(drawn), ("mini", "full"), seed=seed, **asked)
        except InputError:
            continue
        done = run_rule(rule, items)
        truly.append(done.right[done.answered].mean() >= level)
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(n)
        train, test = items.take(order[: n // 2]), items.take(order[n // 2 :])
        try:
            rule = fit_rule(train, ("mini", "full"), seed=seed, **asked)
        except InputError:
            refused += 1
            continue
        done = run_rule(rule, test)
        share = done.right[done.answered].mean()
        holds = share >= level
        votes = done.votes.mean(axis=0)
        found.append([rule.thresholds[0], 100 * share, 100 * done.answered.mean(), *votes, holds])
    mean = np.mean(found, axis=0)
    what = f"level {level}"
    cells = [
        f"{mean[0]:.2f}",
        f"{mean[1]:.2f}",
        f"{mean[2]:.1f} %",
        f"{mean[3]:.2f}",
        f"{mean[4]:.2f}",
    ]
    holds = f"{100 * mean[5]:.0f} %"
    held = f"{100 * np.mean(truly):.0f} %"
    what += ", may abstain" if asked.get("abstain") else ""
    return [what, f"{asked.get('delta', '')}", f"{refused} of {SPLITS}", *cells, holds, held]


def panels(data: Path) -> None:
    """Reliability weights against equal ones; the truth is what judges outside the panel say."""
    rows = [
        *_trec(data / "llmjudge_trec" / "labels_by_system.jsonl.gz"),
        *_mt_bench(data / "mt_bench" / "kook222_en_single.jsonl.gz"),
        *_realmistake(data / "realmistake" / "self_consistency_k5.jsonl.gz"),
    ]
    header = [
        "data",
        "panels",
        "figure",
        "equal",
        "weighted",
        "gain (95 % over panels)",
        "better in",
    ]
    table("Panels", header, rows)


def _compare(
    label: str, scores: Floats, panels: Sequence[tuple[Any, Floats]], figure: str,
    measure: Callable[[Floats, Floats], float],
) -> list[str]:  # fmt: skip
    equal, weighted = [], []
    for members, truth in panels:
        own = scores[:, members]
        spread = own.std(axis=0)
        scaled = (own - own.mean(axis=0)) / np.where(spread > 0, spread, 1)
        equal.append(measure(scaled.mean(axis=1), truth))
        weighted.append(measure(scaled @ reliability_weights(own), truth))
    gain = np.array(weighted) - np.array(equal)
    low, high = (np.quantile(gain, q) for q in (0.025, 0.975))
    gain_text = f"{gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]"
    return [
        label, str(len(gain)), figure, f"{np.mean(equal):.4f}", f"{np.mean(weighted):.4f}",
        gain_text, f"{100 * (gain > 0).mean():.0f} %",
    ]  # fmt: skip


def _spearman(a: Floats, b: Floats) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)


def _trec(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt") as lines:
        labels = [json.loads(line)["labels"] for line in lines]
    systems = sorted(labels[0])
    scores = np.array([[float(one[s]) for s in systems] for one in labels])
    scores = np.where(scores > 3, np.nan, scores)
    scores = scores[~np.isnan(scores).any(axis=1)]
    teams = [name.split("-")[0] for name in systems]
    for size in (3, 5):
        made = []
        for seed in range(200):
            rng = np.random.default_rng([seed, size])
            # one system of each team, and no team of the panel in the truth: teams share errors
            chosen = rng.permutation(sorted(set(teams)))[:size]
            members = [
                int(rng.choice([i for i, t in enumerate(teams) if t == team])) for team in chosen
            ]
            rest = [i for i, team in enumerate(teams) if team not in chosen]
            if rest:
                made.append((members, scores[:, rest].mean(axis=1)))
        yield _compare(
            f"LLMJudge, {size} judges", scores, made, "Spearman with the rest", _spearman
        )


def _mt_bench(path: Path) -> Iterator[list[str]]:
    cells: dict[tuple[Any, ...], dict[str, float]] = defaultdict(dict)
    with gzip.open(path, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            for turn in (1, 2):
                score = row.get(f"score_turn{turn}")
                if row["protocol"] == "single_grade" and score is not None and score > 0:
                    key = (row["model_id"], row["question_id"], turn)
                    cells[key][row["judge_id"]] = float(score)
    judges = sorted({judge for cell in cells.values() for judge in cell})
    rows = [[cell[j] for j in judges] for cell in cells.values() if len(cell) == len(judges)]
    scores = np.array(rows)
    for size in (3, 4):
        made = []
        for members in itertools.combinations(range(len(judges)), size):
            rest = [i for i in range(len(judges)) if i not in members]
            made.append((list(members), scores[:, rest].mean(axis=1)))
        yield _compare(
            f"MT-bench, {size} judges", scores, made, "Spearman with the rest", _spearman
        )


def _realmistake(path: Path) -> Iterator[list[str]]:
    from sklearn.metrics import roc_auc_score

    cells: dict[str, dict[str, float]] = defaultdict(dict)
    truth = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            given = [one for one in row["predictions_list"] if one is not None]
            if given:
                share = float(np.mean([one == "no_error" for one in given]))
                cells[row["id"]][row["judge_model"]] = share
                truth[row["id"]] = float(row["label"] == "no_error")
    judges = sorted({judge for cell in cells.values() for judge in cell})
    whole = [key for key, cell in cells.items() if len(cell) == len(judges)]
    scores = np.array([[cells[key][j] for j in judges] for key in whole])
    labels = np.array([truth[key] for key in whole])
    made = [(list(range(len(judges))), labels)]
    yield _compare(
        f"ReaLMistake, {len(judges)} judges x 5 votes, {len(whole)} items", scores, made,
        "AUC, human labels", lambda a, b: float(roc_auc_score(b, a)),
    )  # fmt: skip


PARTS = {
    "calibrate": calibrate,
    "aggregators": aggregators,
    "stop": stop,
    "cascade": cascade,
    "calibration": calibration,
    "panels": panels,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    warnings.simplefilter("error")
    for part in given.parts or PARTS:
        PARTS[part](given.data)


if __name__ == "__main__":
    main()
