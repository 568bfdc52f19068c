"""RL with TRL's GRPOTrainer, at toy size; the reward on known texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.tiny_model import chat_tokenizer, save_tiny_model
from tests.support.tiny_trainers import FAST, NANO, save_base, sft, single, verdict

from deemster import Judge
from deemster.backends import FakeBackend
from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.judges import Case
from deemster.schemas import Message, Sample, as_query
from deemster.training.checkpoints import is_complete
from deemster.training.grpo import filter_by_difficulty, grpo_rows, shuffled_rows, train_grpo
from deemster.training.grpo_trainer import JudgeGRPOTrainer, reward_function
from deemster.training.modeling import prompt_encoder
from deemster.training.monitor import TrainingCollapsedError
from deemster.training.reward import reward_text
from deemster.training.rollouts import Rollout
from deemster.training.settings import (
    CollapseSettings,
    GrpoSettings,
    LoraSettings,
    VllmSettings,
)
from deemster.training.sft import train_sft

SAMPLES = [single(i) for i in range(8)]
PAIR = Sample(id="p", query="Which?", responses=["a", "b"], ground_truth=(0, 1))
TRIPLE = Sample(id="t", query="Which?", responses=["a", "b", "c"], ground_truth=(0.5, 2, 1))


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Knows the layout, and says 0 or 1 as if by the toss of a coin."""
    folder = tmp_path_factory.mktemp("policy")
    base = save_base(folder / "base")
    examples = [verdict(sample, score) for sample in SAMPLES for score in ("0", "1")]
    train_sft(examples, model=base, out=folder, settings=sft(max_steps=60, batch_size=16))
    return folder / "model"


def grpo(**more: Any) -> GrpoSettings:
    given = {"learning_rate": 3e-3, "max_steps": 12, "max_completion_length": 24}
    return GrpoSettings(**{**FAST, **given, **more})


@pytest.mark.parametrize(
    ("text", "order", "truth", "reward", "correct"),
    [
        ("Scores: \\boxed{8, 2}", (0, 1), (1, 0), 1, True),
        ("Scores: \\boxed{8, 2}", (1, 0), (1, 0), -1, False),
        ("Scores: \\boxed{2, 8, 3}", (0, 1, 2), (0.5, 2, 1), 1, True),
        ("Scores: \\boxed{8, 2, 3}", (1, 2, 0), (0.5, 2, 1), 1, True),
        ("Scores: \\boxed{5, 5}", (0, 1), (1, 0), -1, False),
        ("Scores: \\boxed{1}", (0,), (1,), 1, True),
        ("Scores: \\boxed{1}", (0,), (0,), -1, False),
        ("Scores: \\boxed{8}", (0,), (1,), -1, None),
        ("Scores: \\boxed{8, 2, 1}", (0, 1), (1, 0), -1, None),
        ("Scores: \\boxed{8, 2} or \\boxed{2, 8}", (0, 1), (1, 0), -1, None),
        ("Both are good.", (0, 1), (1, 0), -1, None),
        ("", (0, 1), (1, 0), -1, None),
    ],
    ids=[
        "right", "wrong", "three", "shuffled", "tie", "single", "single-wrong",
        "off-scale", "too-many", "two-verdicts", "no-verdict", "empty",
    ],
)  # fmt: skip
def test_the_reward_of_known_texts(
    text: str,
    order: tuple[int, ...],
    truth: tuple[float, ...],
    reward: float,
    correct: bool | None,
) -> None:
    assert reward_text(text, dialect=NANO, order=order, ground_truth=truth) == (reward, correct)


def test_the_reward_function_as_trl_calls_it() -> None:
    logged: dict[str, float] = {}
    rewards = reward_function(NANO)(
        prompts=["p"] * 4,
        completions=[
            [{"role": "assistant", "content": "Scores: \\boxed{9, 1}"}],
            [{"role": "assistant", "content": "Scores: \\boxed{1, 9}"}],
            [{"role": "assistant", "content": None}],
            "Scores: \\boxed{9, 1}",
        ],
        order=[[0, 1]] * 3 + [[1, 0]],
        ground_truth=[[1.0, 0.0]] * 4,
        log_metric=lambda name, value: logged.update({name: value}),
        trainer_state=None,
    )
    assert rewards == [1, -1, -1, -1]
    assert logged == {"accuracy": 0.25, "parse_failures": 0.25}


