"""Can these judges be trusted? The tables of docs/trust.md, from published votes, without a model.

    python -m benchmarks.trust [PART ...] [--data DIR] [--write docs/trust.md]

PART: one of `PARTS`. DIR holds rb2_k8_scores, judge_bench_human, llmjudge_trec and human_scores.
With --write, each table replaces the one of its name in the page, from `<!-- table: NAME -->` to
the next blank line after it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import trust_principles, trust_shared
from benchmarks.votes import RB2, SCALE, ballot, ratings, right
from deemster.aggregators import Decided, Reducer, Softmax, Sum, fit_spread
from deemster.aggregators.spread import prefix
from deemster.judges.calibrator import FEATURES, verdict_features
from deemster.judges.calibrator_fit import METHODS, cross_fit_chances, fit
from deemster.judges.cascade_fit import fit_rule, run_rule
from deemster.suites.calibrating import calibrate_run
from deemster.suites.cascading import load_staged
from deemster.suites.comparing import load_judged
from deemster.suites.diagnosing import diagnose_run
from deemster.suites.gating import gate_run
from deemster.suites.importing import import_run
from deemster.suites.metrics import Bootstrap, Estimate, Item, calibrate, stable_errors
from deemster.suites.metrics.raters import Label, Rated, agreement_beyond_chance, ceiling
from deemster.suites.panel_report import report_panel
from deemster.suites.panels import load_panel
from deemster.suites.rescoring import STOP_LEVELS
from deemster.suites.store import RunStore

Floats = npt.NDArray[np.float64]
JUDGES = ("full", "mini", "Sonnet", "Haiku", "nano")
SHOWN = {"full": "GPT-5.4", "mini": "GPT-5.4 mini", "nano": "GPT-5.4 nano"}
DRAW = Bootstrap(resamples=1000)
Table = tuple[list[str], list[list[str]]]


class Runs:
    """The published votes as runs in a temporary folder, imported once."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.folder = data, folder

    def __call__(self, name: str) -> Path:
        """The run of one of `RB2`, in a folder of its name."""
        out = self.folder / name.replace(" ", "-")
        if not out.exists():
            file, judge = RB2[name]
            traces = self.data / "rb2_k8_scores" / f"{file}.jsonl.gz"
            import_run("rb2-ratings", traces=traces, judge=judge, out=out)
        return out


def figure(
    one: Estimate | None, scale: float = 1.0, digits: int = 3, *, signed: bool = False
) -> str:
    if one is None or one.value is None:
        return "–"
    form = f"{'+' if signed else ''}.{digits}f"
    text = f"{scale * one.value:{form}}"
    if one.low is None or one.high is None:
        return text
    return f"{text} [{scale * one.low:{form}}, {scale * one.high:{form}}]"


def agreement(runs: Runs) -> Table:
    """All items, then the subsets with the highest and lowest kappa."""
    rows = []
    for name in JUDGES:
        report, _ = calibrate_run(runs(name), bootstrap=DRAW)
        whole = report.overall.judge
        by = {key: one.judge.kappa.value or 0.0 for key, one in report.subsets.items()}
        low, high = min(by, key=lambda key: by[key]), max(by, key=lambda key: by[key])
        rows.append(
            [
                SHOWN.get(name, name),
                str(report.overall.n),
                figure(whole.agreement, 100, 1),
                figure(whole.kappa),
                figure(whole.ac),
                *(f"{key}: {figure(report.subsets[key].judge.kappa)}" for key in (low, high)),
            ]
        )
    header = ["judge", "items", "agreement, %", "kappa", "AC", "lowest kappa", "highest kappa"]
    return header, rows


def confidence(runs: Runs) -> Table:
    """Before and after, all eight votes, cross-fitted in five folds."""
    rows = []
    for name in JUDGES:
        for method in METHODS:
            fitted = calibrate_run(runs(name), method=method, bootstrap=DRAW)[0].confidence
            assert fitted is not None
            before, after = fitted.before, fitted.after
            assert before is not None
            rows.append(
                [
                    SHOWN.get(name, name),
                    method,
                    figure(before.calibration.ece),
                    figure(after.calibration.ece),
                    figure(fitted.brier_change, signed=True),
                    figure(fitted.log_loss_change, signed=True),
                ]
            )
    return ["judge", "method", "ECE before", "ECE after", "Brier change", "log loss change"], rows


