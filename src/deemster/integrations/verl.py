"""A judge as the reward of verl (0.9): a reward manager, or a function of one rollout.

verl hands over one rollout at a time and takes numbers only. Rollouts of a prompt are collected
and judged together; set `reward.num_workers=1`, so that a group meets in one worker.

```python
# my_reward.py, for reward.reward_manager.{source=importlib, name=Manager, module.path=my_reward.py}
Manager = reward_manager(Judge("openai/gpt-5-mini", k=4))
# or for reward.custom_reward_function.{path=my_reward.py, name=compute_score}
compute_score = compute_score_func(Judge("openai/gpt-5-mini", k=4), group=8, query="question")
```
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from deemster.errors import InputError
from deemster.integrations.cohorts import Cohorts, without_gaps
from deemster.judges.scorer import Scorer

ComputeScore = Callable[..., Awaitable[dict[str, float]]]


def compute_score_func(
    judge: Scorer,
    *,
    group: int,
    query: str,
    use_ground_truth: bool = True,
    unscored: float | None = None,
    **options: Any,  # noqa: ANN401 - those of `Cohorts`
) -> ComputeScore:
    """A function for `reward.custom_reward_function`.

    It gives `score`, and `judged`: 1, or 0 where the score stands in for a missing verdict
    (see `without_gaps`).

    Args:
        judge: anything with `score`.
        group: rollouts of a prompt (`actor_rollout_ref.rollout.n`).
        query: key of `extra_info` that holds the query; verl passes no prompt.
        use_ground_truth: whether the ground truth is shown to the judge as reference, if a text.
        unscored: see `without_gaps`.
        options: of `Cohorts`: `wait_s`, `principles`, `at_once`.
    """
    cohorts = Cohorts(judge, **options)

    async def compute_score(
        data_source: str,
        solution_str: str,
        ground_truth: object,
        extra_info: dict[str, Any] | None = None,
        **_: object,
    ) -> dict[str, float]:
        asked = (extra_info or {}).get(query)
        if asked is None:
            raise InputError(
                f"extra_info has no {query!r} of the query; it has: {sorted(extra_info or {})}"
            )
        gold = ground_truth if use_ground_truth and isinstance(ground_truth, str) else None
        key = json.dumps([data_source, asked, gold], default=str)
        judged, place = await cohorts.add(key, asked, solution_str, size=group, reference=gold)
        return {
            "score": without_gaps(judged, unscored=unscored)[place],
            "judged": float(judged.rewards[place] is not None),
        }

    return compute_score


def reward_manager(
    judge: Scorer,
    *,
    use_ground_truth: bool = False,
    unscored: float | None = None,
    **options: Any,  # noqa: ANN401 - those of `Cohorts`
) -> type[Any]:
    """A class for `reward.reward_manager.source=importlib`; it needs verl.

    The query is the raw prompt (`data.return_raw_chat=True`), the group's size
    `actor_rollout_ref.rollout.n`, in validation `….val_kwargs.n`. Arguments: see
    `compute_score_func`.
    """
    from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase  # noqa: PLC0415

    class Manager(RewardManagerBase):  # type: ignore[misc]
        """Judges the rollouts of a prompt together."""

        def __init__(self, config: Any, tokenizer: Any, compute_score: Any, **_: object) -> None:  # noqa: ANN401
            super().__init__(config, tokenizer, compute_score)
            self.cohorts = Cohorts(judge, **options)

        async def run_single(self, data: Any) -> dict[str, Any]:  # noqa: ANN401 - verl's DataProto
            item = data[-1]  # of a rollout in several sequences the last one
            ids = item.batch["responses"]
            length = int(item.batch["attention_mask"][-ids.shape[-1] :].sum())
            text = self.tokenizer.decode(ids[:length], skip_special_tokens=True)
            query = [dict(turn) for turn in item.non_tensor_batch["raw_prompt"]]
            truth = item.non_tensor_batch.get("reward_model", {}).get("ground_truth")
            gold = truth if use_ground_truth and isinstance(truth, str) else None
            rollout = self.config.actor_rollout_ref.rollout
            validating = bool(data.meta_info.get("validate"))
            size = rollout.val_kwargs.n if validating else rollout.n
            key = json.dumps([validating, query, gold], default=str)
            judged, place = await self.cohorts.add(key, query, text, size=size, reference=gold)
            return {
                "reward_score": without_gaps(judged, unscored=unscored)[place],
                "reward_extra_info": {"judged": float(judged.rewards[place] is not None)},
            }

    return Manager
