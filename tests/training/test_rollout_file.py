from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from deemster.errors import InputError
from deemster.schemas import Message
from deemster.training.rollouts import Rollout, RolloutFile


def rollout(sample: str, text: str = "Scores: \\boxed{1, 2}", **fields: object) -> Rollout:
    return Rollout.model_validate(
        {
            "sample_id": sample,
            "order": (1, 0),
            "messages": (Message(role="user", content=f"judge {sample}"),),
            "completion": text,
            "scores": (2.0, 1.0),
            "correct": True,
            **fields,
        }
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = RolloutFile(tmp_path / "stage" / "rollouts.jsonl")
    assert file.read() == []
    assert file.done_ids() == set()
    first = [rollout("a"), rollout("a", "no box\n\u2028", scores=None, correct=False, seed=3)]
    file.append("a", first)
    file.append("b", [])
    file.append("c", [rollout("c", hinted=True, stage="teacher", correct=None)])
    again = RolloutFile(file.path)
    assert again.read() == [*first, rollout("c", hinted=True, stage="teacher", correct=None)]
    assert again.done_ids() == {"a", "b", "c"}
    assert len(file.path.read_bytes().splitlines()) == 3


def test_every_torn_end_is_passed_over_and_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "rollouts.jsonl"
    file = RolloutFile(path)
    file.append("a", [rollout("a")])
    kept = path.read_bytes()
    file.append("b", [rollout("b")])
    whole = path.read_bytes()
    for end in range(len(kept), len(whole)):
        path.write_bytes(whole[:end])
        assert file.done_ids() == {"a"}
    file.append("b", [rollout("b")])  # after the longest torn end
    assert path.read_bytes() == whole
    path.write_bytes(whole[:5])
    file.append("z", [])
    assert file.done_ids() == {"z"}


def test_a_damaged_line_is_told_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "rollouts.jsonl"
    RolloutFile(path).append("a", [rollout("a")])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"sample_id": 3}\n')
    with pytest.raises(InputError, match=r"rollouts.jsonl:2: no trajectories: "):
        RolloutFile(path).read()


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        RolloutFile(tmp_path).read()
    with pytest.raises(InputError, match=r"cannot write .*: Is a directory; make room and resume"):
        RolloutFile(tmp_path).append("a", [])


def test_a_long_torn_line_is_found_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "rollouts.jsonl"
    file = RolloutFile(path)
    file.append("a", [])
    with path.open("ab") as torn:
        torn.write(b"x" * 200_000)
    file.append("b", [])
    assert file.done_ids() == {"a", "b"}


FILL = """
import signal, sys
from pathlib import Path
from deemster.errors import InputError
from deemster.training.rollouts import RolloutFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = RolloutFile(Path(sys.argv[1]))
try:
    for number in range(10_000):
        file.append(f"sample {number:05}", [])
except InputError as error:
    print(error)
    sys.exit(2)
"""


def test_a_full_disk_is_one_line_and_what_was_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "rollouts.jsonl"
    limit = 4_000

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=small_files,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout.count("\n") == 1
    assert "cannot write" in done.stdout
    assert "make room and resume" in done.stdout
    kept = RolloutFile(path).done_ids()
    assert 0 < len(kept) <= limit // 40
    RolloutFile(path).append("next", [])
    assert RolloutFile(path).done_ids() == kept | {"next"}
