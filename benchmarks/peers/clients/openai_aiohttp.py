"""The SDK over aiohttp, which its documentation advises for many requests at a time."""

import asyncio

from _measuring import Judge, Pair, at_once, main, prompt


def start(url: str, concurrency: int) -> Judge:
    from openai import AsyncOpenAI, DefaultAioHttpClient

    runner = asyncio.Runner()

    async def opened() -> AsyncOpenAI:
        return AsyncOpenAI(base_url=url, api_key="key", http_client=DefaultAioHttpClient())

    client = runner.run(opened())

    async def one(pair: Pair) -> bool:
        reply = await client.chat.completions.create(
            model="judge", messages=[{"role": "user", "content": prompt(pair)}], temperature=0.5
        )
        return "\\boxed{8, 5}" in (reply.choices[0].message.content or "")

    return lambda pairs: runner.run(at_once(one, pairs, concurrency))


if __name__ == "__main__":
    main(start)
