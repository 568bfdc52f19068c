from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict
from pydantic import ValidationError

from deemster.backends import FakeBackend
from deemster.data.row import Row
from deemster.errors import InputError
from deemster.judges import Judge
from deemster.schemas import Sample
from deemster.suites.store import RunStore
from deemster.training.data import DataSource, check_preferences, load_preferences

PAIR = {"query": "2 + 2?", "responses": ["4", "5"], "ground_truth": [1, 0]}
SINGLE = {"query": "Is 7 prime?", "responses": ["yes"], "ground_truth": [1]}
MANY = {"id": "m", "query": "Max?", "responses": ["1", "9", "5"], "ground_truth": [0, 2.5, 1]}
ROWS = [PAIR, SINGLE, MANY]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
    return path


def loaded(path: Path, **options: Any) -> list[Sample]:
    return load_preferences(DataSource(path=str(path), **options))


def facts(samples: list[Sample]) -> list[tuple[str, list[str], tuple[float, ...] | None]]:
    return [(s.query[-1].text, [r.text for r in s.responses], s.ground_truth) for s in samples]


EXPECTED = [
    ("2 + 2?", ["4", "5"], (1.0, 0.0)),
    ("Is 7 prime?", ["yes"], (1.0,)),
    ("Max?", ["1", "9", "5"], (0.0, 2.5, 1.0)),
]


def test_json_lines(tmp_path: Path) -> None:
    samples = loaded(write(tmp_path / "train.jsonl", [*ROWS, ""]))
    assert facts(samples) == EXPECTED
    assert [sample.id for sample in samples] == ["1", "2", "m"]


def test_parquet_with_absent_fields(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    Dataset.from_list(ROWS).to_parquet(str(path))  # rows without an id have it as null
    assert facts(loaded(path)) == EXPECTED


def test_a_saved_dataset(tmp_path: Path) -> None:
    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "flat"))
    assert facts(load_preferences(DataSource(dataset=str(tmp_path / "flat")))) == EXPECTED
    DatasetDict({"train": Dataset.from_list(ROWS), "test": Dataset.from_list([PAIR])}).save_to_disk(
        str(tmp_path / "parts")
    )
    source = DataSource(dataset="parts", split="test")
    assert facts(load_preferences(source, base=tmp_path)) == EXPECTED[:1]
    assert facts(load_preferences(DataSource(dataset="parts"), base=tmp_path)) == EXPECTED
    with pytest.raises(InputError, match=r"no split 'dev' in .*; splits there: train, test"):
        load_preferences(DataSource(dataset="parts", split="dev"), base=tmp_path)
    saved = DataSource(path="parts", split="test")
    assert facts(load_preferences(saved, base=tmp_path)) == EXPECTED[:1]
    assert facts(load_preferences(DataSource(path="flat"), base=tmp_path)) == EXPECTED
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is not a saved dataset"):
        load_preferences(DataSource(dataset="empty"), base=tmp_path)


def test_a_saved_dataset_in_one_part(tmp_path: Path) -> None:
    Dataset.from_list([PAIR]).save_to_disk(str(tmp_path / "flat"))
    with pytest.raises(InputError, match="has no splits; leave split out"):
        load_preferences(DataSource(dataset="flat", split="train"), base=tmp_path)
    Dataset.from_list([]).save_to_disk(str(tmp_path / "empty"))
    with pytest.raises(InputError, match="is not a saved dataset, or holds no rows"):
        load_preferences(DataSource(dataset="empty"), base=tmp_path)
    Dataset.from_list([PAIR]).select([]).save_to_disk(str(tmp_path / "selected"))
    with pytest.raises(InputError, match="is not a saved dataset, or holds no rows"):
        load_preferences(DataSource(dataset="selected"), base=tmp_path)


def test_a_dataset_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, str, str | None]] = []

    def rows(name: str, *, split: str, config: str | None) -> Iterator[Row]:
        asked.append((name, split, config))
        yield Row({"prompt": "2 + 2?", "chosen": "4", "rejected": "5", "id": 7}, "there row 1")

    monkeypatch.setattr("deemster.data.hub.hub_rows", rows)
    source = DataSource(dataset="owner/name", config="en")
    [sample] = load_preferences(source, base=tmp_path)
    assert sample.id == "7"
    assert asked == [("owner/name", "train", "en")]


