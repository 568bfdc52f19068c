from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deemster.aggregators import Mean
from deemster.backends import FakeBackend
from deemster.errors import BackendTimeout, InputError
from deemster.judges import BaseJudge, Judge, Panel, Ranking, decide, rerank
from deemster.judges.case import Case
from deemster.judges.matches import Table
from deemster.judges.tournament import knockout_calls, swiss_calls, swiss_rounds
from deemster.schemas import Failure, JudgeInfo, Judgment, Verdict, Vote


class Ruler(BaseJudge):
    """Scores a response by the number it is; fails where it is told to.

    Args:
        fails: given the numbers compared and how often they were, whether this call fails.
        raises: raise instead of giving an unscored verdict.
        limit: most responses per call.
    """

    def __init__(
        self,
        fails: Callable[[frozenset[int], int], bool] = lambda _group, _again: False,
        *,
        raises: Exception | None = None,
        value: Callable[[int], float] = float,
        limit: int = 1000,
    ) -> None:
        self.fails = fails
        self.raises = raises
        self.value = value
        self.limit = limit
        self.groups: list[tuple[int, ...]] = []

    @property
    def info(self) -> JudgeInfo:
        return JudgeInfo(name="ruler", model="ruler")

    async def _judge(self, case: Case) -> Verdict:
        numbers = tuple(int(response.text) for response in case.responses)
        assert len(numbers) <= self.limit
        again = sum(set(group) == set(numbers) for group in self.groups)
        self.groups.append(numbers)
        await asyncio.sleep(0)
        vote: Vote = Judgment(scores=tuple(self.value(number) for number in numbers))
        if self.fails(frozenset(numbers), again):
            if self.raises is not None:
                raise self.raises
            vote = Failure(status="refused", message="would rather not")
        return decide([vote], n=len(numbers), k=1, reducer=Mean(), info=self.info)


def numbers(n: int) -> list[str]:
    return [str(number) for number in range(n)]


def ranked(judge: Any, n: int, **settings: Any) -> Ranking:
    return asyncio.run(rerank(judge, "q", numbers(n), **settings))


