"""Training by TRL's own GRPOTrainer with a judge as the reward; two minutes on a core."""

from __future__ import annotations

import math
import runpy
from pathlib import Path
from typing import Any

import pytest
from tests.support.tiny_nano import needs_model

from deemster import FakeBackend, Judge
from deemster.backends import Request
from deemster.integrations.trl import monitor_func, reward_func
from deemster.judges.verifier import NumericMatch
from deemster.judges.verifier.verifier import Verifier
from deemster.testing import responses_shown

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_with_trl.py"

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # warnings of TRL's


def fails_on_b(request: Request, _draw: int) -> str:
    """Scores by length; refuses to judge a group whose prompt says B."""
    shown = responses_shown(request.messages[-1].text)
    if "prompt B" in request.messages[-1].text:
        return "I would rather not say."
    scores = ", ".join(str(1 + len(text) % 10) for text in shown)
    said = "\n".join(f"Response {i}: fine" for i, _ in enumerate(shown, 1))
    return f"Specific Criteria:\n- length\nAnalysis:\n{said}\nScores: \\boxed{{{scores}}}"


def test_a_group_without_a_verdict_does_not_move_the_policy(
    tiny_model: Path, tmp_path: Path
) -> None:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    rows = [
        {"prompt": [{"role": "user", "content": f"prompt {name}"}], "gold": "1"} for name in "ABAB"
    ]
    verifier = monitor_func(Verifier(NumericMatch()), reference="gold", name="verifier")
    trainer = GRPOTrainer(
        AutoModelForCausalLM.from_pretrained(tiny_model),
        reward_funcs=[reward_func(Judge(FakeBackend(fails_on_b))), verifier],
        args=GRPOConfig(
            output_dir=str(tmp_path),
            max_steps=2,
            per_device_train_batch_size=8,
            num_generations=4,
            max_completion_length=6,
            logging_steps=1,
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(tiny_model),
    )
    trainer.train()
    logs: Any = trainer._logs
    named = list(zip(logs["prompt"], logs["rewards"]["deemster"], logs["advantages"], strict=True))
    refused = [one for one in named if "prompt B" in str(one[0])]
    assert len(refused) == len(named) / 2
    assert all(math.isnan(reward) and advantage == 0 for _, reward, advantage in refused)
    assert not any(math.isnan(reward) for text, reward, _ in named if "prompt A" in str(text))
    for step in trainer.state.log_history[:2]:
        assert step["deemster/unscored"] == 0.5
        assert step["reward"] >= 1  # a mean over what is judged, not one with zeros in it
        assert 0 <= step["verifier/reward"] <= 1


@needs_model
def test_the_embedded_judge_trains_a_policy(tmp_path: Path) -> None:
    """At small size: the reward rises, and what the policy learns is right by a program's word."""
    train = runpy.run_path(str(EXAMPLE))["train"]
    log, answers = train(steps=16, prompts=6, k=1, warm=60, rate=2e-4, seed=0, out=tmp_path)
    assert len(log) == 16
    assert len(answers) == 24

    def mean(name: str, steps: slice) -> float:
        values: list[float] = [step[name] for step in log[steps]]
        return sum(values) / len(values)

    assert mean("judge", slice(10, 16)) > mean("judge", slice(0, 6))
    assert mean("right", slice(10, 16)) > mean("right", slice(0, 6))