def test_rows_of_a_split(tmp_path: Path) -> None:
    row = {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}
    path = write(tmp_path / "all.jsonl", [row | {"split": s} for s in ("train", "test", "train")])
    assert len(loaded(path, split="train")) == 2
    with pytest.raises(InputError, match="no split 'dev' in"):
        loaded(path, split="dev")


def test_a_benchmark(tmp_path: Path) -> None:
    row = {
        "pair_id": "p1",
        "original_id": "o1",
        "source": "mmlu-pro-math",
        "question": "2 + 2?",
        "response_model": "m",
        "response_A": "five",
        "response_B": "four",
        "label": "B>A",
    }
    path = write(tmp_path / "judgebench.jsonl", [row])
    samples = load_preferences(DataSource(benchmark="judgebench", path=str(path)))
    assert facts(samples) == [("2 + 2?", ["five", "four"], (0.0, 1.0))]
    with pytest.raises(InputError, match=r"benchmark 'judgebench': .* does not exist"):
        load_preferences(DataSource(benchmark="judgebench", path=str(tmp_path / "none")))


async def test_a_run(tmp_path: Path) -> None:
    samples = [Sample.parse({"id": f"s{i}", **row}, where="") for i, row in enumerate(ROWS)]
    judge = Judge(FakeBackend("Scores: \\boxed{1}"))
    with RunStore(tmp_path / "run", write=True) as store:
        store.set_judges([judge.info])
        store.add_samples(samples)
    assert load_preferences(DataSource(run="run"), base=tmp_path) == samples
    with pytest.raises(InputError, match="no run in"):
        load_preferences(DataSource(run="other"), base=tmp_path)


TURNS = [{"role": "user", "content": "2 + 2?"}]


def answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


@pytest.mark.parametrize(
    ("row", "responses", "truth"),
    [
        pytest.param(
            {"prompt": "2 + 2?", "chosen": "4", "rejected": "5", "score": 3}, ["4", "5"], (1, 0)
        ),
        pytest.param(
            {"prompt": TURNS, "chosen": answer("4"), "rejected": answer("5")}, ["4", "5"], (1, 0)
        ),
        pytest.param(
            {"chosen": TURNS + answer("4"), "rejected": TURNS + answer("5")}, ["4", "5"], (1, 0)
        ),
        pytest.param(
            {"prompt": TURNS, "chosen": TURNS + answer("4"), "rejected": TURNS + answer("5")},
            ["4", "5"],
            (1, 0),
        ),
        pytest.param({"prompt": "2 + 2?", "completion": "4", "label": True}, ["4"], (1,)),
        pytest.param({"query": TURNS, "response": "5", "label": 0}, ["5"], (0,)),
    ],
    ids=["texts", "messages", "implicit-prompt", "prompt-twice", "unpaired", "unpaired-zero"],
)
def test_layouts_of_trl(
    tmp_path: Path, row: dict[str, Any], responses: list[str], truth: tuple[float, ...]
) -> None:
    for name in ("rows.jsonl", "rows.parquet"):
        path = tmp_path / name
        if name.endswith("jsonl"):
            write(path, [row])
        else:
            Dataset.from_list([row]).to_parquet(str(path))
        assert facts(loaded(path)) == [("2 + 2?", responses, truth)]


