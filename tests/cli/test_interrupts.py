"""Programs that are interrupted while they do what heeds no cancellation."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import asyncio, os, sys, time
from deemster.cli import app, interrupts

def ready():
    os.write(1, b"ready")

def slow():
    ready()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        time.sleep(0.01)

async def between_awaits():
    try:
        slow()
    finally:
        os.write(1, b", closed")

async def in_a_thread():
    try:
        await asyncio.to_thread(slow)
    finally:
        os.write(1, b", closed")

async def while_closing():
    try:
        ready()
        await asyncio.sleep(20)
    finally:
        try:
            await asyncio.to_thread(slow)
        finally:
            os.write(1, b", closed")

def command(**_):
    try:
        interrupts.run_async(globals()[sys.argv[1]]())
    except KeyboardInterrupt:
        # As where a dataclass is made: Python notes it, and would end itself by SIGINT.
        exec("raise KeyboardInterrupt")

app._command = lambda: command
app.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["between_awaits", "in_a_thread", "while_closing"])
def test_what_heeds_no_cancellation_ends_too(moment: str, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, moment],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.read(5) == "ready"
    start = time.monotonic()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert time.monotonic() - start < 10  # of 20 s
    assert (process.returncode, stderr) == (130, "deemster: interrupted\n")
    assert stdout.endswith(", closed")
