"""One judge's opinion as text for another: renumbered, anonymous, defused, fenced."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from deemster.aggregators import tie_groups
from deemster.errors import InputError
from deemster.prompts import PromptTemplate, builtin_template
from deemster.prompts.untrusted import defuse, make_nonce, one_line
from deemster.schemas import Critique, Judgment, Principle

LONGEST = 6000
"""Most characters of one opinion; the middle of a longer one is left out."""
_NUMBERED = re.compile(r"\b(responses?[ \t]+#?)([0-9]{1,4})\b", re.IGNORECASE | re.ASCII)

# Judges see fences in their prompts and may quote them; in another prompt they would look real.
_FENCE = re.compile(r"<<<(?:BEGIN|END) [^<>\n]{1,80}>>>")


@dataclass(frozen=True)
class Opinion:
    """One judge's reasons and how it ranks the responses.

    Attributes:
        scores: its vote, one per response in the caller's order.
        order: response indices in the order that it was shown; empty for the caller's.
        principles: what it judged by.
        critiques: in the caller's order.
        analysis: reasoning about the responses together.
    """

    scores: tuple[float | None, ...]
    order: tuple[int, ...] = ()
    principles: tuple[Principle, ...] = ()
    critiques: tuple[Critique, ...] = ()
    analysis: str = ""

    @classmethod
    def of(cls, vote: Judgment, spoken: Judgment | None) -> Opinion:
        """From a judge's vote and the judgment that gives the reasons for it."""
        return cls(
            scores=vote.scores,
            order=spoken.order if spoken is not None else (),
            principles=vote.principles,
            critiques=vote.critiques,
            analysis=vote.analysis,
        )

    def text(self, order: Sequence[int]) -> str:
        """In words, with responses numbered from 1 in the order `order`.

        `Response 2` in the judge's own text is renumbered; other ways to point at a response
        (`the second answer`) cannot be distinguished from ordinary text and are left as they are.
        """
        place = {response: number for number, response in enumerate(order, start=1)}
        lines = [
            f"- {one_line(principle.name)} (weight {round(100 * principle.weight)}%): "
            f"{one_line(principle.description)}"
            for principle in self.principles
        ]
        blocks = ["\n".join(["Criteria:", *lines])] if lines else []
        said = sorted(
            (place[critique.response], critique.text)
            for critique in self.critiques
            if critique.response in place
        )
        blocks += [f"Response {number}: {self._renumbered(text, place)}" for number, text in said]
        if not said and self.analysis:
            blocks.append(self._renumbered(self.analysis, place))
        blocks.append(self._conclusion(place))
        return _shortened(_FENCE.sub("", "\n\n".join(blocks)))

    def _renumbered(self, text: str, place: dict[int, int]) -> str:
        own = self.order or tuple(range(len(self.scores)))

        def new(match: re.Match[str]) -> str:
            position = int(match[2]) - 1
            known = 0 <= position < len(own) and own[position] in place
            return f"{match[1]}{place[own[position]]}" if known else match[0]

        return _NUMBERED.sub(new, text)

    def _conclusion(self, place: dict[int, int]) -> str:
        given = {i: score for i, score in enumerate(self.scores) if score is not None}
        if len(self.scores) == 1:
            return f"Score: {given[0]:.3g}"
        tied = tie_groups(list(given.values()))
        names = list(given)
        groups = [[names[i] for i in group] for group in tied]
        grouped = {i for group in groups for i in group}
        groups += [[i] for i in given if i not in grouped]
        groups.sort(key=lambda group: -given[group[0]])
        ranks = [
            " = ".join(f"Response {number}" for number in sorted(place[i] for i in group))
            for group in groups
        ]
        return f"Conclusion, best first: {' > '.join(ranks)}"


def debate_template() -> PromptTemplate:
    """The prompt of debates."""
    return builtin_template("debate", ("opinions",))


def opinions_section(
    others: Sequence[Opinion], *, own: Opinion | None, round_number: int, arbiter: bool, seed: int
) -> Callable[[tuple[int, ...]], str]:
    """What `Judge.reconsider` takes: the text of a round, for each order shown.

    Args:
        others: in the order to show them.
        own: the reader's earlier judgment.
        round_number: from 1; rounds have different prompts even if nobody changed their mind.
        arbiter: whether the reader is to decide between the others.
        seed: of the fences' nonce.
    """
    if not others:
        raise InputError("a debate needs at least one other opinion")

    def section(order: tuple[int, ...]) -> str:
        texts = [defuse(opinion.text(order)) for opinion in others]
        mine = "" if own is None else defuse(own.text(order))
        nonce = make_nonce([*texts, mine], seed=seed)

        def fence(text: str, label: str) -> str:
            return f"<<<BEGIN {label} {nonce}>>>\n{text}\n<<<END {label} {nonce}>>>"

        messages = debate_template().render(
            {
                "opinions": texts,
                "labels": [label(place) for place in range(len(texts))],
                "own": mine,
                "n": len(order),
                "round": round_number,
                "arbiter": arbiter,
                "nonce": nonce,
            },
            fence=fence,
        )
        return messages[-1].text

    return section


def label(place: int) -> str:
    """A, B, ... Z, A2, B2, ..."""
    turn, letter = divmod(place, len(ascii_uppercase))
    return ascii_uppercase[letter] + (str(turn + 1) if turn else "")


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    half = (LONGEST - 20) // 2
    return f"{text[:half]}\n[... left out ...]\n{text[-half:]}"
