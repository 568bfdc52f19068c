"""The embedded model's loops at toy size: they learn, agree with transformers, and resume."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from deemster.dialects.nano import Nano
from deemster.judges.case import Case
from deemster.judges.meta_hf import meta_text
from deemster.schemas import Judgment, Sample
from deemster.training.stage import StageError
from lab.nano import meta as meta_rm
from lab.nano import supervised
from lab.nano.batching import IGNORED, Example, batches, pad
from lab.nano.checkpoint import Checkpoint
from lab.nano.data import Encoder, prompt_text, teacher_pairs
from lab.nano.judging import Trajectory, balanced_orders, judge, read_scores
from lab.nano.measure import accuracies, draw_votes
from lab.nano.model import load_judge, new_model, save_judge
from lab.nano.rl import group_advantages
from lab.nano.sampler import Sampler
from lab.nano.settings import DistilSettings, MetaSettings, ModelSettings
from lab.nano.tokenizer import train_tokenizer
from lab.world import World

pytestmark = pytest.mark.timeout(900)  # processors differ tenfold

TOY = ModelSettings(hidden=32, feed_forward=64, layers=2, heads=2, kv_heads=1)


@pytest.fixture(scope="module")
def toy() -> tuple[Any, Any, list[tuple[str, str]]]:
    pairs = teacher_pairs(World(0).items(120), DistilSettings(), random.Random(0))
    tokenizer = train_tokenizer((f"{a}\n{b}" for a, b in pairs), vocabulary=400)
    torch.manual_seed(0)
    return new_model(TOY, tokenizer).eval(), tokenizer, pairs


def test_prompts_are_those_of_the_dialect() -> None:
    dialect = Nano()
    for sample in World(5).samples(60, split="templates"):
        n = len(sample.responses)
        order = tuple(reversed(range(n)))
        case = Case(query=sample.query, responses=sample.responses)
        shown = dialect.render(case.view(order, scale=dialect.scale_for(n), seed=0))
        assert [message.text for message in shown] == [prompt_text(sample, order)]


def test_the_meta_rm_reads_what_every_meta_rm_reads() -> None:
    for sample in World(6).samples(20):
        order = tuple(reversed(range(len(sample.responses))))
        one = Trajectory(sample, order, False, (), (), "Scores: 1", None)
        judgment = Judgment(
            scores=tuple(5.0 for _ in order), order=order, raw=one.text, scale=Nano.scale
        )
        assert meta_rm.meta_prompt(one) == meta_text(sample.query, sample.responses, judgment)


def test_tokens_spell_every_digit_and_round_trip(toy: Any) -> None:
    _, tokenizer, pairs = toy
    encoder = Encoder(tokenizer)
    assert encoder.texts(encoder.plain([text for _, text in pairs])) == [text for _, text in pairs]
    assert tokenizer.convert_ids_to_tokens(encoder.plain(["a 123"])[0])[-3:] == ["Ġ1", "2", "3"]
    odd = "naïve 日本 🙂 \\boxed{1}\n"
    assert encoder.texts(encoder.plain([odd])) == [odd]
    assert tokenizer.convert_tokens_to_ids("<|judge|>") not in encoder.plain(["x <judge> y"])[0]


def test_the_sampler_agrees_with_transformers(toy: Any) -> None:
    model, tokenizer, pairs = toy
    encoder = Encoder(tokenizer)
    prompts = encoder.prompts([prompt for prompt, _ in pairs[:9]])
    sampler = Sampler(model, eos=-1, pad=encoder.pad, max_tokens=90, rows=8, exact=True)
    drawn = sampler.sample(prompts, each=2, temperature=0, generator=torch.Generator())
    for prompt, (one, two) in zip(prompts, drawn, strict=True):
        wanted = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=90,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=encoder.pad,
        )[0, len(prompt) :].tolist()
        assert one == two == wanted


def test_the_sampler_draws_from_the_models_distribution(toy: Any) -> None:
    model, tokenizer, pairs = toy
    encoder = Encoder(tokenizer)
    (prompt,) = encoder.prompts([pairs[0][0]])
    sampler = Sampler(model, eos=encoder.eos, pad=encoder.pad, max_tokens=1, exact=True)
    generator = torch.Generator().manual_seed(0)
    (drawn,) = sampler.sample([prompt], each=20_000, temperature=0.7, generator=generator)
    found = torch.bincount(torch.tensor([ids[0] for ids in drawn]), minlength=len(tokenizer))
    with torch.no_grad():
        wanted = (model(torch.tensor([prompt])).logits[0, -1] / 0.7).softmax(-1)
    assert (found / 20_000 - wanted).abs().max() < 0.01


def test_batches_hold_everything_once_within_the_limit() -> None:
    rng = random.Random(0)
    examples = [Example((1,) * rng.randint(1, 40), (2,) * rng.randint(1, 40)) for _ in range(300)]
    made = list(batches(examples, tokens=256, rng=rng))
    assert sorted(map(len, (e for batch in made for e in batch))) == sorted(map(len, examples))
    assert all(max(map(len, batch)) * len(batch) <= 256 for batch in made)


def test_labels_are_the_completion_alone() -> None:
    padded = pad([Example((5, 6), (7, 8)), Example((5,), (9,))], pad_id=0)
    assert padded.ids.tolist() == [[5, 6, 7, 8], [5, 9, 0, 0]]
    assert padded.labels.tolist() == [
        [IGNORED, 7, 8, IGNORED],
        [9, IGNORED, IGNORED, IGNORED],
    ]


def _train(model: Any, steps: list[list[Example]], pad_id: int, path: Path) -> list[float]:
    losses: list[float] = []
    supervised.train(
        model,
        steps,
        lr=3e-3,
        pad_id=pad_id,
        checkpoint=Checkpoint(path, seconds=0),
        log=lambda figures: losses.append(figures["loss"]),
    )
    return losses


def test_supervised_training_learns_and_goes_on_where_it_was_killed(
    toy: Any, tmp_path: Path
) -> None:
    _, tokenizer, pairs = toy
    encoder = Encoder(tokenizer)
    steps = supervised.plan(encoder.examples(pairs[:40]), epochs=10, tokens=2048, seed=0)
    torch.manual_seed(0)
    whole = new_model(TOY, tokenizer)
    losses = _train(whole, steps, encoder.pad, tmp_path / "whole.pt")
    assert losses[-1] < 0.8 * losses[0]

    torch.manual_seed(0)
    killed = new_model(TOY, tokenizer)

    class Kill(BaseException):
        pass

    def stop(_: dict[str, float]) -> None:
        raise Kill

    with pytest.raises(Kill):
        supervised.train(
            killed,
            steps,
            lr=3e-3,
            pad_id=encoder.pad,
            checkpoint=Checkpoint(tmp_path / "killed.pt", seconds=0),
            log=stop,
        )
    again = new_model(TOY, tokenizer)
    _train(again, steps, encoder.pad, tmp_path / "killed.pt")
    for one, two in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-4)


def test_a_loss_that_is_no_number_ends_training(toy: Any, tmp_path: Path) -> None:
    _, tokenizer, pairs = toy
    encoder = Encoder(tokenizer)
    model = new_model(TOY, tokenizer)
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    steps = [encoder.examples(pairs[:2])]
    with pytest.raises(StageError, match="loss is nan at step 1"):
        _train(model, steps, encoder.pad, tmp_path / "c.pt")


def test_advantages_are_deviations_in_groups_of_two_minds() -> None:
    rewards = torch.tensor([[1.0, 1, 1, 1], [1, -1, -1, -1], [-1, -1, -1, -1]])
    advantages, mixed = group_advantages(rewards)
    assert mixed == pytest.approx(1 / 3)
    assert advantages[:4].tolist() == [0] * 4
    assert advantages[8:].tolist() == [0] * 4
    assert advantages[4:8].tolist() == pytest.approx([1.5, -0.5, -0.5, -0.5])


def test_orders_are_balanced() -> None:
    for n in (1, 2, 3, 4):
        orders = balanced_orders(n, 32, random.Random(n))
        assert len(orders) == n
        for place in range(n):
            assert sorted(order[place] for order in orders) == list(range(n))


def test_scores_come_back_in_the_samples_order() -> None:
    assert read_scores("Scores: \\boxed{9, 2, 4}", (2, 0, 1)) == (2, 4, 9)
    assert read_scores("Scores: \\boxed{9, 2}", (2, 0, 1)) is None
    assert read_scores("no", (0,)) is None


def test_votes_keep_what_failed_as_missing(toy: Any) -> None:
    model, tokenizer, _ = toy
    encoder = Encoder(tokenizer)
    sampler = Sampler(model, eos=encoder.eos, pad=encoder.pad, max_tokens=5)
    samples = [s for s in World(3).samples(12) if len(s.responses) > 1]
    votes = draw_votes(sampler, encoder, samples, k=4, temperature=1.0, seed=0)
    figures = accuracies(votes)
    assert figures == {"greedy": 0, "k=1": 0, "vote@4": 0, "unparsed": 1}


def test_the_meta_rm_learns_to_tell_right_from_wrong(toy: Any, tmp_path: Path) -> None:
    _, tokenizer, _ = toy
    torch.manual_seed(0)
    judge_model = new_model(TOY, tokenizer)
    encoder = Encoder(tokenizer)

    def one(sample: Sample, *, right: bool) -> Trajectory:
        order = tuple(range(len(sample.responses)))
        scores = [9.0 if (i == sample.best) == right else 1.0 for i in order]
        mark = "careful" if right else "hasty"
        return Trajectory(sample, order, False, (), (), mark, tuple(scores))

    samples = World(4).samples(60, n=2)
    known = [one(sample, right=right) for sample in samples for right in (True, False)]
    assert [t.correct for t in known[:2]] == [True, False]
    scorer = meta_rm.new_meta(judge_model)
    losses: list[float] = []
    meta_rm.train(
        scorer,
        known,
        encoder,
        MetaSettings(epochs=12, batch_tokens=1024, lr=3e-3),
        seed=0,
        checkpoint=Checkpoint(tmp_path / "c.pt"),
        log=lambda figures: losses.append(figures["loss"]),
    )
    found = meta_rm.quality(known, meta_rm.rate(scorer, known, encoder))
    assert found.within is not None
    assert found.within > 0.95
    with pytest.raises(ValueError, match="nothing to tell apart"):
        meta_rm.train(
            scorer, known[::2], encoder, MetaSettings(), seed=0,
            checkpoint=Checkpoint(tmp_path / "d.pt"), log=lambda _: None,
        )  # fmt: skip


def test_saved_in_half_precision_it_judges_the_same(toy: Any, tmp_path: Path) -> None:
    model, tokenizer, _ = toy
    save_judge(tmp_path / "m", model, tokenizer, half=True)
    again, tokens = load_judge(tmp_path / "m")
    encoder = Encoder(tokens)
    tasks = [(sample, (0, 1)) for sample in World(3).samples(4, n=2)]
    texts = [
        [
            one.text
            for one in judge(
                Sampler(m.eval(), eos=encoder.eos, pad=encoder.pad, max_tokens=30),
                encoder,
                tasks,
                temperature=0,
                generator=torch.Generator(),
            )
        ]
        for m in (model, again)
    ]
    assert texts[0] == texts[1]
