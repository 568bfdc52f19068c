"""Does weighing a panel's judges pay? Measured on judges' stored labels, without a model.

python -m benchmarks.panels [--data ../shared/data] [--resamples 1000]

Writes the tables of docs/composites.md to standard output as Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deemster.aggregators import reliability_weights
from deemster.judges.panel_weights import choice_accuracy, dawid_skene

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Strings = npt.NDArray[np.str_]
GRADES = 4


def read(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


# --- TREC relevance labels ----------------------------------------------------------------------


def trec(path: Path) -> tuple[Ints, list[str], Ints]:
    """Labels (items, judges), -1 where off the scale; the judges' names; the items' queries."""
    rows = list(read(path))
    names = sorted(rows[0]["labels"])
    table = np.array([[int(row["labels"][name]) for name in names] for row in rows])
    queries = {query: i for i, query in enumerate(sorted({row["qid"] for row in rows}))}
    return (
        np.where((table >= 0) & (table < GRADES), table, -1),
        names,
        np.array([queries[row["qid"]] for row in rows]),
    )


def standard(table: Ints) -> Floats:
    """Each judge's labels, standardised over the run; NaN where missing."""
    scores = np.where(table < 0, np.nan, table.astype(float))
    found: Floats = (scores - np.nanmean(scores, axis=0)) / np.nanstd(scores, axis=0)
    return found


def weighted(scores: Floats, weights: Floats) -> Floats:
    there = ~np.isnan(scores)
    found: Floats = (np.nan_to_num(scores) @ weights) / np.maximum(there @ weights, 1e-12)
    return found


def plurality(table: Ints) -> Ints:
    """The most frequent label of each item; of several the one nearest to the mean label."""
    counts = np.stack([(table == grade).sum(axis=1) for grade in range(GRADES)], axis=1)
    mean = (counts * np.arange(GRADES)).sum(axis=1) / counts.sum(axis=1)
    near = -np.abs(np.arange(GRADES) - mean[:, None])
    found: Ints = (counts + 0.01 * near).argmax(axis=1)
    return found


def trec_panels(table: Ints, team: Strings) -> dict[str, dict[str, Floats]]:
    """A score per item by each way to put the labels of a panel together, by yardstick."""
    scores = standard(table)
    found = dawid_skene(table, GRADES)
    teams = sorted(set(team))
    means = np.stack([np.nanmean(scores[:, team == one], axis=1) for one in teams], axis=1)
    means = (means - means.mean(axis=0)) / means.std(axis=0)
    chosen = np.stack([plurality(table[:, team == one]) for one in teams], axis=1)
    nested = dawid_skene(chosen, GRADES)
    return {
        "correlation with": {
            "mean, equal weights": weighted(scores, np.ones(scores.shape[1])),
            "mean, `reliability` weights": weighted(scores, reliability_weights(scores)),
            "`dawid_skene`, expected label": found.posterior @ np.arange(GRADES),
            "a panel per team, equal weights": means.mean(axis=1),
            "a panel per team, `reliability` weights": weighted(means, reliability_weights(means)),
            "a panel per team, `dawid_skene`": nested.posterior @ np.arange(GRADES),
        },
        "same label as": {
            "plurality": plurality(table).astype(float),
            "`dawid_skene`": found.posterior.argmax(axis=1).astype(float),
            "a panel per team, plurality": plurality(chosen).astype(float),
            "a panel per team, `dawid_skene`": nested.posterior.argmax(axis=1).astype(float),
        },
    }


