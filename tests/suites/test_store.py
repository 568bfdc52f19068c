"""What is stored comes back, or its damage is told."""

# ruff: noqa: E501 - a table of changes is easier to read in long lines

from __future__ import annotations

import random
import signal
import sqlite3
import threading
import zlib
from contextlib import closing, suppress
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
    Sampling,
    TextPart,
    Usage,
    Verdict,
    Vote,
)
from deemster.suites.store import RunStore
from deemster.suites.store_format import StoreError, row_checksum

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
        assert list(store.left(0)) == [1, 2]
        assert list(store.left(1)) == list(store.left(0, with_failures=True)) == [0, 1, 2, 3, 4]
    with RunStore(tmp_path) as store:
        assert store.judges() == [INFO]
        found = list(store.verdicts(0))
        assert [s for s, _ in found] == [sample(0), sample(3), sample(4)]
        assert [v for _, v in found] == [verdict(0), verdict(3), verdict(4)]
        assert store.sample(2) == sample(2)
        assert [position for position, _ in store.samples()] == list(range(5))


def test_the_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    with RunStore(tmp_path / "runs" / "one", write=True) as store:
        store.set_judges([INFO])
    with RunStore(tmp_path / "runs" / "one") as reader:
        assert reader.judges() == [INFO]


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
        with pytest.raises(InputError, match="begun with other judges: "):
            store.set_judges([INFO, other])


def test_only_the_settings_that_differ_are_told(tmp_path: Path) -> None:
    members = [INFO, INFO.model_copy(update={"sampling": Sampling(temperature=0.5)})]
    panel = INFO.model_copy(update={"members": tuple(members)})
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([panel])
        members[1] = INFO.model_copy(update={"sampling": Sampling(temperature=0.25)})
        with pytest.raises(InputError) as told:
            store.set_judges([INFO.model_copy(update={"members": tuple(members)})])
    changed = str(told.value).partition("another judge: ")[2]
    assert changed == "members.1.sampling.temperature was 0.5, now 0.25; give another --out"


def written(directory: Path, n: int = 20) -> Path:
    """The file of a store with two judges."""
    with RunStore(directory, write=True) as store:
        store.set_judges([INFO, INFO.model_copy(update={"name": "other"})])
        store.add_samples([sample(i) for i in range(n)])
        for judge in range(2):
            for i in range(n):
                store.put(judge, i, verdict(i))
        store.set_spent(0, Usage(calls=3))
    return store.path


def read(directory: Path) -> tuple[object, ...]:
    """All that can be asked of a store."""
    with RunStore(directory) as store:
        verdicts = [list(store.verdicts(judge)) for judge in range(len(store.judges()))]
        left = [store.left(judge) for judge in range(2)]
        return store.judges(), list(store.samples()), verdicts, left, store.spent(0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param("UPDATE votes SET body = x'00' WHERE draw = 0", "votes: 40 with a", id="body"),
        pytest.param("UPDATE votes SET status = 'x' WHERE sample = 3", "votes: 6 with", id="status"),
        pytest.param("UPDATE votes SET sample = 99 WHERE sample = 1", "votes: 6 with", id="moved"),
        pytest.param("UPDATE verdicts SET n_failed = 0", "verdicts: 40 with", id="failures"),
        pytest.param("UPDATE samples SET id = 'y' WHERE position = 1", "samples: 1", id="sample-id"),
        pytest.param("UPDATE judges SET info = replace(info, '3', '4')", "judges: 2", id="judge"),
        pytest.param("UPDATE run SET value = '{}' WHERE key = 'spent:0'", "run: 1", id="spent"),
        pytest.param("DELETE FROM votes WHERE sample = 4", "votes: 6 missing", id="no-votes"),
        pytest.param("DELETE FROM verdicts WHERE judge = 1", "verdicts: 20 missing", id="no-verdicts"),
        pytest.param("DELETE FROM samples WHERE position = 19", "samples: 1 missing", id="no-sample"),
        pytest.param("DELETE FROM judges WHERE position = 1", "judges: 1 missing", id="no-judge"),
        pytest.param("DELETE FROM run WHERE key = 'spent:0'", "run: 1 missing", id="no-fact"),
        pytest.param(
            "INSERT INTO run SELECT 'x', value, checksum FROM run WHERE key = 'format'",
            "run: 1 with a wrong checksum",
            id="a-row-more",
        ),
        pytest.param(
            f"UPDATE run SET key = 'x', checksum = {row_checksum('x', 'y')}, value = 'y' "
            "WHERE key = 'spent:0'",
            "run: not what was written",
            id="another-row-in-its-place",
        ),
        pytest.param(
            f"INSERT INTO run VALUES ('x', 'y', {row_checksum('x', 'y')})",
            "run: not what was written",
            id="a-whole-row-more",
        ),
        pytest.param("DELETE FROM tallies", "samples: not what was written", id="tallies"),
        pytest.param("DROP TABLE tallies", "samples: not what was written", id="no-tallies"),
        pytest.param(
            "UPDATE votes SET scores = CAST(x'ff0b0a1b5b33316d' AS TEXT) WHERE draw = 0",
            "votes: Could not decode to UTF-8",
            id="bytes-that-end-lines",
        ),
        pytest.param("DROP TABLE votes", "votes: no such table", id="no-table"),
    ],
)  # fmt: skip
def test_what_was_changed_or_is_missing_is_told_in_one_line(
    tmp_path: Path, change: str, told: str
) -> None:
    with closing(sqlite3.connect(written(tmp_path))) as db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            db.execute(f"DROP TRIGGER {trigger}")  # damage does not keep the tallies
        db.execute(change)
        db.commit()
    for write in (False, True):
        with pytest.raises(StoreError, match="is damaged") as caught:
            RunStore(tmp_path, write=write)
        text = str(caught.value)
        assert told in text
        assert "undamaged are" in text
        assert "restore it from a copy, or run again with another --out" in text
        assert text.isprintable()