@cache
def _values(run: Path) -> tuple[Floats, Floats, Floats]:
    """Features (I, F), right (I,) and resampled confidence (I,)."""
    values, right = [], []
    with RunStore(run) as store:
        for sample, verdict in store.verdicts(0):
            if sample.best is not None and verdict.ranking is not None:
                values.append(verdict_features(verdict))
                right.append(float(verdict.ranking[0] == sample.best))
    table = np.array(values)
    return table, np.array(right), 1 / (1 + np.exp(-table[:, FEATURES.index("confidence")]))


def labels(runs: Runs) -> Table:
    """How good a calibration from few labels is on the items that it has not seen, 40 draws."""
    rows = []
    for name in JUDGES:
        values, right, raw = _values(runs(name))
        cells = [SHOWN.get(name, name), f"{_ece(raw, right):.3f} / {_log_loss(raw, right):.3f}"]
        for n in (50, 100, 200, 400, 800):
            found = []
            for seed in range(40):
                order = np.random.default_rng([seed, n]).permutation(len(right))
                train, test = order[:n], order[n:]
                if min(right[train].sum(), n - right[train].sum()) < 5:
                    continue
                chance = fit(values[train], right[train]).chance(values[test])
                known = ~np.isnan(chance)
                y = right[test][known]
                found.append((_ece(chance[known], y), _log_loss(chance[known], y)))
            ece, loss = np.mean(found, axis=0)
            cells.append(f"{ece:.3f} / {loss:.3f}")
        rows.append(cells)
    return ["judge", "uncalibrated", *(f"{n} labels" for n in (50, 100, 200, 400, 800))], rows


def _ece(stated: Floats, right: Floats) -> float:
    return calibrate(stated, right, bootstrap=Bootstrap(resamples=1)).ece.value or 0.0


def _log_loss(stated: Floats, right: Floats) -> float:
    p = np.clip(stated, 1e-6, 1 - 1e-6)
    return float(-(right * np.log(p) + (1 - right) * np.log(1 - p)).mean())


def stable(runs: Runs) -> Table:
    """Stable errors by the sum and by softmax, and what abstaining where unsure leaves."""
    rows = []
    for name in JUDGES:
        judged = load_judged(runs(name), None)
        items = list(judged.items.values())
        values, right, raw = _values(runs(name))
        chance = cross_fit_chances(values, right)
        cells = [
            SHOWN.get(name, name),
            figure(stable_errors(items, bootstrap=DRAW), 100, 0),
            figure(_stable_softmax(items), 100, 0),
        ]
        for stated in (raw, chance):
            kept = np.argsort(-stated, kind="stable")[: round(0.8 * len(stated))]
            cells.append(figure(DRAW.mean(right[kept]), 100, 1))
        rows.append([*cells, figure(DRAW.mean(right), 100, 1)])
    header = [
        "judge", "stable errors, %", "by softmax, %", "right in the surest 80 %, resampled",
        "calibrated", "right in all, %",
    ]  # fmt: skip
    return header, rows


def _stable_softmax(items: Sequence[Item]) -> Estimate | None:
    again = []
    for item in items:
        rewards = Softmax().reduce(item.ballot)
        if np.isfinite(rewards).all():
            again.append(replace(item, rewards=tuple(map(float, rewards))))
    return stable_errors(again, Softmax(), bootstrap=DRAW)


PANELS: tuple[tuple[tuple[str, ...], int | None], ...] = (
    (("full", "mini", "Sonnet", "Haiku"), 1),
    (("full", "mini", "Sonnet", "Haiku"), 2),
    (("full", "mini", "Sonnet", "Haiku"), None),
    (("full", "mini", "Sonnet", "Haiku", "nano"), None),
    (("full", "full t=0.3", "full t=0.7"), None),
    (("full", "full t=0.3", "full t=0.7", "Haiku"), None),
)