def test_rows_are_what_a_judge_sends_in_a_new_order_each_epoch() -> None:
    dialect = open_dialect("grm")
    judge = Judge(FakeBackend(lambda *_: ""), k=32, orders="random")
    case = Case.of(TRIPLE.query, TRIPLE.responses)
    sent = {order: request.messages for request, order, _ in judge.requests(case)}
    rows = shuffled_rows([TRIPLE], dialect, epochs=32, seed=5)
    for row in rows:
        messages = tuple(Message.model_validate(turn) for turn in row["prompt"])
        assert messages == sent[tuple(row["order"])]
        assert row["ground_truth"] == [0.5, 2, 1]
    assert {tuple(row["order"]) for row in rows} == sent.keys()
    assert rows == shuffled_rows([TRIPLE], dialect, epochs=32, seed=5)
    assert rows != shuffled_rows([TRIPLE], dialect, epochs=32, seed=6)


def test_there_are_rows_for_every_step() -> None:
    assert len(grpo_rows(SAMPLES, NANO, grpo(max_steps=None, epochs=3))) == 24
    assert len(grpo_rows(SAMPLES, NANO, grpo(max_steps=12))) >= 12 * 2  # prompts a step


@pytest.mark.parametrize(
    ("items", "more", "steps"),
    [
        (4, {"epochs": 1}, 2),
        (4, {"epochs": 3}, 6),
        (4, {"epochs": 3, "max_steps": 4}, 4),
        (4, {"epochs": 2, "iterations": 2}, 8),
        (1, {"epochs": 1}, 1),
        (1, {"epochs": 4}, 2),
    ],
    ids=["one", "three", "by-steps", "iterations", "fewer-than-a-step", "one-item-often"],
)
def test_an_epoch_is_one_pass_over_the_items(
    tmp_path: Path, items: int, more: dict[str, int], steps: int
) -> None:
    """Two items a step; where there are fewer, as many passes as a step takes."""
    settings = grpo(**{"max_steps": None, "max_completion_length": 2, **more})
    figures = train_grpo(
        SAMPLES[:items], model=save_base(tmp_path / "base"), dialect=NANO, out=tmp_path,
        settings=settings,
    )  # fmt: skip
    assert figures["steps"] == steps


def rollouts(name: str, outcomes: Sequence[bool | None], *, hinted: bool = False) -> list[Rollout]:
    messages = as_query("prompt")
    return [
        Rollout(
            sample_id=name,
            order=(0,),
            messages=messages,
            completion="",
            scores=None,
            correct=correct,
            hinted=hinted,
        )
        for correct in outcomes
    ]


def test_items_without_spread_are_left_out() -> None:
    earlier = [
        *rollouts("s0", [True, True, True]),
        *rollouts("s1", [False, False, False]),
        *rollouts("s2", [True, False, True]),
        *rollouts("s3", [None, None]),
        *rollouts("s4", [True, True], hinted=True),
    ]
    found = filter_by_difficulty(SAMPLES, earlier)
    assert found.too_easy == ["s0"]
    assert found.too_hard == ["s1"]
    assert [sample.id for sample in found.kept] == ["s2", "s3", "s4", "s5", "s6", "s7"]
    assert len(filter_by_difficulty(SAMPLES, earlier, drop_too_hard=False).kept) == 7
    assert len(filter_by_difficulty(SAMPLES, earlier, drop_too_easy=False).kept) == 7


def test_control_tokens_of_candidates_stay_text_in_rollouts() -> None:
    tokenizer = chat_tokenizer()
    trainer = object.__new__(JudgeGRPOTrainer)
    trainer._encode = prompt_encoder(tokenizer)
    ids, images, more = trainer._tokenize_prompts(
        [[{"role": "user", "content": "It says <|im_end|> here"}]]
    )
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert ids[0].count(end) == 1  # the template's own
    assert (images, more) == (None, {})


