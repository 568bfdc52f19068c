"""A meta RM trained without padding is the one that transformers reads, and learns to tell."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.tiny_model import save_tiny_adapter, save_tiny_model
from torch.distributed.run import get_args_parser
from transformers import AutoTokenizer

from deemster.backends import shipped
from deemster.backends._local.encoding import SafeEncoder
from deemster.backends.judge_file import JudgeFile
from deemster.errors import InputError
from deemster.judges.classifier import sigmoid
from deemster.judges.meta_hf import HfMetaRM, meta_text
from deemster.schemas import Judgment, as_query, as_responses
from deemster.training.meta_data import MetaExample
from lab.smol.packed_llama import Row
from lab.smol.packed_meta import (
    Group,
    Rater,
    begin,
    groups_of,
    measured,
    options,
    read_judgments,
    train,
)

QUERY, RESPONSES = as_query("2 + 2?"), as_responses(["4", "5"])


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEMSTER_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "models" / "smollm2"
    save_tiny_model(folder, hidden=32, tie_word_embeddings=True)
    (folder / "origin.json").write_text('{"origin": "a test"}', encoding="utf-8")
    return folder


@pytest.fixture
def judge(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = save_tiny_adapter(base, tmp_path / "smol", layers=[0, 1])
    JudgeFile(name="smol", dialect="smol", base="smollm2", max_tokens=16).write(folder)
    monkeypatch.setattr(shipped, "smol_folder", lambda: folder)
    return folder


@pytest.fixture
def rater(base: Path, judge: Path, tmp_path: Path) -> Rater:
    begin(judge, tmp_path / "first", rank=2, layers=1)
    return Rater(base, tmp_path / "first", under=judge, dtype=torch.float32, compiled=False)


def judgment(text: str) -> Judgment:
    return Judgment(scores=(7.0, 2.0), order=(0, 1), raw=text)


def example(item: str, text: str, *, correct: bool) -> MetaExample:
    return MetaExample(item=item, text=meta_text(QUERY, RESPONSES, judgment(text)), correct=correct)


def settings(**changed: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(options().parse_args([])), **changed})


def test_groups_share_what_is_alike_and_those_of_one_kind_are_left_out(base: Path) -> None:
    encoder = SafeEncoder(AutoTokenizer.from_pretrained(base))
    texts = ["It is 4.", "It is 5.", "It"]
    mixed = [example("a", text, correct=i == 0) for i, text in enumerate(texts)]
    alike = [example("b", text, correct=True) for text in texts]
    (found,) = groups_of([*mixed, mixed[0], *alike], encoder)
    assert (found.item, found.row.marks) == ("a", [1.0, 0.0, 0.0])
    for one, rest in zip(mixed, found.row.completions, strict=True):
        assert found.row.prompt + rest == encoder.encode(encoder.guard(one.text), special=True)
    assert all(found.row.completions)
    assert len(found.row.prompt) > 20


def test_rewards_are_those_of_the_meta_rm_that_is_saved(
    base: Path, judge: Path, rater: Rater
) -> None:
    torch.manual_seed(0)
    for one in rater.lora.values():
        torch.nn.init.normal_(one, std=0.3)
        one.data = one.data.bfloat16().float()  # as it is saved
    rater.save(judge / "meta")
    texts = ["It is 4.", "It is 5, so the other.", "Scores: 7, 2"]
    encoder = SafeEncoder(AutoTokenizer.from_pretrained(base))
    every = [example("a", text, correct=i == 0) for i, text in enumerate(texts)]
    (group,) = groups_of(every, encoder)
    found = rater.rewards([group.row]).tolist()
    meta = HfMetaRM(str(judge / "meta"), dtype="float32")
    expected = asyncio.run(meta.rate(QUERY, RESPONSES, [judgment(text) for text in texts]))
    assert [sigmoid(one) for one in found] == pytest.approx(expected, abs=2e-3)
    assert max(found) - min(found) > 0.1


def test_it_learns_which_judgments_are_right(
    rater: Rater, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that end in one token are right, whatever comes before."""
    generator = torch.Generator().manual_seed(1)
    groups = []
    for i in range(60):
        ids = torch.randint(3, 300, (4, 9), generator=generator).tolist()
        rest = [[*ids[j][5:], 40 if j < 2 else 41 + j] for j in range(4)]
        groups.append(Group(str(i), Row(ids[0][:5], rest, [1.0, 1.0, 0.0, 0.0])))
    before = measured(rater, groups[:10])
    found = train(rater, groups, tmp_path / "out", settings(epochs=4, rate=0.02, batch=4))
    assert before.within == 0.5  # nothing is known yet
    assert found.within is not None
    assert found.within > 0.95
    assert found.items == 6
    assert "54 groups, 6 requests held out" in capsys.readouterr().out
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


def test_what_was_drawn_is_read_of_all_processes(tmp_path: Path) -> None:
    every = [example("a", "x\u2028x", correct=True), example("b", "y", correct=False)]
    for rank, one in enumerate(every):
        line = f"{one.model_dump_json()}\n"
        (tmp_path / f"judgments-{rank}.jsonl").write_text(line, encoding="utf-8")
    assert read_judgments(tmp_path) == every
    with pytest.raises(InputError, match="no judgments in"):
        read_judgments(tmp_path / "none")
    with (tmp_path / "judgments-1.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"item": "c", "te')
    with pytest.raises(InputError, match=r"judgments-1\.jsonl:2: "):
        read_judgments(tmp_path)


def test_torchrun_takes_none_of_the_options_for_its_own() -> None:
    every = [one for action in options()._actions[1:] for one in (*action.option_strings, "1")]
    launched = ["--nproc-per-node", "2", "-m", "lab.smol.packed_meta", *every]
    assert get_args_parser().parse_args(launched).training_script_args == every
