"""A judge as a scorer of inspect_ai.

```python
Task(dataset=..., solver=generate(), scorer=judged("openai/gpt-5-mini", k=8))
```
"""

from __future__ import annotations

from typing import Any

from inspect_ai.model import ChatMessage
from inspect_ai.scorer import CORRECT, INCORRECT, Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState

from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.integrations.summary import as_judge, comment, details, number, reason
from deemster.judges.base import BaseJudge
from deemster.principles import PrinciplesLike


@scorer(metrics=[mean(), stderr()])  # type: ignore[untyped-decorator]
def judged(
    judge: BaseJudge | str = "nano",
    *,
    at_least: float | None = None,
    principles: PrinciplesLike | None = None,
    use_target: bool = True,
    whole_transcript: bool = False,
    **options: Any,  # noqa: ANN401 - those of `Judge`
) -> Scorer:
    """Scores outputs by k votes of a judge.

    The value is the mean score on the judge's own scale, or with `at_least` correct or incorrect.
    A sample without a verdict is unscored (`Score.unscored`): metrics and reducers skip it, its
    `reason` is `grader_failed` or, where the judge cannot judge such a sample at all,
    `scoring_failed`. The explanation is a critique; the votes are in the metadata.

    Args:
        judge: a model string, or a judge of your own (a log then cannot make it again).
        at_least: the score from which on an output is correct; None for the score itself.
        principles: what to judge by, in place of the judge's own.
        use_target: whether to show the judge the sample's target, where it has one, as reference.
        whole_transcript: whether all turns after the input are judged, tool calls included; else
            the final output.
        options: of `Judge`, with a model string: `k`, `temperature`, `dialect`, …
    """
    asked = as_judge(judge, **options)

    async def score(state: TaskState, target: Target) -> Score:
        answer = state.output.completion
        turns = _after_input(state)
        try:
            verdict = await asked.score(
                state.input if isinstance(state.input, str) else [_message(m) for m in state.input],
                [[_message(turn) for turn in turns] if whole_transcript and turns else answer],
                reference=target.text or None if use_target else None,
                principles=principles,
            )
        except UnusableModelError:
            raise
        except (InputError, BackendError) as error:
            return Score.unscored(reason="scoring_failed", answer=answer, explanation=str(error))
        value = number(verdict)
        if value is None:
            return Score.unscored(
                reason="grader_failed",
                answer=answer,
                explanation=reason(verdict),
                metadata=details(verdict),
            )
        right = None if at_least is None else CORRECT if value >= at_least else INCORRECT
        return Score(
            value=value if right is None else right,
            answer=answer,
            explanation=comment(verdict),
            metadata={**details(verdict), "score": value},
        )

    return score


def _after_input(state: TaskState) -> list[ChatMessage]:
    """The turns after the input; before and in it solvers may have put turns of their own."""
    given = 1 if isinstance(state.input, str) else len(state.input)
    marked = (place for place, turn in enumerate(state.messages, 1) if turn.source == "input")
    return list(state.messages[max(marked, default=given) :])


def _message(message: ChatMessage) -> dict[str, Any]:
    """A turn as OpenAI's API has it."""
    turn: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.role == "assistant" and message.tool_calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.role == "tool":
        turn |= {"name": message.function, "tool_call_id": message.tool_call_id}
    return turn
