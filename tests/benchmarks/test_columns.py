"""Tables of judgments: columns given or known by name, votes from text or from stored verdicts."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from deemster.benchmarks import open_reader
from deemster.benchmarks.traces.column_map import Column, parse_columns
from deemster.benchmarks.traces.verdicts import agrees, winner
from deemster.errors import InputError
from deemster.schemas import Failure, Judgment, Sample, Vote

Read = list[tuple[Sample, tuple[Vote, ...]]]
PAIR = {"query": "2+2?", "response_a": "4", "response_b": "5"}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            table = csv.DictWriter(stream, list(rows[0]))
            table.writeheader()
            table.writerows(
                {k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()}
                for row in rows
            )
    else:
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def read(path: Path, columns: str | None = None, dialect: str | None = None) -> Read:
    return list(open_reader("columns", columns=columns, dialect=dialect).read(path))


def said(votes: tuple[Vote, ...]) -> list[object]:
    return [vote.scores if isinstance(vote, Judgment) else vote.status for vote in votes]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize(
    ("row", "columns", "dialect", "scores", "truth"),
    [
        pytest.param(
            PAIR | {"judge_output": "so [[A]]", "winner": "A"},
            None, "mt-bench-pair", [(1, 0)], None, id="text",
        ),
        pytest.param(
            PAIR | {"judge_output": "so [[A]]", "winner": "B"},
            None, None, [(0, 1)], None, id="stored-winner",
        ),
        pytest.param(
            PAIR | {"winner": "tie", "label": "response_b"},
            None, None, [(0.5, 0.5)], (0, 1), id="tie-and-truth",
        ),
        pytest.param(
            PAIR | {"text": "[[A]]", "flip": "true"},
            "output=text,swapped=flip", "mt-bench-pair", [(0, 1)], None, id="swapped",
        ),
        pytest.param(
            PAIR | {"text": "[[A]]", "shown": "BA"},
            "output=text,order=shown", "mt-bench-pair", [(0, 1)], None, id="order",
        ),
        pytest.param(
            PAIR | {"g1": "[[A]]", "g2": "[[A]]"},
            "output=g1,swapped_output=g2", "mt-bench-pair", [(1, 0), (0, 1)], None, id="games",
        ),
        pytest.param(
            PAIR | {"said": "A", "swapped": "1"},
            "shown_winner=said", None, [(0, 1)], None, id="winner-as-shown",
        ),
        pytest.param(
            PAIR | {"outs": ["[[A]]", "[[B]]", "no"]},
            "output=outs", "mt-bench-pair", [(1, 0), (0, 1), "parse_error"], None, id="repeats",
        ),
        pytest.param(
            PAIR | {"x": "[[A]]", "y": ""},
            "output=x|y", "mt-bench-pair", [(1, 0), "empty"], None, id="blank",
        ),
        pytest.param(
            PAIR | {"score_a": 7, "score_b": 3.5, "mark": 2},
            "truth=mark[1=a 2=b 0=tie]", None, [(7, 3.5)], (0, 1), id="scores",
        ),
        pytest.param(
            PAIR | {"raw_judge_A": "[[7]]", "raw_judge_B": "none", "score_a": 7, "score_b": 3},
            None, "mt-bench-single", [(7, None), "parse_error"], None, id="each-alone",
        ),
        pytest.param(
            {"question": "q", "answer": "x", "score": 0.25, "label": 1},
            None, None, [(0.25,)], (1,), id="single",
        ),
        pytest.param(
            {"q": "2+2?", "good": "4", "bad": "5", "m1": "auk", "m2": "gull", "w": "gull"},
            "query=q,responses=good|bad,policies=m1|m2,winner=w", None, [(0, 1)], None,
            id="winner-by-model",
        ),
    ],
)  # fmt: skip
def test_a_row(
    tmp_path: Path,
    suffix: str,
    *,
    row: dict[str, Any],
    columns: str | None,
    dialect: str | None,
    scores: list[object],
    truth: tuple[float, ...] | None,
) -> None:
    ((sample, votes),) = read(write(tmp_path / f"log{suffix}", [row]), columns, dialect)
    assert said(votes) == scores
    assert sample.ground_truth == truth
    assert sample.query[0].text


def test_rows_of_one_id_are_votes_of_one_sample(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "judge_output": "[[A]]", "swapped": False},
        {"id": 1, "judge_output": "[[B]]", "swapped": True},
        {"id": 2, "judge_output": "[[A]]", "swapped": False},
        {"id": 2, "judge_output": "[[A]]", "swapped": False},
    ]
    path = write(tmp_path / "log.jsonl", [PAIR | row for row in rows])
    first, second = read(path, None, "mt-bench-pair")
    assert said(first[1]) == [(1, 0), (1, 0)]
    assert [vote.order for vote in first[1]] == [(0, 1), (1, 0)]
    assert (first[0].id, second[0].metadata["repeated_rows"]) == ("1", 1)


@pytest.mark.parametrize("labels", [("A", None), (None, "A"), ("A", "response_a"), ("A", "A>B")])
def test_the_truth_may_stand_in_any_row_of_a_sample(
    tmp_path: Path, labels: tuple[str | None, ...]
) -> None:
    rows: list[dict[str, object]] = [
        {**PAIR, "id": 0, "winner": "B", "label": one} for one in labels
    ]
    [(sample, votes)] = read(write(tmp_path / "log.jsonl", rows))
    assert (sample.id, sample.ground_truth, len(votes)) == ("0", (1, 0), 2)


def test_two_truths_of_a_sample_are_refused(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [PAIR | {"winner": "A", "label": one} for one in "AB"])
    with pytest.raises(InputError, match=r"line 2: the truth is another than .* truth="):
        read(log)
    assert [sample.ground_truth for sample, _ in read(log, "truth=")] == [None]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_booleans_are_scores(tmp_path: Path, suffix: str) -> None:
    rows = [
        {"id": i, "query": "2+2?", "response": "4", "score": not one, "label": one}
        for i, one in enumerate([True, False])
    ]
    found = read(write(tmp_path / f"log{suffix}", rows))
    assert [(sample.ground_truth, said(votes)) for sample, votes in found] == [
        ((1,), [(0,)]),
        ((0,), [(1,)]),
    ]


@pytest.mark.parametrize(("winner", "scores"), [("model_1", (0, 1)), ("response 0", (1, 0))])
def test_columns_may_count_from_0(tmp_path: Path, winner: str, scores: tuple[int, ...]) -> None:
    row = {"query": "2+2?", "response_0": "4", "response_1": "5", "winner": winner}
    log = write(tmp_path / "log.jsonl", [row])
    [(_, votes)] = read(log, "responses=response_0|response_1")
    assert said(votes) == [scores]


def test_a_failed_call_keeps_its_reason(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        PAIR | {"judge_output": "[[A]]"},
        PAIR | {"judge_output": None, "error": "HTTP 500"},
    ]
    ((_, votes),) = read(write(tmp_path / "log.jsonl", rows), None, "mt-bench-pair")
    failed = votes[1]
    assert isinstance(failed, Failure)
    assert (failed.status, failed.message) == ("api_error", "HTTP 500")


@pytest.mark.parametrize(
    ("row", "columns", "dialect", "message"),
    [
        pytest.param({"colour": "red"}, None, None, "fields there: colour", id="nothing-known"),
        pytest.param(PAIR | {"judge_output": "x"}, None, None, "--dialect NAME", id="no-dialect"),
        pytest.param(
            PAIR | {"winner": "A"}, None, "grm", "no column with the judge's text", id="no-text"
        ),
        pytest.param(
            PAIR | {"winner": "A"},
            "output=text",
            None,
            "no row has a column 'text'",
            id="no-column",
        ),
        pytest.param(PAIR | {"winner": 1}, None, None, "winner=COLUMN", id="bare-number"),
        pytest.param(PAIR | {"winner": "Zed"}, None, None, "'Zed' does not say", id="nobody"),
        pytest.param(PAIR | {"winner": "A"}, "speed=x", None, "no role 'speed'", id="role"),
        pytest.param(PAIR | {"winner": "A"}, "query", None, "not role=column", id="no-equals"),
        pytest.param(
            PAIR | {"winner": "A"}, "id=query,id=winner", None, "stands twice", id="role-twice"
        ),
        pytest.param(
            PAIR | {"winner": "A", "swapped": "perhaps"}, None, None, "swapped is", id="swapped"
        ),
        pytest.param(
            PAIR | {"score_a": "high", "score_b": 1},
            None,
            None,
            "'high' is not a number",
            id="score",
        ),
        pytest.param(PAIR | {"winner": "A"}, None, "gmr", "unknown dialect", id="dialect"),
    ],
)
def test_refused(
    tmp_path: Path, row: dict[str, Any], columns: str | None, dialect: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path / "log.jsonl", [row]), columns, dialect)


def test_parse_columns() -> None:
    found = parse_columns("query=prompt, responses=a|b,truth=label[1=a 2=b],winner=")
    assert found == {
        "query": (Column("prompt"),),
        "responses": (Column("a"), Column("b")),
        "truth": (Column("label", {"1": "a", "2": "b"}),),
        "winner": (),
    }


def test_dotted_columns_go_into_objects_and_lists() -> None:
    row = {"games": [{"text": "x"}], "a.b": 1}
    assert Column("games.0.text").find(row) == "x"
    assert Column("a.b").find(row) == 1
    assert Column("games.1.text").find(row) is None
    assert Column("games.0.text.more").find(row) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("A", 0), ("b", 1), ("model_b", 1), ("Model_1", 0), ("assistant 2", 1), ("[[A>>B]]", 0),
        ("B>A", 1), ("A=B", "tie"), ("C", "tie"), ("tie (bothbad)", "tie"), (None, "none"),
        ("", "none"), ("error", "none"), ("auk", 0), ("A<B", 1),
    ],
)  # fmt: skip
def test_winner(value: object, expected: object) -> None:
    assert winner(value, [["auk"], ["gull"]]) == expected


@pytest.mark.parametrize("value", ["A>A", "model_3", "1", 2, True, "better"])
def test_winner_unclear(value: object) -> None:
    with pytest.raises(InputError, match="does not say which response is better"):
        winner(value, [[], []])


def test_agrees() -> None:
    stored: list[JsonValue] = [None, 0, 1, "tie", "none", [0.75, 0.25]]
    unread: list[JsonValue] = ["none", 0, [1]]
    vote = Judgment(scores=(0.75, 0.25))
    lost = Failure(status="parse_error", message="x")
    assert [agrees(vote, one) for one in stored] == [
        None, True, False, False, False, True,
    ]  # fmt: skip
    assert [agrees(lost, one) for one in unread] == [True, False, False]


def everything(path: Path) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
    yield Sample.parse(PAIR_SAMPLE, where=str(path)), (Judgment(scores=(1, 0)),)


PAIR_SAMPLE = {"id": "x", "query": "2+2?", "responses": ["4", "5"]}


def test_a_function_or_a_name_of_one_is_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "our_reader.py").write_text(
        "from deemster.schemas import Judgment, Sample\n"
        "def read(path):\n"
        "    yield Sample(id='x', query='q', responses=['a', 'b']), (Judgment(scores=(1, 0)),)\n"
        "NUMBER = 3\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    for reader in (open_reader("our_reader:read"), open_reader(everything)):
        ((sample, votes),) = reader.read(tmp_path)
        assert (sample.id, said(votes)) == ("x", [(1, 0)])
    with pytest.raises(InputError, match="no reader 'our_reader:nothing'"):
        open_reader("our_reader:nothing")
    with pytest.raises(InputError, match="is no reader"):
        open_reader("our_reader:NUMBER")
    with pytest.raises(InputError, match="takes no columns"):
        open_reader("judgebench", columns="id=x")


@pytest.mark.parametrize(
    "name", ["id", "query", "judge", "subset", "model", "error", "judge_output"]
)
def test_half_an_emoji_in_a_log_can_be_stored(tmp_path: Path, name: str) -> None:
    log = write(tmp_path / "log.jsonl", [{"id": 1, "response": "4", "score": None, name: "\ud83d"}])
    for sample, votes in read(log):
        assert "\ufffd" in "".join(one.model_dump_json() for one in (sample, *votes))


def test_dates_and_decimals_of_a_parquet_log(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "log.parquet"
    table = {"id": [date(2026, 11, 30)], "query": [b"q"], "response": ["r"], "subset": [b"\xff"]}
    parquet.write_table(pyarrow.table(table | {"score": [Decimal("7.50")]}), path)
    ((sample, votes),) = read(path)
    assert (sample.id, said(votes)) == ("2026-11-30", [(7.5,)])


@pytest.mark.parametrize("name", ["log.csv", "LOG.CSV", "log.txt", "log.csv.gz", "log.tsv"])
def test_lists_in_cells_are_read_whatever_the_table_is_called(tmp_path: Path, name: str) -> None:
    rows = [PAIR | {"id": 1, "judge_output": ["[[A]]", "[[B]]"], "truth": [1, 0]}]
    path = write(tmp_path / "table.csv", rows)
    text = path.read_text(encoding="utf-8")
    if name.endswith(".tsv"):
        table = [*csv.reader(text.splitlines())]
        text = "".join(
            "\t".join(f'"{c.replace(chr(34), chr(34) * 2)}"' for c in r) + "\n" for r in table
        )
    data = text.encode()
    path = tmp_path / "logs" / name
    path.parent.mkdir()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    ((sample, votes),) = read(path, dialect="mt-bench-pair")
    assert (sample.ground_truth, said(votes)) == ((1, 0), [(1, 0), (0, 1)])


@pytest.mark.parametrize("name", ["response", "Answer", "completion"])
def test_a_response_that_is_a_list_is_one_response(tmp_path: Path, name: str) -> None:
    rows = [{"id": i, "query": "as JSON", name: json.dumps([i, 2]), "score": i} for i in (1, 2)]
    columns = None if name != "completion" else "responses=completion"
    found = read(write(tmp_path / "log.csv", rows), columns)
    assert [sample.responses[0].content for sample, _ in found] == ["[1, 2]", "[2, 2]"]
    assert [said(votes) for _, votes in found] == [[(1,)], [(2,)]]


@pytest.mark.parametrize(("number", "text"), [(42, "42"), (42.0, "42"), (0, "0"), (1.5, "1.5")])
def test_numbers_that_were_asked_and_answered(tmp_path: Path, number: float, text: str) -> None:
    row = {"id": 1, "query": number, "response": number, "reference": number, "score": 3}
    ((sample, votes),) = read(write(tmp_path / "log.jsonl", [row]))
    assert [*(m.content for m in (*sample.query, *sample.responses)), sample.reference] == [
        text
    ] * 3
    assert said(votes) == [(3,)]
