from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from deemster.aggregators import Sum
from deemster.errors import InputError
from deemster.judges import decide
from deemster.schemas import (
    Critique,
    Failure,
    ImagePart,
    ImageUrl,
    JudgeInfo,
    Judgment,
    Message,
    Principle,
    Sample,
    TextPart,
    Usage,
    Verdict,
    Vote,
)
from deemster.suites.store import RunStore, StoreError

INFO = JudgeInfo(name="j", model="fake", aggregator="sum()", k=3)


def sample(i: int) -> Sample:
    picture = ImagePart(image_url=ImageUrl(url="data:image/png;base64,AA"))
    query = (Message(role="user", content=(TextPart(text=f"question {i}"), picture)),)
    return Sample(
        id=f"s{i}",
        query=query,
        responses=(Message(role="assistant", content="a"), Message(role="assistant", content="b")),
        ground_truth=(1.0, 0.0),
        subset="x",
        metadata={"n": i, "nested": [1, None, "ü\u2028"]},
    )


def verdict(i: int = 0) -> Verdict:
    votes: list[Vote] = [
        Judgment(
            draw=0,
            scores=(8, None),
            principles=(Principle(name="p", weight=1.0),),
            critiques=(Critique(response=0, text="good", scores=(8.0,)),),
            raw="Scores: \\boxed{8}",
            order=(1, 0),
            seed=5,
            meta_reward=0.25,
            usage=Usage(calls=1, tokens_in=10, cost=None, seconds=0.1 + i),
        ),
        Failure(draw=1, status="timeout", message="late", error="BackendTimeout"),
        Judgment(draw=2, scores=(7, 3)),
    ]
    return decide(votes, n=2, k=3, reducer=Sum(), info=INFO, extra=Usage(calls=2))


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([INFO])
        assert store.add_samples(sample(i) for i in range(5)) == 5
        for i in (3, 0, 4):
            store.put(0, i, verdict(i))
        assert store.done(0) == {0, 3, 4}
        assert store.done(0, with_failures=False) == set()
    with RunStore(tmp_path) as store:
        assert store.judges() == [INFO]
        found = list(store.verdicts(0))
        assert [s for s, _ in found] == [sample(0), sample(3), sample(4)]
        assert [v for _, v in found] == [verdict(0), verdict(3), verdict(4)]
        assert store.sample(2) == sample(2)
        assert [position for position, _ in store.samples()] == list(range(5))


def test_a_verdict_put_twice_is_replaced(tmp_path: Path) -> None:
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([INFO])
        store.add_samples([sample(0)])
        store.put(0, 0, verdict(0))
        fewer = decide([Judgment(scores=(1, 2))], n=2, k=3, reducer=Sum(), info=INFO)
        store.put(0, 0, fewer)
        assert [v for _, v in store.verdicts(0)] == [fewer]


def test_ids_are_unique_and_filled(tmp_path: Path) -> None:
    with RunStore(tmp_path, write=True) as store:
        with pytest.raises(InputError, match="sample id 's1' occurs twice"):
            store.add_samples([sample(0), sample(1), sample(1)])
        assert store.count_samples() == 0  # all or nothing
        store.add_samples([sample(0).model_copy(update={"id": ""})])
        assert store.sample(0).id == "0"


def test_one_writer_at_a_time_many_readers(tmp_path: Path) -> None:
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([INFO])
        with pytest.raises(InputError, match="another process is writing"):
            RunStore(tmp_path, write=True)
        with RunStore(tmp_path) as reader:
            assert reader.judges() == [INFO]
    RunStore(tmp_path, write=True).close()


def test_another_judge_is_refused(tmp_path: Path) -> None:
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([INFO])
        store.set_judges([INFO])
        other = INFO.model_copy(update={"k": 8})
        with pytest.raises(InputError, match="k was 3, now 8; give another --out"):
            store.set_judges([other])
        with pytest.raises(InputError, match="has 1 judges, not 2"):
            store.set_judges([INFO, other])


@pytest.mark.parametrize("table", ["votes", "verdicts", "samples"])
def test_a_flipped_bit_is_told(tmp_path: Path, table: str) -> None:
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([INFO])
        store.add_samples([sample(0)])
        store.put(0, 0, verdict())
    with sqlite3.connect(tmp_path / "run.sqlite") as db:
        (body,) = db.execute(f"SELECT body FROM {table}").fetchone()
        broken = bytes([*body[:-3], body[-3] ^ 4, *body[-2:]])
        db.execute(f"UPDATE {table} SET body = ?", (broken,))
    db.close()
    with RunStore(tmp_path) as store, pytest.raises(StoreError, match="damaged"):
        list(store.verdicts(0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no run in", id="missing"),
        pytest.param(b"hello", "not a database|not a run store", id="garbage"),
        pytest.param(b"", "not a run store", id="empty"),
    ],
)
def test_no_run(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "run.sqlite").write_bytes(content)
    with pytest.raises((InputError, StoreError), match=message):
        RunStore(tmp_path)


def test_another_format_is_told(tmp_path: Path) -> None:
    with RunStore(tmp_path, write=True) as store:
        store.set_value("format", "99")
    with pytest.raises(InputError, match="has format '99', this version reads '1'"):
        RunStore(tmp_path)


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([INFO])
        store.add_samples([sample(0)])

        def put_and_fail() -> None:
            with store.transaction():
                store.put_in_transaction(0, 0, verdict())
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            put_and_fail()
        assert store.done(0) == set()


def test_readers_in_other_threads(tmp_path: Path) -> None:
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([INFO])
        store.add_samples([sample(0)])
        store.put(0, 0, verdict())
        seen: list[int] = []

        def read() -> None:
            with RunStore(tmp_path) as reader:
                seen.append(len(list(reader.verdicts(0))))

        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        assert seen == [1]
