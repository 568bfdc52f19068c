"""Runs that are written in one go: whole or not there, in little room, and again after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.suites.test_store import INFO, sample, verdict

from deemster.errors import InputError
from deemster.schemas import Sample, Verdict
from deemster.suites.new_run import UNFINISHED, write_new_run
from deemster.suites.run_folder import FILE, holds_run, lock_run
from deemster.suites.store import RunStore
from deemster.suites.summaries import summarise_run


def judged(n: int, *, letters: int = 10) -> Iterator[tuple[Sample, Verdict]]:
    random = Random(0)
    for i in range(n):
        metadata = {"text": random.randbytes(letters // 2).hex()}
        yield sample(i).model_copy(update={"metadata": metadata}), verdict(i)


def test_what_is_written_is_what_was_given(tmp_path: Path) -> None:
    summary = write_new_run(tmp_path / "run", INFO, judged(300))
    assert summary.n == 300
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".lock", FILE]
    with RunStore(tmp_path / "run") as store:
        assert [v for _, v in store.verdicts(0)] == [v for _, v in judged(300)]
        assert [s.id for s in (s for _, s in store.samples())] == [f"s{i}" for i in range(300)]
        assert list(summarise_run(store)[0].values()) == [summary]


def test_nobody_sees_a_part_of_it_and_the_log_stays_small(tmp_path: Path) -> None:
    seen: list[tuple[bool, int]] = []

    def watched() -> Iterator[tuple[Sample, Verdict]]:
        for pair in judged(600, letters=40_000):
            log = tmp_path / UNFINISHED / f"{FILE}-wal"
            seen.append((holds_run(tmp_path), log.stat().st_size))
            yield pair

    write_new_run(tmp_path, INFO, watched())
    assert holds_run(tmp_path)
    assert not any(there for there, _ in seen)
    assert max(size for _, size in seen) < (tmp_path / FILE).stat().st_size / 2


def test_what_fails_midway_leaves_no_run(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[Sample, Verdict]]:
        yield from judged(300)
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        write_new_run(tmp_path, INFO, failing())
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    with pytest.raises(InputError, match="sample id 's1' occurs twice"):
        write_new_run(tmp_path, INFO, [*judged(300), (sample(1), verdict(1))])
    assert not holds_run(tmp_path)
    assert write_new_run(tmp_path, INFO, judged(2)).n == 2


def test_what_a_kill_left_is_written_again(tmp_path: Path) -> None:
    with RunStore(tmp_path / UNFINISHED, write=True) as left:
        left.set_judges([INFO.model_copy(update={"k": 8})])
        list(left.adding(judged(3)))
    assert write_new_run(tmp_path, INFO, judged(2)).n == 2
    with RunStore(tmp_path) as store:
        assert store.judges() == [INFO]
        assert store.count_samples() == 2


def test_one_writer_and_one_run_a_directory(tmp_path: Path) -> None:
    other = lock_run(tmp_path)
    with pytest.raises(InputError, match="another process is writing"):
        write_new_run(tmp_path, INFO, judged(1))
    other.release()
    write_new_run(tmp_path, INFO, judged(1))
    with pytest.raises(InputError, match="already holds a run"):
        write_new_run(tmp_path, INFO, judged(1))