@pytest.mark.parametrize("most", [40, pytest.param(300, marks=pytest.mark.slow)])
@given(data=st.data(), group=st.integers(2, 12), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_a_knockout_finds_the_best_within_its_bound(
    most: int, data: st.DataObject, group: int, seed: int
) -> None:
    n = data.draw(st.integers(1, most))
    judge = Ruler(limit=group)
    found = ranked(judge, n, group=group, seed=seed)
    assert found.best == n - 1
    assert found.calls == len(judge.groups) <= knockout_calls(n, group)
    assert knockout_calls(n, group) <= (n - 1) / (group - 1) + math.log(max(n, 2), group) + 1
    assert found.ranking is not None
    assert sorted(found.ranking) == list(range(n))
    assert found.ranking[0] == n - 1


@pytest.mark.parametrize("most", [24, pytest.param(120, marks=pytest.mark.slow)])
@given(
    data=st.data(),
    group=st.integers(2, 9),
    seed=st.integers(0, 99),
    raises=st.sampled_from([None, RuntimeError("boom"), BackendTimeout("late")]),
)
@settings(max_examples=60)
def test_failures_never_break_the_bound_nor_promote_anyone(
    most: int, data: st.DataObject, group: int, seed: int, raises: Exception | None
) -> None:
    """Responses in `broken` spoil every match they are in."""
    n = data.draw(st.integers(2, most))
    broken = data.draw(st.sets(st.integers(0, most - 1), max_size=most // 6))
    for method, bound in (
        ("knockout", knockout_calls(n, group)),
        ("swiss", swiss_calls(n, group)),
    ):
        judge = Ruler(lambda numbers, _: bool(numbers & broken), raises=raises)
        found = ranked(judge, n, group=group, seed=seed, method=method)
        assert found.calls == len(judge.groups) <= 2 * bound
        if found.best is not None and method == "swiss":
            assert found.points[found.best] is not None
        for match in found.matches:
            if not match.scored:
                assert match.attempts == 2 or found.calls == 2 * bound
                assert match.by in ("record", "nothing")


def test_an_unscored_match_is_scored_once_again_in_reversed_order() -> None:
    judge = Ruler(lambda _numbers, again: again == 0)
    found = ranked(judge, 4)
    assert judge.groups[1] == tuple(reversed(judge.groups[0]))
    assert found.best == 3
    assert found.calls == 2
    assert found.matches[0].attempts == 2
    assert found.matches[0].by == "rewards"


def test_after_two_failures_the_better_record_goes_on() -> None:
    # first round: 3 beats 0 clearly, 2 beats 1 narrowly; the final cannot be scored
    value = {0: 0.0, 1: 4.9, 2: 5.0, 3: 9.0}.__getitem__
    seed = next(
        seed
        for seed in range(100)
        if {frozenset(match.responses) for match in ranked(Ruler(), 4, group=2, seed=seed).matches}
        >= {frozenset({0, 3}), frozenset({1, 2})}
    )
    judge = Ruler(lambda numbers, _: numbers == {2, 3}, value=value)
    found = ranked(judge, 4, group=2, seed=seed)
    # both won their only match by as much as a pair can differ: records are equal, nobody goes on
    assert found.best is None
    assert found.calls <= 2 * knockout_calls(4, 2)
    assert found.ranking is not None
    assert set(found.ranking[:2]) == {2, 3}


def test_the_record_decides_where_it_can() -> None:
    """7 of 9 groups of three: the winners' margins differ, so the final has a better record."""
    value = {0: 0.0, 1: 0.0, 2: 9.0, 3: 0.0, 4: 8.0, 5: 9.0}.__getitem__
    for seed in range(200):
        plain = ranked(Ruler(value=value), 6, group=3, seed=seed)
        groups = {frozenset(match.responses) for match in plain.matches[:2]}
        if groups == {frozenset({0, 1, 2}), frozenset({3, 4, 5})}:
            break
    judge = Ruler(lambda numbers, _: numbers == {2, 5}, value=value, raises=RuntimeError("boom"))
    found = ranked(judge, 6, group=3, seed=seed)
    assert found.best == 2  # it left its rivals further behind than 5 did
    last = found.matches[-1]
    assert last.by == "record"
    assert not last.scored
    assert last.message == "RuntimeError: boom"
    assert found.verdict == found.matches[0].verdict or found.verdict == found.matches[1].verdict


@pytest.mark.parametrize(
    ("rewards", "standings"),
    [
        ((0.1 + 0.2, 0.3), [(0.5, 0.0)] * 2),
        ((0.3, 0.1 + 0.2), [(0.5, 0.0)] * 2),
        ((0.1, 0.1, 0.1), [(0.5, 0.0)] * 3),
        ((1e9 + 1e-7, 1e9), [(0.5, 0.0)] * 2),
        ((2.0, 1.0), [(0.833333333, 0.666666667), (0.166666667, -0.666666667)]),
    ],
)
def test_a_tie_up_to_rounding_is_a_tie_in_the_records(
    rewards: tuple[float, ...], standings: list[tuple[float, float]]
) -> None:
    case = Case.of("q", numbers(len(rewards)))
    table = Table(Ruler(value=rewards.__getitem__), case, calls_left=1, in_flight=1)
    asyncio.run(table.play([tuple(range(len(rewards)))], 1))
    assert [record.standing for record in table.records] == standings


def test_all_failed_is_no_winner() -> None:
    for method in ("knockout", "swiss"):
        found = ranked(Ruler(lambda *_: True), 20, method=method)
        assert found.best is None
        assert found.ranking is None
        assert found.verdict is None
        assert set(found.points) == {None}
        assert found.matches[0].message == "would rather not"


def test_ties_are_told_apart_by_the_seed_and_say_so() -> None:
    found = ranked(Ruler(value=lambda _: 5.0), 4)
    assert found.matches[0].by == "seed"
    assert found.best is not None
    winners = {ranked(Ruler(value=lambda _: 5.0), 4, seed=seed).best for seed in range(30)}
    assert winners == {0, 1, 2, 3}, "no place is favoured"


@pytest.mark.parametrize("method", ["knockout", "swiss"])
def test_the_seed_decides_everything(method: Any) -> None:
    def matches(seed: int) -> list[tuple[int, ...]]:
        found = ranked(Ruler(), 50, method=method, group=4, seed=seed)
        return [match.responses for match in found.matches]

    assert matches(1) == matches(1)
    assert matches(1) != matches(2)


@pytest.mark.parametrize("most", [30, pytest.param(150, marks=pytest.mark.slow)])
@given(data=st.data(), group=st.integers(2, 9), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_swiss_finds_the_best_within_its_bound(
    most: int, data: st.DataObject, group: int, seed: int
) -> None:
    n = data.draw(st.integers(2, most))
    found = ranked(Ruler(limit=group), n, group=group, seed=seed, method="swiss")
    assert found.best == n - 1
    assert found.calls <= swiss_calls(n, group)
    played: list[set[int]] = [set() for _ in range(swiss_rounds(n, group) + 1)]
    for match in found.matches:
        assert not played[match.round] & set(match.responses), "one match a round"
        played[match.round] |= set(match.responses)


def test_swiss_ranks_the_field() -> None:
    found = ranked(Ruler(), 64, group=8, method="swiss", rounds=5)
    assert found.ranking is not None
    order = list(reversed(found.ranking))
    apart = [abs(place - response) for place, response in enumerate(order)]
    assert sum(apart) / len(apart) < 4  # chance: 21
    assert set(found.ranking[:4]) == {60, 61, 62, 63}


def test_swiss_opponents_rarely_meet_twice() -> None:
    found = ranked(Ruler(), 16, group=2, method="swiss", rounds=5)
    pairs = [frozenset(match.responses) for match in found.matches]
    assert len(pairs) == 40
    assert len(set(pairs)) >= 39  # the last pair of a round may have no choice


def test_few_calls_at_a_time() -> None:
    busy = [0, 0]

    class Counting(Ruler):
        async def _judge(self, case: Case) -> Verdict:
            busy[0] += 1
            busy[1] = max(busy)
            await asyncio.sleep(0.001)
            busy[0] -= 1
            return await super()._judge(case)

    ranked(Counting(), 60, group=2, in_flight=3)
    assert busy[1] == 3


def test_a_judge_of_pairs_gets_pairs() -> None:
    backend = FakeBackend("Best: \\boxed{1}")
    pairwise = Judge(backend, dialect="mt-bench-pair", name="pairs")
    other = Judge(FakeBackend("x"), name="other")
    assert pairwise.dialect.max_responses == 2
    panel = Panel([pairwise, other])
    found = ranked(panel, 5)
    assert all(len(match.responses) == 2 for match in found.matches)


def test_a_real_judge_by_its_prompts() -> None:
    def script(request: Any, _draw: int) -> str:
        text = request.messages[-1].text
        shown = [block.split("\n")[1] for block in text.split("<<<BEGIN RESPONSE ")[1:]]
        scores = [1 + round(9 * int(number) / 99) for number in shown]
        return f"Scores: \\boxed{{{', '.join(map(str, scores))}}}"

    judge = Judge(FakeBackend(script), k=2)
    found = ranked(judge, 100)
    assert found.best is not None
    assert found.best >= 94  # those that the judge gives a 10
    assert found.calls == 13 + 2 + 1
    assert found.usage.calls == 2 * found.calls
    assert found.verdict is not None
    assert found.verdict.rewards is not None


def test_one_response_is_scored_for_its_verdict() -> None:
    found = ranked(Ruler(), 1)
    assert found.best == 0
    assert found.calls == 1
    assert found.verdict is not None
    assert found.verdict.rewards == (0.0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"method": "league"}, "allowed: knockout, swiss", id="method"),
        pytest.param({"group": 1}, "group must be a whole number from 2", id="group"),
        pytest.param({"rounds": 0}, "rounds must be a whole number from 1", id="rounds"),
        pytest.param({"in_flight": 0}, "in_flight must be", id="in-flight"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ranked(Ruler(), 3, **options)


def test_input_that_cannot_be_judged_is_told() -> None:
    judge = Judge(FakeBackend("Scores: \\boxed{5, 5}"))
    with pytest.raises(InputError, match="query is empty"):
        asyncio.run(rerank(judge, " ", ["x", "y"], seed=3, group=2))
