from __future__ import annotations

import asyncio
import json
import math
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deemster.backends import Cassette, FakeBackend, Outcome, RecordBackend, ReplayBackend, Request
from deemster.backends.registry import open_backend
from deemster.errors import BackendError, BackendTimeout, CassetteMissError, InputError
from deemster.schemas import Completion, ImagePart, Message, Sampling, TextPart, TokenLogprob, Usage


def request(
    text: str = "Which is better?", *, n: int = 1, seeds: tuple[int, ...] = (), **fields: Any
) -> Request:
    fields.setdefault("sampling", Sampling())
    return Request(messages=(Message(role="user", content=text),), n=n, seeds=seeds, **fields)


def by_seed(request: Request, draw: int) -> str:
    return f"seed {request.seeds[draw] if request.seeds else draw}: {request.messages[0].text}"


def texts(outcomes: list[Outcome]) -> list[str]:
    assert all(isinstance(outcome, Completion) for outcome in outcomes), outcomes
    return [outcome.text for outcome in outcomes if isinstance(outcome, Completion)]


def files(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


async def record(path: Path, *requests: Request, name: str = "fake") -> None:
    backend = RecordBackend(FakeBackend(by_seed, name=name), path)
    for one in requests:
        await backend.generate(one)
    await backend.aclose()


async def miss(path: Path, asked: Request) -> str:
    backend = ReplayBackend(path)
    [outcome] = await backend.generate(asked)
    await backend.aclose()
    assert isinstance(outcome, CassetteMissError)
    return str(outcome)


async def test_replays_what_was_recorded_under_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    asked = request(n=3, seeds=(5, 6, 7))
    live = FakeBackend(by_seed, name="openai/gpt-x")
    recorder = RecordBackend(live, path)
    recorded = await recorder.generate(asked)
    await recorder.aclose()
    assert not live.closed  # it was given

    backend = open_backend(f"replay:{path}")
    assert backend.name == recorder.name == "openai/gpt-x"
    assert await backend.generate(asked) == recorded
    assert texts(await backend.generate(request(seeds=(6,)))) == ["seed 6: Which is better?"]
    await backend.aclose()
    assert len(live.requests) == 1


async def test_new_mode_asks_only_for_missing_draws(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    await record(path, request(n=2, seeds=(1, 3)))
    live = FakeBackend(by_seed)
    recorder = RecordBackend(live, path)
    outcomes = await recorder.generate(request(n=4, seeds=(1, 2, 3, 4)))
    await recorder.aclose()
    assert [one.seeds for one in live.requests] == [(2, 4)]
    assert [text[:6] for text in texts(outcomes)] == ["seed 1", "seed 2", "seed 3", "seed 4"]


async def test_draws_without_seeds_go_on_where_the_recording_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    await record(path, request(n=2))
    live = FakeBackend(by_seed)
    recorder = RecordBackend(live, path)
    outcomes = await recorder.generate(request(n=4))
    await recorder.aclose()
    assert [(one.n, one.seeds) for one in live.requests] == [(2, (2, 3))]
    assert [text[:6] for text in texts(outcomes)] == ["seed 0", "seed 1", "seed 2", "seed 3"]


async def test_unseeded_request_reaches_the_model_unseeded(tmp_path: Path) -> None:
    live = FakeBackend(by_seed)
    recorder = RecordBackend(live, tmp_path / "a.cassette")
    await recorder.generate(request(n=2))
    await recorder.aclose()
    assert live.requests == [request(n=2)]


async def test_seed_used_twice_is_one_draw(tmp_path: Path) -> None:
    live = FakeBackend([f"text {i}" for i in range(9)])
    recorder = RecordBackend(live, tmp_path / "a.cassette")
    outcomes = texts(await recorder.generate(request(n=3, seeds=(4, 5, 4))))
    await recorder.aclose()
    assert live.requests[0].n == 2
    assert outcomes[0] == outcomes[2] != outcomes[1]


async def test_all_mode_replaces_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    await record(path, request(seeds=(1,)))
    recorder = RecordBackend(FakeBackend("new text"), path, mode="all")
    assert texts(await recorder.generate(request(seeds=(1,)))) == ["new text"]
    await recorder.aclose()
    backend = ReplayBackend(path)
    assert texts(await backend.generate(request(seeds=(1,)))) == ["new text"]
    await backend.aclose()


async def test_failures_pass_and_are_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    lost = BackendTimeout("too slow")
    live = FakeBackend(["one", lost, "three", "two at last"])
    recorder = RecordBackend(live, path)
    asked = request(n=3, seeds=(1, 2, 3))
    first = await recorder.generate(asked)
    assert first[1] is lost
    assert len(recorder.cassette) == 2
    assert texts(await recorder.generate(asked)) == ["one", "two at last", "three"]
    assert live.requests[1].seeds == (2,)
    await recorder.aclose()


async def test_backend_that_raises_keeps_recorded_draws(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    await record(path, request(seeds=(1,)))

    def broken(_request: Request, _draw: int) -> str:
        raise BackendError("down", retryable=True)

    recorder = RecordBackend(FakeBackend(broken), path)
    good, bad = await recorder.generate(request(n=2, seeds=(1, 2)))
    await recorder.aclose()
    assert texts([good]) == ["seed 1: Which is better?"]
    assert isinstance(bad, BackendError)
    assert bad.retryable


async def test_cancelled_call_records_nothing(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def hang(_request: Request, _draw: int) -> str:
        started.set()
        await asyncio.Event().wait()
        return "never"

    recorder = RecordBackend(FakeBackend(hang), tmp_path / "a.cassette")
    task = asyncio.create_task(recorder.generate(request()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(recorder.cassette) == 0
    await recorder.aclose()


async def test_completion_survives_whole(tmp_path: Path) -> None:
    full = Completion(
        text="a\x00b\n\u2028 😀 half \ud83d",
        finish="length",
        logprobs=(TokenLogprob(token="a", logprob=-0.5, top=(("b", -math.inf),)),),
        usage=Usage(calls=1, tokens_in=3, tokens_out=4, cost=None, seconds=0.25),
        model="m-2026",
    )
    path = tmp_path / "a.cassette"
    recorder = RecordBackend(FakeBackend([full]), path)
    assert await recorder.generate(request()) == [full]
    await recorder.aclose()
    backend = ReplayBackend(path)
    assert await backend.generate(request()) == [full]
    await backend.aclose()


def test_request_is_stored_once_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    asked = request("Größe?", n=3, seeds=(1, 2, 3), json_schema={"type": "object"})
    asyncio.run(record(path, asked))
    with sqlite3.connect(path) as db:
        [(model, text)] = db.execute("SELECT model, request FROM prompts").fetchall()
        assert db.execute("SELECT count(*) FROM draws").fetchone() == (3,)
    db.close()
    assert model == "fake"
    assert "Größe?" in text
    stored = json.loads(text)
    assert stored["messages"] == [{"role": "user", "content": "Größe?"}]
    assert stored["json_schema"] == {"type": "object"}


def test_what_another_writer_recorded_first_stays(tmp_path: Path) -> None:
    asked = request(n=2, seeds=(5, 6))
    first, second = Completion(text="first"), Completion(text="second")
    with Cassette(tmp_path / "a.cassette") as one, Cassette(tmp_path / "a.cassette") as other:
        assert one.put(asked, "m", {0: first}) == {0: first}
        assert other.put(asked, "m", {0: second, 1: second}) == {0: first, 1: second}
        assert other.put(asked, "m", {0: second}, replace=True) == {0: second}
        assert one.get([asked.key("m", 0)]) == {asked.key("m", 0): second}


def test_a_prompt_that_could_not_be_written_is_written_with_its_next_draw(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    asked, draw = request(n=2, seeds=(5, 6)), Completion(text="good")
    with Cassette(path) as cassette, closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert cassette.models() == []
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(BlockingIOError):
            cassette.put(asked, "m", {0: draw}, wait=False)
        db.execute("ROLLBACK")
        for number in (0, 1):
            cassette.put(asked, "m", {number: draw}, wait=False)
        assert db.execute("SELECT count(*) FROM prompts JOIN draws").fetchone() == (2,)
        assert cassette.models() == ["m"]


@given(seeds=st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=8, unique=True))
@settings(max_examples=25)
def test_any_part_of_a_recording_replays(
    tmp_path_factory: pytest.TempPathFactory, seeds: list[int]
) -> None:
    path = tmp_path_factory.mktemp("replay") / "a.cassette"
    asyncio.run(record(path, request(n=len(seeds), seeds=tuple(seeds))))
    part = tuple(reversed(seeds[::2]))
    backend = ReplayBackend(path)
    outcomes = asyncio.run(backend.generate(request(n=len(part), seeds=part)))
    asyncio.run(backend.aclose())
    assert texts(outcomes) == [f"seed {seed}: Which is better?" for seed in part]


# What a miss says


async def test_miss_names_key_seed_and_cassette(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    await record(path, request(n=12, seeds=tuple(range(12))))
    asked = request(seeds=(99,))
    text = await miss(path, asked)
    assert asked.key("fake", 0) in text
    assert str(path) in text
    assert "seed 99" in text
    assert "recorded with 12 other seeds (0, 1, 2, 3, 4, 5, 6, 7, …)" in text


async def test_hits_beside_a_miss_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    await record(path, request(seeds=(1,)))
    backend = ReplayBackend(path)
    hit, lost = await backend.generate(request(n=2, seeds=(1, 2)))
    await backend.aclose()
    assert texts([hit]) == ["seed 1: Which is better?"]
    assert isinstance(lost, CassetteMissError)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        pytest.param(
            request(sampling=Sampling(temperature=0.7, max_tokens=9)),
            "recorded with sampling.temperature 0.5 instead of 0.7, "
            "sampling.max_tokens 2048 instead of 9",
            id="sampling",
        ),
        pytest.param(request(prefix="{"), "prefix '' instead of '{'", id="prefix"),
        pytest.param(request(json_schema={}), "recorded with no json_schema", id="schema"),
        pytest.param(
            request("Which is worse?"),
            "differs from character 16 on: recorded '[user] Which is better?', "
            "asked '[user] Which is worse?'",
            id="messages",
        ),
        pytest.param(
            Request(
                messages=(
                    Message(
                        role="user",
                        content=(
                            TextPart(text="Which is better?"),
                            ImagePart.model_validate({"image_url": {"url": "data:x"}}),
                        ),
                    ),
                ),
                sampling=Sampling(),
            ),
            "same text was recorded with other images",
            id="image",
        ),
    ],
)
async def test_miss_says_what_differs(tmp_path: Path, asked: Request, hint: str) -> None:
    path = tmp_path / "a.cassette"
    await record(path, request("Something else altogether"), request())
    assert hint in await miss(path, asked)


async def test_miss_says_that_another_model_has_it(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    await record(path, request("only of one"), name="one")
    await record(path, request(), name="two")
    backend = ReplayBackend(f"{path}#two")
    [outcome] = await backend.generate(request("only of one"))
    await backend.aclose()
    assert "recorded for another model, 'one'" in str(outcome)


# Which model, which file


async def test_cassette_of_several_models(tmp_path: Path) -> None:
    path = tmp_path / "a#b.cassette"
    await record(path, request(), name="openai/one")
    await record(path, request(), name="hf:two")
    with pytest.raises(InputError, match=r"holds 2 models; choose one: .*#hf:two, .*#openai/one"):
        ReplayBackend(path)
    with pytest.raises(InputError, match="does not hold the model 'three'"):
        ReplayBackend(path, model="three")
    for backend in (ReplayBackend(f"{path}#hf:two"), ReplayBackend(path, model="hf:two")):
        assert backend.name == "hf:two"
        assert len(await backend.generate(request())) == 1
        await backend.aclose()


def _not_sqlite(path: Path) -> None:
    path.write_text("these are not the bytes you are looking for\n" * 50)


def _other_sqlite(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE prompts (id)")
    db.commit()
    db.close()


def _cut_in_half(path: Path) -> None:
    asyncio.run(record(path, *(request("long " * 3000 + str(i)) for i in range(9))))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _newer(path: Path) -> None:
    asyncio.run(record(path, request()))
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(_not_sqlite, "not a database", id="not-sqlite"),
        pytest.param(_other_sqlite, "not a cassette", id="other-sqlite"),
        pytest.param(_cut_in_half, "malformed|damaged", id="cut-in-half"),
        pytest.param(_newer, "has format 99", id="newer"),
        pytest.param(Path.mkdir, "no cassette at|unable to open|no regular file", id="directory"),
    ],
)
def test_file_that_is_no_cassette(tmp_path: Path, make: Callable[[Path], None], text: str) -> None:
    path = tmp_path / "a.cassette"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError, match=text):
        ReplayBackend(path)
    with pytest.raises(InputError, match=text):
        RecordBackend(FakeBackend("x"), path)
    assert before is None or path.read_bytes() == before


def test_missing_and_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cassette at"):
        ReplayBackend(tmp_path / "none.cassette")
    assert not (tmp_path / "none.cassette").exists()
    with pytest.raises(InputError, match="directory does not exist"):
        RecordBackend(FakeBackend("x"), tmp_path / "none" / "a.cassette")
    RecordBackend(FakeBackend("x"), tmp_path / "new.cassette")
    with pytest.raises(InputError, match="holds no recordings"):
        ReplayBackend(tmp_path / "new.cassette")
    with pytest.raises(InputError, match="unknown record mode 'often'; known: new, all"):
        RecordBackend(FakeBackend("x"), tmp_path / "b", mode="often")  # type: ignore[arg-type]


async def test_row_damaged_by_hand_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    await record(path, request())
    db = sqlite3.connect(path)
    db.execute("UPDATE draws SET completion = '{\"text\": 7}'")
    db.commit()
    db.close()
    backend = ReplayBackend(path)
    with pytest.raises(InputError, match="cannot use cassette"):
        await backend.generate(request())
    await backend.aclose()


# One file in the end, several writers before


async def test_closed_cassette_is_one_file_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    recorder = RecordBackend(FakeBackend(by_seed), path)
    await recorder.generate(request())
    assert (tmp_path / "a.cassette-wal").exists()
    await recorder.aclose()
    await recorder.aclose()
    assert files(tmp_path) == ["a.cassette"]
    assert path.read_bytes()[18:20] == b"\x01\x01"  # header: rollback journal, no log needed
    await recorder.generate(request("after closing"))
    await recorder.aclose()
    backend = ReplayBackend(path)
    assert len(await backend.generate(request("after closing"))) == 1
    await backend.aclose()
    assert files(tmp_path) == ["a.cassette"]


async def test_replay_while_another_records(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    recorder = RecordBackend(FakeBackend(by_seed), path)
    await recorder.generate(request(seeds=(1,)))
    backend = ReplayBackend(path)
    await recorder.generate(request(seeds=(2,)))
    assert len(texts(await backend.generate(request(n=2, seeds=(1, 2))))) == 2
    await recorder.aclose()
    await backend.aclose()


async def test_read_only_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "ro"
    place.mkdir()
    path = place / "a b?#%.cassette"
    await record(path, request())
    path.chmod(stat.S_IRUSR)
    place.chmod(stat.S_IRUSR | stat.S_IXUSR)
    # The superuser may write anywhere, so the answer of the system is given here.
    monkeypatch.setattr("os.access", lambda *_: False)
    try:
        backend = ReplayBackend(path)
        assert texts(await backend.generate(request())) == ["seed 0: Which is better?"]
        await backend.aclose()
        assert files(place) == [path.name]
    finally:
        place.chmod(stat.S_IRWXU)


async def test_read_only_directory_with_a_log_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.cassette"
    recorder = RecordBackend(FakeBackend(by_seed), path)
    await recorder.generate(request())
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("a.cassette", "a.cassette-wal"):
        shutil.copy(tmp_path / name, copied)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InputError, match="was not closed"):
        ReplayBackend(copied / "a.cassette")  # immutable reading would miss what is in the log
    assert files(copied) == ["a.cassette", "a.cassette-wal"]
    backend = ReplayBackend(path)  # the recorder's index of the log is there
    assert len(await backend.generate(request())) == 1
    await backend.aclose()
    await recorder.aclose()


def test_threads_share_one_cassette(tmp_path: Path) -> None:
    recorder = RecordBackend(FakeBackend(by_seed), tmp_path / "a.cassette")
    failed: list[BaseException] = []

    def work(worker: int) -> None:
        async def run() -> None:
            for i in range(10):
                await asyncio.gather(
                    recorder.generate(request(f"{worker} {i}", n=2)),
                    recorder.generate(request("common", seeds=(i,))),
                )

        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failed.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(recorder.cassette) == 4 * 10 * 2 + 10
    asyncio.run(recorder.aclose())


WRITER = textwrap.dedent(
    """
    import asyncio, sys
    from deemster.backends import FakeBackend, RecordBackend, Request
    from deemster.schemas import Message, Sampling

    path, worker = sys.argv[1:]

    def asked(text, seed):
        message = Message(role="user", content=text)
        return Request(messages=(message,), sampling=Sampling(), seeds=(seed,))

    async def main():
        backend = RecordBackend(FakeBackend(f"said by {worker}"), path)
        for i in range(25):
            await backend.generate(asked(f"own {worker}", i))
            [shared] = await backend.generate(asked("shared", i))
            print(i, shared.text, flush=True)
        await backend.aclose()

    asyncio.run(main())
    """
)


def test_processes_share_one_cassette(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [
        subprocess.Popen([*command, str(worker)], stdout=subprocess.PIPE, text=True)
        for worker in range(3)
    ]
    heard = [writer.communicate(timeout=120)[0].splitlines() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    # Whoever wrote a shared draw first, all heard the same text.
    assert heard[0] == heard[1] == heard[2]
    assert len(heard[0]) == 25
    with Cassette(path, readonly=True) as cassette:
        assert len(cassette) == 3 * 25 + 25
    assert files(tmp_path) == ["a.cassette"]


KILLED = WRITER.replace("await backend.aclose()", "import os; os.kill(os.getpid(), 9)")


def test_killed_recorder_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), "0"], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -9
    assert len(killed.stdout.splitlines()) == 25
    with Cassette(path, readonly=True) as cassette:
        assert len(cassette) == 50
    with Cassette(path) as cassette:  # the next writer tidies up
        assert len(cassette) == 50
    assert files(tmp_path) == ["a.cassette"]


async def test_draws_that_are_requests_of_their_own_are_kept_as_they_come(tmp_path: Path) -> None:
    class Single(FakeBackend):
        one_by_one = True

    last = asyncio.Event()

    async def reply(draw: int) -> str:
        if draw == 3:
            last.set()
            await asyncio.sleep(60)
        return f"text {draw}"

    path = tmp_path / "c.cassette"
    asked = (Message(role="user", content="q"),)
    request = Request(messages=asked, sampling=Sampling(), n=4, seeds=(0, 1, 2, 3))
    backend = RecordBackend(Single(lambda one, _: reply(one.seeds[0])), path)
    task = asyncio.create_task(backend.generate(request))
    await last.wait()
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await backend.aclose()
    with Cassette(path) as cassette:
        assert len(cassette) == 3
