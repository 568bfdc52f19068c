"""Any judge's judgment, written so that the dialect of the judge to train reads it.

Scores go to that dialect's scale and responses get the names that its prompt gives them, so that a
log of `[[A]]` and `[[B]]` can teach a judge that boxes two scores.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from deemster.aggregators import tie_groups
from deemster.dialects import Dialect
from deemster.schemas import Judgment, Scale
from deemster.training.transcribe import completion_of, read_scores

Scores = tuple[float | None, ...]

# Letters of one response each, as the prompts of pairwise judges name them.
_NAMED = re.compile(
    r"\b(?:assistant|response|output|answer|model|solution)[ \t]{1,3}(?:\(([a-d])\)|([A-D])\b)",
    re.IGNORECASE,
)
# A whole sentence, as "My final verdict is:" says nothing without the brackets behind it.
_VERDICT = re.compile(r"[^.!?\n]{0,300}\[\[[^\[\]\n]{1,40}\]\][^.!?\n]{0,20}[.!?]?")
BARE = "Scores: \\boxed{"
"""How a judgment without principles and critiques begins."""
_LEAST_WORDS = 4
"""Fewer than this behind a verdict are not reasons but the verdict: `Output (b) is better`."""


class Written(NamedTuple):
    """A completion to train on, and what it says."""

    text: str
    scores: tuple[float, ...]
    """In the caller's order, on the scale of the dialect it is written in."""


def write_judgment(judgment: Judgment, dialect: Dialect, *, reasons: bool = True) -> Written | None:
    """The judgment as a completion in a dialect.

    With reasons this is the judge's own text, if the dialect reads the same scores from it; else
    its principles and critiques (or what it says about the responses together) in the labelled
    layout of `grm`, with its scores on the dialect's scale (see `rescaled`). Without reasons it is
    the scores alone, in that layout.

    Returns:
        The completion; None if the order shown is not known, some response has no score, or the
        dialect does not read it.
    """
    n = len(judgment.scores)
    given = tuple(score for score in judgment.scores if score is not None)
    if len(given) < n or sorted(judgment.order) != list(range(n)):
        return None
    if reasons and (own := completion_of(judgment, dialect)) is not None:
        return Written(own, given)
    scores = rescaled(given, judgment.scale, dialect.scale_for(n))
    if scores is None:
        return None
    boxed = ", ".join(f"{scores[response]:g}" for response in judgment.order)
    blocks = [*(_reasons(judgment) if reasons else ()), f"{BARE}{boxed}}}"]
    text = "\n\n".join(blocks)
    return Written(text, scores) if read_scores(text, judgment.order, dialect) == scores else None


def rescaled(scores: tuple[float, ...], own: Scale | None, new: Scale) -> tuple[float, ...] | None:
    """Scores of one scale on another, ends to ends: a win of 1 to 0 is one of 10 to 1.

    Where the scale has no ends (scalar reward models, votes that a panel standardised) ranks are
    spread evenly instead, the best at the upper end.

    Returns:
        The scores; None if different ones would become equal, or a single one has no scale.
    """
    if own == new:
        return scores
    if own is not None and own.high > own.low:
        shares = [(score - own.low) / (own.high - own.low) for score in scores]
    elif len(scores) > 1:
        ranks = sorted(set(scores))
        shares = [ranks.index(score) / max(1, len(ranks) - 1) for score in scores]
    else:
        return None
    found = tuple(new.low + share * (new.high - new.low) for share in shares)
    if new.integer:
        found = tuple(float(round(score)) for score in found)
    same = tie_groups(list(found)) == tie_groups(list(scores))
    return found if same else None


def _reasons(judgment: Judgment) -> list[str]:
    """Principles and reasons as blocks of the labelled layout, responses in the order shown."""
    blocks = []
    if judgment.principles:
        lines = [
            f"{number}. {one.name} (weight: {round(100 * one.weight)}%): {one.description}"
            for number, one in enumerate(judgment.principles, start=1)
        ]
        blocks.append("\n".join(["Specific Criteria:", *lines]))
    said = {one.response: _VERDICT.sub("", one.text).strip() for one in judgment.critiques}
    if all(said.get(response) for response in judgment.order):
        lines = [f"- Response {i}: {said[one]}" for i, one in enumerate(judgment.order, start=1)]
        blocks.append("\n".join(["Analysis:", *lines]))
    elif analysis := _analysis(judgment.analysis):
        blocks.append(f"Analysis:\n{analysis}")
    return blocks


def _analysis(text: str) -> str:
    """Reasons about the responses together, with their numbers for names; empty if there are none.

    The verdict itself is left out: the scores behind the reasons say it.
    """
    numbered = _NAMED.sub(
        lambda match: f"Response {'abcd'.index((match[1] or match[2]).lower()) + 1}",
        _VERDICT.sub("", text),
    ).strip()
    words = _NAMED.sub("", re.sub(r"Response \d", "", numbered)).split()
    return numbered if len(words) >= _LEAST_WORDS else ""
