"""From a decision model's answers to a vote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deemster.backends import Outcome
from deemster.errors import BackendError, ParseError
from deemster.judges.decision_questions import Sheet, check_answered
from deemster.schemas import (
    Decision,
    Failure,
    Judgment,
    Question,
    Scale,
    Usage,
    Vote,
    dump_decisions,
    read_decisions,
)

SCALE = Scale(low=0, high=1, integer=False)
"""Of a decision judge's scores."""


def vote_of(
    sheet: Sheet,
    answered: Sequence[tuple[tuple[Question, ...], Outcome]],
    *,
    min_label_mass: float,
    chance_seed: int,
    order: tuple[int, ...],
    **drawn: Any,  # noqa: ANN401 - fields of a vote
) -> tuple[Vote, tuple[float, ...] | None]:
    """The vote of one draw and each response's chance to win, None of a failure.

    Args:
        sheet: what was asked.
        answered: the questions of each request, and what came of it.
        min_label_mass: the least share of the probability that must fall on the options.
        chance_seed: of the chances.
        order: indices of all responses, as shown.
        drawn: `draw`, `judge` and `seed` of the vote.
    """
    usage = Usage.total(outcome.usage or Usage() for _, outcome in answered)
    shared: dict[str, Any] = {"order": order, "usage": usage, **drawn}
    decisions: list[Decision] = []
    warnings: tuple[str, ...] = ()
    raw = ""
    try:
        for questions, outcome in answered:
            if isinstance(outcome, BackendError):
                raise outcome
            raw = outcome.text
            decisions += read_decisions(outcome.text, questions)
            warnings += outcome.warnings
        raw = dump_decisions(decisions)
        check_answered(decisions, min_label_mass=min_label_mass)
    except (BackendError, ParseError) as error:
        return Failure.of(error, raw=raw, warnings=warnings, **shared), None
    values = sheet.values(decisions)
    shown = sheet.scores(values)
    chances = sheet.win_chances(decisions, seed=chance_seed)
    place = {response: position for position, response in enumerate(order)}
    critiques = tuple(
        critique.model_copy(update={"response": order[critique.response]})
        for critique in sheet.critiques(values)
    )
    judgment = Judgment(
        scores=tuple(shown[place[response]] for response in range(sheet.n)),
        scale=SCALE,
        principles=sheet.principles,
        critiques=tuple(sorted(critiques, key=lambda critique: critique.response)),
        raw=raw,
        warnings=tuple(dict.fromkeys(warnings)),
        **shared,
    )
    return judgment, tuple(float(chances[place[response]]) for response in range(sheet.n))
