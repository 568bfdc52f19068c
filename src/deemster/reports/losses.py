"""The reward a policy lost to others, principle by principle.

A vote's gap on a principle is the opponent's score minus the policy's, on a scale of 0 to 1, times
the principle's weight. Judges that score each principle give the gap directly; for the others the
vote's overall gap is split according to the weights. Gaps are averaged over an item's votes first,
so that a single odd vote cannot count for much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np

from deemster.errors import InputError
from deemster.prompts.normal_form import nfkc
from deemster.reports.loss_columns import Loss, PrincipleLosses, WeightedVotes
from deemster.schemas import Critique, Judgment, Principle, Sample, Verdict
from deemster.suites.metrics.items import signs

Result = Literal["lost", "won", "tied"]
Flavour = Literal["scores", "weights", "none"]
"""Where a vote's gaps came from: scores per principle, weights alone, or no principles."""

_DESCRIPTIONS = 5
"""Descriptions kept per principle: enough to show what it means."""
_QUOTE = 2000
"""Characters of a critique kept for quoting."""


@dataclass(slots=True)
class PrincipleText:
    """A principle as the votes name it; spellings that differ in case or punctuation are one."""

    spellings: Counter[str] = field(default_factory=Counter)
    descriptions: list[str] = field(default_factory=list)
    """The first few distinct ones."""

    @property
    def name(self) -> str:
        """The most frequent spelling; the alphabetically first of several."""
        return min(self.spellings, key=lambda name: (-self.spellings[name], name))

    @property
    def count(self) -> int:
        """How often it was named."""
        return self.spellings.total()


@dataclass(slots=True)
class JudgedItem:
    """One item in which the policy was judged."""

    id: str
    subset: str
    query: str
    reward: float
    result: Result
    single: bool
    n_votes: int
    """Votes that say something about both sides."""
    losses: range
    """Its rows in `JudgedItems.losses`."""


@dataclass(slots=True)
class JudgedItems:
    """All items in which one policy was judged.

    Without `versus`, the opponent is the best of the other responses, and a single response counts
    as lost if its reward is below the median of the policy's single responses. With `versus`, items
    without a response of that policy are left out.
    """

    policy: str
    versus: str | None = None
    items: list[JudgedItem] = field(default_factory=list)
    principles: list[PrincipleText] = field(default_factory=list)
    losses: PrincipleLosses = field(default_factory=PrincipleLosses)
    votes: WeightedVotes = field(default_factory=WeightedVotes)
    n_unscored: int = 0
    """Items of the policy without rewards."""
    flavours: Counter[Flavour] = field(default_factory=Counter)
    """Votes by where their gaps came from."""
    pairs_only: bool = True
    """Whether every item has exactly one opponent, chosen before the rewards were known."""
    _known: dict[str, int] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def add(self, sample: Sample, verdict: Verdict) -> None:
        """Read the votes of one item; it is skipped where it is not about the policies."""
        writers = sample.policies or ()
        self._seen.update(writers)
        sides = _sides(sample, verdict, self.policy, self.versus)
        if sides is None:
            return
        if verdict.rewards is None:
            self.n_unscored += 1
            return
        rivals = len(writers) - 1 if self.versus is None else writers.count(self.versus)
        self.pairs_only &= rivals == writers.count(self.policy) == 1
        self.items.append(_judged_item(sample, verdict, sides, self))

    def complete(self) -> None:
        """Decide what needs all items; call it once, after the last one.

        Raises:
            InputError: no item can be used; the text lists the policies of the run.
        """
        if not self.items and not self.n_unscored:
            both = f"{self.policy!r} and {self.versus!r}"
            wanted = repr(self.policy) if self.versus is None else both
            names = ", ".join(sorted(self._seen)) or "none is recorded"
            raise InputError(f"no item has responses of {wanted}; policies of the run: {names}")
        _split_singles(self.items)

    def number(self, principle: Principle) -> int:
        """The principle's place in `principles`; notes how it is spelled and described."""
        number = self._known.setdefault(_normal(principle.name), len(self._known))
        if number == len(self.principles):
            self.principles.append(PrincipleText())
        text = self.principles[number]
        text.spellings[principle.name.strip()] += 1
        known = text.descriptions
        if principle.description not in ("", *known) and len(known) < _DESCRIPTIONS:
            known.append(principle.description)
        return number