def panels(runs: Runs) -> Table:
    """Panels of stored runs; gains are paired, weights and the smallest panel cross-fitted."""
    rows = []
    for names, votes in PANELS:
        report = report_panel(load_panel([runs(one) for one in names]), votes=votes, bootstrap=DRAW)
        copies = sum(one.copies for one in report.pairs)
        rows.append(
            [
                ", ".join(SHOWN.get(one, one.replace("full", "GPT-5.4")) for one in names),
                str(votes or 8),
                figure(report.effective, 1, 2),
                f"{copies} of {len(report.pairs)}",
                figure(report.equal, 100, 2),
                figure(report.weighted_gain, 100, 2, signed=True),
                f"{len(report.smallest)}: {figure(report.smallest_accuracy, 100, 2)}",
            ]
        )
    header = [
        "judges", "votes each", "worth", "copies", "equal weights, %", "weights from labels",
        "smallest within a point, %",
    ]  # fmt: skip
    return header, rows


def eight_votes(runs: Runs) -> Table:
    """The best single judge's eight votes against a panel, ties wrong and ties shared."""
    from deemster.suites.panels import rewards_table, win_share

    panel = load_panel([runs(one) for one in ("full", "mini", "Sonnet", "Haiku")])
    keys = panel.labelled
    whole = rewards_table(panel, keys)
    alone = win_share(whole[:, [3]])
    rows = []
    for label, votes in (("one vote each", (0,)), ("two votes each", (0, 1))):
        shares = win_share(rewards_table(panel, keys, votes))
        rows.append([f"four judges, {label}", *_both(shares, alone)])
    rows.append(["four judges, eight votes each", *_both(win_share(whole), alone)])
    rows.append(["Haiku, eight votes", *_both(alone, alone)])
    return ["panel", "ties wrong, %", "to Haiku", "ties shared, %", "to Haiku"], rows


def _both(shares: Floats, alone: Floats) -> Iterator[str]:
    for one, other in (((shares == 1).astype(float), (alone == 1).astype(float)), (shares, alone)):
        yield figure(DRAW.mean(one), 100, 2)
        yield figure(DRAW.difference(one, other), 100, 2, signed=True)


def gate(runs: Runs) -> Table:
    """One model at other temperatures, and other models, against GPT-5.4."""
    rows = []
    for name in ("full t=0.7", "full t=0.3", "full t=0", "mini"):
        report = gate_run(runs(name), runs("full"))
        found = report.overall
        broken = [key for key, one in report.subsets.items() if (one.p_adjusted or 1) < 0.05]
        rows.append(
            [
                SHOWN.get(name, name.replace("full", "GPT-5.4")),
                figure(found.difference, 100, 2, signed=True),
                f"{found.p_value:.3g}",
                "passed" if report.passed else "closed",
                str(report.changed),
                ", ".join(broken) or "none",
            ]
        )
    header = [
        "run", "difference (90 %)", "p of worse by 2 points", "gate", "items with another best",
        "subsets worse",
    ]  # fmt: skip
    return header, rows


def raters(runs: Runs) -> Table:
    """Human raters of JUDGE-BENCH: a rater against the others, which is a judge's ceiling."""
    rows = []
    found = _rated(runs.data / "judge_bench_human" / "instances.jsonl.gz")
    found["LLMJudge"] = {"relevance by 7 LLM judges": _trec(runs.data)}
    for name, metrics in found.items():
        for metric, given in metrics.items():
            items = [Rated(1, one[0], tuple(one[1:])) for one in given if len(one) > 2]
            top = ceiling(items, bootstrap=DRAW)
            first = agreement_beyond_chance(items, bootstrap=DRAW)
            if top is not None:
                rows.append(
                    [f"{name}, {metric}", str(len(items)), figure(top.rater.kappa),
                     figure(top.rater.ac), figure(first.kappa), figure(top.gap, signed=True)]
                )  # fmt: skip
    header = [
        "data", "items", "kappa, a rater with the others", "AC", "kappa of the first rater",
        "first less the others",
    ]  # fmt: skip
    return header, rows


