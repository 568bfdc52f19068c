"""Settings that a model brings: what the caller gives wins, and what was taken is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster

from deemster.errors import InputError
from deemster.judges import Judge
from deemster.judges.building import Site
from deemster.judges.grm import GrmSpec
from deemster.judges.own_settings import own_settings
from deemster.judges.settings import announce

SAYS = {
    "version": 1,
    "dialect": "nano",
    "k": 8,
    "temperature": 0.7,
    "top_p": 0.9,
    "max_tokens": 64,
    "orders": "fixed",
    "aggregator": "topk(4) >> mean",
    "meta_rm": "meta",
    "principles": "ahead",
    "template_args": {"enable_thinking": False},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A judge with a file; its weights are never read."""
    for place in (tmp_path, tmp_path / "meta"):
        place.mkdir(exist_ok=True)
        (place / "config.json").write_text("{}")
        (place / "model.safetensors").write_bytes(b"")
    return says(tmp_path, SAYS)


def says(folder: Path, what: dict[str, Any]) -> Path:
    (folder / "deemster.json").write_text(json.dumps(what))
    return folder


@pytest.mark.parametrize(("scheme", "has"), [("hf", True), ("vllm", True), ("replay", False)])
def test_models_in_files_bring_settings(scheme: str, has: bool, folder: Path) -> None:
    found = own_settings(f"{scheme}:{says(folder, {'version': 1, 'model': 'meta'})}")
    assert (found.file is not None) is has
    assert found.model == (f"{scheme}:{folder / 'meta'}" if has else f"{scheme}:{folder}")


def test_the_file_gives_what_the_caller_leaves_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    announce.cache_clear()
    judge = Judge(f"hf:{folder}")
    assert judge.dialect.name == "nano"
    assert (judge.k, judge.orders, judge.mode) == (8, "fixed", "ahead")
    sampling = judge.sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.7, 0.9, 64)
    assert str(judge.aggregator) == "topk(k_meta=4) >> mean()"
    assert judge.meta_rm is not None
    assert judge.meta_rm.name == f"hf:{folder}/meta"
    assert set(judge.info.from_file) == SAYS.keys() - {"version"}
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "k 8" in said
    assert "dialect nano" in said


def test_what_the_caller_gives_wins(folder: Path) -> None:
    judge = Judge(
        f"hf:{folder}", k=1, dialect="json", temperature=0.0, top_p=1.0, max_tokens=2048,
        orders="balanced", aggregator="sum", meta_rm="none", principles="self", template_args={},
    )  # fmt: skip
    assert judge.meta_rm is None
    assert judge.info.from_file == ()
    (folder / "deemster.json").unlink()
    plain = Judge(f"hf:{folder}", dialect="json")
    assert judge.info == plain.info


@pytest.mark.parametrize(
    ("given", "aggregator"),
    [
        pytest.param({}, "topk(k_meta=4) >> mean()", id="as-it-is"),
        pytest.param({"k": 16}, "topk(k_meta=4) >> mean()", id="more-votes"),
        pytest.param({"k": 1}, "topk() >> sum()", id="fewer-votes-than-it-keeps"),
        pytest.param({"meta_rm": "none"}, "sum()", id="nothing-to-keep-by"),
        pytest.param({"aggregator": "median"}, "median()", id="given"),
    ],
)
def test_the_files_aggregator_is_left_out_where_it_does_not_fit(
    given: dict[str, Any], aggregator: str, folder: Path
) -> None:
    judge = Judge(f"hf:{folder}", **given)
    assert str(judge.aggregator) == aggregator
    assert ("aggregator" in judge.info.from_file) == aggregator.endswith("mean()")


def test_one_draw_is_greedy_unless_the_file_asks_for_one(folder: Path) -> None:
    """The file's temperature is that of its votes."""
    assert Judge(f"hf:{folder}", k=1).sampling.temperature == 0
    assert Judge(f"hf:{folder}", k=1, temperature=0.2).sampling.temperature == 0.2
    assert Judge(f"hf:{folder}", k=2).sampling.temperature == 0.7
    says(folder, {"version": 1, "k": 1, "temperature": 0.7})
    assert Judge(f"hf:{folder}").sampling.temperature == 0.7


def test_an_aggregator_that_never_fits_is_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match="k_meta must be from 1 to k=2, got 4"):
        Judge(f"hf:{says(folder, {**SAYS, 'k': 2})}")


def test_who_gave_a_setting_makes_no_other_judge(folder: Path) -> None:
    by_file = Judge(f"hf:{says(folder, {'version': 1, 'k': 4, 'dialect': 'nano'})}").info
    given = Judge(f"hf:{folder}", k=4, dialect="nano").info
    assert by_file.from_file == ("k", "dialect")
    assert given.from_file == ()
    assert by_file.fingerprint == given.fingerprint


def test_a_suite_and_the_command_line_give_only_what_they_say(folder: Path) -> None:
    site = Site(folder=folder.parent)
    by_file = site.judge(GrmSpec(model=f"hf:{folder.name}"))
    assert by_file.info.k == 8
    assert site.judge(GrmSpec(model=f"hf:{folder.name}", k=4)).info.k == 4
    assert site.judge(GrmSpec(model=f"hf:{folder.name}", k_meta=3)).info.aggregator == (
        "topk(k_meta=3) >> sum()"
    )
    found = deemster("doctor", "--model", f"hf:{folder}", "--json")
    assert json.loads(found.stdout)["judge"]["k"] == {"value": 8, "from": "deemster.json"}
    found = deemster("doctor", "--model", f"hf:{folder}")
    assert found.returncode == 0, found.stderr
    assert "from deemster.json" in found.stdout


def test_the_weights_may_lie_in_a_folder_of_it(folder: Path) -> None:
    judge = Judge(f"hf:{says(folder, {'version': 1, 'model': 'meta', 'dialect': 'nano'})}")
    assert judge.backend.name == f"hf:{folder}/meta"


def test_a_template_is_read_from_the_folder(folder: Path) -> None:
    says(folder, {"version": 1, "dialect": "grm", "template": "prompt.j2"})
    with pytest.raises(InputError, match=r"names 'prompt.j2', which is not there"):
        Judge(f"hf:{folder}")
    text = "{{ conversation }} {{ responses }} {{ scale }} {{ principles }} mine"
    (folder / "prompt.j2").write_text(text)
    judge = Judge(f"hf:{folder}")
    given = Judge(f"hf:{folder}", dialect="grm", template=folder / "prompt.j2")
    assert judge.info.prompt == given.info.prompt != Judge("fake:x", dialect="grm").info.prompt
