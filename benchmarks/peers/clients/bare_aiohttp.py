"""aiohttp alone: post, read the JSON, look into the text."""

import asyncio

from _measuring import Judge, Pair, at_once, main, prompt


def start(url: str, concurrency: int) -> Judge:
    import aiohttp

    runner = asyncio.Runner()

    async def opened() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    session = runner.run(opened())

    async def one(pair: Pair) -> bool:
        body = {
            "model": "judge",
            "messages": [{"role": "user", "content": prompt(pair)}],
            "temperature": 0.5,
        }
        async with session.post(f"{url}/chat/completions", json=body) as response:
            reply = await response.json()
        return "\\boxed{8, 5}" in reply["choices"][0]["message"]["content"]

    return lambda pairs: runner.run(at_once(one, pairs, concurrency))


if __name__ == "__main__":
    main(start)
