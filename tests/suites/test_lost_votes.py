"""Votes that were lost move no reward: what is compared across samples stays comparable."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from deemster.aggregators import Sum
from deemster.backends import FakeBackend, Request
from deemster.backends.fake import Reply
from deemster.errors import BackendTimeout
from deemster.judges import Judge, Panel
from deemster.schemas import Verdict
from deemster.suites.importing import import_run
from deemster.suites.loading import Suite, load_suite
from deemster.suites.rescoring import rescore_run
from deemster.suites.runner import run_suite
from deemster.suites.store import RunStore

N, K = 8, 4
TRUTHS = [1 - i % 2 for i in range(N)]


def suite(folder: Path) -> Suite:
    """Right and wrong answers, one to a question."""
    rows = [
        {
            "id": f"q{i}",
            "query": f"question {i}",
            "responses": ["right" if truth else "wrong"],
            "ground_truth": [truth],
        }
        for i, truth in enumerate(TRUTHS)
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    text = f"name: mine\ndata: {{path: rows.jsonl}}\njudges: {{model: 'fake:x', k: {K}}}\n"
    (folder / "suite.yaml").write_text(text, encoding="utf-8")
    return load_suite(folder / "suite.yaml")


def judge(*, lost: bool, **settings: Any) -> Judge:
    """Gives right answers 8 and wrong ones 6; loses every second vote on right answers."""
    asked: defaultdict[str, int] = defaultdict(int)

    def script(request: Request, _draw: int) -> Reply:
        text = request.messages[-1].text
        right = "\nright\n" in text
        asked[text] += 1
        if lost and right and asked[text] % 2:
            return BackendTimeout("no answer in 2 s")
        return f"Scores: \\boxed{{{8 if right else 6}}}"

    return Judge(FakeBackend(script, name="scripted"), k=K, name="scripted", **settings)


def verdicts(run: Path) -> list[Verdict]:
    with RunStore(run) as store:
        return [verdict for _, verdict in store.verdicts(0)]


@pytest.mark.parametrize(
    ("aggregator", "right", "wrong"),
    [
        pytest.param(None, 32.0, 24.0, id="default"),
        pytest.param("sum", 32.0, 24.0, id="sum"),
        pytest.param("mean", 8.0, 6.0, id="mean"),
        pytest.param("median", 8.0, 6.0, id="median"),
        pytest.param("reliable >> sum", 32.0, 24.0, id="reliable"),
        pytest.param("weighted(judge, judges={scripted: 3}) >> sum", 32.0, 24.0, id="weighted"),
    ],
)
async def test_half_of_the_votes_of_the_right_answers_are_lost(
    tmp_path: Path, aggregator: str | None, right: float, wrong: float
) -> None:
    made = suite(tmp_path)
    found = {}
    for lost in (False, True):
        out = tmp_path / f"lost-{lost}"
        one = judge(lost=lost, aggregator=aggregator)
        summary = (await run_suite(made, out, judges=[one])).summaries["scripted"]
        assert summary.failures == ({"timeout": N // 2 * K // 2} if lost else {})
        assert summary.roc_auc is not None
        found[lost] = (
            summary.roc_auc.value,
            [verdict.rewards for verdict in verdicts(out)],
            [verdict.scores for verdict in verdicts(out)],
        )
    assert found[True] == found[False]
    auc, rewards, scores = found[True]
    assert auc == 1.0
    assert rewards == [(right,) if truth else (wrong,) for truth in TRUTHS]
    assert scores == [(8.0,) if truth else (6.0,) for truth in TRUTHS]


async def test_a_panel_that_loses_members_does_not_either(tmp_path: Path) -> None:
    def member(name: str, *, silent: bool) -> Judge:
        def script(request: Request, _draw: int) -> Reply:
            right = "\nright\n" in request.messages[-1].text
            if silent and right:
                return BackendTimeout("late")
            return f"Scores: \\boxed{{{8 if right else 6}}}"

        return Judge(FakeBackend(script), name=name)

    members = [member("a", silent=False), member("b", silent=True), member("c", silent=True)]
    panel = Panel(members, aggregator=Sum(), name="panel")
    summary = (await run_suite(suite(tmp_path), tmp_path / "run", judges=[panel])).summaries
    assert summary["panel"].roc_auc is not None
    assert summary["panel"].roc_auc.value == 1.0
    rewards = [verdict.rewards for verdict in verdicts(tmp_path / "run")]
    assert rewards == [(24.0,) if truth else (18.0,) for truth in TRUTHS]


async def test_a_stored_run_is_decided_again_over_the_votes_asked_for(tmp_path: Path) -> None:
    run = tmp_path / "run"
    await run_suite(suite(tmp_path), run, judges=[judge(lost=True)])
    for k, out in ((None, "all"), (3, "three"), (9, "more")):
        summary = rescore_run(run, k=k, out=tmp_path / out)
        assert summary.roc_auc is not None
        assert summary.roc_auc.value == 1.0
        asked = min(k or K, K)
        assert summary.judge is not None
        assert summary.judge.k == asked
        assert [verdict.rewards for verdict in verdicts(tmp_path / out)] == [
            ((8.0 if truth else 6.0) * asked,) for truth in TRUTHS
        ]
    mean = rescore_run(run, aggregator="mean", out=tmp_path / "mean")
    assert mean.roc_auc is not None
    assert mean.roc_auc.value == 1.0


def test_an_imported_log_with_fewer_votes_on_some_samples(tmp_path: Path) -> None:
    """A row's ratings are as many as the log's tool got; sums are over the most of any row."""
    rows: list[dict[str, Any]] = [
        {"id": "few", "subset": "s", "j_scores": [[8, 8], [6, 6]]},
        {"id": "many", "subset": "s", "j_scores": [[8] * 5, [6] * 5]},
        {"id": "lost", "subset": "s", "j_scores": [[8, None, 8, None, 8], [6, 6, None, None, 6]]},
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for spec, k, rewards in (
        ("sum", None, (40.0, 30.0)),
        ("sum", 3, (24.0, 18.0)),
        ("mean", None, (8.0, 6.0)),
    ):
        out = tmp_path / f"{spec}-{k}"
        import_run("rb2-ratings", traces=log, out=out, aggregator=spec, k=k)
        found = verdicts(out)
        assert [verdict.rewards for verdict in found] == [rewards] * 3
        assert [verdict.scores for verdict in found] == [(8.0, 6.0)] * 3
