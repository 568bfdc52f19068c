"""A trainer that is killed in the middle of a save, and resumed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.support.tiny_trainers import save_base, sft, single, verdict
from transformers.trainer import Trainer

from deemster.training.checkpoints import is_complete
from deemster.training.sft import train_sft

EXAMPLES = [verdict(single(i), str(i % 2)) for i in range(24)]
SETTINGS = sft(max_steps=7, save_steps=2)
TORN = "checkpoint-4"

PROGRAM = """
import os, signal, sys
from pathlib import Path
import torch
from transformers.trainer import Trainer
from tests.training.test_trainer_kill import EXAMPLES, SETTINGS, TORN
from deemster.training.sft import train_sft

save = Trainer._save_optimizer_and_scheduler
def save_or_die(self, folder):
    if folder.endswith(TORN):
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, folder)

Trainer._save_optimizer_and_scheduler = save_or_die
torch.set_num_threads(int(sys.argv[3]))  # by which sums round
train_sft(EXAMPLES, model=sys.argv[1], out=Path(sys.argv[2]), settings=SETTINGS)
"""


def killed(base: Path, out: Path) -> None:
    """Train in a process that is killed half-way through the second save."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(base), str(out), str(torch.get_num_threads())],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


def interrupted(base: Path, out: Path) -> None:
    """The same in this process, which takes seconds: the save is torn by an exception."""

    class Torn(BaseException):
        pass

    save = Trainer._save_optimizer_and_scheduler

    def save_or_stop(self: Trainer, folder: str) -> None:
        if folder.endswith(TORN):
            raise Torn
        save(self, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_save_optimizer_and_scheduler", save_or_stop)
        with pytest.raises(Torn):
            train_sft(EXAMPLES, model=base, out=out, settings=SETTINGS)


@pytest.mark.parametrize(
    "train",
    [
        interrupted,
        pytest.param(killed, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_a_torn_save_is_passed_over_and_the_run_ends_in_the_same_weights(
    train: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    base, out = save_base(tmp_path / "base"), tmp_path / "torn"
    train(base, out)
    checkpoints = out / "checkpoints"
    assert is_complete(checkpoints / "checkpoint-2")
    assert (checkpoints / TORN / "model.safetensors").exists()
    assert not is_complete(checkpoints / TORN)

    resumed = train_sft(EXAMPLES, model=base, out=out, settings=SETTINGS, resume=True)
    straight = train_sft(EXAMPLES, model=base, out=tmp_path / "straight", settings=SETTINGS)
    assert (resumed["resumed_from"], resumed["steps"]) == (2, 7)
    assert (straight["resumed_from"], straight["steps"]) == (None, 7)
    left = load_file(out / "model" / "model.safetensors")
    right = load_file(tmp_path / "straight" / "model" / "model.safetensors")
    assert all(left[name].equal(right[name]) for name in right)

    again = train_sft(EXAMPLES, model=base, out=out, settings=SETTINGS, resume=True)
    assert (again["resumed_from"], again["steps"]) == (6, 7)  # killed at its very end, say
    assert all(
        load_file(out / "model" / "model.safetensors")[name].equal(right[name]) for name in right
    )