def correlation(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Pearson correlations (b,) of items with weights (b, items)."""
    w = weights / weights.sum(axis=1, keepdims=True)
    mx, my = w @ x, w @ y
    cov = w @ (x * y) - mx * my
    found: Floats = cov / np.sqrt((w @ x**2 - mx**2) * (w @ y**2 - my**2))
    return found


def match(x: Floats, y: Floats, weights: Floats) -> Floats:
    found: Floats = weights @ (x == y) / weights.sum(axis=1)
    return found


def cluster_weights(clusters: Ints, resamples: int, seed: int = 0) -> Floats:
    """(1 + resamples, items): all items once, then whole clusters drawn with replacement."""
    rng = np.random.default_rng(seed)
    n = int(clusters.max()) + 1
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    return np.concatenate([np.ones((1, len(clusters))), drawn[:, clusters].astype(float)])


def trec_table(path: Path, resamples: int) -> str:
    """Leave one team out: the others are the panel, each judge of that team is the yardstick."""
    table, names, queries = trec(path)
    team = np.array([name.split("-")[0] for name in names])
    weights = cluster_weights(queries, resamples)
    totals: dict[str, dict[str, list[Floats]]] = defaultdict(lambda: defaultdict(list))
    for left_out in sorted(set(team)):
        rest = team != left_out
        for measure, panels in trec_panels(table[:, rest], team[rest]).items():
            compare = correlation if measure == "correlation with" else match
            for way, scores in panels.items():
                own = []
                for judge in np.flatnonzero(~rest):
                    seen = table[:, judge] >= 0
                    label = table[seen, judge].astype(float)
                    own.append(compare(scores[seen], label, weights[:, seen]))
                totals[measure][way].append(np.mean(own, axis=0))
    return "\n".join(
        rows(
            f"{measure} the judges left out",
            {way: np.mean(values, axis=0) for way, values in by_way.items()},
        )
        for measure, by_way in totals.items()
    )


# --- pairs --------------------------------------------------------------------------------------


def mt_bench(path: Path) -> tuple[Ints, list[str], Ints]:
    """Choices (pairs, judges) where all six judged: 0, 1, or -1 unless both orders agree."""
    found: dict[tuple[Any, ...], dict[str, int]] = defaultdict(dict)
    for row in read(path):
        one = row["winner_ab"] == row["winner_ba"] and row["winner_ab"] in ("A", "B")
        key = (row["question_id"], row["model_a"], row["model_b"], row["turn"])
        found[key][row["judge"]] = "AB".index(row["winner_ab"]) if one else -1
    names = sorted({name for votes in found.values() for name in votes})
    full = {key: votes for key, votes in found.items() if len(votes) == len(names)}
    questions = {q: i for i, q in enumerate(sorted({key[0] for key in full}))}
    choices = np.array([[votes[name] for name in names] for votes in full.values()])
    return choices, names, np.array([questions[key[0]] for key in full])


def llmbar(folder: Path) -> tuple[Ints, list[str], Ints, Ints]:
    """Choices of every evaluator and strategy on the 419 pairs, and their gold labels."""
    found: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    truth: dict[tuple[str, int], int] = {}
    for path in sorted(folder.glob("*.jsonl.gz")):
        for row in read(path):
            if not row["set"].startswith("LLMBar/"):
                continue
            last = row["results"][-1]
            sides = [last[key]["winner"] for key in ("swap = False", "swap = True")]
            one = sides[0] == sides[1] and sides[0] in ("1", "2")
            key = (row["set"], row["idx"])
            truth[key] = int(row["label"]) - 1
            name = f"{row['evaluator']} {row['strategy']}"
            found[key][name] = int(sides[0]) - 1 if one else -1
    names = sorted({name for votes in found.values() for name in votes})
    keys = sorted(found)
    choices = np.array([[found[key].get(name, -1) for name in names] for key in keys])
    return choices, names, np.arange(len(keys)), np.array([truth[key] for key in keys])


def logistic(choices: Ints, truth: Ints, *, penalty: float = 1.0) -> Floats:
    """`fit_weights(..., labels)` for choices: the same records, made here from bare arrays."""
    from deemster.judges import fit_weights
    from deemster.schemas import JudgeInfo, Judgment, Verdict

    info = JudgeInfo(name="panel", model="panel")
    verdicts = []
    for row in choices:
        votes = tuple(
            Judgment(scores=(1.0 - 2.0 * pick, 2.0 * pick - 1.0), judge=str(judge), draw=judge)
            if pick >= 0
            else Judgment(scores=(0.0, 0.0), judge=str(judge), draw=judge)
            for judge, pick in enumerate(row.tolist())
        )
        verdicts.append(
            Verdict(
                rewards=(0.0, 0.0),
                best=None,
                ranking=(0, 1),
                votes=votes,
                k=len(votes),
                n_valid=len(votes),
                judge=info,
            )
        )
    found = fit_weights(verdicts, truth.tolist(), penalty=penalty).weights
    return np.array([found[str(judge)] for judge in range(choices.shape[1])])


def votes_of(choices: Ints) -> Floats:
    """+1 for the second response, -1 for the first, 0 for neither."""
    return np.where(choices < 0, 0.0, 2.0 * choices - 1.0)


def odds(choices: Ints) -> Floats:
    right, _ = choice_accuracy(choices, np.full(len(choices), 2))
    return np.maximum(np.log(right / (1 - right)), 0.0)


def points(total: Floats, truth: Ints) -> Floats:
    """1 where the panel picks the truth, half for a tie."""
    return np.where(np.abs(total) < 1e-9, 0.5, (total > 0) == (truth == 1)).astype(float)


WAYS: dict[str, Callable[[Ints], Floats]] = {
    "majority, equal weights": lambda choices: np.ones(choices.shape[1]),
    "`reliability` weights": lambda choices: reliability_weights(votes_of(choices)),
    "`dawid-skene` weights": odds,
}


def mt_bench_table(path: Path, resamples: int) -> str:
    """Leave one judge out; the others predict its choices where both of its orders agree."""
    choices, names, questions = mt_bench(path)
    weights = cluster_weights(questions, resamples)
    values: dict[str, list[Floats]] = defaultdict(list)
    single: list[Floats] = []
    for judge in range(len(names)):
        rest = np.delete(choices, judge, axis=1)
        seen = choices[:, judge] >= 0
        w = weights[:, seen]
        for way, fit in WAYS.items():
            right = points(votes_of(rest) @ fit(rest), choices[:, judge])[seen]
            values[way].append(w @ right / w.sum(axis=1))
        lone = [
            points(votes_of(rest)[:, j], choices[:, judge])[seen] for j in range(len(names) - 1)
        ]
        single.append(np.mean([w @ one / w.sum(axis=1) for one in lone], axis=0))
    found = {way: np.mean(one, axis=0) for way, one in values.items()}
    found["one judge alone, on average"] = np.mean(single, axis=0)
    return rows("agreement with the judge left out", found)


def llmbar_table(folder: Path, resamples: int, folds: int = 10) -> str:
    choices, names, items, truth = llmbar(folder)
    weights = cluster_weights(items, resamples)
    totals = {way: votes_of(choices) @ fit(choices) for way, fit in WAYS.items()}
    learned = np.empty(len(items))
    fold = np.random.default_rng(0).permutation(len(items)) % folds
    for part in range(folds):
        train, test = fold != part, fold == part
        learned[test] = votes_of(choices[test]) @ logistic(choices[train], truth[train])
    totals["`logistic` weights, cross-fitted"] = learned
    right = {way: points(total, truth) for way, total in totals.items()}
    alone = [points(votes_of(choices)[:, judge], truth) for judge in range(len(names))]
    best = int(np.argmax([one.mean() for one in alone]))
    right[f"the best judge alone ({names[best]})"] = alone[best]
    right["one judge alone, on average"] = np.mean(alone, axis=0)
    return rows(
        f"accuracy, {len(names)} judges, {len(items)} pairs",
        {way: weights @ one / weights.sum(axis=1) for way, one in right.items()},
    )


def rows(title: str, values: dict[str, Floats]) -> str:
    """A table; each array is the value and its resamples."""
    lines = [f"| {title} | value | against the first row |", "|---|---|---|"]
    first = next(iter(values.values()))
    for way, one in values.items():
        lines.append(f"| {way} | {cell(one)} | {'' if one is first else gap(one - first)} |")
    return "\n".join([*lines, ""])


def cell(values: Floats) -> str:
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return f"{100 * values[0]:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def gap(values: Floats) -> str:
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return f"{100 * values[0]:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--resamples", type=int, default=1000)
    given = parser.parse_args()
    print("### LLMJudge TREC\n")
    print(trec_table(given.data / "llmjudge_trec" / "labels_by_system.jsonl.gz", given.resamples))
    print("### MT-bench pairs\n")
    print(mt_bench_table(given.data / "mt_bench" / "kook222_en_pairwise.jsonl.gz", given.resamples))
    print("### LLMBar\n")
    print(llmbar_table(given.data / "llmbar" / "traces", given.resamples))


if __name__ == "__main__":
    main()
