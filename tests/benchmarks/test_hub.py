"""Loading by name: what is asked of the datasets library, and what its failures become."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from deemster.benchmarks import BENCHMARKS, open_benchmark
from deemster.errors import InputError

PAIR = {"prompt": "q", "chosen": "a", "rejected": "b", "subset": "hep-go", "id": 1}


class ClientError(Exception):
    """HTTP clients have exceptions that are neither OSError nor ValueError."""


class FakeHub:
    """Stands in for `datasets`: answers with scripted rows and records what was asked."""

    def __init__(self, rows: list[dict[str, Any]] | Exception) -> None:
        self.rows = rows
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.read = 0

    def load_dataset(self, path: str, **options: Any) -> Iterator[dict[str, Any]]:
        self.asked.append((path, options))
        if isinstance(self.rows, Exception):
            raise self.rows
        for row in self.rows:
            self.read += 1
            yield row


def install(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> None:
    module = ModuleType("datasets")
    vars(module)["load_dataset"] = hub.load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)


def test_official_name_split_and_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub([PAIR, PAIR | {"id": 2}, PAIR | {"id": 3}])
    install(monkeypatch, hub)
    samples = list(open_benchmark("reward-bench").load(limit=2))
    assert [sample.id for sample in samples] == ["hep-go/1", "hep-go/2"]
    assert samples[0].metadata == {"section": "Reasoning"}
    assert hub.read == 2, "a limit must not read the whole data set"
    assert hub.asked == [
        ("allenai/reward-bench", {"name": None, "split": "filtered", "streaming": True})
    ]


def test_all_official_splits_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"pair_id": "p", "source": "livecodebench", "question": "q", "label": "A>B"}
    hub = FakeHub([row | {"response_A": "a", "response_B": "b"}])
    install(monkeypatch, hub)
    assert [sample.id for sample in open_benchmark("judgebench").load()] == ["p", "p"]
    assert [options["split"] for _, options in hub.asked] == ["gpt", "claude"]


def test_other_name_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub([PAIR])
    install(monkeypatch, hub)
    (sample,) = open_benchmark("reward-bench").load("someone/copy", split="raw")
    assert sample.subset == "hep-go"
    assert hub.asked[0][0] == "someone/copy"
    assert hub.asked[0][1]["split"] == "raw"


def test_data_sets_with_a_script_are_read_by_file(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub([{"instruction": "i", "output": "o", "generator": "g", "dataset": "d"}])
    install(monkeypatch, hub)
    (sample,) = open_benchmark("alpaca-eval").load()
    assert sample.policies == ("g",)
    name, options = hub.asked[0]
    assert name == "json"
    assert options["data_files"].endswith("tatsu-lab/alpaca_eval/alpaca_eval_gpt4_baseline.json")


def test_configurations_are_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub([{"input": "i", "llm_response": "r", "error_label": "error"}])
    install(monkeypatch, hub)
    samples = list(open_benchmark("realmistake").load(split="gpt4"))
    assert [options["name"] for _, options in hub.asked] == [sample.subset for sample in samples]
    assert len({sample.id for sample in samples}) == 3
    assert samples[0].ground_truth == (0.0,)


def test_ppe_correctness_is_five_data_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"question_id": 1, "prompt": "p", "response_1": "a", "scores": [True]}
    hub = FakeHub([row])
    install(monkeypatch, hub)
    subsets = [sample.subset for sample in open_benchmark("ppe-correctness").load()]
    assert subsets == ["mmlu-pro", "math", "gpqa", "mbpp-plus", "ifeval"]
    (one,) = open_benchmark("ppe-correctness").load(split="gpqa")
    assert one.subset == "gpqa"
    with pytest.raises(InputError, match=r"no split 'law'; allowed: mmlu-pro"):
        list(open_benchmark("ppe-correctness").load(split="law"))


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ConnectionError("no route to host"), id="offline"),
        pytest.param(ValueError("Unknown split 'x'.\nShould be one of"), id="unknown-split"),
        pytest.param(RuntimeError("Dataset scripts are no longer supported"), id="script"),
        pytest.param(FileNotFoundError(), id="no-text"),
        pytest.param(ClientError("Name or service not known"), id="of-the-http-client"),
    ],
)
def test_failures_are_one_line_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    install(monkeypatch, FakeHub(error))
    with pytest.raises(InputError, match="give the path of a local copy") as caught:
        list(open_benchmark("reward-bench").load())
    assert "allenai/reward-bench" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_row_names_data_set_and_row(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeHub([PAIR, {"prompt": "q"}]))
    with pytest.raises(InputError, match=r"allenai/reward-bench split filtered row 2: no field"):
        list(open_benchmark("reward-bench").load())


def test_no_rows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeHub([]))
    with pytest.raises(InputError, match="allenai/reward-bench split 'filtered' has no rows"):
        list(open_benchmark("reward-bench").load())


def test_library_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'deemster\[datasets\]', or give the path"):
        list(open_benchmark("reward-bench-2").load())


@pytest.mark.parametrize("name", ["llmbar", "auto-j", "faireval", "gsm8k-solutions", "rmb-pairs"])
def test_no_public_copy_says_where_the_files_are(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}.* cannot be loaded by name; get https://"):
        open_benchmark(name).load()


@pytest.mark.parametrize("source", ["pairs.jsonl", "./a/b", "a/b/c", "~/x", "/tmp/none/such"])
def test_paths_are_not_taken_for_names(source: str) -> None:
    with pytest.raises(InputError, match="no such file or directory"):
        list(open_benchmark("judgebench").load(source))


@pytest.mark.parametrize("limit", [0, -1])
def test_impossible_limit(limit: int) -> None:
    with pytest.raises(InputError, match=f"limit must be >= 1, got {limit}"):
        open_benchmark("judgebench").load(limit=limit)


def test_unknown_benchmark_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown benchmark 'mmlu'; known: alpaca-eval, auto-j"):
        open_benchmark("mmlu")


@pytest.mark.parametrize("name", BENCHMARKS.names())
def test_registered_under_its_own_name(name: str) -> None:
    benchmark = open_benchmark(name)
    assert benchmark.name == name
    assert benchmark.description
