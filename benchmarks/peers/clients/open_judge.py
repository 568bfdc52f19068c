"""OpenJudge: an `LLMGrader` that ranks a pair, run by its `GradingRunner`."""

import asyncio

from _measuring import Judge, Pair, main

_TEMPLATE = """
Which of two responses to a question is better? Criticise both, then rank them.

Question:
{query}

Response 1:
{first}

Response 2:
{second}

Answer with a JSON object: "rank", the list of 1 and 2 in which the better one has 1, and "reason".
"""


def start(url: str, concurrency: int) -> Judge:
    # By their modules: the package imports every grader it has.
    from openjudge.graders.llm_grader import LLMGrader
    from openjudge.graders.schema import GraderMode, GraderRank
    from openjudge.models.openai_chat_model import OpenAIChatModel
    from openjudge.runner.grading_runner import GradingRunner

    runner = asyncio.Runner()
    grader = LLMGrader(
        model=OpenAIChatModel(model="judge", base_url=url, api_key="key"),
        name="pair",
        mode=GraderMode.LISTWISE,
        template=_TEMPLATE,
    )
    grading = GradingRunner({"pair": grader}, max_concurrency=concurrency, show_progress=False)

    def judge(pairs: list[Pair]) -> int:
        found = runner.run(grading.arun([pair._asdict() for pair in pairs]))["pair"]
        return sum(isinstance(one, GraderRank) and one.rank == [1, 2] for one in found)

    return judge


if __name__ == "__main__":
    main(start)
