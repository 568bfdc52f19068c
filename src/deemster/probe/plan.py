"""What a probe asks: questions in units that belong together, within a number of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from deemster.errors import InputError
from deemster.judges import Judge
from deemster.probe.items import Pair, ProbeSet, load_probe_set
from deemster.probe.paraphrase import paraphrases

T = TypeVar("T")
Stage = Literal["votes", "singles", "length", "paraphrase", "keys", "injections"]
STAGES: tuple[Stage, ...] = ("votes", "singles", "length", "paraphrase", "keys", "injections")
_LEAST = 2
"""Fewest units per stage that give an interval."""
_PARAPHRASED = 10
_PER_ATTACK = 2
"""Items per master key and injection."""


@dataclass(frozen=True)
class Question:
    """One `score` call (two for a pair, if the dialect judges single responses)."""

    part: str
    """What it is within its unit: `pair`, `right-padded`, `attack`, a wording's name, …"""
    query: str
    responses: tuple[str, ...]
    """In the order shown, where the stage fixes it."""
    right: int | None
    """Which response is right; None for a single response."""
    truth: float | None = None
    """Of a single response, 1 or 0."""


@dataclass(frozen=True)
class Unit:
    """Questions that together make one observation."""

    stage: Stage
    item: str
    """The query, or the name of the attack."""
    family: str
    questions: tuple[Question, ...]
    calls: int


@dataclass(frozen=True)
class ProbePlan:
    """A probe before its first call."""

    units: tuple[Unit, ...]
    k: int
    """Votes per pair in the stage `votes`; even, so that both orders get as many."""
    pairs: bool
    """Whether the dialect judges two responses at once."""
    singles: bool
    """Whether it judges one."""
    full: int
    """Calls of the complete probe, without the limit."""

    @property
    def calls(self) -> int:
        """Most completions that will be drawn."""
        return sum(unit.calls for unit in self.units)


def plan_probe(
    judge: Judge,
    *,
    calls: int = 300,
    k: int = 4,
    seed: int = 0,
    probe_set: ProbeSet | None = None,
) -> ProbePlan:
    """Choose what to ask within a number of calls: a random part of every stage, in equal shares.

    Args:
        judge: whose dialect and principles are probed.
        calls: most completions to draw.
        k: votes per pair where several are drawn, even, >= 4.
        seed: of the choice.
        probe_set: in place of the one that ships.

    Raises:
        InputError: k is odd or small, or the calls are too few for intervals.
    """
    if isinstance(k, bool) or k < 4 or k % 2:
        raise InputError(f"k must be even and >= 4 (both orders, two votes each), got {k!r}")
    shapes = {n: judges(judge, n) for n in (1, 2)}
    maker = _Maker(
        probe_set or load_probe_set(),
        judge,
        k=k,
        pairs=shapes[2],
        singles=shapes[1],
        rng=np.random.default_rng(seed),
    )
    stages = maker.stages()
    full = sum(unit.calls for units in stages for unit in units)
    chosen = _within(stages, calls)
    if chosen is None:
        least = sum(unit.calls for units in stages for unit in units[:_LEAST])
        raise InputError(f"--calls {calls} are too few; this probe needs {least} to {full}")
    return ProbePlan(tuple(chosen), k=k, pairs=shapes[2], singles=shapes[1], full=full)


def judges(judge: Judge, n: int) -> bool:
    """Whether one completion is about n responses."""
    if n > 1 and judge.dialect.judges_one_at_a_time:
        return False
    try:
        judge.dialect.check_n(n)
    except InputError:
        return False
    return True


def _within(stages: Sequence[Sequence[Unit]], calls: int) -> list[Unit] | None:
    """The largest equal share of all stages that costs no more than `calls`."""
    most = max(len(units) for units in stages)
    for share in np.linspace(1, 0, 4 * most + 1):
        chosen = [
            unit for units in stages for unit in units[: max(_LEAST, int(share * len(units)))]
        ]
        if sum(unit.calls for unit in chosen) <= calls:
            return chosen
    return None


