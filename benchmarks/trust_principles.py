"""Which principles earn their place: UniEval's five dimensions against human overall scores."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path

from deemster.aggregators import Sum
from deemster.judges import decide
from deemster.schemas import (
    Critique,
    JudgeInfo,
    Judgment,
    Principle,
    Sample,
    normalise_weights,
)
from deemster.suites.principle_check import PrincipleReport, check_principles
from deemster.suites.store import RunStore

DIMENSIONS = ("naturalness", "coherence", "engagingness", "groundedness", "understandability")


def topical_run(data: Path, out: Path) -> Path:
    """A run of UniEval on Topical-Chat: 60 contexts, six responses each, equal weights.

    Args:
        data: folder with `human_scores/topical_chat.jsonl.gz`.
        out: where the run goes.
    """
    groups: defaultdict[tuple[str, str], list[dict[str, dict[str, float]]]] = defaultdict(list)
    texts: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    with gzip.open(data / "human_scores" / "topical_chat.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            groups[row["source"], row["context"]].append(row)
            texts[row["source"], row["context"]].append(row["system_output"])
    info = JudgeInfo(name="UniEval", model="unieval", aggregator="sum()")
    rubric = normalise_weights([Principle(name=name) for name in DIMENSIONS])
    with RunStore(out, write=True) as store:
        store.set_judges([info])
        for i, (key, rows) in enumerate(groups.items()):
            own = [tuple(row["unieval_predict"][name] for name in DIMENSIONS) for row in rows]
            vote = Judgment(
                scores=tuple(sum(each) / len(each) for each in own),
                principles=rubric,
                critiques=tuple(
                    Critique(response=place, text="", scores=each) for place, each in enumerate(own)
                ),
            )
            sample = Sample(
                id=str(i),
                query=key[0],
                responses=tuple(texts[key]),
                ground_truth=tuple(row["scores"]["overall"] for row in rows),
            )
            store.add_samples([sample])
            store.put(0, i, decide([vote], n=len(rows), k=1, reducer=Sum(), info=info))
    return out


def rows_of(report: PrincipleReport) -> list[list[str]]:
    """A row per principle."""

    def share(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.0f}"

    found = []
    for one in report.principles:
        if one.gain is None or one.agreement is None or one.flips is None or one.overlap is None:
            continue
        low, high = one.gain.low or 0.0, one.gain.high or 0.0
        alone = one.agreement
        found.append(
            [
                one.name,
                str(one.items),
                f"{share(alone.value)} [{share(alone.low)}, {share(alone.high)}]",
                f"{100 * (one.gain.value or 0):+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]",
                f"{one.p_value:.3g}",
                f"{share(one.flips.value)}",
                f"{one.overlap.value:.2f} {one.nearest}",
                one.conclusion,
            ]
        )
    return found


def table(data: Path, folder: Path) -> tuple[list[str], list[list[str]]]:
    """The table of docs/trust.md."""
    report = check_principles(topical_run(data, folder / "topical"))
    header = [
        "principle", "items", "agreement alone, %", "gain of having it, points", "p (Holm)",
        "flips, %", "most like", "conclusion",
    ]  # fmt: skip
    return header, rows_of(report)
