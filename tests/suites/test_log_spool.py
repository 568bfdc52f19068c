"""Logs go through a file, not through memory, and come out of it as they went in."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

from deemster.schemas import Failure, Judgment, Sample, Scale, Usage, Vote
from deemster.suites.importing import import_run
from deemster.suites.log_spool import LogSpool


def log(n: int, size: int) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
    for i in range(n):
        sample = Sample(
            id=f"i{i}",
            query="which?",
            responses=("a", "b"),
            ground_truth=(1, 0),
            metadata={"judge": "😀", "stored": [None, 1.5]},
        )
        text = f"{i} ü " + chr(97 + i % 26) * size
        judgment = Judgment(
            scores=(8.0, None), scale=Scale(low=1, high=10), raw=text, usage=Usage(cost=None)
        )
        yield sample, (judgment, Failure(draw=1, status="refused", message="no", raw="no"))


def test_what_was_added_is_read_again_as_often_as_one_likes(tmp_path: Path) -> None:
    with LogSpool(tmp_path / "not" / "there") as spool:
        assert list(spool.fill(log(3, 10))) == list(log(3, 10))
        assert list(spool) == list(spool) == list(log(3, 10))
    assert not list(tmp_path.iterdir())


def test_an_import_reads_a_log_without_holding_it(tmp_path: Path) -> None:
    held = []

    def read(_: Path) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        yield from log(40, 10)
        held.append(sum(isinstance(one, Judgment) for one in gc.get_objects()))
        yield from ((s.model_copy(update={"id": f"{s.id} later"}), v) for s, v in log(40, 10))
        held.append(sum(isinstance(one, Judgment) for one in gc.get_objects()))

    assert import_run(read, traces=tmp_path, out=tmp_path / "run").n == 80
    assert held[1] - held[0] < 5
