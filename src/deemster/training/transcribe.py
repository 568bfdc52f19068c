"""From votes to trajectories: any judge's judgment, as text that the judge to train could write."""

from __future__ import annotations

from deemster.dialects import Dialect
from deemster.dialects.base import to_caller_order
from deemster.errors import InputError, ParseError
from deemster.schemas import Completion, Judgment, Sample, Vote
from deemster.training.outcome import is_correct
from deemster.training.prompts import training_messages
from deemster.training.rollouts import Rollout

WITH_TEXT = frozenset({"parse_error", "ambiguous"})
"""Failures caused by the judge's text: these are trajectories, wrong ones."""


def rollout_of(
    sample: Sample,
    vote: Vote,
    *,
    dialect: Dialect,
    written_in: str,
    stage: str,
    seed: int = 0,
    hinted: bool = False,
) -> Rollout | None:
    """Turn a vote about a sample into a trajectory.

    Args:
        sample: what was judged.
        vote: a judgment, or a failure; a failure is a trajectory if its text is at fault.
        dialect: of the judge to train.
        written_in: spec of the dialect in which the vote was requested. Text that it cannot read
            says nothing in another dialect.
        stage: who wrote it.
        seed: of the judge, for the prompt (see `training_messages`).
        hinted: whether the prompt named the best response.

    Returns:
        The trajectory; None if there is no text that the judge to train could write.

    Raises:
        InputError: the sample's ground truth is not a label (see `check_truth`), or the dialect
            scores single responses on a scale that differs from the labels'.
    """
    if isinstance(vote, Judgment):
        text, scores = completion_of(vote, dialect), vote.scores
    else:
        own = vote.status in WITH_TEXT and written_in == dialect.spec and vote.order
        text, scores = (vote.raw if own else None), None
    if text is None:
        return None
    return Rollout(
        sample_id=sample.id,
        order=vote.order,
        messages=training_messages(sample, dialect, order=vote.order, seed=seed),
        completion=text,
        scores=scores,
        correct=_is_correct(scores, sample, dialect),
        hinted=hinted,
        stage=stage,
        seed=vote.seed or 0,
    )


def _is_correct(
    scores: tuple[float | None, ...] | None, sample: Sample, dialect: Dialect
) -> bool | None:
    if sample.ground_truth is None:
        return None
    check_scale(len(sample.responses), dialect)
    return scores is not None and is_correct(scores, sample.ground_truth)


def check_scale(n: int, dialect: Dialect) -> None:
    """Refuse a dialect in which a label of `n` responses cannot be written.

    Raises:
        InputError: it scores a single response on another scale than 0 to 1.
    """
    if not is_scaled(n, dialect):
        scale = dialect.scale_for(n)
        raise InputError(
            f"dialect {dialect.spec!r} scores a single response from {scale.low:g} to "
            f"{scale.high:g}, but its label is 0 or 1; train with 'grm:binary'"
        )


def is_scaled(n: int, dialect: Dialect) -> bool:
    """Whether a label of `n` responses is on the dialect's scale; a single one's is 0 or 1."""
    scale = dialect.scale_for(n)
    return n > 1 or (scale.low, scale.high) == (0, 1)


def completion_of(judgment: Judgment, dialect: Dialect) -> str | None:
    """The judgment as a completion in a dialect.

    This is its own text if the dialect reads the same scores from it; else its principles,
    critiques and scores in the labelled layout, if the dialect reads that (so a judge that answers
    in JSON can teach one that writes `grm`).

    Returns:
        The text; None if the order shown is not known, there is no critique of some response, or
        the scores are not on the dialect's scale.
    """
    if sorted(judgment.order) != list(range(len(judgment.scores))):
        return None
    for text in (judgment.raw, _labelled_text(judgment)):
        if text and read_scores(text, judgment.order, dialect) == judgment.scores:
            return text
    return None


def read_scores(
    text: str, order: tuple[int, ...], dialect: Dialect
) -> tuple[float | None, ...] | None:
    """The scores a completion states, in the caller's order; None if it is unparseable."""
    try:
        parsed = dialect.parse(Completion(text=text), n=len(order))
    except ParseError:
        return None
    return to_caller_order(parsed, order, len(order)).scores


def _labelled_text(judgment: Judgment) -> str | None:
    critiques = {critique.response: critique.text.strip() for critique in judgment.critiques}
    if not judgment.principles or not all(critiques.get(i) for i in judgment.order):
        return None
    lines = ["Specific Criteria:"]
    for number, principle in enumerate(judgment.principles, start=1):
        weight = round(100 * principle.weight)
        lines.append(f"{number}. {principle.name} (weight: {weight}%): {principle.description}")
    lines += ["", "Analysis:"]
    for place, response in enumerate(judgment.order, start=1):
        lines.append(f"- Response {place}: {critiques[response]}")
    # None is not a number and fails to parse: such a judgment is not written out.
    shown = [judgment.scores[response] for response in judgment.order]
    numbers = ", ".join(str(score) if score is None else f"{score:g}" for score in shown)
    return "\n".join([*lines, "", f"Scores: \\boxed{{{numbers}}}"])
