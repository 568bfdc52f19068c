"""Hostile files: each is refused in one line, in little time and little memory."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from tests.support.command_line import deemster
from tests.support.hostile_files import (
    MiB,
    hostile_data,
    hostile_suite_paths,
    hostile_suites,
    hostile_yaml,
    matrix,
    panels,
    suite,
)

from deemster import json_text
from deemster.backends._api.keys import read_keys_file
from deemster.backends.domain import Domain
from deemster.backends.judge_file import JudgeFile
from deemster.benchmarks.typed_decisions import read_cases
from deemster.data.files import read_rows
from deemster.errors import InputError
from deemster.files import read_bytes, writing
from deemster.principles import load_rubric
from deemster.suites.building import build_judges
from deemster.suites.loading import load_suite

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")

LONGEST_S = 5.0
MOST_MEMORY = 100 * MiB
YAML = hostile_yaml()
DATA = {
    name: one
    for name, one in hostile_data().items()
    if "parquet" not in name or importlib.util.find_spec("pyarrow")
}
KINDS = ("suite", "rubric", "recipe")

Outcomes = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Outcomes:
    """What a process said about every file, and what must be said; read once for all workers."""
    base = tmp_path_factory.getbasetemp()
    kept = (base if worker_id == "master" else base.parent) / "hostile.json"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            with tempfile.TemporaryDirectory() as folder:
                kept.write_text(json.dumps(read_all(Path(folder))), encoding="utf-8")
    found: Outcomes = json.loads(kept.read_text(encoding="utf-8"))
    return found


def read_all(folder: Path) -> Outcomes:
    jobs, said = [], {}
    suites = folder / "suites"
    suites.mkdir()
    texts = {f"{kind}-{name}": one for kind in KINDS for name, one in YAML.items()}
    for name, hostile in {**texts, **hostile_suites(), **hostile_suite_paths(suites)}.items():
        path = suites / f"{name}.yaml"
        path.write_bytes(hostile.data)
        jobs.append((name, name.partition("-")[0], str(path)))
        said[name] = hostile.said
    for name, made in DATA.items():
        jobs.append((name, "data", str(made.write(folder))))
        said[name] = made.said
    process = subprocess.run(
        [sys.executable, "-m", "tests.support.hostile_reading"],
        input=json.dumps(jobs), text=True, capture_output=True, timeout=500, check=False,
    )  # fmt: skip
    read = [json.loads(line) for line in process.stdout.splitlines()]
    assert process.returncode == 0, f"ended at {jobs[len(read)]}: {process.stderr[-2_000:]}"
    return {one["name"]: {**one, "said": said[one["name"]]} for one in read}


def check(outcome: dict[str, Any]) -> None:
    text = outcome["text"]
    assert outcome["right"], f"{outcome['error']}: {text}"
    assert "\n" not in text
    assert len(text) < 3_000
    assert re.search(outcome["said"], text), text
    assert outcome["seconds"] < LONGEST_S
    assert outcome["peak"] < MOST_MEMORY


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", list(YAML))
def test_yaml_is_refused(outcomes: Outcomes, kind: str, name: str) -> None:
    check(outcomes[f"{kind}-{name}"])
    large = "larger than" in outcomes[f"{kind}-{name}"]["text"]
    encoding = "not UTF-8" in outcomes[f"{kind}-{name}"]["text"]
    if not (large or encoding):  # which are about the whole file
        assert re.search(r"\.yaml:[0-9]+: ", outcomes[f"{kind}-{name}"]["text"])


@pytest.mark.parametrize("name", list(hostile_suites()))
def test_a_suite_that_asks_too_much_is_refused(outcomes: Outcomes, name: str) -> None:
    check(outcomes[name])
    if "deep" not in name:
        assert f"{name}.yaml" in outcomes[name]["text"]


def test_paths_in_a_suite_are_opened_with_care(outcomes: Outcomes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        names = list(hostile_suite_paths(Path(folder)))
    assert len(names) > 20
    for name in names:
        check(outcomes[name])


@pytest.mark.parametrize("name", list(DATA))
def test_data_is_refused(outcomes: Outcomes, name: str) -> None:
    check(outcomes[name])


def test_there_are_enough() -> None:
    assert len(YAML) + len(hostile_suites()) >= 100
    assert len(DATA) >= 30
    assert not Path("/tmp/owned").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["run", "{folder}/laughs.yaml"], id="run-suite"),
        pytest.param(["run", "/dev/zero"], id="run-device"),
        pytest.param(["run", "{folder}/pipe"], id="run-pipe"),
        pytest.param(["score", "--input", "/dev/zero"], id="score-device"),
        pytest.param(["score", "--input", "{folder}/pipe"], id="score-pipe"),
        pytest.param(["data", "show", "{folder}/pipe"], id="data-pipe"),
        pytest.param(["data", "show", "{folder}/bomb.jsonl.gz"], id="data-bomb"),
        pytest.param(["principles", "show", "{folder}/pipe"], id="rubric-pipe"),
        pytest.param(["score", "-q", "q", "-r", "x", "--principles", "/dev/zero"], id="rubric"),
        pytest.param(["train", "{folder}/laughs.yaml"], id="train-recipe"),
        pytest.param(["cascade", "apply", "/dev/zero", "x", "y"], id="cascade-device"),
        pytest.param(["score", "-q", "q", "-r", "x", "-m", "replay:{folder}/pipe"], id="cassette"),
        pytest.param(
            ["score", "-q", "q", "-r", "x", "--judge", "{{model: " + "[" * 500 + "}}"], id="judge"
        ),
    ],
)
def test_the_command_line_says_it_in_one_line(tmp_path: Path, arguments: list[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "laughs.yaml").write_bytes(YAML["laughs-lists"].data)
    DATA["bomb-one-line"].write(tmp_path).rename(tmp_path / "bomb.jsonl.gz")
    done = deemster(*(argument.format(folder=tmp_path) for argument in arguments))
    assert done.returncode == 2
    assert done.stderr.startswith("deemster: ")
    assert done.stderr.count("\n") == 1


def read_keys(path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deemster.backends._api.keys.keys_path", lambda: path)
        read_keys_file()


RECORDS: dict[str, Callable[[Path], object]] = {
    "domain": Domain.load,
    "judge": JudgeFile.read,
    "keys": read_keys,
    "cases": lambda path: list(read_cases(path)),
    "data": lambda path: list(read_rows(path)),
}
"""Readers of files that come with a judge, a configuration or a download."""


@pytest.mark.parametrize("kind", list(RECORDS))
@pytest.mark.parametrize(
    "name",
    ["pipe", "folder", "circle", "zero", "sparse", "deep", "nul", "digits", "surrogate", "list"],
)
def test_a_record_is_read_with_care(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "x.json"
    texts = {
        "deep": b'{"a":' * 200_000, "nul": b"\0" * 100, "digits": b'{"a": ' + b"9" * 5_000 + b"}",
        "surrogate": b'{"a": "\xed\xa0\x80"}', "list": b"[1, [2]]",
    }  # fmt: skip
    if name in texts:
        path.write_bytes(texts[name])
    elif name == "sparse":
        with path.open("wb") as file:
            file.truncate(2**36)
    elif name == "pipe":
        os.mkfifo(path)
    elif name == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if name == "zero" else path)
    with pytest.raises(InputError) as refused:
        RECORDS[kind](path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1_000


def test_a_pipe_of_the_shell_is_read() -> None:
    """As `<(command)` gives it: its writer is there already."""
    reads: list[tuple[bytes, Callable[[str], str]]] = [
        (b'{"query": "q", "response": "x"}\n', lambda path: deemster("data", "show", path).stdout),
        (b"name: mine\nprinciples: [a, b]\n", lambda path: load_rubric(path).name),
    ]
    for data, read in reads:
        reader, writer = os.pipe()
        os.write(writer, data)
        os.close(writer)
        try:
            assert read(f"/dev/fd/{reader}")
        finally:
            os.close(reader)


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    row = b'{"query": "q", "response": "x"}\n'
    path.write_bytes(row * 10_000)
    rows = read_rows(path)
    next(rows)
    with path.open("ab") as file:
        file.write(row * 10_000)
    with pytest.raises(InputError, match="grew while it was read"):
        list(rows)


def test_limits_leave_room_for_what_people_write(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(suite(judges=panels(5), more=matrix(k=4, max_tokens=4)), encoding="utf-8")
    assert len(load_suite(path).spec.expanded()) == 42
    long = tmp_path / "long.jsonl"
    row = {"query": "q", "response": "ø{,[" * (10 * MiB // 4)}
    long.write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    assert len(next(read_rows(long)).text("response")) == 10 * MiB
    many = tmp_path / "many.json"
    many.write_text(json.dumps([{"query": str(i), "response": ["x"] * 9} for i in range(60_000)]))
    assert sum(1 for _ in read_rows(many)) == 60_000
    deep = tmp_path / "deep.yaml"
    deep.write_text(suite(more="description: &text |\n  many\n  lines\n"), encoding="utf-8")
    assert build_judges(load_suite(deep).spec, folder=tmp_path).judges


def test_a_file_at_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * 100)
    assert len(read_bytes(path, limit=100)) == 100
    with pytest.raises(InputError, match=r"rubric '.*x' is larger than 0 KiB"):
        read_bytes(path, what="rubric", limit=99)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(
    values=st.lists(VALUES, max_size=6),
    indent=st.none() | st.integers(0, 2),
    chunk=st.integers(1, 30),
    ascii_only=st.booleans(),
)
def test_items_of_a_list_are_those_of_json(
    values: list[Any], indent: int | None, chunk: int, ascii_only: bool
) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_CHUNK", chunk)
        assert list(json_text.list_items(io.StringIO(f" {text}\n"), "x")) == json.loads(text)


@given(text=st.text(st.sampled_from('[]{}",:1e-x \n\\')), chunk=st.integers(1, 5))
def test_a_text_that_is_no_list_is_an_error(text: str, chunk: int) -> None:
    text = f"[{text}"
    try:
        wanted = json.loads(text, strict=True)
    except ValueError:
        wanted = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_CHUNK", chunk)
        if wanted is None:
            with pytest.raises(InputError, match=r"^x.*(JSON|deep)"):
                list(json_text.list_items(io.StringIO(text), "x"))
        else:
            assert list(json_text.list_items(io.StringIO(text), "x")) == wanted


@pytest.mark.parametrize("name", ["nowhere/out.json", "."], ids=["no folder", "a folder"])
def test_a_file_that_cannot_be_written_is_said_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    problem = r"^cannot write '.*': (No such file|Is a dir)"
    with pytest.raises(InputError, match=problem), writing(path):
        path.write_text("x")
