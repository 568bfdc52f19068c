"""What a policy is charged with: the reward it lost to others, principle by principle.

A vote's gap on a principle is the opponent's score less the policy's, on a scale of 0 to 1, times
the principle's weight. Judges that score each principle say the gap themselves; for the others the
gap of the whole vote is shared out by the weights. Gaps are averaged over an item's votes first, so
that a single odd vote cannot charge much.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from deemster.errors import InputError
from deemster.schemas import Critique, Judgment, Principle, Sample, Verdict
from deemster.suites.metrics.items import signs

Outcome = Literal["lost", "won", "tied"]
Flavour = Literal["scores", "weights", "none"]
"""Where a vote's gaps came from: scores per principle, weights alone, or no principles."""

_DESCRIPTIONS = 5
"""Descriptions kept per principle: enough to tell what it means."""
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
class Blame:
    """What one item's votes say about one principle; positive gaps are against the policy."""

    gap: float = 0.0
    """Weight times gap, summed over votes."""
    weight: float = 0.0
    """Summed over votes."""
    against: int = 0
    """Votes with a gap above 0."""
    worst: float = 0.0
    draw: int = 0
    quote: str = ""
    """The critique of the policy's response in the vote with the largest gap."""


@dataclass(slots=True)
class Trial:
    """One item in which the policy was judged."""

    id: str
    subset: str
    query: str
    reward: float
    outcome: Outcome
    single: bool
    n_votes: int
    """Votes that say something about both sides."""
    blames: dict[int, Blame]
    """By number of the principle."""
    by_weight: list[tuple[float, dict[int, float]]]
    """Of votes without scores per principle: the whole gap, and the weights by principle."""


@dataclass(slots=True)
class Docket:
    """All trials of one policy."""

    trials: list[Trial] = field(default_factory=list)
    principles: list[PrincipleText] = field(default_factory=list)
    n_unscored: int = 0
    """Items of the policy without rewards."""
    flavours: Counter[Flavour] = field(default_factory=Counter)
    """Votes by where their gaps came from."""
    pairs_only: bool = True
    """Whether every trial has exactly one opponent, chosen before the rewards were known."""
    _known: dict[str, int] = field(default_factory=dict)

    def number(self, principle: Principle) -> int:
        """The principle's place in `principles`; notes how it is spelled and described."""
        number = self._known.setdefault(_normal(principle.name), len(self._known))
        if number == len(self.principles):
            self.principles.append(PrincipleText())
        text = self.principles[number]
        text.spellings[principle.name.strip()] += 1
        told = text.descriptions
        if principle.description and len(told) < _DESCRIPTIONS:
            told += [principle.description] if principle.description not in told else []
        return number


def collect(
    rows: Iterable[tuple[Sample, Verdict]], *, policy: str, versus: str | None = None
) -> Docket:
    """Read the votes on one policy.

    Without `versus`, the opponent is the best of the other responses, and a single response is
    lost where its reward is below the median of the policy's single responses. With it, items
    without that policy are left out.

    Raises:
        InputError: no item can be used; the text lists the policies there are.
    """
    docket = Docket()
    seen: set[str] = set()
    for sample, verdict in rows:
        seen.update(sample.policies or ())
        sides = _sides(sample, verdict, policy, versus)
        if sides is None:
            continue
        if verdict.rewards is None:
            docket.n_unscored += 1
            continue
        writers = sample.policies or ()
        rivals = len(writers) - 1 if versus is None else writers.count(versus)
        docket.pairs_only &= rivals == writers.count(policy) == 1
        docket.trials.append(_trial(sample, verdict, sides, docket))
    if not docket.trials and not docket.n_unscored:
        wanted = repr(policy) if versus is None else f"{policy!r} and {versus!r}"
        names = ", ".join(sorted(seen)) or "none is recorded"
        raise InputError(f"no item has responses of {wanted}; policies of the run: {names}")
    _split_singles(docket.trials)
    return docket


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


def _trial(
    sample: Sample,
    verdict: Verdict,
    sides: tuple[int, int | None],
    docket: Docket,
) -> Trial:
    mine, other = sides
    rewards = verdict.rewards or ()
    outcome: Outcome = "tied"
    if other is not None:
        side = signs(np.array([rewards[mine], rewards[other]]))[0, 1]
        outcome = "won" if side > 0 else "lost" if side < 0 else "tied"
    blames: dict[int, Blame] = {}
    by_weight: list[tuple[float, dict[int, float]]] = []
    counted = 0
    for vote in verdict.judgments:
        gaps, flavour = _gaps(vote, mine, other)
        docket.flavours[flavour] += 1
        if gaps is None:
            continue
        counted += 1
        quote = _critique_text(vote, mine)
        weights: dict[int, float] = {}
        for principle, gap in zip(vote.principles, gaps, strict=True):
            number = docket.number(principle)
            weights[number] = weights.get(number, 0.0) + principle.weight
            if gap is not None:
                _add(blames.setdefault(number, Blame()), gap, principle.weight, vote.draw, quote)
        if flavour == "weights":
            by_weight.append((sum(gap or 0.0 for gap in gaps), weights))
    return Trial(
        id=sample.id,
        subset=sample.subset,
        query="\n".join(turn.text for turn in sample.query if turn.role == "user"),
        reward=rewards[mine],
        outcome=outcome,
        single=other is None,
        n_votes=counted,
        blames=blames,
        by_weight=by_weight,
    )


def _add(blame: Blame, gap: float, weight: float, draw: int, quote: str) -> None:
    blame.gap += gap
    blame.weight += weight
    blame.against += gap > 0
    if gap > blame.worst:
        blame.worst, blame.draw, blame.quote = gap, draw, quote


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


def _split_singles(trials: Sequence[Trial]) -> None:
    rewards = [trial.reward for trial in trials if trial.single]
    if rewards:
        middle = float(np.median(rewards))
        for trial in trials:
            if trial.single:
                trial.outcome = "lost" if trial.reward < middle else "won"


def _normal(name: str) -> str:
    """The name without case, punctuation, numbering and width variants."""
    text = unicodedata.normalize("NFKC", name).casefold()
    words = "".join(c if c.isalnum() else " " for c in text).split()
    while len(words) > 1 and words[0].isdigit():
        words.pop(0)
    return " ".join(words) or name
