"""A judge as the group reward of slime: `--group-rm --custom-rm-path my_reward.reward`.

```python
reward = group_reward(Judge("openai/gpt-5-mini", k=4))
```
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from deemster.errors import InputError
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

    Returns:
        An async function. It raises `InputError` where a sample's metadata lacks the query.
    """

    async def reward(_args: object, samples: Sequence[Any]) -> list[float]:
        if not samples:
            return []
        first = samples[0]
        label = first.label if use_label and isinstance(first.label, str) else None
        judged = await judge_group(
            judge,
            first.prompt if query is None else _from_metadata(first, query),
            [sample.response for sample in samples],
            reference=label,
            principles=principles,
            at_once=at_once,
        )
        return without_gaps(judged, unscored=unscored)

    return reward


def _from_metadata(sample: Any, query: str) -> Any:  # noqa: ANN401 - slime's sample
    known = sample.metadata if isinstance(sample.metadata, Mapping) else {}
    if known.get(query) is None:
        raise InputError(f"a sample's metadata has no {query!r} of the query; it has: {[*known]}")
    return known[query]
