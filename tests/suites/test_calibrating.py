"""Calibrating a stored judge: labels, figures, what is stored, and for whom it holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.support.command_line import deemster, one_line

from deemster import Judge
from deemster.aggregators import Sum
from deemster.backends import FakeBackend
from deemster.errors import CalibrationError, InputError
from deemster.judges import decide
from deemster.judges.calibrator import Calibrator, ChanceMap, judge_identity
from deemster.judges.calibrator_fit import Method
from deemster.schemas import JudgeInfo, Judgment, Sample, Scale, Verdict
from deemster.suites.calibrating import calibrate_run
from deemster.suites.labels import read_labels
from deemster.suites.metrics import Bootstrap
from deemster.suites.store import RunStore

FEW = Bootstrap(resamples=200)
SCALE = Scale(low=1, high=10)


def judged(scores: list[list[int]], info: JudgeInfo) -> Verdict:
    votes = [
        Judgment(scores=tuple(map(float, row)), draw=i, judge=info.name, scale=SCALE)
        for i, row in enumerate(scores)
    ]
    return decide(votes, n=len(scores[0]), k=len(votes), reducer=Sum(), info=info)


def overconfident_run(directory: Path, n: int = 240, *, k: int = 4, seed: int = 0) -> Path:
    """A judge whose votes agree with each other far more than with the truth."""
    rng = np.random.default_rng(seed)
    info = JudgeInfo(name="j", model="m", k=k, aggregator="sum()")
    with RunStore(directory, write=True) as store:
        store.set_judges([info])
        for i in range(n):
            easy = rng.random() < 0.5
            wins = rng.random() < (0.95 if easy else 0.55)
            lead = 4 if easy else 1
            base = np.array([5 + lead, 5] if wins else [5, 5 + lead])
            scores = np.clip(base + rng.integers(0, 2, (k, 2)), 1, 10).tolist()
            sample = Sample(
                id=f"{i:03d}",
                query="q",
                responses=("a" * 20, "b" * 20),
                ground_truth=(1, 0),
                subset="easy" if easy else "hard",
                policies=("x", "y"),
            )
            store.add_samples([sample])
            store.put(0, i, judged(scores, info))
    return directory


def test_confidence_comes_to_mean_right(tmp_path: Path) -> None:
    report, found = calibrate_run(overconfident_run(tmp_path / "r"), bootstrap=FEW)
    fit = report.confidence
    assert fit is not None
    assert fit.before is not None
    assert fit.log_loss_change is not None
    assert fit.log_loss_change.high is not None
    assert fit.log_loss_change.high < 0
    after, before = fit.after.calibration.ece.value, fit.before.calibration.ece.value
    assert after is not None
    assert before is not None
    assert after < before / 1.5  # of 240 items much is noise
    assert found.figures["kappa"][0] == report.overall.judge.kappa.value
    assert set(report.subsets) == {"easy", "hard"}
    assert report.labels_to_halve == 3 * 240


def test_a_single_vote_has_no_confidence_before_but_one_after(tmp_path: Path) -> None:
    report, found = calibrate_run(overconfident_run(tmp_path / "r", k=1), bootstrap=FEW)
    assert report.confidence is not None
    assert report.confidence.before is None
    verdict = judged([[9, 5]], report.judge)
    assert verdict.confidence is None
    sure, unsure = (found.apply(judged([[top, 5]], report.judge)).confidence for top in (10, 6))
    assert sure is not None
    assert unsure is not None
    assert sure > unsure


def test_isotonic_chances_rise_and_are_never_certain(tmp_path: Path) -> None:
    run = overconfident_run(tmp_path / "r")
    _, found = calibrate_run(run, method="isotonic", bootstrap=FEW)
    assert found.chances is not None
    levels = [level for _, level in found.chances.knots]
    assert levels == sorted(levels)
    assert 0 < levels[0] < levels[-1] < 1


def test_too_few_labels_give_agreement_and_say_why_no_confidence(tmp_path: Path) -> None:
    report, found = calibrate_run(overconfident_run(tmp_path / "r", n=30), bootstrap=FEW)
    assert report.confidence is None
    assert found.chances is None
    assert found.why_none == report.why_none
    assert "fewer than 50" in report.why_none
    assert report.overall.judge.kappa.value is not None


def alike_run(directory: Path, *, other: int = 0, n: int = 60) -> Path:
    """Verdicts that look alike, right two times of three; the first so many look otherwise."""
    info = JudgeInfo(name="j", model="m", k=1, aggregator="sum()")
    with RunStore(directory, write=True) as store:
        store.set_judges([info])
        for i in range(n):
            truth = (1, 0) if i % 3 else (0, 1)
            sample = Sample(id=f"{i}", query="q", responses=("a", "b"), ground_truth=truth)
            store.add_samples([sample])
            store.put(0, i, judged([[9 if i < other else 8, 3]], info))
    return directory


@pytest.mark.parametrize("other", [pytest.param(0, id="all"), pytest.param(1, id="all-but-one")])
@pytest.mark.parametrize("method", ["logistic", "isotonic"])
def test_verdicts_that_look_alike_give_agreement_all_the_same(
    tmp_path: Path, other: int, method: Method
) -> None:
    report, found = calibrate_run(alike_run(tmp_path / "r", other=other), method=method)
    assert report.overall.judge.agreement.value == pytest.approx(2 / 3)
    assert report.confidence is None
    assert found.chances is None
    assert "all verdicts look alike" in report.why_none


@pytest.mark.parametrize(
    ("rows", "ratings"),
    [
        pytest.param([{"id": "000", "label": "A"}], {"rater": (1, 0)}, id="letter"),
        pytest.param([{"id": "000", "label": "tie"}], {"rater": (0.5, 0.5)}, id="tie"),
        pytest.param([{"id": "000", "label": "y"}], {"rater": (0, 1)}, id="policy"),
        pytest.param([{"id": "000", "label": [2, 7]}], {"rater": (2, 7)}, id="numbers"),
        pytest.param(
            [{"id": "000", "rater": "ann", "label": 1}, {"id": "000", "rater": "bo", "label": 2}],
            {"ann": (1, 0), "bo": (0, 1)},
            id="row-a-rater",
        ),
        pytest.param(
            [{"id": "000", "labels": {"ann": "A", "bo": None, "cy": "B"}}],
            {"ann": (1, 0), "cy": (0, 1)},
            id="by-rater",
        ),
        pytest.param(
            [{"id": "000", "labels": ["A", "tie"]}], {"1": (1, 0), "2": (0.5, 0.5)}, id="list"
        ),
    ],
)
def test_labels(
    rows: list[dict[str, object]], ratings: dict[str, tuple[float, ...]], tmp_path: Path
) -> None:
    path = tmp_path / "labels.jsonl"
    rows = [*rows, {"id": "elsewhere", "label": "A"}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    sample = Sample(id="000", query="q", responses=("a", "b"), policies=("x", "y"))
    found = read_labels(path, {"000": sample})
    assert found.ratings == {"000": ratings}
    assert found.unknown == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param([{"id": "x", "label": "A"}], "none of its 1 labels", id="other-samples"),
        pytest.param([{"id": "000", "label": "Q"}], "does not say which of 2", id="no-response"),
        pytest.param([{"id": "000", "label": [1]}], "one number for each of 2", id="short"),
        pytest.param([{"id": "000", "label": "A"}] * 2, "twice", id="twice"),
        pytest.param([{"id": "000", "labels": 3}], "'labels' must be", id="not-labels"),
    ],
)
def test_labels_that_cannot_be_used(
    rows: list[dict[str, object]], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    sample = Sample(id="000", query="q", responses=("a", "b"))
    with pytest.raises(InputError, match=message):
        read_labels(path, {"000": sample})


def test_grades_off_the_scale_of_the_judge_are_refused(tmp_path: Path) -> None:
    info = JudgeInfo(name="j", model="m", aggregator="sum()")
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([info])
        store.add_samples([Sample(id="a", query="q", responses=("r",), ground_truth=(3,))])
        store.put(0, 0, judged([[7]], info))
    with pytest.raises(InputError, match="off the labels' scale, 3 to 3"):
        calibrate_run(tmp_path)


# --- for whom it holds --------------------------------------------------------------------------


def calibration_of(info: JudgeInfo) -> Calibrator:
    chances = ChanceMap(method="logistic", features=("margin",), weights=(0.0,), intercept=1.0)
    return Calibrator(
        judge=info, fingerprint=judge_identity(info), n=200, raters=1, chances=chances,
        figures={"kappa": (0.7, 0.6, 0.8)},
    )  # fmt: skip


SAYS = "fake:Scores: \\boxed{8, 4}"
GRM = "Specific Criteria:\n1. Right (weight: 100%): it is\n\nScores: \\boxed{8, 4}"


async def test_confidence_of_a_calibrated_judge_is_the_chance_of_being_right() -> None:
    fake = FakeBackend(GRM)
    found = calibration_of(Judge(fake, k=2).info)
    judge = Judge(fake, k=2, calibration=found, name="other", seed=5)
    verdict = await judge.score("q", ["a", "b"])
    assert verdict.confidence == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert verdict.judge.calibration == found.digest
    assert (await judge.score("q", ["a"])).confidence is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"k": 4}, "k was 2, is 4", id="k"),
        pytest.param({"temperature": 1.0}, "sampling.temperature was 0.5, is 1.0", id="sampling"),
        pytest.param({"principles": "ahead"}, "principles was 'self', is 'ahead'", id="principles"),
        pytest.param({"dialect": "json"}, "dialect was .*, is .*prompt was", id="prompt"),
        pytest.param({"model": FakeBackend("", name="b")}, "model was 'fake', is 'b'", id="model"),
        pytest.param({"aggregator": "mean"}, "aggregator was", id="aggregator"),
    ],
)
def test_a_calibration_is_refused_for_another_judge(
    changed: dict[str, object], message: str
) -> None:
    found = calibration_of(Judge(FakeBackend(GRM), k=2).info)
    options: dict[str, object] = {"model": FakeBackend(GRM), "k": 2, **changed}
    with pytest.raises(CalibrationError, match=message):
        Judge(**options, calibration=found)  # type: ignore[arg-type]  # settings by name


def test_a_stored_calibration_cannot_be_edited_to_fit_another_judge(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    found = calibration_of(Judge(FakeBackend(GRM), k=2).info)
    found.save(path)
    assert Calibrator.load(path) == found
    whole = path.read_text("utf-8")
    path.write_text(whole.replace("0.7", "0.9"), encoding="utf-8")
    with pytest.raises(InputError, match="was changed after it was written"):
        Calibrator.load(path)
    # As versions before the checksum wrote it.
    edited = json.loads(whole.replace('"k": 2', '"k": 4'))
    del edited["checksum"]
    path.write_text(json.dumps(edited), encoding="utf-8")
    with pytest.raises(InputError, match="fingerprint is not that of its judge"):
        Calibrator.load(path)


SUITE = """name: gated
data: {{samples: [{{query: q, responses: [long answer, short], ground_truth: [1, 0]}}]}}
judges: {{name: house, model: '{model}', k: {k}, calibration: {file}}}
requires: {requires}
"""


@pytest.mark.parametrize(
    ("requires", "k", "reason"),
    [
        pytest.param('{kappa: ">= 0.6", n: 200}', 2, "", id="allowed"),
        pytest.param('{kappa_low: "> 0.6"}', 2, "kappa_low is 0.6; the suite requires > 0.6",
                     id="not-good-enough"),
        pytest.param("{n: 201}", 2, "on 200 labelled items; the suite requires 201", id="few"),
        pytest.param('{ece: "<= 0.05"}', 2, "ece was not measured", id="not-measured"),
        pytest.param("{n: 1}", 3, "k was 2, is 3", id="another-judge"),
    ],
)  # fmt: skip
def test_a_suite_runs_only_with_a_judge_that_is_allowed(
    requires: str, k: int, reason: str, tmp_path: Path
) -> None:
    calibration_of(Judge(SAYS, k=2).info).save(tmp_path / "c.json")
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        SUITE.format(model=SAYS, k=k, file="c.json", requires=requires), encoding="utf-8"
    )
    done = deemster("run", str(suite), "--out", str(tmp_path / "run"))
    assert done.returncode == (3 if reason else 0), done.stderr
    assert reason in done.stderr
    assert (tmp_path / "run").exists() == (not reason)


def test_a_judge_without_a_calibration_is_not_allowed(tmp_path: Path) -> None:
    suite = tmp_path / "suite.yaml"
    text = SUITE.format(model=SAYS, k=2, file="c.json", requires="{n: 1}").replace(
        ", calibration: c.json", ""
    )
    suite.write_text(text, encoding="utf-8")
    done = deemster("run", str(suite), "--out", str(tmp_path / "run"))
    assert done.returncode == 3
    assert "'house' has no calibration" in done.stderr


def test_the_command_writes_a_calibration_and_a_diagram(tmp_path: Path) -> None:
    run = overconfident_run(tmp_path / "r", n=120)
    labels = tmp_path / "labels.csv"
    rows = [f"{i:03d},{rater},{'B' if i % 9 == 0 else 'A'}" for i in range(120) for rater in "xy"]
    labels.write_text("\n".join(["id,rater,label", *rows]), encoding="utf-8")
    out, picture = tmp_path / "c.json", tmp_path / "d.svg"
    done = deemster(
        "calibrate", str(run), "--labels", str(labels), "-o", str(out), "--diagram", str(picture)
    )
    assert done.returncode == 0, done.stderr
    assert "kappa, one rater    1.000" in done.stdout
    assert Calibrator.load(out).raters == 2
    assert picture.read_text(encoding="utf-8").startswith("<?xml")


def test_a_judge_made_of_others_shows_its_figures_and_takes_no_calibration(tmp_path: Path) -> None:
    run = overconfident_run(tmp_path / "r")
    (tmp_path / "items.jsonl").write_text('{"query": "q", "responses": ["a", "b"]}')
    with RunStore(tmp_path / "p", write=True) as store, RunStore(run) as old:
        (member,) = old.judges()
        store.set_judges([member.model_copy(update={"name": "p", "members": (member,)})])
        for i, (sample, verdict) in enumerate(old.verdicts(0)):
            store.add_samples([sample])
            store.put(0, i, verdict)
    assert "agreement" in deemster("calibrate", str(tmp_path / "p")).stdout
    refused = deemster("calibrate", str(tmp_path / "p"), "-o", str(tmp_path / "p.json"))
    assert "made of other judges, which take no calibration" in one_line(refused)
    assert not (tmp_path / "p.json").exists()
    (tmp_path / "suite.yaml").write_text(
        "name: s\ndata: {path: items.jsonl}\nrequires: {n: 10}\n"
        "judges: {name: p, type: panel, members: [{model: nano}, {model: 'fake:x'}]}\n"
    )
    done = deemster("run", str(tmp_path / "suite.yaml"), "--out", str(tmp_path / "out"))
    assert done.returncode == 3
    assert "of a type that takes no calibration" in done.stderr