def test_rewards_rise_and_the_run_ends_when_all_are_right(policy: Path, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    settings = grpo(beta=0.01, max_steps=40, collapse=CollapseSettings(patience=2))
    figures = train_grpo(
        SAMPLES,
        rollouts("s0", [True] * 3),
        model=policy,
        dialect=NANO,
        out=tmp_path,
        settings=settings,
        log=lambda **step: seen.append(step),
    )
    assert (figures["items"], figures["too_easy"]) == (7, 1)
    assert figures["stopped"] == "every reward is +1 for 2 steps"
    assert figures["steps"] == len(seen) < 40
    assert seen[0]["reward"] < 0.8
    assert seen[0]["kl"] == pytest.approx(0, abs=1e-4)  # the reference is where it started
    assert max(step["kl"] for step in seen) > 0.01
    judge = Judge(f"hf:{tmp_path / 'model'}", dialect="nano", max_tokens=24, device="cpu")
    assert judge.score_sync(SAMPLES[1].query, SAMPLES[1].responses).rewards == (1,)


def test_a_collapsed_run_keeps_its_last_good_checkpoint(policy: Path, tmp_path: Path) -> None:
    settings = grpo(
        learning_rate=0.5, save_steps=1, max_steps=30, collapse=CollapseSettings(patience=4)
    )
    with pytest.raises(TrainingCollapsedError) as caught:
        train_grpo(SAMPLES, model=policy, dialect=NANO, out=tmp_path, settings=settings)
    error = caught.value
    assert "unparseable for 4 steps" in error.reason
    assert error.last_good is not None
    assert is_complete(error.last_good)
    assert str(error.last_good) in str(error)
    steps = [int(path.name.split("-")[1]) for path in (tmp_path / "checkpoints").glob("*-*")]
    assert max(steps) == int(error.last_good.name.split("-")[1]) == error.step - 4
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("lora", "steps"),
    [pytest.param(None, 2, id="full"), pytest.param(LoraSettings(rank=2), 1, id="lora")],
)
def test_json_is_drawn_under_its_grammar(
    lora: LoraSettings | None, steps: int, tmp_path: Path
) -> None:
    """A model of random weights writes what parses, as it does when it judges."""
    base = save_tiny_model(tmp_path / "base", hidden=32)
    seen: list[dict[str, Any]] = []
    train_grpo(
        [*SAMPLES[:2], PAIR],
        model=base,
        dialect=open_dialect("json"),
        out=tmp_path,
        settings=grpo(max_steps=steps, max_length=4096, max_completion_length=160, lora=lora),
        log=lambda **step: seen.append(step),
    )
    assert [step["parse_failures"] for step in seen] == [0] * steps


def test_vllm_draws_no_json(policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deemster.training.grpo.need_package", lambda *_, **__: None)
    with pytest.raises(InputError, match="dialect 'json' is drawn under a grammar, which vllm"):
        train_grpo(SAMPLES, model=policy, dialect=open_dialect("json"), out=tmp_path,
                   settings=grpo(vllm=VllmSettings()))  # fmt: skip


def test_adapters_need_no_second_model(policy: Path, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    figures = train_grpo(
        SAMPLES,
        model=policy,
        dialect=NANO,
        out=tmp_path,
        settings=grpo(max_steps=2, learning_rate=1e-2, lora=LoraSettings(rank=2)),
        log=lambda **step: seen.append(step),
    )
    assert figures["steps"] == 2
    assert seen[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert (tmp_path / "model" / "model.safetensors").exists()


def test_a_resumed_run_ends_in_the_same_weights(policy: Path, tmp_path: Path) -> None:
    settings = grpo(max_steps=3, save_steps=2, iterations=2, micro_batch_size=4)

    def run(*, resume: bool) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        figures = train_grpo(
            SAMPLES, model=policy, dialect=NANO, out=tmp_path, settings=settings, resume=resume
        )
        return figures, load_file(tmp_path / "model" / "model.safetensors")

    (first, straight), (second, resumed) = run(resume=False), run(resume=True)
    assert (first["steps"], second["steps"], second["resumed_from"]) == (3, 3, 2)
    assert all(straight[name].equal(resumed[name]) for name in straight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_completion_length": 250}, "no item is left of 8: 0 too easy, 0 too hard, 8 too lon"),
        (
            {"vllm": VllmSettings()},
            "drawing by vLLM needs vllm: pip install vllm, or leave",
        ),
    ],
    ids=["too-long", "vllm"],
)
def test_settings_that_leave_nothing_to_do(
    policy: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train_grpo(SAMPLES, model=policy, dialect=NANO, out=tmp_path, settings=grpo(**change))


def test_items_need_a_single_best_response(policy: Path, tmp_path: Path) -> None:
    tied = Sample(id="tied", query="q", responses=["a", "b"], ground_truth=(1, 1))
    with pytest.raises(InputError, match=r"sample 'tied': .* 2 maxima"):
        train_grpo([tied], model=policy, dialect=NANO, out=tmp_path, settings=grpo())
