"""The whole study on planted data: what was planted is found, and nothing else is."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from tests.lab.study.planted_study import SPLITS, Skill, items, rewards, votes, write_study

from deemster.suites.metrics import Bootstrap
from lab.study import Study, analyse, write_page
from lab.study.__main__ import main
from lab.study.claims import all_claims, verdict_of
from lab.study.measure import Measurements
from lab.study.records import MEAN, Claim, Verdict
from lab.study.table import Figure

COUNT = 400
BOOTSTRAP = Bootstrap(resamples=300)
TRAINING = {
    "eval": {"fresh": {"greedy": 0.9123456}, "curve": list(range(50))},
    "distil": {
        "stage": "distil",
        "complete": True,
        "recipe": "0123abcd",
        "attempts": 1,
        "device": "cpu",
        "started": "2026-11-20T10:00:00+00:00",
        "finished": "2026-11-20T10:21:30+00:00",
        "figures": {"tokens": 13000000},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base and RFT have a meta RM that helps; GRPO's knows nothing, nor does its greedy gain."""
    folder = tmp_path_factory.mktemp("study")
    skills = {
        "base": Skill(0.50, 0.75, meta=1.5, failed=0.02),
        "rft": Skill(0.62, 0.75, meta=1.5),
        "grpo": Skill(0.75, 0.75, meta=0.0),
    }
    write_study(folder, skills, count=COUNT)
    others = {
        "base-cool": Skill(0.6, 0.75, temperature=0.6),
        "no-kl": Skill(0.55, 0.6),
        "rft-no-hints": Skill(0.62, 0.75),
        "llm-judge": Skill(0.6, 0.7),
    }
    write_study(folder, others, count=COUNT, k=8)
    for number, split in enumerate(SPLITS):
        scalar = rewards(0.66, items(split, COUNT), seed=number)
        np.savez(folder / f"bradley-terry-{split}-seed0.scalar.npz", **scalar)
    (folder / "training.json").write_text(json.dumps(TRAINING))
    return folder


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return analyse(folder, bootstrap=BOOTSTRAP)


def claim(study: Study, text: str) -> Claim:
    (found,) = [one for one in study.claims if one.text.startswith(text)]
    return found


def test_planted_accuracies_are_found(study: Study) -> None:
    for model, right, greedy in (("base", 0.49, 0.75), ("rft", 0.62, 0.75), ("grpo", 0.75, 0.75)):
        for split in (*SPLITS, MEAN):
            scores = study.accuracy[model][split]
            assert scores["vote@1"].accuracy.value == pytest.approx(right, abs=0.03)
            assert scores["greedy"].accuracy.value == pytest.approx(greedy, abs=0.08)
            assert scores["vote@1"].ties == pytest.approx(0, abs=1e-9)
    assert study.accuracy["grpo"][MEAN]["greedy"].accuracy.n == sum(
        study.setting.items[split] for split in SPLITS[1:]
    )


def test_ties_are_reported_and_wrong(study: Study) -> None:
    two = study.accuracy["base"][MEAN]["vote@2"]
    value = two.accuracy.value
    assert value is not None
    assert two.ties > 0.02
    assert value < two.lot < value + two.ties


def test_planted_effects_are_shown_and_a_null_is_not(study: Study) -> None:
    verdicts = {one.text: one.verdict for one in study.claims}
    assert verdicts["RFT above base, k = 1"] == "shown"
    assert verdicts["GRPO above RFT, k = 1"] == "shown"
    assert verdicts["base, k = 32: meta-guided above plain"] == "shown"
    assert verdicts["RFT, k = 8: meta-guided above plain"] == "shown"
    assert verdicts["GRPO above base, greedy"] == "not shown"
    # half of the votes at random is worse than all of them
    assert verdicts["GRPO, k = 8: meta-guided not below plain"] == "reversed"
    null = claim(study, "GRPO above base, greedy").measured[MEAN]
    assert null.low is not None
    assert null.high is not None
    assert null.low < 0 < null.high


