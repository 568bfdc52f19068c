"""The one reader: whatever the file, the same samples; whatever the mistake, one line to act on."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster, one_line

from deemster.data.columns import GivenColumns
from deemster.data.row import Row, plain_values
from deemster.data.samples import read_samples, sample_of
from deemster.errors import InputError
from deemster.schemas import Sample

FORMS = (
    ("plain.jsonl", "jsonl"),
    ("plain.ndjson", "jsonl"),
    ("lines.json", "jsonl"),
    ("array.json", "array"),
    ("wrapped.json", "wrapped"),
    ("rows.json", "rows"),
    ("columns.json", "columns"),
    ("comma.csv", ","),
    ("semicolon.csv", ";"),
    ("tab.tsv", "\t"),
    ("table.parquet", "parquet"),
    ("no-suffix-lines", "jsonl"),
    ("no-suffix-array", "array"),
    ("no-suffix-table", ","),
    ("no-suffix-parquet", "parquet"),
)
"""Every form a file of rows may have, and how it is made."""

ROWS: list[dict[str, Any]] = [
    {"id": 7, "prompt": "2 + 2?", "a": "4", "b": '5, "or" so', "winner": "a", "hard": 0.5,
     "ok": True, "note": None},
    {"id": 8, "prompt": "Why?\nSay.", "a": "ü" * 200_000, "b": "no", "winner": "tie", "hard": 2,
     "ok": False, "note": "first"},
]  # fmt: skip
COLUMNS = "query=prompt,responses=a|b,truth=winner"


def written(form: str, rows: list[dict[str, Any]], path: Path) -> None:
    if form == "parquet":
        pyarrow = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return
    texts = {
        "jsonl": lambda: "\n".join(json.dumps(row) for row in rows) + "\n",
        "array": lambda: json.dumps(rows, indent=1),
        "wrapped": lambda: json.dumps({"version": 1, "data": rows}),
        "rows": lambda: json.dumps({str(row["id"]): row for row in rows}),
        "columns": lambda: json.dumps(
            {name: {str(i): row[name] for i, row in enumerate(rows)} for name in rows[0]}
        ),
    }
    path.write_text(texts[form]() if form in texts else as_table(form, rows), encoding="utf-8")


def as_table(delimiter: str, rows: list[dict[str, Any]]) -> str:
    def cell(value: object) -> str:
        text = "" if value is None else str(value)
        quoted = any(mark in text for mark in f'"\n{delimiter}')
        return '"' + text.replace('"', '""') + '"' if quoted else text

    lines: list[list[Any]] = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(delimiter.join(map(cell, line)) + "\n" for line in lines)


def read(path: Path, columns: str | None = None) -> list[Sample]:
    given = None if columns is None else GivenColumns.parse(columns)
    return list(read_samples(path, columns=given))


EXPECTED = [
    Sample(id="7", query="2 + 2?", responses=["4", '5, "or" so'], ground_truth=(1.0, 0.0),
           metadata={"hard": 0.5, "ok": True}),
    Sample(id="8", query="Why?\nSay.", responses=["ü" * 200_000, "no"], ground_truth=(0.5, 0.5),
           metadata={"hard": 2, "ok": False, "note": "first"}),
]  # fmt: skip


@pytest.mark.parametrize("change", ["as-is", "gz", "bom", "crlf"])
@pytest.mark.parametrize(("name", "form"), FORMS, ids=[name for name, _ in FORMS])
def test_every_form_gives_the_same_samples(
    tmp_path: Path, name: str, form: str, change: str
) -> None:
    path = tmp_path / name
    written(form, ROWS, path)
    data = path.read_bytes()
    if change == "gz":
        path = tmp_path / f"{name}.gz"
        if form == "parquet":
            pytest.skip("Parquet is compressed as it is")
        path.write_bytes(gzip.compress(data))
    elif form == "parquet":
        pass
    elif change == "bom":
        path.write_bytes(b"\xef\xbb\xbf" + data)
    elif change == "crlf" and len(form) > 1:
        path.write_bytes(data.replace(b"\n", b"\r\n"))  # in tables texts would change too
    assert read(path, COLUMNS) == EXPECTED


A_TURN = {"role": "user", "content": "Hi?"}


def reply(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


SHAPES: dict[str, tuple[dict[str, Any], list[str], tuple[float, ...] | None]] = {
    "own": ({"query": "Hi?", "responses": ["x", "y"], "ground_truth": [0, 1]}, ["x", "y"], (0, 1)),
    "prompt-responses": ({"prompt": "Hi?", "responses": ["x"]}, ["x"], None),
    "chosen": ({"prompt": "Hi?", "chosen": "x", "rejected": "y"}, ["x", "y"], (1, 0)),
    "conversational": (
        {"prompt": [A_TURN], "chosen": [reply("x")], "rejected": [reply("y")]},
        ["x", "y"],
        (1, 0),
    ),
    "implicit-prompt": (
        {"chosen": [A_TURN, reply("x")], "rejected": [A_TURN, reply("y")]},
        ["x", "y"],
        (1, 0),
    ),
    "judgebench": (
        {"question": "Hi?", "response_A": "x", "response_B": "y", "label": "B>A"},
        ["x", "y"],
        (0, 1),
    ),
    "strong-comparison": (
        {"question": "Hi?", "response_a": "x", "response_b": "y", "label": "[[A>>B]]"},
        ["x", "y"],
        (1, 0),
    ),
    "compared-equal": (
        {"question": "Hi?", "response_A": "x", "response_B": "y", "label": "A=B"},
        ["x", "y"],
        (0.5, 0.5),
    ),
    "alpaca": (
        {"instruction": "Hi?", "output_1": "x", "output_2": "y", "preference": 2},
        ["x", "y"],
        (0, 1),
    ),
    "alpaca-float": (
        {"instruction": "Hi?", "output_1": "x", "output_2": "y", "preference": 1.0},
        ["x", "y"],
        (1, 0),
    ),
    "arena": (
        {"prompt": "Hi?", "response_a": "x", "response_b": "y", "winner": "model_b"},
        ["x", "y"],
        (0, 1),
    ),
    "winner-by-model": (
        {"prompt": "Hi?", "response_a": "x", "response_b": "y", "winner": "crow",
         "model_a": "auk", "model_b": "crow"},
        ["x", "y"],
        (0, 1),
    ),
    "three": (
        {"prompt": "Hi?", "answer_1": "x", "answer_2": "y", "answer_3": "z", "label": 3},
        ["x", "y", "z"],
        (0, 0, 1),
    ),
    "messages": ({"messages": [A_TURN, reply("x")]}, ["x"], None),
    "unpaired": ({"prompt": "Hi?", "completion": "x", "label": False}, ["x"], (0,)),
    "one-better-than-several": (
        {"prompt": "Hi?", "chosen": ["x"], "rejected": ["y", "z"]}, ["x", "y", "z"], (1, 0, 0),
    ),
    "several-better": (
        {"prompt": "Hi?", "chosen": ["x", "y"], "rejected": ["z", "w"]},
        ["x", "y", "z", "w"],
        (1, 1, 0, 0),
    ),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "x"}]},
        ["x"],
        None,
    ),
    "sharegpt-chosen": (
        {"prompt": [{"from": "human", "value": "Hi?"}],
         "chosen": {"from": "gpt", "value": "x"}, "rejected": {"from": "gpt", "value": "y"}},
        ["x", "y"],
        (1, 0),
    ),
    "no-label": ({"prompt": "Hi?", "response": "x", "reference": 4}, ["x"], None),
    "null-label": ({"prompt": "Hi?", "response": "x", "label": None}, ["x"], None),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", ["jsonl", "array", ",", "parquet"])
def test_known_shapes_need_no_telling(tmp_path: Path, shape: str, form: str) -> None:
    row, responses, truth = SHAPES[shape]
    if form == ",":
        row = {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()}
    path = tmp_path / f"rows{'.csv' if form == ',' else ''}"
    written(form, [row], path)
    [sample] = read(path)
    assert sample.query[0].text == "Hi?"
    assert [one.text for one in sample.responses] == responses
    assert sample.ground_truth == truth
    assert sample.metadata == {}
    assert sample.id == "1"


SYSTEMS: dict[str, tuple[dict[str, Any], str | None, list[str]]] = {
    "chosen": ({"system": "S", "prompt": "Q", "chosen": "x", "rejected": "y"}, None, ["S", "Q"]),
    "messages": ({"system": "S", "messages": [A_TURN, reply("x")]}, None, ["S", "Hi?"]),
    "of-any-shape": ({"system_prompt": "S", "prompt": "Q", "response": "x"}, None, ["S", "Q"]),
    "told": ({"sys": "S", "prompt": "Q", "response": "x"}, "system=sys", ["S", "Q"]),
    "blank": ({"system": " ", "prompt": "Q", "chosen": "x", "rejected": "y"}, None, ["Q"]),
    "has-one": (
        {"system": "S", "messages": [{"role": "system", "content": "T"}, A_TURN, reply("x")]},
        None,
        ["T", "Hi?"],
    ),
    "of-the-system-at-work": ({"system": "BART", "prompt": "Q", "response": "x"}, None, ["Q"]),
    "conversation-beside-the-pair": (
        {"messages": [A_TURN], "chosen": "x", "rejected": "y"}, None, ["Hi?"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SYSTEMS)
def test_a_system_turn_of_its_own_column_is_part_of_the_query(tmp_path: Path, case: str) -> None:
    row, columns, turns = SYSTEMS[case]
    path = tmp_path / "rows.jsonl"
    written("jsonl", [row], path)
    [sample] = read(path, columns)
    assert [turn.text for turn in sample.query] == turns
    assert [turn.role == "system" for turn in sample.query] == [t in ("S", "T") for t in turns]


COLUMN_CASES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "chosen": (
        {"q": "Q", "good": "x", "bad": "y"},
        "query=q,chosen=good,rejected=bad",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (1.0, 0.0)},
    ),
    "one-list": (
        {"prompt": "Q", "samples": ["x", "y"], "scores": [3, 1], "who": ["m", "n"]},
        "responses=samples,truth=scores,policies=who",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (3.0, 1.0),
         "policies": ("m", "n")},
    ),
    "scores-apart": (
        {"prompt": "Q", "x": "x", "y": "y", "sx": 3, "sy": "1.5"},
        "responses=x|y,truth=sx|sy",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (3.0, 1.5)},
    ),
    "joined-query": (
        {"system": "S", "task": "T", "reply": "x"},
        "query=system|task,responses=reply",
        {"query": "S\n\nT", "responses": ["x"]},
    ),
    "zero-is-first": (
        {"prompt": "Q", "response_1": "x", "response_2": "y", "label": 0},
        "first=0",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (1.0, 0.0)},
    ),
    "columns-of-zero-and-one": (
        {"prompt": "Q", "response_0": "x", "response_1": "y", "label": 1},
        "query=prompt",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (0.0, 1.0)},
    ),
    "zero-of-zero-and-one": (
        {"prompt": "Q", "response_0": "x", "response_1": "y", "winner": "model_0"},
        "query=prompt",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (1.0, 0.0)},
    ),
    "policy-that-ends-in-zero": (
        {"prompt": "Q", "response_a": "x", "response_b": "y", "winner": "Claude-2.0",
         "model_a": "claude-2", "model_b": "claude-2.0"},
        "query=prompt",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (0.0, 1.0),
         "policies": ("claude-2", "claude-2.0")},
    ),
    "zero-is-a-tie": (
        {"prompt": "Q", "response_1": "x", "response_2": "y", "label": "0"},
        "first=1",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (0.5, 0.5)},
    ),
    "below-zero-is-first": (
        {"prompt": "Q", "response1": "x", "response2": "y", "overall_preference": -2},
        "truth=overall_preference,first=-1",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (1.0, 0.0)},
    ),
    "above-zero-is-second": (
        {"prompt": "Q", "response_1": "x", "response_2": "y", "preference_strength": "1"},
        "truth=preference_strength,first=-1",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (0.0, 1.0)},
    ),
    "signed-zero-is-a-tie": (
        {"prompt": "Q", "response_1": "x", "response_2": "y", "label": 0},
        "first=-1",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (0.5, 0.5)},
    ),
    "letters-are-the-columns-own": (
        {"prompt": "Q", "answer_a": "x", "answer_b": "y", "winner": "A"},
        "responses=answer_b|answer_a,truth=winner",
        {"query": "Q", "responses": ["y", "x"], "ground_truth": (0.0, 1.0)},
    ),
    "models-are-the-columns-own": (
        {"prompt": "Q", "response_a": "x", "response_b": "y", "winner": "model_a"},
        "responses=response_b|response_a,truth=winner",
        {"query": "Q", "responses": ["y", "x"], "ground_truth": (0.0, 1.0)},
    ),
    "compared-are-the-columns-own": (
        {"prompt": "Q", "answer_a": "x", "answer_b": "y", "winner": "B<<A"},
        "responses=answer_b|answer_a,truth=winner",
        {"query": "Q", "responses": ["y", "x"], "ground_truth": (0.0, 1.0)},
    ),
    "numbers-are-the-columns-own": (
        {"prompt": "Q", "response_0": "x", "response_1": "y", "label": 1},
        "id=",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (0.0, 1.0)},
    ),
    "zero-is-a-column": (
        {"prompt": "Q", "response_0": "x", "response_1": "y", "label": "0"},
        "id=",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (1.0, 0.0)},
    ),
    "numbers-as-they-are-said": (
        {"prompt": "Q", "response_0": "x", "response_1": "y", "label": 1},
        "first=1",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (1.0, 0.0)},
    ),
    "letters-are-places-of-other-columns": (
        {"prompt": "Q", "new": "x", "old": "y", "winner": "A"},
        "responses=new|old,truth=winner",
        {"query": "Q", "responses": ["x", "y"], "ground_truth": (1.0, 0.0)},
    ),
    "no-truth": (
        {"prompt": "Q", "response_1": "x", "response_2": "y", "label": "spam"},
        "truth=",
        {"query": "Q", "responses": ["x", "y"], "metadata": {"label": "spam"}},
    ),
    "label-of-other-responses-is-not-read": (
        {"prompt": "Q", "m1": "x", "m2": "y", "label": 1},
        "responses=m1|m2",
        {"query": "Q", "responses": ["x", "y"], "metadata": {"label": 1}},
    ),
    "conversation": (
        {"conversations": [A_TURN, reply("x")], "number": 3.0},
        "messages=conversations,id=number",
        {"id": "3", "query": "Hi?", "responses": ["x"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COLUMN_CASES)
def test_columns_say_the_rest(tmp_path: Path, case: str) -> None:
    row, columns, fields = COLUMN_CASES[case]
    path = tmp_path / "rows.jsonl"
    written("jsonl", [row], path)
    assert read(path, columns) == [Sample.parse({"id": "1"} | fields, where="")]


def test_columns_in_a_suite_and_on_the_command_line_are_the_same() -> None:
    spoken = GivenColumns.parse({"query": "prompt", "responses": ["a", "b"], "truth": "winner"})
    assert spoken == GivenColumns.parse(COLUMNS)


@pytest.mark.parametrize("answer", ["[1, 2]", '["a", "b"]', '{"a": 1}', "[not JSON", "1", "true"])
def test_json_in_a_cell_that_is_an_answer_stays_text(tmp_path: Path, answer: str) -> None:
    path = tmp_path / "rows.csv"
    written(",", [{"prompt": answer, "response": answer, "reference": answer}], path)
    [sample] = read(path)
    assert sample.query[0].text == sample.responses[0].text == answer


MISTAKES: dict[str, tuple[bytes, str | None, str]] = {
    "null-response": (
        b"prompt,response_a,response_b\nq,x,y\nq,x,\n",
        None,
        r"line 3: 'response_b' is empty; give a response there",
    ),
    "unquoted-comma": (b"prompt,response\nq,x, y\n", None, r"line 2: more fields .* in quotes"),
    "two-of-a-name": (b"prompt,response,response\nq,x,y\n", None, r"two columns .* 'response'"),
    "not-a-label": (
        b"prompt,response_a,response_b,label\nq,x,y,good\n",
        None,
        r"line 2: 'label' is 'good', which does not say which of 2 .*write A to B, 1 to 2, 'tie'",
    ),
    "too-high": (
        b"prompt,response_a,response_b,label\nq,x,y,3\n",
        None,
        r"'label' is '3', which does not say which",
    ),
    "zero": (
        b"prompt,response_a,response_b,label\nq,x,y,0\n",
        None,
        r"'label' is '0', a tie in some data and the first response in others; say which",
    ),
    "true-of-a-pair": (
        b'{"prompt": "q", "response_a": "x", "response_b": "y", "label": true}\n',
        None,
        "'label' is True, which does not say which",
    ),
    "a-number-for-text": (
        b'{"prompt": "q", "responses": ["x", 4]}\n',
        None,
        r"record 1: 'responses.1' must be text or messages, got 4; put it in quotes",
    ),
    "unknown-shape": (b"a,b\n1,2\n", None, "known shapes: .*columns here: a, b; say which"),
    "misspelt": (
        b'{"prompt": "q", "responses": ["x"], "polices": ["m"]}\n',
        None,
        "unknown column 'polices'; did you mean 'policies'",
    ),
    "no-such-column": (
        b"prompt,a,b\nq,x,y\n",
        "query=prompt,responses=a|c",
        "columns: responses is to be 'c'; columns here: prompt, a, b",
    ),
    "truth-is-nowhere": (
        b"prompt,a,b,winner\nq,x,y,a\n",
        "responses=a|b,truth=winer",
        "columns: no row has a column 'winer'",
    ),
    "list-of-texts": (
        b'{"prompt": ["q"], "chosen": "x", "rejected": "y"}\n',
        None,
        "'prompt' is a list of texts; it must be one text, or messages",
    ),
    "signed": (
        b"prompt,response_a,response_b,label\nq,x,y,-2\n",
        None,
        "'label' is '-2', which does not say which .*below 0 mean the first response, say first=-1",
    ),
    "signed-of-three": (
        b"prompt,answer_1,answer_2,answer_3,label\nq,x,y,z,1\n",
        "first=-1",
        "first=-1 is for pairs, here are 3 responses",
    ),
    "python-for-json": (
        b"prompt,response\n\"[{'role': 'user', 'content': 'q'}]\",x\n",
        None,
        "'prompt' holds messages as Python prints them, .*write them as JSON",
    ),
    "from-whom": (
        b'{"conversations": [{"from": "human", "value": "q"}, {"from": "tool", "value": "x"}]}\n',
        None,
        "'conversations': a turn is from 'tool'; known: system, human, user, gpt, assistant",
    ),
    "system-type": (
        b'{"system": 3, "prompt": "q", "chosen": "x", "rejected": "y"}\n',
        None,
        "'system' must be text, got 3; put it in quotes",
    ),
    "policies": (
        b'{"prompt": "q", "responses": ["x"], "policies": ["m", "n"]}\n',
        None,
        "'policies': 2 policies for 1 responses",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_says_where_and_what_to_write(tmp_path: Path, mistake: str) -> None:
    content, columns, told = MISTAKES[mistake]
    path = tmp_path / ("rows.json" if content.startswith(b"{") else "rows.csv")
    path.write_bytes(content)
    with pytest.raises(InputError, match=told) as caught:
        read(path, columns)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        pytest.param("prompt", "'prompt' is not KEY=COLUMN", id="no-key"),
        pytest.param("question=prompt", "unknown key 'question'; known: query, resp", id="key"),
        pytest.param("query=a,query=b", "'query' is given twice", id="twice"),
        pytest.param("id=a|b", "'id' is one column, got 'a|b'", id="several"),
        pytest.param("chosen=a", "give chosen and rejected, or neither", id="half"),
        pytest.param("chosen=a,rejected=b,truth=c", "chosen and rejected, or resp", id="both"),
        pytest.param("first=2", "first must be 0, 1 or -1 .*, got '2'", id="first"),
    ],
)
def test_columns_that_make_no_sense(columns: str, told: str) -> None:
    with pytest.raises(InputError, match=told.replace("|", r"\|")):
        GivenColumns.parse(columns)


CRITERIA: dict[str, Any] = {
    "texts": ["Short", "Tone: warm"],
    "lines": "- Short\n- Tone: warm",
    "requirements": [{"requirement": "Short"}, {"requirement": "Tone: warm"}],
    "criteria-key": {"criteria": [{"criterion": "Short", "points": 5}, "Tone: warm"]},
}


@pytest.mark.parametrize("kind", CRITERIA)
def test_a_row_may_have_a_rubric_of_its_own(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "rows.jsonl"
    written("jsonl", [{"prompt": "q", "response": "x", "principles": CRITERIA[kind]}], path)
    [sample] = read(path)
    named = [(one.name, one.description) for one in sample.principles]
    assert named == [("Short", ""), ("Tone", "warm")]
    assert [one.weight for one in sample.principles] == [5 if "key" in kind else 1, 1]


def test_a_stored_sample_is_read_back_as_it_was(tmp_path: Path) -> None:
    [sample] = [
        Sample(
            id="s",
            query=[{"role": "system", "content": "S"}, A_TURN],
            responses=["x", ""],
            reference="r",
            principles=[{"name": "Long", "weight": 30.0}],
            ground_truth=(0.2, 0.1),
            policies=("m", "n"),
            subset="a",
            metadata={"k": [1, {"deep": "2"}]},
        )
    ]
    path = tmp_path / "kept.jsonl"
    path.write_text(sample.model_dump_json(exclude_none=True) + "\n", encoding="utf-8")
    assert read(path) == [sample]


def test_stdin_and_data_show(tmp_path: Path) -> None:
    table = "prompt,a,b,winner\nq,x,y,a\nq,x,y,b\n"
    told = ("--columns", COLUMNS)
    scored = deemster("score", "-i", "-", *told, "-m", "fake:Scores: \\boxed{7, 5}", stdin=table)
    assert scored.returncode == 0, scored.stderr
    shown = deemster("data", "show", "-", *told, stdin=table)
    assert shown.returncode == 0, shown.stderr
    assert "response 1 is best" in shown.stdout
    assert shown.stdout.count("with ground truth") == 1
    assert "no responses found" in one_line(deemster("score", "-i", "-", stdin=table))
    bad = deemster("data", "show", "-", *told, stdin=table.replace("y,b", "y,both?"))
    assert bad.returncode == 2
    assert "line 3: 'winner' is 'both?'" in bad.stderr


@pytest.mark.parametrize(
    ("split", "told"),
    [
        pytest.param("train", None, id="there"),
        pytest.param("dev", "no split 'dev' in", id="not-there"),
    ],
)
def test_a_split_on_the_command_line(tmp_path: Path, split: str, told: str | None) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"id": one, "split": one, "query": "q", "responses": ["a"]} for one in ("test", "train")
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    shown = deemster("data", "show", str(path), "--split", split)
    scored = deemster(
        "score", "-i", str(path), "--split", split, "--json", "-m", "fake:\\boxed{7}", "-k", "1"
    )
    if told is not None:
        assert told in one_line(shown)
        assert told in one_line(scored)
        return
    assert "sample train" in shown.stdout
    assert "sample test" not in shown.stdout
    assert [json.loads(line)["id"] for line in scored.stdout.splitlines()] == ["train"]
    assert "goes with --input" in one_line(deemster("score", "-q", "q", "-r", "a", "--split", "x"))


def test_values_that_only_tables_of_databases_have(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    day = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
    row = {
        "id": Decimal(7), "prompt": b"2 + 2?", "response_a": "4", "response_b": "5",
        "score_a": Decimal("7.50"), "score_b": Decimal(5), "at": day, "day": day.date(),
        "took": timedelta(seconds=3), "parts": [{"x": Decimal("1.5")}], "raw": b"\xff",
        "none": Decimal("NaN"),
    }  # fmt: skip
    given = GivenColumns.parse("responses=response_a|response_b,truth=score_a|score_b")
    path = tmp_path / "t.parquet"
    table = {name: [value] for name, value in row.items() if name != "none"}
    parquet.write_table(pyarrow.table(table), path)
    (sample,) = read_samples(path, columns=given)
    for one in (sample, sample_of(Row(plain_values(row), "row 1"), given)):
        assert (one.id, one.query[0].content, one.ground_truth) == ("7", "2 + 2?", (7.5, 5.0))
        assert str(one.metadata["at"]).startswith("2026-11-30 12:30:00")
        assert one.metadata["took"] == "0:00:03"
        assert one.metadata["parts"] == [{"x": 1.5}]
        assert one.metadata["raw"] == r"b'\xff'"
        assert "none" not in one.metadata
        assert Sample.model_validate_json(one.model_dump_json()) == one
    label = tmp_path / "label.parquet"
    known = {name: table[name] for name in ("prompt", "response_a", "response_b")}
    parquet.write_table(pyarrow.table(known | {"label": [Decimal(2)]}), label)
    assert [sample.ground_truth for sample in read_samples(label)] == [(0, 1)]


@pytest.mark.parametrize("name", ["id", "subset", "reference", "note", "prompt", "more"])
def test_half_an_emoji_can_be_stored_wherever_it_stands(tmp_path: Path, name: str) -> None:
    row: dict[str, Any] = {"prompt": "q", "response_a": "a", "response_b": "b"}
    row |= {name: "cut \ud83d"} if name != "more" else {"more \ud83d": {"\ud83d": ["\ud83d"]}}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    (sample,) = read_samples(path)
    assert "\ufffd" in sample.model_dump_json()
    made = Sample(
        id="\ud83d", query="q", responses=("a",), policies=("\ud83d",), subset="\ud83d",
        metadata={"\ud83d": [{"x": "\ud83d"}]},
    )  # fmt: skip
    assert made.model_dump_json().count("\ufffd") == 5


@pytest.mark.parametrize(
    ("row", "truth", "policies"),
    [
        pytest.param(
            {"Prompt": "q", "Response_A": "a", "Response_B": "b", "Winner": "B"},
            (0, 1), None, id="winner",
        ),
        pytest.param(
            {"PROMPT": "q", "Response A": "a", "Response B": "b", "Label": "A", "Model_A": "x",
             "Model_B": "y"},
            (1, 0), ("x", "y"), id="label-and-models",
        ),
        pytest.param({"Prompt": "q", "Chosen": "a", "Rejected": "b"}, (1, 0), None, id="chosen"),
        pytest.param({"Question": "q", "Responses": '["a", "b"]', "Ground_Truth": "[1, 0]"},
                     (1, 0), None, id="lists"),
        pytest.param(
            {"Query": "?", "query": "q", "output_1": "a", "output_2": "b", "label": "1",
             "Label": "2"},
            (1, 0), None, id="small-letters-first",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("turned", [False, True])
def test_capital_letters_do_not_matter(
    row: dict[str, str],
    truth: tuple[float, ...],
    policies: tuple[str, ...] | None,
    *,
    turned: bool,
) -> None:
    values = dict(reversed(row.items())) if turned else row
    sample = sample_of(Row(values, "line 2", textual=True))
    assert sample.query[0].content == "q"
    assert [response.content for response in sample.responses] == ["a", "b"]
    assert (sample.ground_truth, sample.policies) == (truth, policies)


def test_capital_letters_of_columns_that_are_given() -> None:
    row = Row({"A": "a", "B": "b", "Ground_Truth": [0, 1], "Winner": "A", "Q": "q"}, "line 1")
    given = GivenColumns.parse("query=Q,responses=A|B")
    assert sample_of(row, given).ground_truth == (0, 1)
    cell = Row({"Prompt": "as JSON", "Response": '["a", "b"]'}, "line 2", textual=True)
    assert [response.content for response in sample_of(cell).responses] == ['["a", "b"]']
