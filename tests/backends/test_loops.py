from __future__ import annotations

import asyncio
import gc
import threading

from deemster.backends.loops import PerLoop


class Connection:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()  # holds its loop alive, as real ones do
        self.closed_on: asyncio.AbstractEventLoop | None = None
        self.abandoned = False

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed_on = asyncio.get_running_loop()

    def abandon(self) -> None:
        self.abandoned = True


def per_loop() -> PerLoop[Connection]:
    return PerLoop(Connection, close=Connection.close, abandon=Connection.abandon)


async def test_one_value_per_loop_also_for_tasks_that_ask_at_once() -> None:
    values = per_loop()
    found = await asyncio.gather(*(values.get() for _ in range(10)))
    assert len({id(value) for value in found}) == 1
    await values.aclose()


def test_closed_when_the_loop_ends() -> None:
    values = per_loop()
    found = [asyncio.run(values.get()) for _ in range(3)]
    assert len({id(value) for value in found}) == 3
    assert all(value.closed_on is value.loop for value in found)


def test_closed_when_the_owner_was_dropped_while_the_loop_ran() -> None:
    async def script() -> Connection:
        values = per_loop()
        value = await values.get()
        del values
        gc.collect()
        await asyncio.sleep(0.01)
        assert value.closed_on is asyncio.get_running_loop()
        return value

    assert not asyncio.run(script()).abandoned


def test_abandoned_when_the_loop_was_closed_without_notice() -> None:
    values = per_loop()
    loop = asyncio.new_event_loop()
    lost = loop.run_until_complete(values.get())
    loop.close()
    assert not lost.abandoned
    asyncio.run(values.get())
    assert lost.abandoned


async def test_aclose_reaches_loops_of_other_threads_and_values_come_back() -> None:
    values = per_loop()
    other, stop = asyncio.Future[Connection](), threading.Event()
    here = asyncio.get_running_loop()

    async def elsewhere() -> None:
        value = await values.get()
        here.call_soon_threadsafe(other.set_result, value)
        while not stop.is_set():  # noqa: ASYNC110 - set from the other thread
            await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    mine, theirs = await values.get(), await other
    await values.aclose()
    assert mine.closed_on is mine.loop
    assert theirs.closed_on is theirs.loop
    assert theirs.loop is not mine.loop
    assert await values.get() is not mine
    await values.aclose()
    stop.set()
    thread.join()
