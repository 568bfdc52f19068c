"""Reading rows: every format, every way a file can be wrong, with the place in the error."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.data.files import data_files, read_rows
from deemster.data.row import Row
from deemster.data.text import read_text_lines
from deemster.errors import InputError

ROWS = [{"name": "auk", "n": "1"}, {"name": "tørn", "n": "2"}]


def as_jsonl(path: Path) -> None:
    path.write_text("\n\n".join(json.dumps(row) for row in ROWS) + "\n", encoding="utf-8")


def as_jsonl_gz(path: Path) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in ROWS)


def as_json(path: Path) -> None:
    path.write_text(json.dumps(ROWS, indent=2), encoding="utf-8")


def as_csv(path: Path) -> None:
    path.write_text("name,n\nauk,1\ntørn,2\n", encoding="utf-8")


def as_tsv(path: Path) -> None:
    path.write_text("name\tn\nauk\t1\ntørn\t2\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write", "places"),
    [
        pytest.param("a.jsonl", as_jsonl, ["line 1", "line 3"], id="jsonl-blank-lines-count"),
        pytest.param("a.jsonl.gz", as_jsonl_gz, ["line 1", "line 2"], id="jsonl-gz"),
        pytest.param("a.json", as_json, ["record 1", "record 2"], id="json"),
        pytest.param("a.csv", as_csv, ["line 2", "line 3"], id="csv"),
        pytest.param("a.tsv", as_tsv, ["line 2", "line 3"], id="tsv"),
        pytest.param("A.JSONL", as_jsonl, ["line 1", "line 3"], id="upper-case-suffix"),
    ],
)
def test_formats(
    tmp_path: Path, name: str, write: Callable[[Path], None], places: list[str]
) -> None:
    path = tmp_path / name
    write(path)
    rows = list(read_rows(path))
    assert [dict(row.values) for row in rows] == ROWS
    assert [row.where for row in rows] == [f"{path} {place}" for place in places]


def test_a_json_object_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text('{"name": "auk"}', encoding="utf-8")
    assert [row.values for row in read_rows(path)] == [{"name": "auk"}]


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    rows = list(read_rows(path))
    assert [dict(row.values) for row in rows] == ROWS
    assert rows[1].where == f"{path} row 2"
    path.write_bytes(b"PAR1 is not enough")
    with pytest.raises(InputError, match=r"cannot read .*a\.parquet"):
        list(read_rows(path))


def test_parquet_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"pip install 'deemster\[parquet\]'"):
        list(read_rows(path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("a.jsonl", b'{"a": 1}\n{"a": \n', r"line 2: not JSON", id="broken-line"),
        pytest.param("a.jsonl", b'{"a": 1}\n[1]\n', r"line 2: expected an object", id="a-list"),
        pytest.param("a.jsonl", b"[" * 200_000, r"line 1: not usable JSON", id="nested-too-deep"),
        pytest.param("a.jsonl", b'{"a": ' + b"9" * 5000 + b"}", r"line 1: not usable", id="digits"),
        pytest.param("a.jsonl", b"", r"a\.jsonl is empty", id="empty"),
        pytest.param("a.jsonl", b"\n \n", r"a\.jsonl is empty", id="blank"),
        pytest.param("a.json", b"", r"a\.json is empty", id="empty-json"),
        pytest.param("a.json", b"[]", r"a\.json is empty", id="no-records"),
        pytest.param("a.json", b"[1]", r"record 1: expected an object, got 1", id="a-number"),
        pytest.param("a.csv", b"a,b\n", r"a\.csv is empty", id="header-only"),
        pytest.param("a.csv", b"a,b\n1,2,3\n", r"line 2: more fields than", id="extra-field"),
        pytest.param("a.csv", b'a,b\n1,"2\n', r"line \d: unexpected end", id="open-quote"),
        pytest.param("a.jsonl", b'{"a": "\xff"}', r"a\.jsonl is not UTF-8", id="not-utf8"),
        pytest.param("a.jsonl.gz", b"plain text", r"cannot read .*gz", id="not-gzip"),
        pytest.param("a.jsonl.gz", gzip.compress(b'{"a": 1}')[:-9], r"cannot read", id="cut-gzip"),
        pytest.param("a.txt", b"x", r"cannot tell the format of .*a\.txt'", id="unknown-suffix"),
        *(
            pytest.param("a.bin", sign + b"\0\xff", f"a.bin is {what}; write its rows as", id=what)
            for sign, what in [
                (b"ARROW1", "an Arrow file"),
                (b"\xff\xff\xff\xff\x10", "a stream of Arrow"),
                (b"PK\x03\x04", "a ZIP file or a spreadsheet"),
                (b"\x28\xb5\x2f\xfd", "compressed by zstandard"),
                (b"BZh9", "compressed by bzip2"),
                (b"\xfd7zXZ", "compressed by xz"),
                (b"\x80\x04", "a pickle"),
                (b"SQLite format 3", "a SQLite file"),
            ]
        ),
    ],
)
def test_malformed_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_rows(path))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or directory"):
        list(read_rows(tmp_path / "nowhere.jsonl"))


def test_directory_reads_all_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    as_jsonl(tmp_path / "sub" / "b.jsonl")
    as_json(tmp_path / "a.json")
    (tmp_path / "README.md").write_text("not data", encoding="utf-8")
    assert [path.name for path in data_files(tmp_path)] == ["a.json", "b.jsonl"]
    assert len(list(read_rows(tmp_path))) == 4


def test_directory_without_data(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("not data", encoding="utf-8")
    with pytest.raises(InputError, match=r"no data file in .*allowed: \.jsonl"):
        list(read_rows(tmp_path))


def test_split_by_file_name_folder_or_field(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    as_jsonl(tmp_path / "filtered-0001.jsonl")
    as_jsonl(tmp_path / "raw-0001.jsonl")
    as_jsonl(tmp_path / "test" / "x.jsonl")
    assert {row.path.name for row in read_rows(tmp_path, split="filtered")} == {
        "filtered-0001.jsonl"
    }
    assert {row.path.name for row in read_rows(tmp_path, split="test")} == {"x.jsonl"}
    both = tmp_path / "both.jsonl"
    both.write_text('{"split": "gpt", "a": 1}\n{"split": "claude", "a": 2}\n', encoding="utf-8")
    assert [row.values["a"] for row in read_rows(both, split="claude")] == [2]
    with pytest.raises(InputError, match=r"no split 'dev' .*splits there: 'gpt', 'claude'"):
        list(read_rows(both, split="dev"))
    with pytest.raises(InputError, match=r"no split 'dev' .*splits there: none"):
        list(read_rows(tmp_path / "raw-0001.jsonl", split="dev"))


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\nbroken\n', encoding="utf-8")
    rows = read_rows(path)
    assert next(rows).values == {"a": 1}
    with pytest.raises(InputError, match="line 2"):
        next(rows)


def test_text_lines(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"A\r\nB\n")
    assert list(read_text_lines(path)) == [(1, "A"), (2, "B")]


ROW = Row({"text": "x", "list": ["y"], "number": 3, "null": None, "deep": {"a": "z"}}, "f line 9")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        pytest.param(
            lambda: ROW.need("a", "b"), r"f line 9: no field 'a' or 'b'; .*: text", id="absent"
        ),
        pytest.param(lambda: ROW.need("null"), "no field 'null'", id="null-is-absent"),
        pytest.param(lambda: ROW.text("number"), "'number' must be text, got 3", id="not-text"),
        pytest.param(lambda: ROW.items("text"), "'text' must be a list, got 'x'", id="not-a-list"),
        pytest.param(lambda: ROW.record("text"), "'text' must be an object", id="not-an-object"),
        pytest.param(
            lambda: ROW.label("list"), "'list' must be text or a whole number", id="not-a-label"
        ),
        pytest.param(
            lambda: ROW.choice("text", {"y": 1}), "'text' is 'x'; allowed: 'y'", id="choice"
        ),
        pytest.param(lambda: ROW.choice("list", {"y": 1}), "'list' is", id="choice-unhashable"),
        pytest.param(
            lambda: Row({"a": ["x", 1]}, "f line 9").texts("a"),
            "must hold text only",
            id="mixed-list",
        ),
        pytest.param(lambda: ROW.record("deep").text("b"), "in 'deep': no field 'b'", id="deep"),
        pytest.param(
            lambda: ROW.sample(query="q", responses=()), "f line 9: responses", id="sample"
        ),
    ],
)
def test_row_errors_name_the_place(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        ask()
    assert str(error.value).startswith("f line 9")
    assert "\n" not in str(error.value)


def test_row_values() -> None:
    assert (ROW.text("text"), ROW.texts("list"), ROW.label("number")) == ("x", ["y"], "3")
    assert ROW.need("null", "number") == 3
    assert ROW.get("null", "default") == "default"
    assert ROW.pick("text", "null", "absent") == {"text": "x"}


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "a.jsonl"
    path.write_bytes(content)
    try:
        rows = list(read_rows(path))
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017 - both outcomes are right
    else:
        assert rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        pytest.param("\n\r\n \na,b\n1,2\n", [("line 5", "1", "2")], id="blank-lines-before"),
        pytest.param("\n\na;b\n1,5;2\n", [("line 4", "1,5", "2")], id="semicolons-after-them"),
        pytest.param('a, b\n1, "2, 3"\n', [("line 2", "1", "2, 3")], id="space-behind-commas"),
        pytest.param("a , b\n1,2\n", [("line 2", "1", "2")], id="spaces-around-names"),
        pytest.param("a ,b\n1, 2\n", [("line 2", "1", " 2")], id="spaces-of-values-are-kept"),
        pytest.param(
            "a,b\r\n1,2\r\n,\r\n3,\r\n,\r\n",
            [("line 2", "1", "2"), ("line 4", "3", None)], id="empty-rows-of-a-spreadsheet",
        ),
        pytest.param("a,b\n1,2\n , \n  \n3,\n", [("line 2", "1", "2"), ("line 5", "3", None)],
                     id="rows-of-spaces"),
        pytest.param("sep=;\r\na;b\r\n1,5;2\r\n", [("line 3", "1,5", "2")], id="told-to-excel"),
        pytest.param("\nSEP=\t\na\tb\n1\t2\n", [("line 4", "1", "2")], id="told-tabs"),
        pytest.param("sep=;;\na;b\n1;2\n", [("line 3", "1", "2")], id="told-and-saved-again"),
        pytest.param("a\tb\n1, 5\t2\n", [("line 2", "1, 5", "2")], id="tabs"),
        pytest.param("a|b\n1;5|2\n", [("line 2", "1;5", "2")], id="bars"),
        pytest.param('a,b\n"1\n2",3\n4,5\n', [("line 2", "1\n2", "3"), ("line 4", "4", "5")],
                     id="a-text-of-several-lines"),
    ],
)  # fmt: skip
def test_tables_as_spreadsheets_and_people_write_them(
    tmp_path: Path, text: str, rows: list[tuple[str, str, str | None]]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8-sig", newline="")
    found = [(row.where.removeprefix(f"{path} "), *row.values.values()) for row in read_rows(path)]
    assert found == rows
    assert all(list(row.values) == ["a", "b"] for row in read_rows(path))


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ('a;b;c;"d, e"', ["a", "b", "c", "d, e"]),
        ("a;b;c;d, e", ["a", "b", "c", "d, e"]),
        ('a,"b;c;d;e"', ["a", "b;c;d;e"]),
        ("a,b;c", ["a", "b;c"]),
        ("a|b,c,d", ["a|b", "c", "d"]),
        ("a", ["a"]),
    ],
)
def test_the_separator_is_what_the_header_has_most_of(
    tmp_path: Path, header: str, names: list[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{header}\nx\n", encoding="utf-8")
    assert [list(row.values) for row in read_rows(path)] == [names]


def test_a_blank_cell_of_the_only_column_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('text\na\n""\n\n b\n', encoding="utf-8")
    assert [row.values["text"] for row in read_rows(path)] == ["a", None, " b"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("\n\na,a\n", "line 3: two columns are called 'a'"),
        ("\na, a\n", "line 2: two columns are called 'a'"),
        ("\na,b\n1,2,3\n", "line 3: more fields than the header names"),
        ('\na,b\n1,"2\n', "line 3: unexpected end"),
        ('a,b\n1,2\n3,"4\n5,6\n7,8\n', "line 3: unexpected end .* is not closed"),
        ('a,b\n3,"4\n5,6\n7,"8"\n', r"line 2: .* in line 4; write a quotation mark .* twice"),
        ('a,b\n"1\n2",3,4\n', "line 2: more fields"),
        ("\n\n", "is empty"),
    ],
)
def test_lines_are_counted_from_the_first(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=error):
        list(read_rows(path))
