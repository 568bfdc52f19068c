"""docs/howto/deepseek-grm.md at toy size: every command, on models of the same architectures.

Their weights are random, but for a head that was taught to write a judgment. They lie where the
Hugging Face cache keeps the released ones, so that the zoo takes them for these.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from tests.conftest import ServerFactory
from tests.support.classify_server import ClassifyServer
from tests.support.command_line import deemster
from tests.support.doc_blocks import blocks
from tests.support.tiny_grm import PAIRS, WORDS, save_tiny_grm, save_tiny_meta_rm

from deemster.prompts import builtin_template
from deemster.schemas import Verdict

PAGE = blocks("docs/howto/deepseek-grm.md")
COMMANDS = [
    shlex.split(command, comments=True)[1:]
    for block in PAGE
    if block.language == "bash" and block.text.startswith("deemster ")
    for command in block.text.replace("\\\n", " ").splitlines()
]
TEXTS = {"".join((*WORDS[:3], pair)) for pair in PAIRS}
SERVED = "Specific Criteria: 1. Accuracy (100%). Analysis: 2 is right. Scores: \\boxed{2, 9}"


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders by the id of the model that each stands for, the longest id first."""
    cache = tmp_path_factory.mktemp("hub")

    def place(name: str) -> Path:
        return cache / f"models--BBQGOD--{name}" / "snapshots" / "0123"

    return {
        f"BBQGOD/{name}": str(folder)
        for name, folder in {
            "DeepSeek-GRM-27B-MetaRM": save_tiny_meta_rm(place("DeepSeek-GRM-27B-MetaRM")),
            "DeepSeek-GRM-27B": save_tiny_grm(place("DeepSeek-GRM-27B"), "gemma2", says=True),
            "DeepSeek-GRM-16B": save_tiny_grm(place("DeepSeek-GRM-16B"), "deepseek-v2", says=True),
        }.items()
    }


def local(text: str, toys: dict[str, str]) -> str:
    for name, folder in toys.items():
        text = text.replace(f"hf:{name}", f"hf:{folder}").replace(f'"{name}"', f'"{folder}"')
    return text


def judged(arguments: list[str], toys: dict[str, str]) -> Verdict:
    done = deemster(*(local(one, toys) for one in arguments), "--json")
    assert done.returncode == 0, done.stderr
    return Verdict.model_validate_json(done.stdout)


def scoring(*having: str) -> list[str]:
    """The page's command that scores and has these words, and no others like it."""
    (found,) = [
        command
        for command in COMMANDS
        if command[0] == "score" and ("--meta-rm" in command) == ("--meta-rm" in having)
        and any(having[0] in word for word in command)
    ]  # fmt: skip
    return found


@pytest.mark.parametrize("size", ["16B", "27B"])
def test_32_votes_on_this_machine(size: str, toys: dict[str, str]) -> None:
    command = [one.replace("GRM-16B", f"GRM-{size}") for one in scoring("hf:BBQGOD")]
    verdict = judged(command, toys)
    assert (verdict.judge.k, verdict.judge.dialect) == (32, "deepseek-grm")
    assert verdict.judge.sampling is not None
    assert verdict.judge.sampling.temperature == 0.5
    assert len(verdict.judgments) >= 30
    # Gemma's turns end with a token that is not the end of its texts: <end_of_turn>.
    assert {vote.raw for vote in verdict.judgments} == TEXTS
    assert {vote.order for vote in verdict.judgments} == {(0, 1), (1, 0)}


def test_the_meta_rm_keeps_the_better_half(toys: dict[str, str]) -> None:
    verdict = judged(scoring("hf:BBQGOD", "--meta-rm"), toys)
    assert verdict.judge.meta_rm.endswith(builtin_template("deepseek-grm-meta").hash)
    metas = [vote.meta_reward for vote in verdict.judgments if vote.meta_reward is not None]
    assert len(metas) == len(verdict.judgments) >= 30
    kept = sorted(verdict.judgments, key=lambda vote: -(vote.meta_reward or 0))[:16]
    sums = [sum(vote.scores[i] or 0 for vote in kept) for i in (0, 1)]
    assert verdict.rewards == tuple(sums)


def test_votes_on_a_server(openai_server: ServerFactory, toys: dict[str, str]) -> None:
    server = openai_server(lambda _, __: SERVED)
    command = scoring("hosted_vllm/BBQGOD")
    command[command.index("--api-base") + 1] = server.url
    verdict = judged(command, toys)
    assert verdict.judge.dialect == "deepseek-grm"
    assert len(verdict.judgments) == 32
    assert all("[The Begin of Response 1]" in call.query for call in server.ledger.calls)


def test_votes_and_meta_rewards_on_servers(
    openai_server: ServerFactory, toys: dict[str, str]
) -> None:
    command = scoring("hosted_vllm/BBQGOD", "--meta-rm")
    with ClassifyServer(lambda text: [len(text) / 1000]) as meta:
        server = openai_server(lambda _, __: SERVED)
        command = [
            one.replace("http://127.0.0.1:8000/v1", server.url)
            .replace("http://127.0.0.1:8001", meta.root) for one in command
        ]  # fmt: skip
        verdict = judged(command, toys)
    assert len(verdict.judgments) == 32
    assert {vote.meta_reward is None for vote in verdict.judgments} == {False}
    assert all("Please score the responses." in text for text in meta.texts())


@pytest.mark.slow
def test_every_block_that_needs_weights_runs(
    toys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = 0
    for block in PAGE:
        text = local(block.text, toys)
        if block.title:
            Path(block.title).write_text(text)
        elif block.language == "python":
            exec(text.replace("cuda:1", "cpu").replace("cuda:0", "cpu"), {})
        elif text.startswith(("deemster run", "deemster models memory hf:")):
            done = deemster(*shlex.split(text)[1:])
            assert done.returncode == 0, done.stderr
            ran += 1
    assert ran == 3
    summary = json.loads(Path("runs/deepseek-grm/summary.json").read_text())
    assert list(summary["judges"]) == ["greedy", "sum of 32", "best 16 of 32"]
