"""LiteLLM's asynchronous call; the text is looked into."""

import asyncio

from _measuring import Judge, Pair, at_once, main, prompt


def start(url: str, concurrency: int) -> Judge:
    import litellm

    runner = asyncio.Runner()

    async def one(pair: Pair) -> bool:
        reply = await litellm.acompletion(
            model="openai/judge",
            messages=[{"role": "user", "content": prompt(pair)}],
            temperature=0.5,
            api_base=url,
            api_key="key",
        )
        return "\\boxed{8, 5}" in reply.choices[0].message.content

    return lambda pairs: runner.run(at_once(one, pairs, concurrency))


if __name__ == "__main__":
    main(start)
