"""A judge in a task of verifiers (0.4), the environments of prime-rl.

```python
class MyJudge(RolloutJudge):
    asked = Judge("openai/gpt-5-mini", k=8)

await MyJudge().score(task, trace)   # in a task's @vf.reward, or plugged by id
```
"""

from __future__ import annotations

from typing import Any, ClassVar

import verifiers.v1 as vf
from verifiers.v1.judge import judge_response

from deemster.integrations.summary import details, number
from deemster.judges.scorer import Scorer
from deemster.principles import PrinciplesLike


class RolloutJudge(vf.Judge[float]):  # type: ignore[misc]
    """Scores one rollout; subclass it and set `asked`.

    verifiers scores rollouts one by one, so the reward is the score of one response, not one that
    is relative to its group. No verdict raises, as with verifiers' own judges: the rollout is then
    retried or dropped, not given a reward of 0. The votes are noted in `trace.info`.

    Attributes:
        asked: the judge.
        principles: what to judge by, in place of the judge's own.
        whole_trace: whether the whole transcript is judged; else the last reply.
    """

    asked: ClassVar[Scorer]
    principles: ClassVar[PrinciplesLike | None] = None
    whole_trace: ClassVar[bool] = False

    async def score(self, task: Any, trace: Any) -> float:  # noqa: ANN401 - as verifiers types them
        """The mean score on the judge's own scale.

        Raises:
            UnscoredError: no verdict.
            InputError: the rollout cannot be judged.
        """
        said = judge_response(trace, "full_trace" if self.whole_trace else "last_reply")
        verdict = await self.asked.score(task.prompt_text, [said], principles=self.principles)
        trace.info.setdefault("deemster", []).append(details(verdict))
        value = number(verdict.raise_if_unscored())
        assert value is not None  # noqa: S101 - a scored verdict has numbers
        return value
