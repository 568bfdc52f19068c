"""Pairs of a right and a wrong solution, told apart by the reference answer (as MATH pairs are)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from deemster.data.row import Row
from deemster.data.turns import turns, without_nulls
from deemster.judges.orders import derive_seed
from deemster.judges.verifier import Check, ExactMatch, MathMatch, NumericMatch
from deemster.schemas import Conversation, Sample

MATCHINGS: dict[str, Callable[[], Check]] = {
    "exact": ExactMatch,
    "numeric": NumericMatch,
    "math": MathMatch,
}
"""The verifier's answer checks, by the name that data sources use."""


@dataclass(frozen=True)
class Problem:
    """A query with a reference answer, and candidate solutions to it."""

    id: str
    query: Conversation
    reference: str
    solutions: tuple[str, ...]
    subset: str = ""


@dataclass(frozen=True)
class Matching:
    """Pairs made by answer matching."""

    samples: list[Sample]
    """The right solution is best; which comes first is drawn by the seed."""
    counts: dict[str, int] = field(default_factory=dict)
    """Problems, `without_right`, `without_wrong`, and solutions that were `right`, `wrong` or
    `undecided`."""


def answer_pairs(
    problems: Iterable[Problem], check: Check, *, pairs: int = 1, seed: int = 0
) -> Matching:
    """Pair solutions whose final answer matches the reference with ones whose answer does not.

    A solution whose answer cannot be compared is not used, and each is used at most once. The
    reference is not in the samples: judges should work without it.

    Args:
        problems: what was asked and answered.
        check: one of the verifier's checks against a reference (see `MATCHINGS`).
        pairs: most pairs per problem.
        seed: draws the pairs and their order.

    Raises:
        InputError: the check cannot work with a reference (no number in it, say).
    """
    samples: list[Sample] = []
    counts: Counter[str] = Counter()
    for problem in problems:
        counts["problems"] += 1
        question = problem.query[-1].text
        by_outcome: dict[str, list[str]] = {"right": [], "wrong": [], "undecided": []}
        for solution in dict.fromkeys(problem.solutions):
            score = check.run(question, solution, problem.reference).score
            outcome = "undecided" if score is None else ("right" if score == 1 else "wrong")
            by_outcome[outcome].append(solution)
        counts.update({outcome: len(texts) for outcome, texts in by_outcome.items()})
        for outcome in ("right", "wrong"):
            counts[f"without_{outcome}"] += not by_outcome[outcome]
        samples += _paired(problem, by_outcome["right"], by_outcome["wrong"], pairs, seed)
    return Matching(samples, dict(counts))


def problem_of(row: Row, place: int) -> Problem:
    """A problem from a row.

    The query is under `query`, `prompt`, `problem` or `question`, the right answer under
    `reference` or `answer`, two or more texts under `solutions` or `responses`.

    Args:
        row: the row.
        place: its number, which is the id of a row without one.

    Raises:
        InputError: a field is missing or of the wrong type; the text names the row.
    """
    plain = Row(without_nulls(row.values), row.where, row.path, row.number)
    asked = plain.need("query", "prompt", "problem", "question")
    solutions = plain.texts("solutions", "responses")
    if len(solutions) < 2:
        raise row.error(f"field 'solutions' has {len(solutions)} texts; pairs need 2 or more")
    blank = next((i for i, text in enumerate(solutions) if not text.strip()), None)
    if blank is not None:
        raise row.error(f"solution {blank} is empty; leave it out or give its text")
    reference = plain.need("reference", "answer")
    if isinstance(reference, bool) or not isinstance(reference, str | int | float):
        raise row.error(f"field 'reference' must be text or a number, got {reference!r:.80}")
    if not str(reference).strip():
        raise row.error("field 'reference' is empty; give the right answer")
    return Problem(
        id=plain.label("id") if "id" in plain.values else str(place),
        query=turns(row, asked, "query", "user"),
        reference=str(reference),
        solutions=tuple(solutions),
        subset=plain.text("subset") if "subset" in plain.values else "",
    )


def _paired(
    problem: Problem, right: list[str], wrong: list[str], pairs: int, seed: int
) -> list[Sample]:
    rng = np.random.default_rng(derive_seed(seed, problem.id))
    chosen = [right[i] for i in rng.permutation(len(right))]
    rejected = [wrong[i] for i in rng.permutation(len(wrong))]
    samples = []
    for number, pair in enumerate(list(zip(chosen, rejected, strict=False))[:pairs]):
        first = int(rng.integers(2))  # place of the right one
        responses = pair if first == 0 else pair[::-1]
        samples.append(
            Sample(
                id=problem.id if pairs == 1 else f"{problem.id}/{number}",
                query=problem.query,
                responses=responses,
                ground_truth=(1.0, 0.0) if first == 0 else (0.0, 1.0),
                subset=problem.subset,
            )
        )
    return samples