def test_a_difference_is_that_of_the_accuracies(study: Study) -> None:
    gap = claim(study, "RFT above base, k = 1").measured
    for split in (*SPLITS, MEAN):
        high, low = (study.accuracy[m][split]["vote@1"].accuracy.value for m in ("rft", "base"))
        assert high is not None
        assert low is not None
        assert gap[split].value == pytest.approx(high - low)


def test_failures_are_counted(study: Study) -> None:
    worst = claim(study, "parse failures")
    assert worst.text.startswith("parse failures, worst model and split (base, ")
    assert worst.verdict == "not shown"
    assert study.failures["base"][MEAN].value == pytest.approx(0.02, abs=0.004)
    assert study.failures["grpo"][MEAN].value == 0
    assert study.accuracy["base"][MEAN]["vote@1"].unscored == pytest.approx(0.02, abs=0.004)


def test_comparisons_have_their_references(study: Study) -> None:
    assert {(one.model, one.than_model) for one in study.ablations} == {
        ("no-kl", "grpo"), ("rft-no-hints", "rft"),
    }  # fmt: skip
    worse = next(one for one in study.ablations if (one.model, one.rule) == ("no-kl", "vote@1"))
    assert worse.measured[MEAN].value == pytest.approx(-0.2, abs=0.03)
    (hints,) = [one for one in study.ablations if one.model == "rft-no-hints" and one.paper]
    assert hints.rule == "greedy"
    assert hints.paper == pytest.approx(-0.8)
    assert {(one.rule, one.than_model, one.than_rule) for one in study.baselines} == {
        ("greedy", "bradley-terry", "vote@1"),
        ("vote@32", "bradley-terry", "vote@1"),
        ("greedy", "llm-judge", "greedy"),
        ("vote@8", "llm-judge", "vote@8"),
        ("vote@32", "llm-judge", "vote@8"),
    }
    assert study.accuracy["bradley-terry"][MEAN]["vote@1"].accuracy.value == pytest.approx(
        0.66, abs=0.03
    )
    assert {one.than_model for one in study.cooled} == {"base-cool"}


def test_meta_rm_and_stopping(study: Study) -> None:
    assert study.meta_rm["base"][MEAN].overall.value == pytest.approx(0.856, abs=0.01)
    assert study.meta_rm["base"][MEAN].within.value == pytest.approx(0.856, abs=0.01)
    assert study.meta_rm["grpo"][MEAN].overall.value == pytest.approx(0.5, abs=0.01)
    saving = study.stopping["grpo"][MEAN]
    assert saving["decided:1"].change.value == 0
    used = saving["decided:0.9"].votes.value
    assert used is not None
    assert used < 16
    assert saving["decided:0.99,spread=fitted"].votes.value is not None
    assert 0 < study.spreads["grpo"] < 9


def test_the_record_survives_json(study: Study) -> None:
    assert Study.model_validate_json(study.model_dump_json()) == study


def test_the_same_files_give_the_same_study(tmp_path: Path) -> None:
    skills = {"base": Skill(0.5, 0.6, meta=1.0), "grpo": Skill(0.7, 0.7)}
    write_study(tmp_path, skills, count=60, k=8, splits=SPLITS[:2])
    first, again = (analyse(tmp_path, bootstrap=BOOTSTRAP).model_dump_json() for _ in range(2))
    assert first == again