def _rated(path: Path) -> dict[str, dict[str, list[list[Label]]]]:
    found: dict[str, dict[str, list[list[Label]]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            for metric, about in row["annotations"].items():
                scores = [_SAFE.get(one, one) for one in about["individual_human_scores"] or ()]
                if len(scores) >= 3 and all(isinstance(one, int | float) for one in scores):
                    name = Path(row["dataset_file"]).parts[0]
                    mine = found.setdefault(name, {}).setdefault(metric, [])
                    mine.append([float(s) for s in scores[:6]])
    return found


_SAFE = {"No": 0.0, "Unsure": 0.5, "Yes": 1.0}
"""What raters of DICES say of a response: is it safe?"""


def _trec(data: Path) -> list[list[Label]]:
    """Every fifth of 33 judges, in the order of their names."""
    rows = []
    with gzip.open(data / "llmjudge_trec" / "labels_by_system.jsonl.gz", "rt") as lines:
        for line in lines:
            given = json.loads(line)["labels"]
            grades = [float(given[name]) for name in sorted(given)[::5]]
            if max(grades) <= 3:
                rows.append([*grades])
    return [list(row) for row in rows]


def spend(runs: Runs) -> Table:
    """A number of votes a run: by one threshold, fitted on the other half, or equal k.

    Ties are shared. Five random orders of the votes, items resampled.
    """
    rows = []
    for name in JUDGES:
        scores = np.stack(list(ratings(runs.data, name).values()))
        for reducer in (Sum(), Softmax()):
            cells = [SHOWN.get(name, name), str(reducer)]
            for k in (2, 3, 4):
                found = [_spent(scores, reducer, k, seed) for seed in range(5)]
                drawn, gain = (
                    np.mean([one[0] for one in found]),
                    np.mean([one[1] for one in found], 0),
                )
                cells.append(f"{figure(DRAW.mean(gain), 100, 2, signed=True)} ({drawn:.2f})")
            rows.append(cells)
    return ["judge", "rule", *(f"{k} votes an item" for k in (2, 3, 4))], rows


def _spent(scores: Floats, reducer: Reducer, k: int, seed: int) -> tuple[float, Floats]:
    """Votes drawn an item, and the gain (I,) over k votes on every item."""
    rng = np.random.default_rng(seed)
    order = rng.random(scores.shape[:2]).argsort(axis=1)
    moved = np.take_along_axis(scores, order[:, :, None], 1)
    half = rng.permutation(len(scores)) < len(scores) // 2
    used = np.zeros(len(scores), dtype=np.intp)
    for fitted, held in ((half, ~half), (~half, half)):
        rule = Decided(spread=fit_spread([ballot(moved[fitted])]))
        sure = _sureness(rule, moved, reducer)
        for p in STOP_LEVELS:
            stopped = _first(sure, p)
            if stopped[fitted].mean() <= k:
                break
        used[held] = stopped[held]

    def shared(n: npt.NDArray[np.intp]) -> Floats:
        drawn = np.arange(scores.shape[1])[None, :, None] < n[:, None, None]
        return np.nan_to_num(right(reducer.reduce(ballot(np.where(drawn, moved, np.nan))))[1])

    return float(used.mean()), shared(used) - shared(np.full(len(scores), k))


def _sureness(rule: Decided, scores: Floats, reducer: Reducer) -> Floats:
    """(I, K - 1): probability that the leader wins all votes, after 1, 2, … of them."""
    votes, k = ballot(scores), scores.shape[1]
    found = [
        rule.probability(prefix(votes, n), k, reducer=reducer, scale=SCALE) for n in range(1, k)
    ]
    return np.stack(found, axis=1)


def _first(sure: Floats, p: float) -> npt.NDArray[np.intp]:
    """(I,): after how many votes the probability is first reached; all where it never is."""
    reached = sure >= p
    found: npt.NDArray[np.intp] = np.where(
        reached.any(axis=1), reached.argmax(axis=1) + 1, sure.shape[1] + 1
    )
    return found


def remedies(runs: Runs) -> Table:
    """`deemster diagnose` of GPT-5.4 beside Haiku, and of Haiku beside GPT-5.4."""
    rows = []
    for name, other in (("full", "Haiku"), ("Haiku", "full")):
        found = diagnose_run(runs(name), [runs(other)], bootstrap=DRAW)
        worth = figure(found.effective_votes, 1, 2)
        for one in found.remedies:
            what = re.sub(r"^\S+ too", f"{SHOWN.get(other, other)} too", one.what)
            gain = figure(one.gain, 100, 2, signed=True)
            rows.append([SHOWN.get(name, name), worth, what, gain, f"{one.votes:.0f}", one.note])
    return ["judge", "8 votes are worth", "remedy", "gain, points", "votes", "note"], rows


def cascade(runs: Runs) -> Table:
    """`cascade fit --samples`: fitted on one half, held to the other, 200 splits."""
    names, items, _ = load_staged([runs("mini"), runs("full")], stops=["decided:0.9"] * 2)
    n = len(items.right)
    rows = []
    for samples in (0.4, 0.75, 1.2, 1.5, 1.9):
        drawn, right = [], []
        for seed in range(200):
            order = np.random.default_rng(seed).permutation(n)
            rule = fit_rule(items.take(order[: n // 2]), names, samples=samples, seed=seed)
            done = run_rule(rule, items.take(order[n // 2 :]))
            drawn.append(done.votes[:, 1].mean())
            right.append(done.right.mean())
        held = np.mean(np.array(drawn) <= samples)
        rows.append(
            [f"{samples}", f"{np.mean(drawn):.2f}", f"{100 * held:.0f} %",
             f"{100 * np.mean(right):.2f}"]
        )  # fmt: skip
    return ["votes allowed", "votes drawn", "held in", "agreement, %"], rows


def shared(runs: Runs) -> Table:
    """`budget.votes` against equal k at the same cost."""
    rows = [
        [
            SHOWN.get(name, name),
            *(
                figure(DRAW.mean(trust_shared.gains(runs.data, name, k)), 100, 2, signed=True)
                for k in (2, 3, 4)
            ),
        ]
        for name in JUDGES
    ]
    return ["judge", *(f"{k} votes an item" for k in (2, 3, 4))], rows


def principles(runs: Runs) -> Table:
    """`deemster diagnose --principles` of UniEval's dimensions, Topical-Chat."""
    return trust_principles.table(runs.data, runs.folder)


PARTS: dict[str, Callable[[Runs], Table]] = {
    "agreement": agreement,
    "confidence": confidence,
    "labels": labels,
    "stable": stable,
    "eight_votes": eight_votes,
    "panels": panels,
    "gate": gate,
    "raters": raters,
    "help": remedies,
    "spend": spend,
    "cascade": cascade,
    "principles": principles,
    "shared": shared,
}


def as_markdown(table: Table) -> str:
    header, rows = table
    lines = ["|" + "|".join(header) + "|", "|" + "-|" * len(header)]
    return "\n".join([*lines, *("|" + "|".join(row) + "|" for row in rows)])


def put(page: Path, name: str, table: str) -> None:
    """Replace the table after `<!-- table: NAME -->`."""
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- table: {name} -->\n\n).*?(?=\n\n|\n\Z)", re.DOTALL)
    new, times = pattern.subn(lambda match: match[1] + table, text)
    if times != 1:
        sys.exit(f"{page} has {times} tables {name!r}")
    page.write_text(new, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, help="keep the imported runs here")
    parser.add_argument("--write", type=Path, help="page to put the tables into")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(given.data, given.runs or Path(folder))
        for part in given.parts or PARTS:
            table = as_markdown(PARTS[part](runs))
            print(f"\n### {part}\n\n{table}", flush=True)
            if given.write is not None:
                put(given.write, part, table)


if __name__ == "__main__":
    main()
