"""Which dialects a stage can train: what is known before anything is drawn."""

from __future__ import annotations

from deemster.dialects import Dialect
from deemster.errors import InputError
from deemster.schemas import Sample, as_query, as_responses
from deemster.training.prompts import training_messages


def check_trainable(dialect: Dialect, *, hinted: bool) -> None:
    """Refuse a dialect whose prompts cannot be trained on.

    Args:
        dialect: of the judge to train.
        hinted: whether prompts with a hint are to be drawn from as well.

    Raises:
        InputError: it takes two turns, or its prompt has no place for a hint.
    """
    few = _shown(dialect)
    answers = as_responses(("a", "b")[:few])
    probe = Sample(id="probe", query=as_query("q"), responses=answers)
    try:
        training_messages(probe, dialect, order=range(few), seed=0)
    except InputError as error:
        raise InputError(f"model.dialect: {error}") from error
    if not hinted:
        return
    try:
        training_messages(probe, dialect, order=range(few), seed=0, hint=0)
    except InputError as error:
        raise InputError(
            f"rft.hinted: the prompt of dialect {dialect.spec!r} has no place for a hint; set "
            "rft.hinted to false, or give another dialect"
        ) from error


def check_drawn_by_vllm(dialect: Dialect) -> None:
    """Refuse a dialect that vLLM cannot draw while a policy is trained.

    Raises:
        InputError: its completions are drawn under a grammar.
    """
    if dialect.json_schema(_shown(dialect)) is not None:
        raise InputError(
            f"dialect {dialect.name!r} is drawn under a grammar, which vllm of rl.train does "
            "not do; leave the section vllm out, or take dialect 'grm'"
        )


def _shown(dialect: Dialect) -> int:
    """Responses that a prompt of the dialect can show: 2 if it judges pairs, else 1."""
    try:
        dialect.check_n(2)
    except InputError:
        return 1
    return 2


__all__ = ["check_drawn_by_vllm", "check_trainable"]
