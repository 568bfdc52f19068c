"""Whether a judgment is right, and the resulting reward (paper Eq. 10 and 11).

Rejection, the RL reward, the labels of the meta RM and every evaluation use this one rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from deemster.errors import InputError
from deemster.schemas import Sample


def check_truth(ground_truth: Sequence[float]) -> None:
    """Raise `InputError` if Eq. 10 cannot be applied to a ground truth.

    Several responses need one strict maximum, a single response 0 or 1.
    """
    if not ground_truth:
        raise InputError("ground_truth is empty; give one true reward per response")
    if not all(math.isfinite(value) for value in ground_truth):
        raise InputError(f"ground_truth {_shown(ground_truth)} must hold finite numbers only")
    if len(ground_truth) == 1:
        if ground_truth[0] not in (0, 1):
            raise InputError(
                f"ground_truth {_shown(ground_truth)} of a single response must be 0 or 1"
            )
        return
    maxima = list(ground_truth).count(max(ground_truth))
    if maxima > 1:
        raise InputError(
            f"ground_truth {_shown(ground_truth)} has {maxima} maxima; "
            "one response must be strictly best, drop or relabel the item"
        )


def truth_of(sample: Sample) -> tuple[float, ...]:
    """The ground truth of a sample to learn from.

    Raises:
        InputError: it has none, or see `check_truth`; the text names the sample.
    """
    if sample.ground_truth is None:
        raise InputError(f"sample {sample.id!r} has no ground_truth; label it or leave it out")
    try:
        check_truth(sample.ground_truth)
    except InputError as error:
        raise InputError(f"sample {sample.id!r}: {error}") from error
    return sample.ground_truth


def is_correct(scores: Sequence[float | None], ground_truth: Sequence[float]) -> bool:
    """Whether scores agree with the ground truth (paper Eq. 10).

    Several responses: the truly best one has strictly the highest score. A single response: its
    score is its ground truth. A missing score (None) is never correct.

    Args:
        scores: one per response, in the order of `ground_truth`.
        ground_truth: true rewards; for a single response 0 or 1.

    Raises:
        InputError: the lengths differ, or the truth has no unique maximum (see `check_truth`).
    """
    check_truth(ground_truth)
    if len(scores) != len(ground_truth):
        raise InputError(f"{len(scores)} scores for {len(ground_truth)} responses")
    given = [score for score in scores if score is not None]
    if len(given) < len(scores):
        return False
    if len(given) == 1:
        return given[0] == ground_truth[0]
    best = list(ground_truth).index(max(ground_truth))
    return all(given[best] > score for i, score in enumerate(given) if i != best)


def rule_reward(correct: bool | None) -> float:
    """The rule-based reward (paper Eq. 11): +1 if correct, else -1.

    Args:
        correct: what `is_correct` says; None for an unparseable completion, which also gets -1.
    """
    return 1.0 if correct else -1.0


def _shown(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"
