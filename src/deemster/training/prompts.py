"""Prompts to train on: exactly what a `Judge` sends, and the hint of hinted sampling.

Training and inference share the code path (`Case.view`, `Dialect.render`), so a model never meets
a prompt at inference that differs from those it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

from deemster.dialects import Dialect
from deemster.errors import InputError
from deemster.judges.case import Case, Section
from deemster.principles import as_principles
from deemster.schemas import Conversation, Sample
from deemster.training.outcome import truth_of


def training_messages(
    sample: Sample, dialect: Dialect, *, order: Sequence[int], seed: int, hint: int | None = None
) -> Conversation:
    """The messages a `Judge` with this dialect and seed sends about a sample.

    Args:
        sample: what is judged; its reference and its own principles are shown as a judge shows
            them.
        dialect: prompt and parser.
        order: response indices in the order shown.
        seed: the judge's seed (it decides the markers around untrusted text, nothing else).
        hint: see `hint_section`; None for no hint.

    Raises:
        InputError: the order does not name every response once, the dialect cannot judge so many
            responses or takes two turns, or the hint is not a response.
    """
    n = len(sample.responses)
    if sorted(order) != list(range(n)):
        raise InputError(f"order {tuple(order)} does not name each of {n} responses once")
    dialect.check_n(n)
    if dialect.template.has_second:
        raise InputError(
            f"dialect {dialect.name!r} judges in two turns, and training takes one; give another"
        )
    case = Case(
        sample.query,
        sample.responses,
        sample.reference,
        as_principles(sample.principles) if sample.principles else (),
        after=None if hint is None else hint_section(n, hint),
    )
    return dialect.render(case.view(tuple(order), scale=dialect.scale_for(n), seed=seed))


def hint_section(n: int, hint: int) -> Section:
    """The paragraph that hinted sampling appends to a prompt, for each order shown.

    Args:
        n: how many responses there are.
        hint: index of the best response in the caller's order; for a single response 1 if it is
            right and 0 if it is wrong.

    Raises:
        InputError: the hint is not in range.
    """
    allowed = 2 if n == 1 else n
    if not 0 <= hint < allowed:
        raise InputError(f"hint must be from 0 to {allowed - 1} for {n} responses, got {hint}")

    def section(order: tuple[int, ...]) -> str:
        if n == 1:
            fact = f"Response 1 is {'right' if hint else 'wrong'}."
        else:
            fact = f"Response {order.index(hint) + 1} is the best one."
        return (
            f"# Hint\n\n{fact} Find the reasons in the texts themselves, examine every response, "
            "and write as if you had not been told: the hint must not be mentioned."
        )

    return section


def hint_of(sample: Sample) -> int:
    """The hint that a sample's ground truth gives; see `hint_section`.

    Raises:
        InputError: the sample has no label, or a truth without one strict maximum.
    """
    truth = truth_of(sample)
    return int(truth[0]) if len(truth) == 1 else truth.index(max(truth))
