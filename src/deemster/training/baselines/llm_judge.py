r"""LLM-as-a-judge: examples that teach a model to write the index of the best response.

Fine-tune on them with `train_sft`, then evaluate with `Judge("hf:OUT/model", k=8,
dialect="pairwise")` (majority vote, paper Eq. 13) or `dialect="pairwise-tokenprob"` (votes
weighted by the probability of the index).
"""

from __future__ import annotations

from collections.abc import Iterable

from deemster.dialects import Dialect, open_dialect
from deemster.dialects.boxed import BOX
from deemster.errors import InputError, ParseError
from deemster.judges.orders import derive_seed, order_of
from deemster.schemas import Completion, Sample
from deemster.training.outcome import truth_of
from deemster.training.prompts import training_messages
from deemster.training.rollouts import Rollout
from deemster.training.sft import Example


def verdict_examples(
    samples: Iterable[Sample], *, orders: int = 2, seed: int = 0, dialect: Dialect | None = None
) -> list[Example]:
    r"""The right verdict alone, `Best: \boxed{i}`, for every sample with two or more responses.

    Args:
        samples: with ground truth.
        orders: in how many orders each is shown; two are both orders of a pair.
        seed: of the judge that will be used; it also draws the orders.
        dialect: `pairwise` or one with the same verdict; None is `pairwise`.

    Raises:
        InputError: a sample has no label or not one strictly best response; or none has two
            responses.
    """
    if orders < 1:
        raise InputError(f"orders must be >= 1, got {orders}")
    dialect = dialect or open_dialect("pairwise")
    examples = []
    for sample in samples:
        best = _best(sample)
        if best is None:
            continue
        for draw in range(orders):
            order = order_of(
                draw,
                len(sample.responses),
                kind="balanced",
                seed=derive_seed(seed, sample.id),
            )
            messages = training_messages(sample, dialect, order=order, seed=seed)
            examples.append(Example(messages, _verdict(order.index(best))))
    if not examples:
        raise InputError(
            "no sample has 2 or more responses; an LLM-as-a-judge learns to choose between them"
        )
    return examples


def trajectory_examples(
    rollouts: Iterable[Rollout],
    samples: Iterable[Sample],
    *,
    seed: int = 0,
    dialect: Dialect | None = None,
) -> list[Example]:
    r"""Correct trajectories of a GRM with their boxed scores replaced by the boxed index.

    This trains the baseline on the same criteria and analyses as the GRM: only the form of the
    verdict differs. Incorrect and unlabelled trajectories, those about single responses, and
    those whose text would then not be read as the right verdict are left out.

    Args:
        rollouts: trajectories, of a judge that ends with its boxed scores.
        samples: what they are about.
        seed: of the judge that will be used.
        dialect: `pairwise` or one with the same verdict; None is `pairwise`.
    """
    dialect = dialect or open_dialect("pairwise")
    by_id = {sample.id: sample for sample in samples}
    examples = []
    for rollout in rollouts:
        sample = by_id.get(rollout.sample_id)
        best = None if sample is None or not rollout.correct else _best(sample)
        if sample is None or best is None:
            continue
        place = rollout.order.index(best)
        text = _with_verdict(rollout.completion, place, len(rollout.order), dialect)
        if text is not None:
            messages = training_messages(sample, dialect, order=rollout.order, seed=seed)
            examples.append(Example(messages, text))
    return examples


def _best(sample: Sample) -> int | None:
    truth = truth_of(sample)
    return None if len(truth) < 2 else truth.index(max(truth))


def _verdict(place: int) -> str:
    return f"Best: \\boxed{{{place + 1}}}"


def _with_verdict(completion: str, place: int, n: int, dialect: Dialect) -> str | None:
    """The text up to the line of its last box, then the verdict; None if it is read as another."""
    boxes = [box.start() for box in BOX.finditer(completion)]
    if not boxes:
        return None
    line = completion.rfind("\n", 0, boxes[-1]) + 1
    text = completion[:line] + _verdict(place)
    try:
        scores = dialect.parse(Completion(text=text), n=n).scores
    except ParseError:  # the analysis has another box
        return None
    return text if scores[place] == 1 else None


__all__ = ["trajectory_examples", "verdict_examples"]
