"""Each format of judge logs, from a tiny file to a report in one command."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster, one_line

from deemster.benchmarks import open_reader
from deemster.errors import InputError
from deemster.reports import write_report
from deemster.schemas import Failure, Judgment, Sample, Vote
from deemster.suites.importing import _in_layout, import_run
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
ATTACHED = {
    "eval": {"model": "auk"},
    "samples": [
        {
            "id": "a", "epoch": 1, "target": ["4", "four"],
            "input": [
                {"id": "m1", "role": "system", "content": "Be brief."},
                {"id": "m2", "role": "user", "source": "input", "content": "attachment://0ab"},
            ],
            "attachments": {"0ab": "A long question", "1cd": "Well argued."},
            "output": {
                "choices": [
                    {"message": {"role": "assistant", "content": [
                        {"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "4"}]}}
                ]
            },
            "scores": {
                "rubric": {"value": {"style": 3, "facts": 5}, "explanation": "attachment://1cd"}
            },
        },
        {
            "id": "b", "epoch": 1, "input": "3+3?", "target": "6", "scores": {},
            "error": {"message": "RuntimeError('sandbox gone')", "traceback": "…"},
        },
    ],
}  # fmt: skip
SCORES = {"instruction": "Write.", "response": "ok", "gpt4_score": [5, 4, 5]}
INSPECT: dict[str, Any] = {
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
PROMPTFOO_FAILED: dict[str, Any] = {
    "results": {
        "version": 3,
        "results": [
            {
                "prompt": {"raw": "2+2?"}, "response": {"output": {"sum": 4}},
                "provider": {"id": "auk"}, "success": False,
                "gradingResult": {
                    "componentResults": [
                        {"pass": False, "score": 0, "reason": "Could not extract JSON",
                         "metadata": {"graderError": True}, "assertion": {"type": "llm-rubric"}},
                    ]
                },
            },
            {
                "prompt": {"raw": "3+3?"}, "provider": {"id": "auk"}, "gradingResult": None,
                "success": False, "error": "HTTP 500",
                "testCase": {"assert": [{"type": "llm-rubric", "value": "is right"}]},
            },
            {
                "prompt": {"raw": "4+4?"}, "response": {"output": "8"}, "provider": {"id": "auk"},
                "gradingResult": {
                    "componentResults": [
                        {"pass": True, "score": 1, "reason": "ok",
                         "assertion": {"type": "llm-rubric"}},
                    ]
                },
            },
        ],
    }
}  # fmt: skip
DEEPEVAL_RESULT = {
    "test_results": [
        {
            "name": "t", "success": False, "input": "2+2?", "actual_output": "4",
            "metrics_data": [
                {"name": "Correctness", "score": 0.75, "reason": "fine", "success": True},
            ],
        },
        {
            "name": "u", "success": False, "input": "3+3?", "actual_output": "7",
            "metrics_data": [
                {"name": "Correctness", "score": None, "success": False, "error": "timed out"},
            ],
        },
    ]
}  # fmt: skip
OPENJUDGE = [
    {
        "index": 0, "grader": "RelevanceGrader", "min_expect_score": 3,
        "parameters": {"query": [{"message": {"role": "user", "content": "2+2?"}}],
                       "response": "4", "reference_response": "4"},
        "result": {"name": "relevance", "score": 5.0, "reason": "right", "metadata": {}},
    },
    {
        "index": 1, "grader": "RelevanceGrader", "max_expect_score": 2,
        "parameters": {"query": "3+3?", "tool_calls": [{"id": "c", "function": {"name": "add"}}]},
        "result": {"name": "relevance", "error": "Timeout occurred", "reason": "", "metadata": {}},
    },
    {
        "index": 2, "grader": "RelevanceGrader",
        "parameters": {"query": "Which?", "responses": ["a", "b", "c"]},
        "result": {"name": "ranker", "rank": [2, 1, 3], "reason": "b first", "metadata": {}},
    },
]  # fmt: skip
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
    "inspect-attachments": Case(
        "inspect", [ATTACHED], [(5.0,), "api_error"], ("--judge", "rubric/facts")
    ),
    "promptfoo-failed": Case("promptfoo", [PROMPTFOO_FAILED], ["api_error", "api_error", (1.0,)]),
    "promptfoo-lines": Case(
        "promptfoo", PROMPTFOO_FAILED["results"]["results"], ["api_error", "api_error", (1.0,)]
    ),
    "deepeval-result": Case("deepeval", [DEEPEVAL_RESULT], [(0.75,), "api_error"]),
    "openjudge": Case("openjudge", OPENJUDGE, [(5.0,), "api_error", (1.0, 2.0, 0.0)]),
    "lm-eval-one-metric": Case(
        "lm-eval",
        [
            HARNESS | {"filter": name, "metrics": ["judge_score"], "judge_score": score}
            for name, score in (("strict", 0.0), ("flexible", 1.0))
        ],
        [(0.0,), (1.0,)],
    ),
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

REASONS = {
    "grader timed out", "HTTP 500", "RuntimeError('sandbox gone')", "Could not extract JSON",
    "timed out", "Timeout occurred",
}  # fmt: skip
"""Why calls failed, as the logs say it."""


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
        if isinstance(vote, Failure) and vote.status == "api_error" and name != "arena-hard-v2":
            assert vote.message in REASONS


TABLE = [
    {"question": "2+2?", "response_a": "4, four", "response_b": "5", "label": "A",
     "judgment": "The first.\n[[A]]"},
    {"question": "3+3?", "response_a": "7", "response_b": "6", "label": "B",
     "judgment": "Both fine: [[C]]"},
]  # fmt: skip
PAIRS = [
    {"prompt": "2+2?", "chosen": "4", "rejected": "5", "judgment": "[[A]]"},
    {"prompt": "3+3?", "chosen": "6", "rejected": "7", "judgment": "[[B]]"},
]


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        made = csv.DictWriter(file, rows[0])
        made.writeheader()
        made.writerows(rows)


def write_parquet(path: Path, rows: list[dict[str, str]]) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def write_array(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def write_lines(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "rows", "write", "rewards"),
    [
        pytest.param("log.csv", TABLE, write_csv, [(1, 0), (0.5, 0.5)], id="csv"),
        pytest.param("log.parquet", TABLE, write_parquet, [(1, 0), (0.5, 0.5)], id="parquet"),
        pytest.param("log.json", TABLE, write_array, [(1, 0), (0.5, 0.5)], id="array"),
        pytest.param("log.jsonl", PAIRS, write_lines, [(1, 0), (0, 1)], id="chosen-rejected"),
    ],
)
def test_a_table_of_any_kind_from_file_to_report(
    file: str,
    rows: list[dict[str, str]],
    write: Callable[[Path, list[dict[str, str]]], None],
    rewards: list[tuple[float, ...]],
    tmp_path: Path,
) -> None:
    write(tmp_path / file, rows)
    done = deemster(
        "import", "--format", "columns", "--traces", str(tmp_path / file),
        "--dialect", "mt-bench-pair", "--judge", "heron", "--out", str(tmp_path / "run"),
        "--report", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["judge"]["name"] == "heron"
    assert json.loads(done.stdout)["accuracy"] == 0.5
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "heron: verdicts stored in the log: none to compare with" in page
    with RunStore(tmp_path / "run") as store:
        assert [verdict.rewards for _, verdict in store.verdicts(0)] == rewards
    assert not list((tmp_path / "run").glob("run.sqlite-*"))


def test_the_truth_of_chosen_and_rejected_may_be_left_out(tmp_path: Path) -> None:
    write_lines(tmp_path / "log.jsonl", PAIRS)
    done = deemster(
        "import", "--format", "columns", "--traces", str(tmp_path / "log.jsonl"),
        "--dialect", "mt-bench-pair", "--columns", "truth=", "--out", str(tmp_path / "run"),
        "--json",
    )  # fmt: skip
    assert json.loads(done.stdout)["accuracy"] is None


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


def archive(path: Path, *, header: str = "header.json") -> Path:
    """A `.eval` log: a zip of JSON entries, one a sample."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("_journal/summaries/1.json", "[{}]")
        for sample in INSPECT["samples"]:
            made.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
        made.writestr("summaries.json", "[]")
        made.writestr(header, json.dumps({"version": 2, "eval": INSPECT["eval"]}))
    return path