def _sides(
    sample: Sample, verdict: Verdict, policy: str, versus: str | None
) -> tuple[int, int | None] | None:
    """The policy's response and its opponent's; None if the item is not about them."""
    policies = sample.policies or ()
    mine = [i for i, name in enumerate(policies) if name == policy]
    others = [i for i, name in enumerate(policies) if name != policy and versus in (None, name)]
    if not mine or (versus is not None and not others):
        return None
    rewards = verdict.rewards or (0.0,) * len(policies)

    def best(of: list[int]) -> int:
        return max(of, key=lambda i: rewards[i])

    return best(mine), best(others) if others else None


def _judged_item(
    sample: Sample,
    verdict: Verdict,
    sides: tuple[int, int | None],
    judged: JudgedItems,
) -> JudgedItem:
    mine, other = sides
    rewards = verdict.rewards or ()
    result: Result = "tied"
    if other is not None:
        side = signs(np.array([rewards[mine], rewards[other]]))[0, 1]
        result = "won" if side > 0 else "lost" if side < 0 else "tied"
    losses: dict[int, Loss] = {}
    counted = 0
    for vote in verdict.judgments:
        gaps, flavour = _gaps(vote, mine, other)
        judged.flavours[flavour] += 1
        if gaps is None:
            continue
        counted += 1
        # Only what was lost is quoted; of single responses that is known in the end.
        quote = "" if result != "lost" and other is not None else _critique_text(vote, mine)
        weights: dict[int, float] = {}
        for principle, gap in zip(vote.principles, gaps, strict=True):
            number = judged.number(principle)
            weights[number] = weights.get(number, 0.0) + principle.weight
            if gap is not None:
                losses.setdefault(number, Loss()).add(gap, principle.weight, vote.draw, quote)
        if flavour == "weights":
            judged.votes.add(len(judged.items), sum(gap or 0.0 for gap in gaps), weights)
    return JudgedItem(
        id=sample.id,
        subset=sample.subset,
        query="\n".join(turn.text for turn in sample.query if turn.role == "user"),
        reward=rewards[mine],
        result=result,
        single=other is None,
        n_votes=counted,
        losses=judged.losses.add(len(judged.items), losses),
    )


def _gaps(
    vote: Judgment, mine: int, other: int | None
) -> tuple[Sequence[float | None] | None, Flavour]:
    """Weight times gap for each principle of a vote; None where the vote says nothing."""
    if not vote.principles:
        return None, "none"
    width = 1.0 if vote.scale is None else max(vote.scale.high - vote.scale.low, 1e-9)
    high = None if vote.scale is None else vote.scale.high
    weights = [principle.weight for principle in vote.principles]
    own = _principle_scores(vote, mine)
    theirs = [high] * len(weights) if other is None else _principle_scores(vote, other)
    if own is not None and theirs is not None:
        gaps = [
            None if a is None or b is None else weight * (b - a) / width
            for weight, a, b in zip(weights, own, theirs, strict=True)
        ]
        return gaps, "scores"
    score, against = vote.scores[mine], high if other is None else vote.scores[other]
    if score is None or against is None:
        return None, "none"
    return [weight * (against - score) / width for weight in weights], "weights"


def _principle_scores(vote: Judgment, response: int) -> Sequence[float | None] | None:
    for critique in vote.critiques:
        if critique.response == response and critique.scores is not None:
            return critique.scores
    return None


def _critique_text(vote: Judgment, response: int) -> str:
    texts: list[Critique] = [c for c in vote.critiques if c.response == response and c.text.strip()]
    return (texts[0].text if texts else vote.analysis)[:_QUOTE].strip()


def _split_singles(items: Sequence[JudgedItem]) -> None:
    rewards = [item.reward for item in items if item.single]
    if rewards:
        middle = float(np.median(rewards))
        for item in items:
            if item.single:
                item.result = "lost" if item.reward < middle else "won"


# Judges name few principles in very many votes.
@lru_cache(maxsize=10_000)
def _normal(name: str) -> str:
    """The name without case, punctuation, numbering and width variants."""
    text = nfkc(name).casefold()
    words = "".join(c if c.isalnum() else " " for c in text).split()
    while len(words) > 1 and words[0].isdigit():
        words.pop(0)
    return " ".join(words) or name
