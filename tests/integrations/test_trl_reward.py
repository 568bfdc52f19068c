"""The reward function as TRL's GRPOTrainer calls it (keywords, columns, loggers)."""

from __future__ import annotations

import inspect
import logging
import math
from collections import defaultdict
from typing import Any

import pytest
from tests.integrations.test_groups import by_length, calls, judge

from deemster import FakeBackend, Judge, Verifier
from deemster.errors import InputError
from deemster.integrations.trl import TooManyUnscoredError, monitor_func, reward_func
from deemster.judges.verifier import NumericMatch

PROMPTS = ["p", "q", "p", "q"]


class Loggers:
    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}
        self.columns: dict[str, list[Any]] = defaultdict(list)

    def given(self) -> dict[str, Any]:
        """What the trainer passes besides prompts, completions and columns."""
        return {
            "completion_ids": [[1]] * 4,
            "trainer_state": object(),
            "log_metric": self.metrics.__setitem__,
            "log_extra": lambda name, values: self.columns[name].extend(values),
        }


async def test_groups_are_judged_together_whatever_their_order() -> None:
    one, loggers = judge(k=2), Loggers()
    reward = reward_func(one)
    assert inspect.iscoroutinefunction(reward)
    assert reward.__name__ == "deemster"
    rewards = await reward(
        prompts=PROMPTS, completions=["a", "ab", "abc", "boom"], **loggers.given()
    )
    assert rewards == [2.0, None, 6.0, None]
    assert set(calls(one)) == {2}
    assert loggers.columns["deemster/critique"] == ["1 long", "", "3 long", ""]
    assert loggers.metrics["deemster/unscored"] == 0.5
    assert loggers.metrics["deemster/failed_votes"] == 0.5
    assert loggers.metrics["deemster/calls"] == 4


@pytest.mark.parametrize(
    ("given", "rewards"),
    [
        pytest.param({"prompts": [], "completions": []}, [], id="no-rows"),
        pytest.param({"completions": ["ab", None]}, [2.0, None], id="none"),
        pytest.param({"completions": ["ab", []]}, [2.0, None], id="no-turns"),
        pytest.param({"completions": [None, None]}, [None, None], id="nothing-at-all"),
        pytest.param({"completions": ["ab", "a"]}, [2.0, 1.0], id="texts"),
    ],
)
async def test_what_is_no_completion_is_not_judged(
    given: dict[str, Any], rewards: list[float | None]
) -> None:
    loggers = Loggers()
    reward = reward_func(judge(), name="judge")
    assert await reward(**{"prompts": ["p", "p"], **loggers.given(), **given}) == rewards


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param({"completions": ["a"]}, "'completions' .* each of 2 prompts, got 1", id="few"),
        pytest.param({"completions": ["a"] * 3}, "'completions' .*, got 3 values", id="many"),
        pytest.param(
            {"completions": "ab"}, "'completions' must be a list .*, got a text", id="str"
        ),
        pytest.param({"gold": ["x"]}, "'gold' must be a list .* 2 prompts, got 1", id="column"),
        pytest.param({"gold": "xy"}, "'gold' must be a list .*, got a text", id="column-str"),
    ],
)
async def test_every_prompt_has_one_value_of_each(given: dict[str, Any], told: str) -> None:
    reward = reward_func(judge(), reference="gold")
    rows = {"prompts": ["p", "p"], "completions": ["a", "b"], "gold": ["x", "x"], **given}
    with pytest.raises(InputError, match=told):
        await reward(**rows)


async def test_messages_and_columns() -> None:
    """Conversational prompts and completions; the query and the gold answer in columns."""
    one = judge()
    chat = [[{"role": "user", "content": "<|im_start|>q"}]] * 2
    said = [[{"role": "assistant", "content": text}] for text in ("ab", "abc")]
    reward = reward_func(one, query="question", reference="gold", name="judge")
    rewards = await reward(
        prompts=chat, completions=said, question=["What?"] * 2, gold=["the gold answer"] * 2
    )
    assert rewards == [2.0, 3.0]
    prompt = one.backend.requests[0].messages[-1].text  # type: ignore[attr-defined]
    assert "What?" in prompt
    assert "the gold answer" in prompt
    assert "im_start" not in prompt
    with pytest.raises(InputError, match=r"no column 'question'.*has: \['gold'\]"):
        await reward(prompts=chat, completions=said, gold=["x"] * 2)


async def test_the_same_prompt_with_another_reference_is_another_group() -> None:
    one = judge()
    reward = reward_func(one, reference="gold")
    await reward(prompts=["p"] * 4, completions=["a", "b", "c", "d"], gold=["1", "1", "2", "2"])
    assert calls(one) == [2, 2]


async def test_a_reason_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    reward = reward_func(judge(k=4))
    with caplog.at_level(logging.WARNING, "deemster"):
        for _ in range(3):
            assert await reward(prompts=["p"] * 2, completions=["boom", "a"]) == [None, None]
    assert [record.getMessage().count("parse_error") for record in caplog.records] == [1]


async def test_a_judge_that_refuses_the_whole_first_batch_ends_training() -> None:
    pairs_only = Judge(FakeBackend(by_length), dialect="pairwise")
    with pytest.raises(InputError, match="none of the first batch"):
        await reward_func(pairs_only)(prompts=["p"], completions=["alone"])
    reward = reward_func(Judge(FakeBackend("A"), dialect="pairwise"))
    await reward(prompts=["p", "p"], completions=["a", "b"])  # no reason to end it later
    assert await reward(prompts=["p"], completions=["alone"]) == [None]


async def test_a_monitor_logs_and_rewards_nothing() -> None:
    loggers = Loggers()
    watch = monitor_func(Verifier(NumericMatch()), reference="gold", name="verifier")
    rewards = await watch(
        prompts=PROMPTS, completions=["It is 4.", "5", "4", "no"], gold=["4"] * 4, **loggers.given()
    )
    assert rewards == [None] * 4
    assert loggers.metrics == {"verifier/reward": 0.5, "verifier/unscored": 0.0}


async def test_a_judge_that_fails_too_often_ends_the_training() -> None:
    reward = reward_func(judge(k=2), max_unscored=0.3)
    batches = [["a", "ab", "abc", "abcd"], ["a", "boom", "abc", "boom"]]
    assert None not in await reward(prompts=PROMPTS, completions=batches[0])
    assert None in await reward(prompts=PROMPTS, completions=batches[1])
    await reward(prompts=PROMPTS, completions=batches[0])  # a sixth, in all
    with pytest.raises(TooManyUnscoredError, match=r"38% .*max_unscored 30%; most of"):
        await reward(prompts=PROMPTS, completions=["boom"] * 4)
    patient = reward_func(judge(k=2))
    for _ in range(8):
        await patient(prompts=PROMPTS, completions=batches[1])
    wrong: Any
    for wrong in (2, -0.1, math.nan, "0.3", True, [0.3]):
        with pytest.raises(InputError, match="max_unscored must be a number from 0 to 1"):
            reward_func(judge(), max_unscored=wrong)