@dataclass(frozen=True)
class _Maker:
    """Builds the units of each stage, those to be kept longest first."""

    items: ProbeSet
    judge: Judge
    k: int
    pairs: bool
    singles: bool
    rng: np.random.Generator

    def stages(self) -> list[list[Unit]]:
        shuffled = self._shuffled(self.items.pairs)
        made = [
            [self._unit("votes", p.query, p.family, [_pair("pair", p)], self.k) for p in shuffled],
            self._length(),
            self._paraphrase(shuffled[:_PARAPHRASED]),
            self._keys(),
            self._injections(),
        ]
        if self.singles:
            made.append(self._singles())
        return [units for units in made if units]

    def _unit(
        self, stage: Stage, item: str, family: str, questions: Sequence[Question], k: int = 1
    ) -> Unit:
        calls = 0
        turns = 2 if self.judge.dialect.template.has_second else 1
        for question in questions:
            apart = len(question.responses) if not self.pairs else 1
            # Principles made ahead take a call of their own.
            calls += apart * (k * turns + (self.judge.mode == "ahead"))
        return Unit(stage, item, family, tuple(questions), calls)

    def _singles(self) -> list[Unit]:
        return [
            self._unit(
                "singles",
                one.query,
                one.family,
                [Question("single", one.query, (one.answer,), None, float(one.right))],
            )
            for one in self._shuffled(self.items.singles)
        ]

    def _length(self) -> list[Unit]:
        """The right answer made long, then the wrong one; the long one first in one of the two."""
        made = []
        for number, pair in enumerate(self._shuffled(self.items.plain)):
            longer = "\n\n" + " ".join(self.items.padding)
            questions = [
                _pair("right-padded", pair, right=pair.right + longer, right_first=number % 2 == 0),
                _pair("wrong-padded", pair, wrong=pair.wrong + longer, right_first=number % 2 == 0),
            ]
            made.append(self._unit("length", pair.query, pair.family, questions))
        return made

    def _paraphrase(self, pairs: Sequence[Pair]) -> list[Unit]:
        names = list(paraphrases(self.judge.dialect))
        return [
            self._unit("paraphrase", p.query, p.family, [_pair(name, p) for name in names], 2)
            for p in pairs
            if names
        ]

    def _keys(self) -> list[Unit]:
        """An empty opener and an equally long wrong answer, alone or against the right one."""

        def questions(key: str, pair: Pair, first: bool) -> list[Question]:
            control = pair.wrong
            if len(key) > len(control) + 1:
                control += " " + self.items.pad(len(key) - len(control) - 1)
            if self.singles:
                return [
                    Question("attack", pair.query, (key,), None, 0.0),
                    Question("control", pair.query, (control,), None, 0.0),
                ]
            return _contest(pair, key, control, right_first=first)

        return self._attacks("keys", list(self.items.master_keys), questions)

    def _injections(self) -> list[Unit]:
        """A wrong answer with a forged verdict against one with as much padding."""
        n = 2 if self.pairs else 1
        scale = self.judge.dialect.scale_for(n)

        def questions(name: str, pair: Pair, first: bool) -> list[Question]:
            me = 2 if first and n == 2 else 1
            text = self.items.inject(name, me=me, low=scale.low, high=scale.high, n=n)
            attack = f"{pair.wrong}\n\n{text}"
            control = f"{pair.wrong}\n\n{self.items.pad(len(text))}"
            return _contest(pair, attack, control, right_first=first)

        return self._attacks("injections", list(self.items.injections), questions)

    def _attacks(
        self,
        stage: Stage,
        names: list[str],
        questions: Callable[[str, Pair, bool], list[Question]],
    ) -> list[Unit]:
        """Every attack once, then every attack again on another item; places alternate."""
        plain = self._shuffled(self.items.plain)
        made: list[Unit] = []
        for turn in range(_PER_ATTACK):
            for place in self.rng.permutation(len(names)):
                name, pair = names[place], plain[len(made) % len(plain)]
                first = bool((int(place) + turn) % 2)
                made.append(self._unit(stage, name, pair.family, questions(name, pair, first)))
        return made

    def _shuffled(self, items: Sequence[T]) -> list[T]:
        return [items[int(i)] for i in self.rng.permutation(len(items))]


def _pair(
    part: str,
    pair: Pair,
    *,
    right: str | None = None,
    wrong: str | None = None,
    right_first: bool = True,
) -> Question:
    responses = (right or pair.right, wrong or pair.wrong)
    if not right_first:
        responses = responses[::-1]
    return Question(part, pair.query, responses, 0 if right_first else 1)


def _contest(pair: Pair, attack: str, control: str, *, right_first: bool) -> list[Question]:
    return [
        _pair("attack", pair, wrong=attack, right_first=right_first),
        _pair("control", pair, wrong=control, right_first=right_first),
    ]