def test_the_page_has_every_section_and_its_plots(study: Study, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "scaling.md"
    page.parent.mkdir()
    write_page(study, page)
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((images/scaling/\w+\.svg)\)", text)
    assert sorted(links) == [
        f"images/scaling/{name}.svg" for name in ("claims", "curves", "domains")
    ]
    for link in links:
        svg = (page.parent / link).read_text(encoding="utf-8")
        root = ET.fromstring(svg)
        assert float(root.attrib["width"]) > 700
        assert "prefers-color-scheme: dark" in svg
    right = study.accuracy["grpo"][MEAN]["vote@32"].accuracy
    assert right.value is not None
    assert right.low is not None
    assert f"{100 * right.value:.1f} [{100 * right.low:.1f}, " in text
    assert "- GRPO above base, greedy: not shown" in text
    assert "**reversed**" in text
    assert "base at T = 0.6" in text
    assert "|eval: fresh: greedy|0.9123|" in text
    assert "|distil: minutes|21.5|" in text
    assert "|distil: tokens|13,000,000|" in text
    assert "0123abcd" not in text  # of a stage's manifest only what it came to
    assert "|eval: curve|50 values|" in text
    assert "make study" in text
    judged = study.accuracy["llm-judge"][MEAN]["vote@8"]
    assert re.search(
        rf"^\|LLM-as-a-judge\|greedy: .*\|vote@8: .*\|{100 * judged.lot:.1f}\|", text, re.MULTILINE
    )
    assert re.search(r"^\|bradley-terry\|vote@1: .*\|–\|–\|–\|\+", text, re.MULTILINE)
    assert "Not measured" not in text
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_a_study_of_one_split_and_few_votes_says_what_it_did_not_measure(tmp_path: Path) -> None:
    write_study(tmp_path, {"grpo": Skill(0.7, 0.7)}, count=40, k=4, splits=("fresh",))
    study = analyse(tmp_path, bootstrap=BOOTSTRAP)
    assert {one.verdict for one in study.claims} == {"not measured"}
    write_page(study, tmp_path / "scaling.md")
    text = (tmp_path / "scaling.md").read_text(encoding="utf-8")
    assert "0 of 0 claims are shown; 19 were not measured." in text
    assert "Not measured." in text


def test_an_ablation_may_have_fewer_items(tmp_path: Path) -> None:
    given = items("fresh", 60)
    full = votes(Skill(0.7, 0.7), given, k=4, seed=0)
    np.savez(tmp_path / "grpo-fresh-seed0.npz", **full)
    part = {name: array if array.ndim == 0 else array[:30] for name, array in full.items()}
    np.savez(tmp_path / "no-kl-fresh-seed0.npz", **part)
    study = analyse(tmp_path, bootstrap=BOOTSTRAP)
    (one,) = [one for one in study.ablations if one.rule == "vote@1"]
    assert one.measured["fresh"].value == 0
    assert one.measured["fresh"].n == int((given.n[:30] > 1).sum())


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = tmp_path / "study"
    write_study(small, {"grpo": Skill(0.7, 0.7)}, count=40, k=2)
    assert main([str(small), "--docs", str(tmp_path / "scaling.md")]) == 0
    assert (small / "study.json").exists()
    assert (tmp_path / "images" / "scaling" / "curves.svg").exists()
    assert "not measured  GRPO above base, greedy" in capsys.readouterr().out
    assert main([str(tmp_path / "nowhere")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "does not exist" in error


def figure(low: float, high: float) -> Figure:
    return Figure(value=(low + high) / 2, low=low, high=high, n=10)


@pytest.mark.parametrize(
    ("lows", "verdict"),
    [
        pytest.param((0.01, 0.01, 0.01, 0.01), "shown", id="everywhere"),
        pytest.param((0.01, -0.01, 0.01, 0.01), "shown on average", id="one split is open"),
        pytest.param((0.01, 0.01, 0.01, -0.01), "not shown", id="the mean is open"),
        pytest.param((0.01, 0.01, -0.09, -0.09), "reversed", id="the mean is below"),
    ],
)
def test_verdicts(lows: tuple[float, ...], verdict: Verdict) -> None:
    measured = {
        split: figure(low, low + 0.05) for split, low in zip((*SPLITS[1:], MEAN), lows, strict=True)
    }
    found = verdict_of(
        measured, SPLITS[1:],
        lambda split: (measured[split].low or 0) > 0,
        lambda split: (measured[split].high or 0) < 0,
    )  # fmt: skip
    assert found == verdict
    del measured["words"]
    assert verdict_of(measured, SPLITS[1:], lambda _: True, lambda _: False) == "not measured"


def test_nothing_measured_leaves_every_claim_open() -> None:
    claims = all_claims(Measurements({}, {}, {}, {}))
    assert {one.verdict for one in claims} == {"not measured"}
    assert len(claims) == 19
