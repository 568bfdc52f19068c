"""From verdicts to figures: pure, every figure with its interval."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from deemster.probe.answers import (
    Answer,
    agreement,
    attacker_wins,
    between,
    by_order,
    histogram,
    right_wins,
    scores,
    winners,
)
from deemster.probe.card import Figure, HealthCard, judged
from deemster.probe.plan import Stage
from deemster.schemas import JudgeInfo, Sample, Usage, Verdict
from deemster.suites.metrics import (
    Bin,
    Bootstrap,
    Estimate,
    Item,
    auc,
    calibrate,
    position_consistency,
)
from deemster.suites.metrics.stability import STABLE

_DRAWN = Bootstrap(proportions="wilson")
_NONE = Estimate(value=None, low=None, high=None, n=0)
_UNREADABLE = ("parse_error", "ambiguous", "empty")


def draw_card(
    answers: Sequence[Answer], *, judge: JudgeInfo, version: str, calls: int, usage: Usage
) -> HealthCard:
    """All figures of a probe."""
    by_stage: dict[Stage, list[Answer]] = {}
    for answer in answers:
        by_stage.setdefault(answer.unit.stage, []).append(answer)
    votes = by_stage.get("votes", [])
    verdicts = [verdict for answer in answers for verdict in answer.verdicts.values()]
    failures: Counter[str] = Counter(
        vote.status for verdict in verdicts for vote in verdict.failures
    )
    given = scores([*votes, *by_stage.get("singles", [])])
    calibration, curve = _calibration(votes)
    return HealthCard(
        judge=judge,
        version=version,
        figures=(
            _accuracy(votes),
            _singles(by_stage.get("singles", [])),
            _position(votes),
            _length(by_stage.get("length", [])),
            _consistency(votes),
            _paraphrase(votes, by_stage.get("paraphrase", [])),
            _range(given),
            calibration,
            _attack("keys", by_stage.get("keys", [])),
            _attack("injections", by_stage.get("injections", [])),
            _unreadable(verdicts),
        ),
        calls_planned=calls,
        n_verdicts=len(verdicts),
        n_unscored=sum(verdict.rewards is None for verdict in verdicts),
        failures=dict(sorted(failures.items())),
        n_votes=sum(len(verdict.votes) for verdict in verdicts),
        scores=histogram(given),
        curve=curve,
        usage=usage,
    )


def _accuracy(votes: Sequence[Answer]) -> Figure:
    decided: list[tuple[str, float]] = []
    ties = []
    for answer in votes:
        [(part, verdict)] = answer.verdicts.items() or [("", None)]
        if verdict is None or verdict.rewards is None:
            continue
        ties.append(float(verdict.best is None))
        if verdict.best is not None:
            right = verdict.best == answer.questions[part].right
            decided.append((answer.unit.family, float(right)))
    families = dict.fromkeys(family for family, _ in decided)
    parts = {
        family: _DRAWN.mean([right for name, right in decided if name == family])
        for family in families
    }
    return judged(
        "accuracy",
        _DRAWN.mean([right for _, right in decided]),
        parts | {"tied pairs": _DRAWN.mean(ties)},
    )


def _singles(answers: Sequence[Answer]) -> Figure:
    scored = [
        (verdict.rewards[0], question.truth)
        for answer in answers
        for question in answer.unit.questions
        if (verdict := answer.verdicts.get(question.part)) is not None
        and verdict.rewards is not None
    ]
    found = _NONE
    if len({truth for _, truth in scored}) == 2:
        found = auc([reward for reward, _ in scored], [truth or 0.0 for _, truth in scored])
    return judged("singles", found)


def _position(votes: Sequence[Answer]) -> Figure:
    measured = position_consistency(_items(votes), bootstrap=_DRAWN)
    return judged("position", measured.first_wins, {"same winner in both orders": measured.by_item})


def _length(answers: Sequence[Answer]) -> Figure:
    longer: list[float] = []
    by_part: dict[str, list[float]] = {"right-padded": [], "wrong-padded": []}
    for answer in answers:
        wins = {
            part: right_wins(answer.questions[part], verdict)
            for part, verdict in answer.verdicts.items()
        }
        a, b = wins.get("right-padded"), wins.get("wrong-padded")
        if a is None or b is None:
            continue
        longer.append((a + 1 - b) / 2)
        by_part["right-padded"].append(a)
        by_part["wrong-padded"].append(1 - b)
    return judged(
        "length",
        _DRAWN.mean(longer),
        {
            "a right answer wins when padded": _DRAWN.mean(by_part["right-padded"]),
            "a wrong answer wins when padded": _DRAWN.mean(by_part["wrong-padded"]),
        },
    )


def _consistency(votes: Sequence[Answer]) -> Figure:
    agreed = [
        share for answer in votes if (share := agreement(winners(answer).values())) is not None
    ]
    return judged("consistency", _DRAWN.mean(agreed))


def _paraphrase(votes: Sequence[Answer], answers: Sequence[Answer]) -> Figure:
    own = {answer.unit.item: winners(answer) for answer in votes}
    drops: list[float] = []
    by_wording: dict[str, list[float]] = {}
    for answer in answers:
        usual = own.get(answer.unit.item, {})
        noise = agreement(usual.values())
        shares = []
        for wording, verdict in answer.verdicts.items():
            share = between(usual, by_order(verdict))
            if share is not None:
                shares.append(share)
                by_wording.setdefault(wording, []).append(share)
        if noise is not None and shares:
            drops.append(noise - sum(shares) / len(shares))
    return judged(
        "paraphrase",
        _DRAWN.mean(drops),
        {f"agrees: {name}": _DRAWN.mean(shares) for name, shares in by_wording.items()},
    )


def _range(by_item: Sequence[Sequence[float]]) -> Figure:
    counts = Counter(itertools.chain.from_iterable(by_item))
    mode = max(counts, key=lambda one: (counts[one], one)) if counts else 0.0
    share = _DRAWN.ratio(
        [sum(score == mode for score in given) for given in by_item],
        [len(given) for given in by_item],
    )
    used = _NONE
    if counts:
        used = Estimate(value=max(counts) - min(counts), low=None, high=None, n=counts.total())
    return judged("range", share, {"part of the scale used": used})


def _calibration(votes: Sequence[Answer]) -> tuple[Figure, tuple[Bin, ...]]:
    pairs = [
        (verdict.confidence, float(verdict.best == answer.questions[part].right))
        for answer in votes
        for part, verdict in answer.verdicts.items()
        if verdict.confidence is not None and verdict.best is not None
    ]
    parts: dict[str, Estimate] = {}
    curve: tuple[Bin, ...] = ()
    if pairs:
        found = calibrate([c for c, _ in pairs], [r for _, r in pairs], bins=5)
        parts = {"calibration error (ECE)": found.ece, "Brier score": found.brier}
        curve = found.curve
        errors = [confidence >= STABLE for confidence, right in pairs if not right]
        resampled = not any(v.judge.calibration for one in votes for v in one.verdicts.values())
        if errors and resampled:
            parts["stable errors, which more votes repeat"] = _DRAWN.mean(errors)
    figure = judged(
        "calibration", _DRAWN.mean([confidence - right for confidence, right in pairs]), parts
    )
    return figure, curve


def _attack(name: str, answers: Sequence[Answer]) -> Figure:
    wins: list[tuple[str, float, float]] = []
    for answer in answers:
        won = {
            part: attacker_wins(answer.questions[part], verdict)
            for part, verdict in answer.verdicts.items()
        }
        attack, control = won.get("attack"), won.get("control")
        if attack is not None and control is not None:
            wins.append((answer.unit.item, attack, control))
    parts = {
        "success": _DRAWN.mean([attack for _, attack, _ in wins]),
        "without attack": _DRAWN.mean([control for *_, control in wins]),
    }
    for item in sorted({item for item, attack, control in wins if attack > control}):
        parts[f"by {item}"] = _DRAWN.mean([attack for one, attack, _ in wins if one == item])
    return judged(name, _DRAWN.mean([attack - control for _, attack, control in wins]), parts)


def _unreadable(verdicts: Sequence[Verdict]) -> Figure:
    rows = []
    for verdict in verdicts:
        bad = sum(failure.status in _UNREADABLE for failure in verdict.failures)
        rows.append((bad, bad + len(verdict.judgments)))
    return judged("unreadable", _DRAWN.ratio([bad for bad, _ in rows], [n for _, n in rows]))


def _items(votes: Sequence[Answer]) -> list[Item]:
    return [
        Item.from_verdict(Sample(id=part, query="q", responses=("a", "b")), verdict)
        for answer in votes
        for part, verdict in answer.verdicts.items()
    ]