BAD: dict[str, tuple[Any, str]] = {
    "two-maxima": (PAIR | {"ground_truth": [1, 1]}, r"ground_truth \(1, 1\) has 2 maxima"),
    "nan": (PAIR | {"ground_truth": [math.nan, 1]}, "ground_truth.0: .*finite number, got nan"),
    "infinite": (PAIR | {"ground_truth": [math.inf, 1]}, "ground_truth.0: .*finite number"),
    "too-large": ('{"query": "q", "responses": ["a", "b"], "ground_truth": [1e999, 0]}', "finite"),
    "giant": (PAIR | {"ground_truth": [10**400, 0]}, "ground_truth.0: "),
    "no-label": ({"query": "q", "responses": ["a", "b"]}, "no ground_truth; label the row"),
    "null-label": (PAIR | {"ground_truth": None}, "no ground_truth; label the row"),
    "unnamed-label": (
        {"query": "q", "responses": ["a", "b"], "best": 1, "by": "me"},
        r"no ground_truth; .* or say in columns which holds it \(truth: …\) of best, by",
    ),
    "one-text-twice": (
        PAIR | {"responses": ["same", "same"]},
        "responses 0 and 1 are the same text, and only one of them is best",
    ),
    "half-label": (PAIR | {"ground_truth": [1, None]}, "ground_truth.1: "),
    "single-share": (SINGLE | {"ground_truth": [0.5]}, "of a single response must be 0 or 1"),
    "text-label": (PAIR | {"ground_truth": ["1", "0"]}, "ground_truth.0: .*got '1'"),
    "true-label": (PAIR | {"ground_truth": [True, False]}, "ground_truth.0: .*got True"),
    "short-label": (PAIR | {"ground_truth": [1]}, "ground_truth has 1 entries for 2 responses"),
    "query-type": (
        PAIR | {"query": 3},
        "'query' must be text or messages, got 3; put it in quotes",
    ),
    "blank-query": (PAIR | {"query": " "}, "query is empty"),
    "no-turns": (PAIR | {"query": []}, "query is empty"),
    "no-query": ({"responses": ["a", "b"], "ground_truth": [1, 0]}, "query"),
    "responses-type": (PAIR | {"responses": "ab"}, "'responses' must be a list"),
    "blank-response": (PAIR | {"responses": ["a", " "]}, "response 1 is empty"),
    "misspelt-field": (PAIR | {"referense": "4"}, "unknown column 'referense'; did you mean 'ref"),
    "no-layout": ({"text": "a"}, "no responses found; known shapes: query .*; columns here: text"),
    "not-json": ("{'query'", "not JSON: "),
    "deep": ("[" * 100_000, "not usable JSON: |expected an object"),
    "no-object": ("[1]", r"expected an object, got \[1\]"),
    "label-type": ({"prompt": "q", "completion": "a", "label": "good"}, "'label' must be true or"),
    "no-prompt": ({"completion": "a", "label": 1}, "no query: give one of query, prompt"),
    "chosen-type": ({"prompt": "q", "chosen": 3, "rejected": "b"}, "'chosen' must be text or mess"),
    "chosen-role": ({"prompt": "q", "chosen": TURNS, "rejected": "b"}, "'chosen' must end with an"),
    "other-prompt": (
        {"prompt": "q", "chosen": TURNS + answer("4"), "rejected": answer("5")},
        "starts with a conversation other than",
    ),
    "no-common-prompt": ({"chosen": "a", "rejected": "b"}, "no query: give one of query, prompt"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_one_line_with_file_and_row(tmp_path: Path, name: str) -> None:
    row, told = BAD[name]
    path = write(tmp_path / "train.jsonl", [PAIR, row, SINGLE])
    with pytest.raises(InputError, match=f"train.jsonl line 2: .*{told}") as caught:
        loaded(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_bad_rows_can_be_skipped_and_are_counted(tmp_path: Path) -> None:
    bad = [row for row, _ in BAD.values()]
    path = write(tmp_path / "train.jsonl", [PAIR, *bad, SINGLE])
    problems: list[str] = []
    source = DataSource(path=str(path), bad_rows="skip")
    samples = load_preferences(source, problems=problems)
    assert facts(samples) == EXPECTED[:2]
    assert len(problems) == len(bad)
    assert problems[0].startswith(f"{path} line 2: ground_truth (1, 1) has 2 maxima")
    assert [sample.id for sample in samples] == ["1", str(len(bad) + 2)]


def test_a_bad_row_of_a_table_has_its_number(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    rows = [PAIR, PAIR | {"ground_truth": [math.nan, 0]}, PAIR | {"ground_truth": None}]
    Dataset.from_list(rows).to_parquet(str(path))
    with pytest.raises(InputError, match=r"train.parquet row 2: ground_truth.0: .*got nan"):
        loaded(path)
    problems: list[str] = []
    load_preferences(DataSource(path=str(path), bad_rows="skip"), problems=problems)
    assert [problem.split(": ")[0] for problem in problems] == [f"{path} row 2", f"{path} row 3"]


@pytest.mark.parametrize("skip", ["error", "skip"])
def test_bad_samples_of_a_run(tmp_path: Path, skip: str) -> None:
    rows = [PAIR, PAIR | {"ground_truth": [2, 2]}, SINGLE]
    with RunStore(tmp_path, write=True) as store:
        store.add_samples(Sample.parse(row, where="") for row in rows)
    source = DataSource.model_validate({"run": str(tmp_path), "bad_rows": skip})
    if skip == "skip":
        assert facts(load_preferences(source)) == EXPECTED[:2]
    else:
        with pytest.raises(InputError, match=r"run .* sample '1': ground_truth \(2, 2\) has 2"):
            load_preferences(source)


@pytest.mark.parametrize("name", ["train.jsonl", "train.json", "train.csv"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is empty"):
        loaded(write(tmp_path / name, [""]))


def test_nothing_left(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", [{"text": "a"}, "{"])
    with pytest.raises(
        InputError, match=r"nothing to train on in .*: all 2 rows are bad, the first"
    ):
        loaded(path, bad_rows="skip")
    with pytest.raises(InputError, match="no such file"):
        loaded(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match=r"the filters .* leave none of the 3 samples"):
        loaded(write(path, ROWS), subsets=["physics"])


def test_filters_and_limit(tmp_path: Path) -> None:
    rows = [PAIR | {"id": f"p{i}", "subset": "ab"[i % 2]} for i in range(40)] + [SINGLE, MANY]
    path = write(tmp_path / "train.jsonl", rows)
    assert len(loaded(path, subsets=["a"])) == 20
    assert [len(s.responses) for s in loaded(path, min_responses=3)] == [3]
    assert len(loaded(path, max_responses=1)) == 1
    drawn = loaded(path, limit=10)
    assert drawn == loaded(path, limit=10)
    assert len(drawn) == 10
    other = load_preferences(DataSource(path=str(path), limit=10), seed=1)
    assert {s.id for s in other} != {s.id for s in drawn}
    assert len(loaded(path, limit=1000)) == 42


def test_ids_are_unique_over_sources(tmp_path: Path) -> None:
    first = DataSource(path=str(write(tmp_path / "a.jsonl", ROWS)))
    second = DataSource(path=str(write(tmp_path / "b.jsonl", ROWS)))
    samples = load_preferences([first, second])
    assert [s.id for s in samples] == ["1", "2", "m", "1:1", "1:2", "1:m"]
    twice = write(tmp_path / "c.jsonl", [MANY, PAIR, MANY])
    with pytest.raises(InputError, match=r"c.jsonl line 3: id 'm' occurs twice"):
        loaded(twice)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="none"),
        pytest.param({"path": "a", "run": "b"}, id="two"),
        pytest.param({"path": "a", "config": "b"}, id="config"),
        pytest.param({"run": "a", "split": "b"}, id="split"),
        pytest.param({"benchmark": "a", "match": "exact"}, id="match"),
        pytest.param({"path": "a", "pairs": 2}, id="pairs"),
        pytest.param({"path": "a", "limit": 0}, id="limit"),
        pytest.param({"path": "a", "colour": 1}, id="unknown"),
    ],
)
def test_sources_that_make_no_sense(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DataSource.model_validate(fields)


def test_check_names_the_sample() -> None:
    good = Sample.parse({"id": "a", **PAIR}, where="")
    check_preferences([good])
    bad = good.model_copy(update={"id": "b", "ground_truth": (1.0, 1.0)})
    with pytest.raises(InputError, match="sample 'b': ground_truth"):
        check_preferences([good, bad])