def test_checksums_are_those_in_the_stores_that_there_are() -> None:
    assert row_checksum("format", "2", None, 7, 0.5, b"\x00") == 2700574477


def test_a_missing_trigger_is_made_again(tmp_path: Path) -> None:
    def triggers() -> list[str]:
        with closing(sqlite3.connect(path)) as db:
            found = db.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
            return [sql for (sql,) in found]

    path = written(tmp_path)
    before = triggers()
    assert len(before) == 15
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TRIGGER votes_delete")
        db.commit()
    RunStore(tmp_path, write=True).close()
    assert triggers() == before


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM votes WHERE sample = 4",
        "DELETE FROM judges",
        "UPDATE verdicts SET n_failed = n_failed",
        "INSERT INTO samples SELECT 99, 'x', subset, body, checksum FROM samples LIMIT 1",
    ],
)
@pytest.mark.parametrize("made", ["now", "before the triggers refused"])
def test_another_program_cannot_change_rows_and_their_tallies(
    tmp_path: Path, change: str, made: str
) -> None:
    path = written(tmp_path)
    whole = read(tmp_path)
    if made != "now":
        with closing(sqlite3.connect(path)) as db:
            triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            for name, statement in triggers.fetchall():
                db.execute(f"DROP TRIGGER {name}")
                db.execute(statement.replace("SELECT written_by_deemster();", ""))
            db.commit()
        with RunStore(tmp_path, write=True) as store:
            store.put(0, 3, verdict(3))
    with (
        closing(sqlite3.connect(path)) as db,
        pytest.raises(sqlite3.OperationalError, match="no such function: written_by_deemster"),
    ):
        db.execute(change)
    assert read(tmp_path) == whole


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            "CREATE TRIGGER more AFTER INSERT ON verdicts BEGIN DELETE FROM votes; END;",
            "a trigger 'more'",
            id="trigger",
        ),
        pytest.param(
            "ALTER TABLE votes RENAME TO old; CREATE VIEW votes AS SELECT * FROM old LIMIT 3;",
            "a view 'votes'",
            id="view",
        ),
    ],
)
def test_what_others_put_into_the_schema_is_refused(tmp_path: Path, change: str, told: str) -> None:
    with closing(sqlite3.connect(written(tmp_path))) as db:
        db.executescript(change)
    for write in (False, True):
        with pytest.raises(InputError, match=f"has {told}, which deemster did not make"):
            RunStore(tmp_path, write=write)


