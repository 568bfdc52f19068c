"""The SDK's asynchronous client as it comes; the text is looked into."""

import asyncio

from _measuring import Judge, Pair, at_once, main, prompt


def start(url: str, concurrency: int) -> Judge:
    from openai import AsyncOpenAI

    runner, client = asyncio.Runner(), AsyncOpenAI(base_url=url, api_key="key")

    async def one(pair: Pair) -> bool:
        reply = await client.chat.completions.create(
            model="judge", messages=[{"role": "user", "content": prompt(pair)}], temperature=0.5
        )
        return "\\boxed{8, 5}" in (reply.choices[0].message.content or "")

    return lambda pairs: runner.run(at_once(one, pairs, concurrency))


if __name__ == "__main__":
    main(start)
