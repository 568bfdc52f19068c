"""autorubric: a rubric of one criterion, so one request a response."""

import asyncio

from _measuring import Judge, Pair, at_once, main


def start(url: str, concurrency: int) -> Judge:
    from autorubric import LLMConfig, Rubric
    from autorubric.graders import CriterionGrader

    runner = asyncio.Runner()
    grader = CriterionGrader(
        judge_model_config=LLMConfig(
            model="openai/judge",
            api_base=url,
            api_key="key",
            max_parallel_requests=concurrency,
        )
    )
    rubric = Rubric.from_dict([{"weight": 1.0, "requirement": "Answers the question correctly"}])

    async def one(pair: Pair) -> bool:
        found = await rubric.grade(to_grade=pair.first, grader=grader, query=pair.query)
        return found.score == 1.0

    return lambda pairs: runner.run(at_once(one, pairs, concurrency))


if __name__ == "__main__":
    main(start)
