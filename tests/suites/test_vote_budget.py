"""A budget of votes over a run: spent to the last, on the samples where it matters, once."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.support.command_line import deemster, one_line

from deemster import Judge
from deemster.backends import FakeBackend, Request
from deemster.schemas import Sample, Verdict
from deemster.suites import load_suite, run_suite
from deemster.suites.runner import RunResult
from deemster.suites.store import RunStore
from deemster.suites.vote_budget import least_sure

N, K = 30, 6
PANEL = "{name: p, type: panel, members: [{model: nano}, {model: 'fake:y'}]}"


def split_judge(asked: list[Request], votes: int | None) -> Judge:
    """Sure of the samples called easy, in two minds about the others."""

    def answer(request: Request, draw: int) -> str:
        asked.append(request)
        text = request.messages[-1].text
        rng = np.random.default_rng(zlib.crc32(f"{text}{request.seeds[draw]}".encode()))
        high = 9 if "easy" in text or rng.random() < 0.5 else 1
        good_first = text.index("GOOD") < text.index("BAD")
        return rf"\boxed{{{high}, 5}}" if good_first else rf"\boxed{{5, {high}}}"

    judge = Judge(FakeBackend(answer), k=K, dialect="grm", temperature=1.0)
    judge.shared_votes = votes
    return judge


def suite_file(folder: Path, votes: int) -> Path:
    rows = [
        {
            "id": str(i),
            "query": f"An {'easy' if i % 3 else 'open'} question {i}",
            "responses": ["GOOD", "BAD"],
            "label": "A",
        }
        for i in range(N)
    ]
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = folder / "suite.yaml"
    path.write_text(
        "name: s\ndata: {path: items.jsonl}\njudges: {model: 'fake:x', k: 6}\n"
        f"budget: {{votes: {votes}}}\nin_flight: 4\n"
    )
    return path


def run(
    folder: Path,
    out: str,
    votes: int = 90,
    asked: list[Request] | None = None,
    *,
    resume: bool = False,
) -> RunResult:
    judge = split_judge([] if asked is None else asked, votes)
    suite = load_suite(suite_file(folder, votes))
    return asyncio.run(run_suite(suite, folder / out, judges=[judge], resume=resume))


def verdicts(out: Path) -> list[tuple[Sample, Verdict]]:
    with RunStore(out) as store:
        return list(store.verdicts(0))


def drawn(rows: Sequence[tuple[Sample, Verdict]], word: str) -> list[int]:
    return [len(verdict.votes) for sample, verdict in rows if word in sample.query[0].text]


def test_votes_go_where_they_may_change_the_winner(tmp_path: Path) -> None:
    asked: list[Request] = []
    result = run(tmp_path, "r", asked=asked)
    rows = verdicts(tmp_path / "r")
    easy, open_ = drawn(rows, "easy"), drawn(rows, "open")
    assert sum(easy) + sum(open_) == 90
    assert len(asked) == result.spent["fake"].calls == 90  # nothing was asked twice
    assert np.mean(open_) > 1.5 * np.mean(easy)
    assert min(easy) >= 2  # a pair is shown in both orders before anything is decided
    assert {verdict.k for _, verdict in rows} == {K}
    plain = split_judge([], None)
    for sample, verdict in rows[:6]:
        whole = plain.score_sync(sample.query, sample.responses)
        first = whole.judgments[: len(verdict.votes)]
        assert [vote.scores for vote in verdict.judgments] == [vote.scores for vote in first]


def test_a_run_that_was_broken_off_makes_the_same_choices_and_buys_nothing_twice(
    tmp_path: Path,
) -> None:
    run(tmp_path, "whole")
    asked: list[Request] = []
    judge = split_judge(asked, 90)
    suite = load_suite(suite_file(tmp_path, 90))

    def stop(*_: object) -> None:
        if len(asked) >= 90 and len(verdicts(tmp_path / "cut")) >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run_suite(suite, tmp_path / "cut", judges=[judge], observer=stop))
    assert 10 <= len(verdicts(tmp_path / "cut")) < N
    run(tmp_path, "cut", asked=asked, resume=True)
    assert len(asked) == 90

    def figures(out: str) -> dict[str, tuple[int, tuple[float, ...] | None]]:
        return {s.id: (len(v.votes), v.rewards) for s, v in verdicts(tmp_path / out)}

    assert figures("cut") == figures("whole")


@pytest.mark.parametrize(
    ("sure", "drawn_", "left", "expected"),
    [
        pytest.param([0.9, 0.5, 0.7], [1, 1, 1], 9, [1], id="the-least-sure-eighth"),
        pytest.param([0.9, 0.5, 1.0], [1, 6, 1], 9, [0], id="not-what-is-full-or-settled"),
        pytest.param([0.9, 0.5, 0.7], [1, 1, 1], 0, [], id="nothing-left"),
        pytest.param([1.0, 1.0], [1, 1], 9, [], id="all-settled"),
    ],
)
def test_who_is_next(
    sure: list[float], drawn_: list[float], left: int, expected: list[int]
) -> None:
    n = len(sure)
    found = least_sure(np.array(sure), np.array(drawn_), np.full(n, 6.0), np.ones(n), left)
    assert found == expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(("k: 6", "k: 6, stop: 'decided:0.9'"), "without meta_rm, stop", id="stop"),
        pytest.param(
            ("{model: 'fake:x', k: 6}", PANEL),
            "cannot have its votes shared out",
            id="panel",
        ),
        pytest.param(("votes: 90", "votes: 59"), "fewer than the first ones", id="too-few"),
        pytest.param(("votes: 90", "votes: 0"), "votes", id="none"),
    ],
)  # fmt: skip
def test_what_cannot_be_shared_out_is_refused(
    change: tuple[str, str], told: str, tmp_path: Path
) -> None:
    path = suite_file(tmp_path, 90)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    done = deemster("run", str(path), "--out", str(tmp_path / "r"))
    assert told in one_line(done)
    assert not (tmp_path / "r").exists()


def test_the_command_line_says_the_bound_and_what_was_used(tmp_path: Path) -> None:
    path = suite_file(tmp_path, 90)
    dry = deemster("run", str(path), "--dry-run")
    assert " 90 " in dry.stdout
    assert " 180 " not in dry.stdout
    path.write_text(path.read_text().replace("fake:x", r"fake:\boxed{5, 5}"))
    done = deemster("run", str(path), "--out", str(tmp_path / "r"))
    assert "90 of the 90 shared out" in done.stdout