def test_what_is_beside_a_store_or_in_its_place_is_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    journal = path.with_name("run.sqlite-journal")
    journal.write_bytes(bytes.fromhex("d9d505f920a163d7") + b"of another file" * 400)
    with pytest.raises(InputError, match=r"was not closed.*remove 'run\.sqlite-journal'"):
        RunStore(tmp_path)
    journal.unlink()
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="is no regular file"):
        RunStore(tmp_path)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """What a disk may give back in place of what was written."""
    at = rng.randrange(len(data))
    page = 4096 * (at // 4096)
    other = 4096 * rng.randrange(len(data) // 4096)
    spoilt = bytearray(data)
    kind = rng.choice(["bit", "truncated", "zeros", "pages exchanged"])
    if kind == "bit":
        spoilt[at] ^= 1 << rng.randrange(8)
    elif kind == "truncated":
        del spoilt[at:]
    elif kind == "zeros":
        spoilt[page : page + 512] = bytes(512)
    else:
        spoilt[page : page + 4096] = data[other : other + 4096]
        spoilt[other : other + 4096] = data[page : page + 4096]
    return bytes(spoilt)


def test_no_damage_changes_what_is_read_in_silence(tmp_path: Path) -> None:
    data = written(tmp_path / "run").read_bytes()
    whole = read(tmp_path / "run")
    copy = tmp_path / "copy"
    copy.mkdir()
    rng = random.Random(23)
    told = 0
    for _ in range(150):
        for file in copy.iterdir():
            file.unlink()
        (copy / "run.sqlite").write_bytes(damaged(data, rng))
        try:
            found = read(copy)
        except (StoreError, InputError) as error:
            told += len(str(error).splitlines()) == 1
        else:
            assert found == whole  # the damage is where nothing is written
    assert told > 100


def as_format_1(path: Path) -> None:
    """The file as it was before rows other than bodies had checksums."""
    with closing(sqlite3.connect(path)) as db:
        db.create_function("crc32", 1, zlib.crc32)
        for kind, name in db.execute(
            "SELECT type, name FROM sqlite_master WHERE type = 'trigger' OR name = 'tallies'"
        ).fetchall():
            db.execute(f"DROP {kind} {name}")
        for table in ("run", "judges"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        for table in ("samples", "votes", "verdicts"):
            db.execute(f"UPDATE {table} SET checksum = crc32(body)")
        db.execute("UPDATE run SET value = '1' WHERE key = 'format'")
        db.commit()


def test_a_store_of_this_format_is_opened_without_a_change(tmp_path: Path) -> None:
    def schema() -> int:
        with closing(sqlite3.connect(path)) as db:
            version: int = db.execute("PRAGMA schema_version").fetchone()[0]
            return version

    path = written(tmp_path)
    before = schema()
    RunStore(tmp_path, write=True).close()
    assert schema() == before


def test_a_store_of_the_format_before_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = read(tmp_path)
    as_format_1(path)
    assert read(tmp_path) == whole
    with RunStore(tmp_path) as store:
        assert store.value("format") == "1"
    with RunStore(tmp_path, write=True) as store:
        store.put(0, 3, verdict(3))
        assert store.value("format") == "2"
    assert read(tmp_path) == whole
    as_format_1(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE votes SET body = x'00' WHERE sample = 1")
        db.commit()
    with pytest.raises(StoreError, match=r"votes: 6 with a wrong .* 114 votes, 40 verdicts"):
        RunStore(tmp_path, write=True)


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
    with pytest.raises(InputError, match="has format '99', this version reads '1' and '2'"):
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
        assert list(store.left(0)) == [0]


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


def test_a_run_at_rest_is_one_file(tmp_path: Path) -> None:
    def files() -> list[str]:
        return sorted(path.name for path in tmp_path.iterdir() if path.name != ".lock")

    with RunStore(tmp_path, write=True) as store:
        store.set_judges([INFO])
        reader = RunStore(tmp_path)
    assert reader.judges() == [INFO]
    reader.close()  # the last to go, after the writer
    assert files() == ["run.sqlite"]
    RunStore(tmp_path).close()
    assert files() == ["run.sqlite"]
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as db:  # as runs were left before
        db.execute("PRAGMA journal_mode = WAL")
    RunStore(tmp_path).close()
    assert files() == ["run.sqlite"]


def test_an_interrupt_is_an_interrupt_wherever_it_comes(tmp_path: Path) -> None:
    """Ctrl-C while SQLite calls back is no error of the store, and what was begun is undone."""

    armed: list[bool] = []

    def interrupt(*_: object) -> None:
        if armed:  # else it comes too late, and would interrupt the test itself
            armed.clear()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    drawn, interrupted = random.Random(3), 0
    try:
        with RunStore(tmp_path, write=True) as store:
            for number in range(60):
                with suppress(KeyboardInterrupt):
                    armed.append(True)
                    signal.setitimer(signal.ITIMER_REAL, drawn.uniform(0.0002, 0.004))
                    store.add_samples(Sample(id=f"{number}-{i}", query="q", responses=["a"])
                                      for i in range(500))  # fmt: skip
                    armed.clear()
                    continue
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 40
    with RunStore(tmp_path) as store:
        assert store.count_samples() % 500 == 0
