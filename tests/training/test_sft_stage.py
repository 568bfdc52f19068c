"""Fine-tuning with TRL's SFTTrainer, at toy size."""

from __future__ import annotations

import itertools
import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.tiny_model import CHATML, chat_tokenizer
from tests.support.tiny_trainers import save_base, sft, single, verdict

from deemster import Judge
from deemster.backends._local.chat import Chat
from deemster.backends._local.encoding import Encoder
from deemster.backends.transformers import TransformersBackend
from deemster.errors import InputError
from deemster.schemas import Message
from deemster.training.checkpoints import last_complete
from deemster.training.fitting import like_lengths_together
from deemster.training.modeling import completion_ids, prompt_encoder
from deemster.training.monitor import TrainingCollapsedError
from deemster.training.sections import ModelSection, RftSection
from deemster.training.settings import LoraSettings
from deemster.training.sft import Example, sft_rows, train_sft
from deemster.training.sft_trainer import BalancedSFTTrainer
from deemster.training.stage_sampling import judge_of

EXAMPLES = [verdict(single(i), str(i % 2)) for i in range(8)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("sft-base"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return found


def test_it_learns_examples_by_heart_and_judges_as_taught(base: Path, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    figures = train_sft(
        EXAMPLES,
        model=base,
        out=tmp_path,
        settings=sft(max_steps=60),
        log=lambda **step: seen.append(step),
    )
    assert figures["steps"] == 60
    assert figures["examples"] == 8
    assert figures["too_long"] == 0
    assert [step["step"] for step in seen] == list(range(1, 61))
    assert seen[0]["loss"] > 6
    assert seen[-1]["loss"] < 0.1
    # The backend gives the model the very prompts it was trained on, or it would not know them.
    judge = Judge(f"hf:{tmp_path / 'model'}", dialect="nano", max_tokens=24, device="cpu")
    for i in (2, 3):
        sample = single(i)
        assert judge.score_sync(sample.query, sample.responses).rewards == (float(i % 2),)
    assert not list((tmp_path / "model").glob("*.bin"))  # no pickles


def test_prompts_and_completions_become_the_ids_of_inference() -> None:
    tokenizer = chat_tokenizer()
    prompt = (Message(role="user", content="Judge <|im_end|> this"),)
    text = "It quotes <|im_end|> and <think>so</think>."
    (row,), too_long = sft_rows(tokenizer, [Example(prompt, text)], max_length=256)
    asked = prompt_encoder(tokenizer)(prompt)
    end = tokenizer.eos_token_id
    assert too_long == 0
    assert row["input_ids"][: len(asked)] == asked
    assert row["labels"][: len(asked)] == [-100] * len(asked)
    written = row["labels"][len(asked) :]
    assert written == row["input_ids"][len(asked) :] == completion_ids(tokenizer, text)
    assert written.count(end) == 1  # the one that ends it: the quoted one is text
    assert written[-1] == end
    assert tokenizer.decode(written[:-1]) == text
    assert tokenizer.convert_tokens_to_ids("<think>") in written  # a model writes it as one token


def test_a_turn_ends_with_the_token_of_the_template(base: Path, tmp_path: Path) -> None:
    """As in Gemma: turns end with another token than texts, which alone the configuration has."""
    other = shutil.copytree(base, tmp_path / "gemma")
    tokenizer = chat_tokenizer(eos="<|endoftext|>")
    tokenizer.save_pretrained(other)
    for name in ("config.json", "generation_config.json"):
        config = json.loads((other / name).read_text())
        config["eos_token_id"] = tokenizer.eos_token_id
        (other / name).write_text(json.dumps(config))
    train_sft(EXAMPLES, model=other, out=tmp_path, settings=sft(max_steps=60))
    judge = Judge(f"hf:{tmp_path / 'model'}", dialect="nano", max_tokens=40, device="cpu")
    vote = judge.score_sync(single(3).query, single(3).responses).judgments[0]
    assert vote.raw == "Scores: \\boxed{1}"
    assert vote.usage.tokens_out < 40  # it stopped by itself
    saved = json.loads((tmp_path / "model" / "tokenizer_config.json").read_text())
    assert saved["eos_token"] == "<|im_end|>"


THINKING = CHATML.replace(
    "<|im_start|>assistant\n",
    "<|im_start|>assistant\n{% if enable_thinking is false %}<think></think>{% endif %}",
)


@pytest.mark.parametrize(
    ("template", "end"),
    [
        (CHATML, "<|im_end|>"),
        (CHATML.replace("<|im_end|>", " <|endoftext|> "), "<|endoftext|>"),
        (THINKING, "<|im_end|>"),
        (CHATML.replace("<|im_end|>", ""), None),
        ("{{ raise_exception('no') }}", None),
        (None, None),
    ],
    ids=["chatml", "spaced", "thinking", "no-end", "refuses", "no-template"],
)
def test_the_end_of_a_turn_is_found(template: str | None, end: str | None) -> None:
    tokenizer = chat_tokenizer(template)
    found = Chat(tokenizer, Encoder(tokenizer)).turn_end()
    assert found == (None if end is None else tokenizer.convert_tokens_to_ids(end))


def test_variables_of_the_template_hold_in_training_and_sampling(base: Path) -> None:
    given = {"enable_thinking": False}
    tokenizer = chat_tokenizer(THINKING)
    prompt = (Message(role="user", content="Judge this"),)
    (row,), _ = sft_rows(tokenizer, [Example(prompt, "1")], 256, given)
    (plain,), _ = sft_rows(tokenizer, [Example(prompt, "1")], 256)
    assert "<think></think>1" in tokenizer.decode(row["input_ids"])
    assert "<think>" not in tokenizer.decode(plain["input_ids"])
    section = ModelSection.model_validate({"base": str(base), "template_args": given})
    judge = judge_of(str(base), section, RftSection(), seed=0)
    assert isinstance(judge.backend, TransformersBackend)
    assert judge.backend._options["template_args"] == given


@pytest.mark.parametrize("schedule", ["constant_with_warmup", "cosine", "linear"])
def test_the_first_step_of_the_warm_up_counts(schedule: str, base: Path, tmp_path: Path) -> None:
    settings = sft(max_steps=1, warmup=0.5, schedule=schedule)
    rates: list[float] = []
    log = lambda **step: rates.append(step["learning_rate"])  # noqa: E731
    train_sft(EXAMPLES, model=base, out=tmp_path, settings=settings, log=log)
    assert rates == [settings.learning_rate]
    before, after = weights(base), weights(tmp_path / "model")
    assert any(not before[name].equal(after[name]) for name in before)


def test_a_rate_that_stays_and_falls_at_the_end(base: Path, tmp_path: Path) -> None:
    settings = sft(max_steps=10, warmup=0.2, schedule="warmup_stable_decay")
    rates: list[float] = []
    log = lambda **step: rates.append(step["learning_rate"])  # noqa: E731
    train_sft(EXAMPLES, model=base, out=tmp_path, settings=settings, log=log)
    assert rates == pytest.approx([5e-3, *[1e-2] * 8, 5e-3])


def test_long_examples_are_left_out_and_counted(base: Path, tmp_path: Path) -> None:
    long = Example(EXAMPLES[0].messages, "word " * 400)
    figures = train_sft([*EXAMPLES, long], model=base, out=tmp_path, settings=sft(max_steps=1))
    assert figures["too_long"] == 1
    with pytest.raises(InputError, match="all 1 examples are longer than max_length 256"):
        train_sft([long], model=base, out=tmp_path, settings=sft())


def test_packing_changes_nothing_but_the_layout(base: Path, tmp_path: Path) -> None:
    losses: dict[bool, list[float]] = {False: [], True: []}
    for packing, found in losses.items():
        settings = sft(max_steps=3, packing=packing)
        log = lambda found=found, **step: found.append(step["loss"])  # noqa: E731
        train_sft(EXAMPLES, model=base, out=tmp_path / str(packing), settings=settings, log=log)
    assert losses[True] == pytest.approx(losses[False], rel=1e-3)


def test_instructions_are_mixed_in_by_their_share(base: Path, tmp_path: Path) -> None:
    taught = [Example((Message(role="user", content=f"Count to {i}"),), "1 2") for i in range(20)]
    settings = sft(max_steps=1, instruction_share=0.5)
    figures = train_sft(EXAMPLES, taught, model=base, out=tmp_path, settings=settings)
    assert figures["instructions"] == 8
    settings = sft(instruction_share=0.8)
    with pytest.raises(InputError, match="needs 32 instructions"):
        train_sft(EXAMPLES, taught, model=base, out=tmp_path, settings=settings)


def test_adapters_end_in_a_whole_model(base: Path, tmp_path: Path) -> None:
    settings = sft(lora=LoraSettings(rank=4), learning_rate=5e-2, gradient_checkpointing=True)
    figures = train_sft(EXAMPLES, model=base, out=tmp_path, settings=settings)
    before, after = weights(base), weights(tmp_path / "model")
    assert figures["steps"] == 8
    assert before.keys() == after.keys()
    changed = {name.split(".")[-2] for name in before if not before[name].equal(after[name])}
    assert changed == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"
    }  # fmt: skip
    judge = Judge(f"hf:{tmp_path / 'model'}", dialect="nano", max_tokens=4, device="cpu")
    assert judge.score_sync("q", ["a"]).k == 1


def test_adapters_in_the_upper_blocks_leave_the_lower_ones(base: Path, tmp_path: Path) -> None:
    lora = LoraSettings(rank=4, target_modules=("q_proj", "v_proj"), layers=(1,))
    train_sft(EXAMPLES, model=base, out=tmp_path, settings=sft(lora=lora, learning_rate=5e-2))
    before, after = weights(base), weights(tmp_path / "model")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed == {f"model.layers.1.self_attn.{name}_proj.weight" for name in "qv"}


def test_the_loss_is_that_of_trl(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though logits of prompts are not computed: unequal lengths, accumulated."""
    uneven = [
        Example(one.messages, f"{'word ' * (3 * i)}{one.completion}")
        for i, one in enumerate(EXAMPLES)
    ]
    losses: dict[str, list[float]] = {"ours": [], "trl": []}
    for name, found in losses.items():
        if name == "trl":
            monkeypatch.setattr(
                "deemster.training.sft_trainer.CompletionTrainer", BalancedSFTTrainer
            )
        settings = sft(max_steps=3, micro_batch_size=2, group_by_length=True)
        log = lambda found=found, **step: found.append(step["loss"])  # noqa: E731
        train_sft(uneven, model=base, out=tmp_path / name, settings=settings, log=log)
    assert losses["ours"] == pytest.approx(losses["trl"], rel=1e-4)
    assert losses["ours"][0] != losses["ours"][-1]


def test_batches_of_like_lengths_come_in_random_order() -> None:
    lengths = [(7 * i) % 101 for i in range(203)]
    rows = [{"input_ids": [0] * length} for length in lengths]
    found = [len(row["input_ids"]) for row in like_lengths_together(rows, 4, seed=1)]
    assert sorted(found) == sorted(lengths)
    batches = [found[i : i + 4] for i in range(0, 200, 4)]
    assert max(max(batch) - min(batch) for batch in batches) < 8
    rises = sum(b[0] > a[0] for a, b in itertools.pairwise(batches))
    assert 15 < rises < 35
    assert [len(row["input_ids"]) for row in like_lengths_together(rows, 4, seed=2)] != found


def test_qlora_needs_bitsandbytes(base: Path, tmp_path: Path) -> None:
    settings = sft(lora=LoraSettings(quantize=True))
    with pytest.raises(InputError, match="needs bitsandbytes: pip install bitsandbytes"):
        train_sft(EXAMPLES, model=base, out=tmp_path, settings=settings)


def test_what_cannot_be_trained(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trajectories to fine-tune on"):
        train_sft([], model=base, out=tmp_path, settings=sft())
    with pytest.raises(InputError, match=r"cannot load model '.*nowhere' for training"):
        train_sft(EXAMPLES, model=tmp_path / "nowhere", out=tmp_path, settings=sft())


def test_a_loss_that_is_not_finite_ends_the_run(base: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in base.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    values = weights(base)
    values["model.norm.weight"][0] = torch.inf
    save_file(values, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingCollapsedError, match="at step 1: loss is nan") as caught:
        train_sft(EXAMPLES, model=broken, out=tmp_path, settings=sft(save_steps=1))
    assert caught.value.last_good is None
    assert not (tmp_path / "model").exists()


def test_a_full_disk_is_said_in_one_line_and_resumed_from(base: Path, tmp_path: Path) -> None:
    settings = sft(max_steps=5, save_steps=2)
    calls = {"count": 0}

    def log(**_: object) -> None:
        calls["count"] += 1
        if calls["count"] == 3:  # the first checkpoint is written
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with restored(soft, hard), pytest.raises(InputError) as caught:
        train_sft(EXAMPLES, model=base, out=tmp_path, settings=settings, log=log)
    assert str(caught.value).startswith("the disk is full")
    assert "\n" not in str(caught.value)
    good = last_complete(tmp_path / "checkpoints")
    assert good is not None
    assert good.name == "checkpoint-2"
    figures = train_sft(EXAMPLES, model=base, out=tmp_path, settings=settings, resume=True)
    assert (figures["steps"], figures["resumed_from"]) == (5, 2)
    state = json.loads((tmp_path / "checkpoints/checkpoint-4/trainer_state.json").read_text())
    assert [entry["step"] for entry in state["log_history"]] == [1, 2, 3, 4]


@contextmanager
def restored(soft: int, hard: int) -> Iterator[None]:
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