@pytest.mark.parametrize(
    ("header", "folder"),
    [
        pytest.param("header.json", False, id="finished"),
        pytest.param("_journal/start.json", False, id="cut-off"),
        pytest.param("header.json", True, id="folder"),
    ],
)
def test_an_inspect_archive_is_read_like_its_json(
    header: str, folder: bool, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    log = archive(logs / "run.eval", header=header)
    done = deemster(
        "import", "--format", "inspect", "--traces", str(logs if folder else log),
        "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with RunStore(tmp_path / "run") as store:
        judged = list(store.verdicts(0))
    assert [sample.id for sample, _ in judged] == ["1/1", "2/1"]
    assert judged[0][1].rewards == (1.0,)
    assert [one.message for one in judged[1][1].failures] == ["grader timed out"]


def zstandard(path: Path) -> None:
    """Say of each entry that it is compressed with method 93."""
    archive(path)
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = data.find(mark)
        while place >= 0:
            data[place + at : place + at + 2] = (93).to_bytes(2, "little")
            place = data.find(mark, place + 1)
    path.write_bytes(data)


def cut(path: Path) -> None:
    archive(path)
    path.write_bytes(path.read_bytes()[:-40])


def other(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.txt", "hello")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        pytest.param(zstandard, "inspect log convert --to json", id="zstandard"),
        pytest.param(cut, "log.eval", id="cut"),
        pytest.param(other, "no header.json", id="other-zip"),
    ],
)
def test_archives_that_cannot_be_read(
    make: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    make(tmp_path / "log.eval")
    done = deemster(
        "import", "--format", "inspect", "--traces", str(tmp_path / "log.eval"),
        "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert told in one_line(done)
    assert not (tmp_path / "run").exists()


def packed(path: Path, header: str, sample: str = "{}") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("header.json", header)
        made.writestr("samples/1.json", sample)
    return path


@pytest.mark.parametrize(
    ("header", "sample", "told"),
    [
        pytest.param('{"eval": {}}', '{"id": "' + "x" * 9_000_000 + '"}', "200 times", id="bomb"),
        pytest.param("[]", "{}", "header.json is no object", id="header-list"),
        pytest.param("3", "{}", "header.json is no object", id="header-number"),
        pytest.param("[" * 9_999 + "]" * 9_999, "{}", "100 deep", id="deep-header"),
        pytest.param('{"eval": {}}', "[" * 9_999 + "]" * 9_999, "100 deep", id="deep-sample"),
        pytest.param('{"eval": {}}', '{"id": ' + "9" * 5_000 + "}", "digits", id="digits"),
        pytest.param('{"eval": {}}', '{"id": 1, "scores": NaN}', "in the layout", id="scores"),
        pytest.param('{"eval": 3}', "{}", "must be an object", id="eval"),
    ],
)  # fmt: skip
def test_hostile_archives_are_refused(header: str, sample: str, told: str, tmp_path: Path) -> None:
    log = packed(tmp_path / "log.eval", header, sample)
    with pytest.raises(InputError, match=told) as error:
        import_run("inspect", traces=log, out=tmp_path / "run")
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    log = packed(tmp_path / "log.eval", "{}")
    data = bytearray(log.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(mark) + at] |= 1
    log.write_bytes(data)
    with pytest.raises(InputError, match="encrypted"):
        import_run("inspect", traces=log, out=tmp_path / "run")


OTHER_VALUES: tuple[object, ...] = (
    None,
    3,
    -1.5,
    "x",
    [],
    {},
    [None],
    {"a": None},
    True,
    [3],
    [[]],
    "9" * 50,
    10**30,
)
LOG = Path(__file__).parents[1] / "benchmarks/data"


@pytest.mark.parametrize(
    ("name", "log", "judge"),
    [
        ("judgebench", "judgebench/official.jsonl", None),
        ("mt-bench-pairs", "mt-bench/pairs.jsonl", "Heron-7B"),
        ("mt-bench-single", "mt-bench/single.jsonl", None),
        ("llmbar", "llmbar/traces.jsonl", "Heron/Swap"),
        ("realmistake", "realmistake/traces.jsonl", "heron"),
        ("rb2-ratings", "rb2-ratings.jsonl", "full"),
        ("auto-j", "auto-j.jsonl", None),
        ("alpaca-eval", "alpaca-eval/annotations.jsonl", None),
    ],
)
def test_values_of_other_types_are_errors_of_the_log(
    name: str, log: str, judge: str | None, tmp_path: Path
) -> None:
    first, *rest = map(json.loads, (LOG / log).read_text("utf-8").splitlines())
    for key in first:
        for value in OTHER_VALUES:
            path = tmp_path / "log.jsonl"
            path.write_text("\n".join(map(json.dumps, [{**first, key: value}, *rest])), "utf-8")
            with suppress(InputError):  # any other error fails the test
                list(_in_layout(open_reader(name), path, None, judge))


def test_a_reader_of_ones_own_shows_where_it_fails(tmp_path: Path) -> None:
    def reader(path: Path) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        if path.exists():
            raise TypeError("mine")
        yield from ()

    with pytest.raises(TypeError, match="mine"):
        import_run(reader, traces=tmp_path, out=tmp_path / "run")


def test_published_figures_stand_in_the_report(tmp_path: Path) -> None:
    """Those of the whole log and of its parts, as `summary.json` has them."""
    log, out = tmp_path / "log.jsonl", tmp_path / "run"
    log.write_text("\n".join(map(json.dumps, PAIRS)), encoding="utf-8")
    arguments = ("--format", "columns", "--traces", str(log), "--out", str(out))
    assert deemster("import", *arguments, "--dialect", "mt-bench-pair").returncode == 0
    noted = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    del noted["seal"]  # a file that was changed is not believed
    for record in noted["judges"].values():
        record["published"] = {"rate_pct": 12.75, "Natural/n": 3, "Natural/right": 2}
    (out / "summary.json").write_text(json.dumps(noted), encoding="utf-8")
    report = write_report([out], tmp_path / "report.html")
    assert report.judges[0].summary.published["Natural/right"] == 2
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    shown = page.partition("Published figures")[2].partition("</figure>")[0]
    assert re.sub(r"\s*<[^>]+>\s*", " ", shown).split()[-9:] == [
        "rate", "pct", "12.75", "Part", "n", "right", "Natural", "3", "2",
    ]  # fmt: skip
