from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from deemster.errors import InputError
from deemster.runtime import LoopThread, run_sync


async def _loop_id() -> int:
    await asyncio.sleep(0)
    return id(asyncio.get_running_loop())


def test_one_loop_serves_scripts_threads_and_running_loops() -> None:
    from_script = run_sync(_loop_id())
    with ThreadPoolExecutor(4) as pool:
        from_threads = set(pool.map(lambda _: run_sync(_loop_id()), range(16)))

    async def cell() -> int:  # a notebook cell: synchronous code inside a running loop
        return run_sync(_loop_id())

    assert from_threads == {from_script}
    assert asyncio.run(cell()) == from_script


def test_errors_come_back_as_raised() -> None:
    async def fails(error: Exception) -> None:
        raise error

    for error in (ValueError("x"), TimeoutError("the coroutine's own")):
        with pytest.raises(type(error), match=str(error)):
            run_sync(fails(error))


def test_a_call_that_would_wait_for_itself_is_refused() -> None:
    async def outer() -> int:
        return run_sync(_loop_id())

    with pytest.raises(InputError, match="await it instead"):
        run_sync(outer())


def test_interrupt_cancels_the_work_and_lets_it_clean_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)
            seen.append("cleaned up")
            raise

    def interrupted(future: object) -> None:
        time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr("deemster.runtime._wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_sync(work())
    assert seen == ["cleaned up"]


def test_closing_cancels_tasks_and_ends_the_thread() -> None:
    runner = LoopThread()
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cancelled")

    async def start() -> None:
        tasks.append(asyncio.create_task(work()))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    runner.run(start())
    before = threading.active_count()
    runner.close()
    assert seen == ["cancelled"]
    assert threading.active_count() == before - 1
    with pytest.raises(RuntimeError, match="shut down"):
        runner.run(_loop_id())


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_a_script_at_once() -> None:
    script = """
        import asyncio, os, signal, threading, time
        from deemster.runtime import run_sync
        async def work():
            try:
                await asyncio.sleep(60)
            finally:
                print("cancelled", flush=True)
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            run_sync(work())
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.split() == ["cancelled", "interrupted"], done.stderr
    assert done.returncode == 0
    assert done.stderr == ""
    assert time.monotonic() - start < 15


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_forked_child_gets_a_loop_of_its_own() -> None:
    script = """
        import asyncio, os
        from deemster.runtime import run_sync
        async def answer():
            await asyncio.sleep(0)
            return 7
        assert run_sync(answer()) == 7
        child = os.fork()
        if child == 0:
            os._exit(run_sync(answer()))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.strip() == "7", done.stderr
