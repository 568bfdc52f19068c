"""A judge as the group reward of slime: `--group-rm --custom-rm-path my_reward.reward`.

```python
reward = group_reward(Judge("openai/gpt-5-mini", k=4))
```
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from deemster.integrations.cohorts import without_gaps
from deemster.integrations.groups import judge_group
from deemster.judges.scorer import Scorer
from deemster.principles import PrinciplesLike


def group_reward(
    judge: Scorer,
    *,
    query: str | None = None,
    use_label: bool = False,
    principles: PrinciplesLike | None = None,
    at_once: int | None = None,
    unscored: float | None = None,
) -> Callable[[Any, Sequence[Any]], Awaitable[list[float]]]:
    """An async function of slime's arguments and the samples of one prompt.

    Args:
        judge: anything with `score`.
        query: key of a sample's metadata that holds the query; None for its prompt.
        use_label: whether a label that is text is shown to the judge as reference.
        principles: for the judge.
        at_once: see `judge_group`.
        unscored: see `without_gaps`: slime takes numbers only.
    """

    async def reward(_args: object, samples: Sequence[Any]) -> list[float]:
        first = samples[0]
        label = first.label if use_label and isinstance(first.label, str) else None
        judged = await judge_group(
            judge,
            first.prompt if query is None else first.metadata[query],
            [sample.response for sample in samples],
            reference=label,
            principles=principles,
            at_once=at_once,
        )
        return without_gaps(judged, unscored=unscored)

    return reward
