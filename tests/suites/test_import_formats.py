"""Each format of judge logs, from a tiny file to a report in one command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster

from deemster.schemas import Failure, Judgment
from deemster.suites.store import RunStore

CARD = {"question_id": "q1", "model": "auk", "judge": "heron"}
GAMES = [
    {"user_prompt": "…", "judgment": "My verdict: [[B>A]]", "score": "B>A"},
    {"user_prompt": "…", "judgment": "My verdict: [[A>>B]]", "score": "A>>B"},
]
BODY = {"question_id": 3, "question_body": "2+2?", "answer1_body": "4", "answer2_body": "5"}
WILD = {
    "session_id": "s", "last_query": "2+2?", "model_output": ["5"], "generator": "auk",
    "ref_output": "4", "ref_generator": "gull", "assignment": {"A": "gull", "B": "auk"},
    "eval_config": {"mode": "pairwise", "gpt": "heron"}, "result": "{…}",
}  # fmt: skip
PANDA = {
    "idx": 0, "instruction": "Add.", "input": "2 2", "response1": "4", "response2": "5",
    "annotator1": 1, "annotator2": 1, "annotator3": 2,
}  # fmt: skip
SCORES = {"instruction": "Write.", "response": "ok", "gpt4_score": [5, 4, 5]}
INSPECT = {
    "eval": {"model": "auk"},
    "samples": [
        {
            "id": 1, "epoch": 1, "input": "2+2?", "target": "4", "output": {"completion": "4"},
            "scores": {"model_graded_qa": {"value": "C", "explanation": "right"}},
        },
        {
            "id": 2, "epoch": 1, "input": "3+3?", "target": "6", "output": {"completion": "7"},
            "scores": {"model_graded_qa": {"value": None, "reason": "grader timed out"}},
        },
    ],
}  # fmt: skip
PROMPTFOO = {
    "results": {
        "version": 3,
        "results": [
            {
                "prompt": {"raw": "2+2?"}, "response": {"output": "4"}, "provider": {"id": "auk"},
                "gradingResult": {
                    "componentResults": [
                        {"pass": True, "score": 0.9, "reason": "ok",
                         "assertion": {"type": "llm-rubric"}},
                    ]
                },
            }
        ],
    }
}  # fmt: skip
DEEPEVAL = {
    "testCases": [
        {
            "name": "t", "input": "2+2?", "actualOutput": "4",
            "metricsData": [{"name": "Correctness", "score": 0.75, "reason": "fine"}],
        }
    ]
}  # fmt: skip
HARNESS = {
    "doc_id": 7, "target": "4", "arguments": {"gen_args_0": {"arg_0": "2+2?", "arg_1": {}}},
    "filtered_resps": ["4"], "judge_score": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A log, and what becomes of its votes: scores, or the status of a failure."""

    name: str
    rows: list[dict[str, Any]]
    votes: list[object]
    more: tuple[str, ...] = ()
    note: str = "read otherwise here: 0"


CASES = {
    "arena-hard-v0.1": Case(
        "arena-hard", [CARD | {"games": GAMES}], [(0.25, 0.75), (0.0, 1.0)]
    ),
    "arena-hard-v2": Case(
        "arena-hard",
        [
            {"uid": "u", "model": "auk", "baseline": "gull", "judge": "heron", "category": "hard",
             "games": [{"judgment": {"answer": "[[A=B]]"}, "score": "A=B"}, None]}
        ],
        [(0.5, 0.5), "api_error"],
    ),
    "fastchat-reviews": Case(
        "fastchat-reviews",
        [
            {"question_id": 1, "answer1_id": "x", "answer2_id": "y", "reviewer_id": "heron",
             "text": "9 8.5\nFine.", "score": [9.0, 8.5]},
            {"question_id": 2, "answer1_id": "x", "answer2_id": "y", "reviewer_id": "heron",
             "text": "Both are good.", "score": [-1, -1]},
        ],
        [(9.0, 8.5), "parse_error"],
    ),
    "judgelm": Case(
        "judgelm", [BODY | {"pred_text": "8 3\nThe first.", "score": [9, 2]}], [(8, 3)],
        note="none to compare with",
    ),
    "judgelrm": Case(
        "judgelrm",
        [BODY | {"pred_text": "<think>x</think><answer>8</answer><answer>3</answer>"}],
        [(8, 3)], note="none to compare with",
    ),
    "prometheus": Case("prometheus", [SCORES | {"human_score": 4}], [(5,), (4,), (5,)]),
    "pandalm": Case("pandalm", [PANDA | {"pandalm_result": "Tie"}], [(0.5, 0.5)]),
    "wildbench": Case(
        "wildbench",
        [WILD | {"parsed_result": {"choice": "A++"}}], [(0.0, 1.0)],
    ),
    "wildbench-failed": Case(
        "wildbench",
        [
            WILD | {"parsed_result": {"choice": "B"}},
            WILD | {"session_id": "t", "parsed_result": {"choice": "N/A"}, "error": "HTTP 500"},
        ],
        [(1.0, 0.0), "api_error"],
    ),
    "inspect": Case("inspect", [INSPECT], [(1.0,), "api_error"]),
    "promptfoo": Case("promptfoo", [PROMPTFOO], [(0.9,)]),
    "deepeval": Case("deepeval", [DEEPEVAL], [(0.75,)]),
    "lm-eval": Case("lm-eval", [HARNESS], [(1.0,)], ("--columns", "scores=judge_score")),
    "score-json": Case(
        "columns",
        [{"question": "2+2?", "answer": "4", "judge_output": '{"reasoning": "ok", "score": 0.8}'}],
        [(0.8,)], ("--dialect", "score-json"), note="none to compare with",
    ),
    "another-dialect": Case(
        "fastchat-reviews",
        [
            {"question_id": 1, "answer1_id": "x", "answer2_id": "y", "text": "[[A]]",
             "score": [9, 8]}
        ],
        [(1.0, 0.0)], ("--dialect", "mt-bench-pair"), note="read otherwise here: 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_from_file_to_report(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, case.rows)), encoding="utf-8")
    out = tmp_path / "run"
    done = deemster(
        "import", "--format", case.name, "--traces", str(log), "--out", str(out), "--report",
        *case.more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert case.note in done.stderr
    assert (out / "report.html").exists()
    with RunStore(out) as store:
        votes = [vote for _, verdict in store.verdicts(0) for vote in verdict.votes]
    got = [vote.scores if isinstance(vote, Judgment) else vote.status for vote in votes]
    assert got == case.votes
    for vote in votes:
        if isinstance(vote, Failure) and name in {"inspect", "wildbench-failed"}:
            assert vote.message in {"grader timed out", "HTTP 500"}


@pytest.mark.parametrize("name", sorted({case.name for case in CASES.values()} - {"inspect"}))
def test_rows_of_another_kind_are_refused(name: str, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"colour": "red"}\n', encoding="utf-8")
    done = deemster(
        "import", "--format", name, "--traces", str(log), "--out", str(tmp_path / "run")
    )
    assert done.returncode == 2
    assert "colour" in done.stderr, done.stderr
    assert not (tmp_path / "run").exists()


def test_a_log_without_a_single_judgment_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(CARD | {"games": [None, None]}), encoding="utf-8")
    done = deemster(
        "import", "--format", "arena-hard", "--traces", str(log), "--out", str(tmp_path / "run")
    )
    assert done.returncode == 2
    assert "fields there: question_id, model, judge, games" in done.stderr
