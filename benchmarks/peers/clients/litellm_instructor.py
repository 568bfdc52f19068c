"""instructor over LiteLLM: the reply is read into a pydantic model."""

import asyncio

from _measuring import Judge, Pair, at_once, main, prompt


def start(url: str, concurrency: int) -> Judge:
    import instructor
    import litellm
    from pydantic import BaseModel

    class Scores(BaseModel):
        critique: str
        scores: list[int]

    runner = asyncio.Runner()
    client = instructor.from_litellm(litellm.acompletion, mode=instructor.Mode.JSON_SCHEMA)

    async def one(pair: Pair) -> bool:
        read = await client.chat.completions.create(
            model="openai/judge",
            messages=[{"role": "user", "content": prompt(pair)}],
            temperature=0.5,
            response_model=Scores,
            api_base=url,
            api_key="key",
        )
        return read.scores == [8, 5]

    return lambda pairs: runner.run(at_once(one, pairs, concurrency))


if __name__ == "__main__":
    main(start)
