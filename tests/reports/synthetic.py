"""Runs made for report tests: every figure has something to show, texts have realistic lengths."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from deemster.aggregators import parse_aggregator
from deemster.judges import decide
from deemster.schemas import (
    Critique,
    Failure,
    JudgeInfo,
    Judgment,
    Principle,
    Sample,
    Scale,
    Usage,
    Verdict,
    Vote,
    normalise_weights,
)
from deemster.suites.store import RunStore

WORDS = (
    *("the", "of", "and", "to", "in", "is", "that", "it", "was", "for", "on", "are", "with", "as"),
    *("his", "they", "at", "be", "this", "from", "have", "or", "by", "one", "had", "not", "but"),
    *("what", "all", "were", "when", "there", "can", "your", "which", "their", "said", "will"),
    *("each", "about", "how", "out", "them", "then", "many", "some", "these", "would", "other"),
    *("into", "has", "more", "two", "like", "see", "time", "could", "make", "than", "first"),
    *("water", "long", "little", "very", "after", "words", "called", "just", "where", "know"),
)
NAMES = ("Accuracy", "Clarity", "Depth", "Relevance", "Tone", "Structure", "Safety", "Evidence")
SUBSETS = ("coding", "knowledge", "maths", "reasoning", "writing")


def write_run(
    directory: Path, judges: Iterable[tuple[JudgeInfo, list[tuple[Sample, Verdict]]]]
) -> Path:
    """Store a run; all judges judge the samples of the first."""
    made = list(judges)
    with RunStore(directory, write=True) as store:
        store.set_judges([info for info, _ in made])
        store.add_samples(sample for sample, _ in made[0][1])
        with store.transaction():
            for number, (_, rows) in enumerate(made):
                for position, (_, verdict) in enumerate(rows):
                    store.put_in_transaction(number, position, verdict)
    return directory


def text(rng: np.random.Generator, characters: int) -> str:
    """About that many characters of words."""
    words = rng.choice(WORDS, characters // 4)
    lines = [" ".join(words[i : i + 25]) for i in range(0, len(words), 25)]
    return ". ".join(line.capitalize() for line in lines) + "."


def samples(n: int, *, seed: int = 0, characters: int = 1500) -> list[Sample]:
    """Pairs with a known better response; `characters` is the length of a response."""
    rng = np.random.default_rng(seed)
    return [
        Sample(
            id=f"{SUBSETS[i % 5]}/{i}",
            query=f"Question {i}: {text(rng, characters // 3)}",
            responses=[text(rng, characters), text(rng, characters)],
            ground_truth=(1.0, 0.0) if rng.random() < 0.5 else (0.0, 1.0),
            policies=("small-model", "large-model"),
            subset=SUBSETS[i % 5],
        )
        for i in range(n)
    ]


def judged(
    rows: list[Sample], *, name: str = "judge", k: int = 4, seed: int = 1, skill: float = 1.0,
    characters: int = 500,
) -> tuple[JudgeInfo, list[tuple[Sample, Verdict]]]:  # fmt: skip
    """A judge of some skill: votes with principles, critiques, meta rewards, cost, failures."""
    rng = np.random.default_rng(seed)
    info = JudgeInfo(
        name=name, model=f"example/{name}", dialect="json", k=k, aggregator="topk() >> sum"
    )
    reducer = parse_aggregator(info.aggregator)
    verdicts = []
    for sample in rows:
        hard = rng.normal(skill, 1.0)
        votes = [_vote(rng, sample, draw, hard, characters) for draw in range(k)]
        verdicts.append(
            (sample, decide(votes, n=2, k=k, reducer=reducer, info=info, min_valid=1))
        )  # fmt: skip
    return info, verdicts


def _vote(
    rng: np.random.Generator, sample: Sample, draw: int, hard: float, characters: int
) -> Vote:
    usage = Usage(
        calls=1, tokens_in=900, tokens_out=350, tokens_cached=500, cost=0.00042,
        seconds=float(rng.lognormal(1.0, 0.5)),
    )  # fmt: skip
    order = (0, 1) if draw % 2 == 0 else (1, 0)
    if rng.random() < 0.03:
        status = str(rng.choice(["parse_error", "timeout", "refused"]))
        return Failure.model_validate(
            {
                "draw": draw, "order": order, "usage": usage, "status": status,
                "message": f"a {status} happened", "raw": text(rng, 80),
            }
        )  # fmt: skip
    truth = sample.ground_truth or (0.0, 0.0)
    pull = hard + rng.normal(0, 1.0)
    names = rng.choice(NAMES, 3, replace=False)
    principles = normalise_weights(
        [
            Principle(name=str(n), description=text(rng, 40), weight=int(rng.integers(1, 5)))
            for n in names
        ]
    )
    table = [
        [
            float(np.clip(round(6 + (truth[i] - 0.5) * 2 * pull + rng.normal(0, 0.7)), 1, 10))
            for _ in names
        ]
        for i in range(2)
    ]
    scores = tuple(float(round(sum(row) / len(row))) for row in table)
    better = truth[0] > truth[1]
    good = (scores[0] > scores[1]) == better and scores[0] != scores[1]
    return Judgment(
        draw=draw,
        scores=scores,
        scale=Scale(low=1, high=10),
        order=order,
        principles=principles,
        critiques=tuple(
            Critique(response=i, text=text(rng, characters), scores=tuple(table[i]))
            for i in range(2)
        ),
        meta_reward=float(np.clip(rng.normal(0.65 if good else 0.45, 0.15), 0, 1)),
        usage=usage,
    )
