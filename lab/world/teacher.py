r"""A noisy programmatic judge: adaptive principles, evidence, scores.

It knows the truth and hides it behind the failings that the paper reports of real judges
(Fig. 8): improper principles, unbalanced weights, wrong checks. They are drawn anew for every
trajectory, so that many votes are better than one. A trajectory has room for two
principles; tasks with three rules take several to be seen whole.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from lab.world.item import Criterion, Item


@dataclass(frozen=True)
class TeacherNoise:
    """How often the teacher fails; all are probabilities in 0..1.

    Attributes:
        improper: a principle that the query does not ask for gets most of the weight.
        habitual: in the domains of `habit` it is always the same one, and this often.
        slip: the solution is worked out wrongly; half as often, a verdict does not follow from it.
        score: the score differs by one from what the principles give.
        shortcut: under a hint, the critique follows the hint without evidence.
        habit: domains with a habitual improper principle.
    """

    improper: float = 0.3
    habitual: float = 0.55
    slip: float = 0.07
    score: float = 0.12
    shortcut: float = 0.15
    habit: tuple[str, ...] = ("form-and-tone", "dates", "facts")


NOISELESS = TeacherNoise(improper=0, habitual=0, slip=0, score=0, shortcut=0)
_HABIT = "rich detail"


def teacher_text(
    item: Item,
    order: tuple[int, ...],
    rng: random.Random,
    *,
    noise: TeacherNoise = TeacherNoise(),
    hinted: bool = False,
    principles: bool = True,
) -> str:
    r"""One trajectory in the layout of the `grm` dialect.

    Args:
        item: what is judged.
        order: original index of each response shown.
        rng: decides everything that is drawn.
        noise: how often it fails.
        hinted: the prompt named the best response; it is then more careful about principles,
            but may take the shortcut.
        principles: False leaves the principles out (an ablation): the critique goes by what
            decides.

    Returns:
        Labelled text that ends with `Scores: \boxed{…}`.
    """
    shortcut = hinted and rng.random() < noise.shortcut
    chosen = _choose(item, rng, noise, hinted=hinted)
    n = len(order)
    working = item.working
    slipped = working is not None and rng.random() < noise.slip
    scores, lines = [], []
    if working is not None and not shortcut:
        lines.append(f"Solution: {working.slip if slipped else working.text}")
    for shown, index in enumerate(order, 1):
        total, parts = 0, []
        for criterion, weight in chosen:
            checks = criterion.slipped if slipped and criterion.slipped else criterion.checks
            text, ok = checks[index].evidence, checks[index].ok
            if rng.random() < noise.slip / 2:
                ok = not ok
            if shortcut:
                ok = item.sample.best == index if n > 1 else item.sample.ground_truth == (1.0,)
                text = "as told"
            total += weight * ok
            verdict = f"yes +{weight}" if ok else "no +0"
            parts.append(f"{criterion.name}: {text} {verdict}")
        lines.append(f"Response {shown}: {'; '.join(parts)}")
        scores.append(_score(total, n, rng, noise))
    listed = "\n".join(f"- {criterion.name} (weight: {weight})" for criterion, weight in chosen)
    head = f"Specific Criteria:\n{listed}\n" if principles else ""
    analysis = "\n".join(lines)
    return f"{head}Analysis:\n{analysis}\nScores: \\boxed{{{', '.join(map(str, scores))}}}"


def _choose(
    item: Item, rng: random.Random, noise: TeacherNoise, *, hinted: bool
) -> list[tuple[Criterion, int]]:
    """One or two criteria with weights that sum to 10, the heavier first."""
    proper = list(item.proper)
    rng.shuffle(proper)
    improper = {criterion.name: criterion for criterion in item.improper}
    careful = 0.5 if hinted else 1.0
    if item.domain in noise.habit and rng.random() < noise.habitual * careful:
        return [(improper[_HABIT], 8), (proper[0], 2)]
    stray = rng.choice([c for c in item.improper if c.name != _HABIT])
    if item.domain not in noise.habit and rng.random() < noise.improper * careful:
        weight = rng.randint(6, 9)
        return [(stray, weight), (proper[0], 10 - weight)]
    if len(proper) > 1:
        weight = rng.randint(5, 6)
        return [(proper[0], weight), (proper[1], 10 - weight)]
    if rng.random() < 0.5:
        return [(proper[0], 10)]
    weight = rng.randint(6, 9)
    return [(proper[0], weight), (stray, 10 - weight)]


def _score(total: int, n: int, rng: random.Random, noise: TeacherNoise) -> int:
    if n == 1:
        return int(total >= 6)
    off = rng.choice((1, -1)) if rng.random() < noise.score else 0
    return min(10, max(1, total + off))
