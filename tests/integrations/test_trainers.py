"""verl, slime and verifiers: their calls, with their packages where they are installed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.integrations.test_groups import Broken, calls, judge

from deemster.errors import InputError, UnusableModelError
from deemster.integrations.cohorts import Cohorts, NoVerdictError, without_gaps
from deemster.integrations.groups import GroupRewards
from deemster.integrations.slime import group_reward
from deemster.integrations.verl import compute_score_func


@pytest.mark.parametrize(
    ("rewards", "unscored", "numbers"),
    [
        pytest.param((1.0, None, 4.0), None, [1.0, 2.5, 4.0], id="the mean of the others"),
        pytest.param((1.0, None, 4.0), 0.0, [1.0, 2.5, 4.0], id="whatever stands in for groups"),
        pytest.param((None, None), 3.0, [3.0, 3.0], id="a group without any"),
    ],
)
def test_numbers_for_trainers_that_know_no_none(
    rewards: tuple[float | None, ...], unscored: float | None, numbers: list[float]
) -> None:
    assert without_gaps(GroupRewards(rewards, (), ()), unscored=unscored) == numbers


def test_a_group_without_a_verdict_is_an_error_unless_said_otherwise() -> None:
    with pytest.raises(NoVerdictError, match="group of 2"):
        without_gaps(GroupRewards((None, None), (), ()))


async def test_a_cohort_is_judged_when_whole_or_late() -> None:
    one = judge()
    cohorts = Cohorts(one, wait_s=0.05)
    found = await asyncio.gather(
        *(cohorts.add("a", "q", text, size=2) for text in ("ab", "abc", "abcd")),
        cohorts.add("b", "q", "abcde", size=1),
    )
    assert [group.rewards[place] for group, place in found] == [2.0, 3.0, 4.0, 5.0]
    assert sorted(calls(one)) == [1, 1, 2]  # the third of two was late and alone


async def test_a_later_group_of_the_same_key_is_kept_apart() -> None:
    one = judge()
    cohorts = Cohorts(one, wait_s=60)
    adding = [
        asyncio.create_task(cohorts.add("a", "q", text, size=2)) for text in ("ab", "abc", "abcd")
    ]
    await asyncio.gather(*adding[:2])  # the third has opened the next group meanwhile
    await asyncio.wait_for(cohorts.add("a", "q", "abcde", size=2), timeout=10)
    await adding[2]
    assert calls(one) == [2, 2]


async def test_what_goes_wrong_reaches_all_that_wait() -> None:
    cohorts = Cohorts(Broken(UnusableModelError("no key")))
    waiting = [cohorts.add("a", "q", "x", size=2) for _ in range(2)]
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(one) for one in found] == ["no key", "no key"]


async def test_verl_function() -> None:
    one = judge()
    compute_score = compute_score_func(one, group=2, query="question")

    def call(text: str, question: str) -> Any:
        return compute_score(
            data_source="d",
            solution_str=text,
            ground_truth="gold",
            extra_info={"question": question},
            reward_router_address=None,
        )

    found = await asyncio.gather(
        call("ab", "p"), call("abc", "q"), call("abcd", "p"), call("abcde", "q")
    )
    assert [one["score"] for one in found] == [2.0, 3.0, 4.0, 5.0]
    assert {one["judged"] for one in found} == {1.0}
    assert calls(one) == [2, 2]
    with pytest.raises(InputError, match="no 'question'"):
        await compute_score("d", "x", "gold", {"index": 1})


async def test_slime_group() -> None:
    reward = group_reward(judge(), unscored=0.0)
    samples = [SimpleNamespace(prompt="q", response=text, label="gold") for text in ("ab", "abc")]
    assert await reward(SimpleNamespace(), samples) == [2.0, 3.0]
    samples[0].response = "boom"
    assert await reward(SimpleNamespace(), samples) == [0.0, 0.0]


@pytest.mark.parametrize("metadata", [None, {}, {"other": 1, "question": None}, ["question"]])
async def test_slime_metadata_without_the_query(metadata: object) -> None:
    reward = group_reward(judge(), query="question")
    sample = SimpleNamespace(prompt="q", response="ab", label=None, metadata=metadata)
    with pytest.raises(InputError, match="a sample's metadata has no 'question' of the query"):
        await reward(SimpleNamespace(), [sample])
    sample.metadata = {"question": "q"}
    assert await reward(SimpleNamespace(), [sample]) == [2.0]
    assert await reward(SimpleNamespace(), []) == []


@pytest.mark.filterwarnings("ignore")
async def test_verl_manager(tmp_path: Path) -> None:
    pytest.importorskip("verl", reason="verl is not installed: pip install verl")
    import torch
    from omegaconf import OmegaConf
    from verl import DataProto
    from verl.trainer.ppo.reward import get_custom_reward_fn, load_reward_manager

    source = tmp_path / "my_reward.py"
    source.write_text(
        "from tests.integrations.test_groups import judge\n"
        "from deemster.integrations.verl import compute_score_func, reward_manager\n"
        "Manager = reward_manager(judge())\n"
        "compute_score = compute_score_func(judge(), group=1, query='question')\n"
    )
    config = OmegaConf.create(
        {
            "actor_rollout_ref": {"rollout": {"n": 2, "val_kwargs": {"n": 1}}},
            "reward": {
                "reward_manager": {
                    "source": "importlib", "name": "Manager", "module": {"path": str(source)},
                },
                "custom_reward_function": {"path": str(source), "name": "compute_score"},
            },
        }
    )  # fmt: skip
    texts = ["ab", "abcd"]

    class Tokenizer:
        def decode(self, ids: Any, skip_special_tokens: bool) -> str:
            return "".join(chr(i) for i in ids)

    def rollout(text: str) -> Any:
        ids = torch.tensor([[*map(ord, text), *[0] * (6 - len(text))]])
        mask = torch.cat([torch.ones(1, 2), (ids != 0).float()], dim=1).long()
        return DataProto.from_dict(
            {"prompts": torch.ones(1, 2).long(), "responses": ids, "attention_mask": mask},
            non_tensors={
                "raw_prompt": [[{"role": "user", "content": "q"}]],
                "reward_model": [{"ground_truth": "gold"}],
                "data_source": ["d"],
            },
        )

    manager = load_reward_manager(config, Tokenizer())
    found = await asyncio.gather(*(manager.run_single(rollout(text)) for text in texts))
    assert [one["reward_score"] for one in found] == [2.0, 4.0]
    assert found[0]["reward_extra_info"] == {"judged": 1.0}
    function = get_custom_reward_fn(config)
    assert (
        await function(
            data_source="d", solution_str="abc", ground_truth="", extra_info={"question": "q"}
        )
    )["score"] == 3.0


@pytest.mark.filterwarnings("ignore")
async def test_verifiers_judge() -> None:
    pytest.importorskip("verifiers", reason="verifiers is not installed: pip install verifiers")
    from deemster.integrations.verifiers import RolloutJudge

    class Mine(RolloutJudge):
        asked = judge(k=2)

    trace = SimpleNamespace(last_reply="abc", transcript="[user] q [assistant] abc", info={})
    task = SimpleNamespace(prompt_text="q")
    assert Mine().reward_name == "mine"
    assert await Mine().score(task, trace) == 3.0
    assert trace.info["deemster"][0]["votes"][0]["score"] == 3.0
    trace.last_reply = "boom"
    with pytest.raises(Exception, match="gave no rewards"):
        await Mine().score(task, trace)
