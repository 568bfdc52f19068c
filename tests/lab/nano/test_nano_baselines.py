"""The study's baselines at toy size, from the embedded model as base."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.tiny_nano import needs_model

from deemster.backends.nano import assets
from deemster.dialects.pairwise import PairwiseTokenProb
from deemster.errors import InputError
from deemster.training.baselines.cloud import critique_of
from deemster.training.prompts import training_messages
from lab.nano import baseline_votes, baselines
from lab.nano.baseline_drawer import DIALECT, PROMPT, Drawer, singles
from lab.nano.baseline_votes import index_logprobs, verdicts
from lab.nano.baselines import MODELS, draw_baselines, path_of
from lab.nano.data import prompt_text
from lab.nano.judging import Trajectory
from lab.nano.measure import pairs_or_more
from lab.nano.study import draw_study
from lab.study.__main__ import main as make_page
from lab.world import World

pytestmark = pytest.mark.timeout(900)  # processors differ tenfold

SIZES = {"items": 2, "samples": 2, "seeds": [1], "splits": ["numbers"]}


def with_base(out: Path) -> Path:
    """A run whose base model is the embedded one: a toy could not write what can be parsed."""
    shutil.copytree(assets() / "judge", out / "distil" / "model")
    return out


@needs_model
def test_all_baselines_from_the_base_to_the_page(tmp_path: Path) -> None:
    run, out, study = with_base(tmp_path / "run"), tmp_path / "out", tmp_path / "study"

    def draw() -> list[str]:
        lines: list[str] = []
        draw_baselines(
            run,
            out,
            study,
            train_items=4,
            models=MODELS,
            report=lines.append,
            **SIZES,  # type: ignore[arg-type]
        )
        return lines

    lines = draw()
    assert [line for line in lines if "training on" in line]
    paths = {name: path_of(study, name, "numbers", 1) for name in MODELS}
    assert {path.name for path in study.iterdir()} == {path.name for path in paths.values()}
    files = {name: dict(np.load(path)) for name, path in paths.items()}

    draw_study(run, tmp_path / "other", models=["base-cool"], report=lines.append, **SIZES)  # type: ignore[arg-type]
    of_study = dict(np.load(tmp_path / "other" / "base-cool-numbers-seed1.npz"))
    for arrays in files.values():
        for what in ("item", "best", "n", "domain"):
            assert arrays[what].tolist() == of_study[what].tolist()

    there = np.arange(4) < of_study["n"][:, None]
    for name in ("llm-judge", "llm-judge-tokenprob"):
        assert files[name]["scores"].shape == (2, 2, 4)
        assert files[name]["greedy"].shape == (2, 4)
        assert np.isnan(files[name]["scores"][~np.broadcast_to(there[:, None], (2, 2, 4))]).all()
    for name, votes in (("bt", 1), ("pair-rm", 1), ("cloud", 2)):
        assert files[name]["rewards"].shape == (2, votes, 4)
        where = np.broadcast_to(there[:, None], (2, votes, 4))
        assert (np.isfinite(files[name]["rewards"]) == where).all()
    wins = np.nansum(files["pair-rm"]["rewards"], axis=2)[:, 0]
    assert wins == pytest.approx(of_study["n"] * (of_study["n"] - 1) / 2, abs=1e-5)
    assert (np.isfinite(files["cloud"]["greedy"]) == there).all()

    assert draw() == []
    assert make_page([str(study)]) == 0


@needs_model
def test_both_ways_to_read_a_verdict() -> None:
    judge = Drawer.load(assets() / "judge")
    encoder = judge.encoder
    (sample,) = World(0).samples(1, n=3)
    order = (2, 0, 1)
    (prompt,) = encoder.prompts([prompt_text(sample, order)])

    def written(text: str) -> Trajectory:
        ids = (*encoder.plain([text])[0], encoder.eos)
        return Trajectory(sample, order, hinted=False, prompt=prompt, completion=ids, text=text,
                          scores=None)  # fmt: skip

    first = written("Analysis:\nResponse 1: 7\nBest: \\boxed{1}")
    every = [first, written("Best: \\boxed{5}"), written("nothing")]
    plain = verdicts(every, DIALECT, [()] * 3)
    assert plain[0].tolist()[:3] == [0, 0, 1]  # shown first is response 2
    assert np.isnan(plain[0, 3])
    assert np.isnan(plain[1:]).all()

    weighted = verdicts(every, PairwiseTokenProb(), index_logprobs(judge, every))
    assert np.isnan(weighted[1:]).all()
    ids = torch.tensor([[*prompt, *first.completion[:-3]]])
    digits = [token for (token,) in encoder.plain(["1", "2", "3"])]
    with torch.inference_mode():
        shares = judge.model(input_ids=ids).logits[0, -1, digits].softmax(-1)
    assert weighted[0].tolist()[:3] == pytest.approx([0, 0, shares[0].item()], abs=0.02)


@needs_model
def test_verdicts_are_drawn_in_balanced_orders() -> None:
    samples = pairs_or_more(World(0), 2, "fresh")
    drawer = Drawer.load(assets() / "judge")
    drawn = baseline_votes.draw_verdicts(drawer, samples, 2, seed=0)
    assert [one.sample.id for one in drawn] == [s.id for s in samples for _ in range(3)]
    assert drawn[0].order != drawn[1].order
    assert drawn[2].order == drawn[0].order  # the greedy one's


def test_prompts_are_those_of_the_judges() -> None:
    (sample,) = World(0).samples(1, n=2)
    (message,) = training_messages(sample, DIALECT, order=(1, 0), seed=0)
    assert message.text == prompt_text(sample, (1, 0))
    for single, i in singles([sample]):
        (message,) = critique_of(sample, i, "", template=PROMPT).messages
        assert message.text == prompt_text(single, (0,))
        assert single.ground_truth == (float(i == sample.best),)


def test_a_run_without_a_base_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no base model"):
        baselines.main(["--run", str(tmp_path), "--study", str(tmp_path / "study")])
