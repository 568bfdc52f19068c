"""A principle's other wordings: accepted only where held-out labels say they are better."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from tests.support.command_line import deemster, one_line

from deemster import Judge
from deemster.backends import FakeBackend, Request
from deemster.errors import InputError, ParseError
from deemster.principles import load_rubric
from deemster.schemas import Principle, Sample
from deemster.suites.metrics import Bootstrap
from deemster.suites.rewording import (
    held_out_gains,
    labelled_comparisons,
    reword,
    rewordable,
)

FEW = Bootstrap(resamples=200)
RUBRIC = [Principle(name="Facts", description="be right"), Principle(name="Tone", description="t")]
SAMPLES = [
    Sample(id=str(i), query=f"Question {i}", responses=("BAD", "GOOD"), ground_truth=(0, 1))
    for i in range(120)
]


def judge_that_reads(**skill: float) -> Judge:
    """A judge that is right as often as the wording in its prompt makes it."""

    def answer(request: Request, draw: int) -> str:
        text = request.messages[-1].text
        chance = next((p for words, p in skill.items() if f"in {words} terms" in text), 0.5)
        rng = np.random.default_rng(zlib.crc32(f"{text}{request.seeds[draw]}".encode()))
        good_first = text.index("GOOD") < text.index("BAD")
        return r"\boxed{9, 2}" if good_first == (rng.random() < chance) else r"\boxed{2, 9}"

    return Judge(FakeBackend(answer), principles=RUBRIC, k=1)


def writer(*wordings: str) -> FakeBackend:
    return FakeBackend(json.dumps({"wordings": [f"be right in {one} terms" for one in wordings]}))


@pytest.mark.parametrize(
    ("skill", "samples", "conclusion"),
    [
        pytest.param({"plain": 0.5, "sharp": 0.95}, SAMPLES, "accepted", id="better"),
        pytest.param({"plain": 0.5, "sharp": 0.5}, SAMPLES, "not better", id="as-good"),
        pytest.param({"plain": 0.1, "sharp": 0.1}, SAMPLES, "not better", id="worse"),
    ],
)
async def test_a_wording_is_accepted_only_if_it_is_better(
    skill: dict[str, float], samples: list[Sample], conclusion: str
) -> None:
    judge = judge_that_reads(**skill)
    found = await reword(judge, samples, "facts", writer(*skill), n=2, bootstrap=FEW)
    assert found.conclusion == conclusion
    assert found.votes == 3 * len(samples)
    described = found.principles[0].description
    assert described == ("be right in sharp terms" if conclusion == "accepted" else "be right")
    assert found.principles[1].description == "t"
    assert found.wordings[0].gain is None
    assert (found.held_out.value or 0) > 0.2 or conclusion != "accepted"


async def test_few_labels_cannot_show_a_gain() -> None:
    # Right by its own wording on all but a few: no test can find the difference.
    judge = judge_that_reads(sharp=1.0)
    ahead = [s for s in SAMPLES if (await judge.score(s.query, s.responses)).best == 1]
    judge.seed = -1 + judge.seed  # `reword` asks with the next seed: the one just used
    behind = [one for one in SAMPLES if one not in ahead][:4]
    found = await reword(judge, [*ahead[:30], *behind], "Facts", writer("sharp"), bootstrap=FEW)
    assert (found.conclusion, found.best) == ("too few labels", 1)
    assert found.principles[0].description == "be right"


async def test_a_judge_that_failed_says_nothing_about_a_wording() -> None:
    def answer(request: Request, draw: int) -> str:
        text = request.messages[-1].text
        number = next(i for i in range(120) if f"Question {119 - i}" in text)
        if "in sharp terms" not in text and number < 50:
            return "no scores"
        return r"\boxed{9, 2}" if draw + len(text) % 2 else r"\boxed{2, 9}"

    judge = Judge(FakeBackend(answer), principles=RUBRIC, k=1)
    found = await reword(judge, SAMPLES, "Facts", writer("sharp"), n=1, bootstrap=FEW)
    assert (found.n, found.unscored) == (70, 50)
    assert judge.seed == 0
    with pytest.raises(InputError, match="only 0 of 40 comparisons were scored by every wording"):
        await reword(judge, SAMPLES[80:], "Facts", writer("sharp"), n=1, bootstrap=FEW)


def test_the_best_of_many_equal_wordings_gains_nothing_on_held_out_items() -> None:
    rng = np.random.default_rng(0)
    gained, best = [], []
    for seed in range(60):
        table = (rng.random((60, 6)) < 0.6).astype(float)
        gained.append(held_out_gains(table, seed=seed).mean())
        best.append(table.mean(axis=0).max() - table[:, 0].mean())
    assert np.mean(best) > 0.05  # what choosing and counting on the same items would claim
    assert abs(np.mean(gained)) < 0.02


@pytest.mark.parametrize(
    ("text", "match"),
    [
        pytest.param("none", "no JSON object of wordings", id="prose"),
        pytest.param('{"wordings": []}', "no other wording", id="none"),
        pytest.param('{"wordings": ["be right"]}', "no other wording", id="the-same"),
        pytest.param('{"wordings": [7]}', "wordings", id="a-number"),
    ],
)
async def test_what_is_no_wording_is_refused(text: str, match: str) -> None:
    with pytest.raises(ParseError, match=match):
        await reword(judge_that_reads(), SAMPLES, "Facts", FakeBackend(text))


async def test_what_cannot_be_tried_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(InputError, match="no fixed principles"):
        rewordable(Judge(FakeBackend("x")))
    with pytest.raises(InputError, match="19 labelled comparisons of 19"):
        labelled_comparisons(SAMPLES[:19])
    asked = writer("sharp")
    with pytest.raises(InputError, match="no principle 'Fact'; the judge has: 'Facts', 'Tone'"):
        await reword(judge_that_reads(), SAMPLES, "Fact", asked)
    assert not asked.requests


def test_on_the_command_line(tmp_path: Path) -> None:
    rows = [one.model_dump_json(include={"id", "query", "responses"}) for one in SAMPLES[:20]]
    data = [json.loads(row) | {"label": "B"} for row in rows]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, data)))
    (tmp_path / "suite.yaml").write_text(
        "name: s\ndata: {path: items.jsonl}\n"
        r"judges: {name: j, model: 'fake:\boxed{5, 5}', dialect: grm, "
        "principles: [{name: Facts, description: be right}]}\n"
    )
    suite = str(tmp_path / "suite.yaml")
    model = ["--model", 'fake:{"wordings": ["name each error"]}']
    dry = deemster("principles", "reword", suite, "Facts", *model, "--n", "1", "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "")
    assert "at most 40 votes" in dry.stderr
    out = tmp_path / "new.yaml"
    done = deemster("principles", "reword", suite, "Facts", *model, "--n", "1", "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert "not better" in done.stdout
    assert not out.exists()
    wrong = deemster("principles", "reword", suite, "Facts", *model, "--judge", "k")
    assert "give one of: j" in one_line(wrong)


def test_an_accepted_rubric_can_be_given_to_a_judge(tmp_path: Path) -> None:
    from deemster.cli.reword import _write
    from deemster.suites.metrics import Estimate
    from deemster.suites.rewording import Rewording

    none = Estimate(value=None, low=None, high=None, n=0)
    found = Rewording(
        judge="j", principle="Facts", n=20, unscored=0, votes=20, wordings=(), best=1,
        held_out=none, p_value=0.01, conclusion="accepted", principles=tuple(RUBRIC),
    )  # fmt: skip
    _write(found, tmp_path / "new.yaml")
    assert load_rubric(tmp_path / "new.yaml").principles == tuple(RUBRIC)
