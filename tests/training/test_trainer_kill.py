"""A trainer that is killed in the middle of a save, and resumed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load_file
from tests.support.tiny_trainers import save_base, sft, single, verdict

from deemster.training.checkpoints import is_complete
from deemster.training.sft import train_sft

EXAMPLES = [verdict(single(i), str(i % 2)) for i in range(24)]
SETTINGS = sft(max_steps=7, save_steps=2)

KILLED = """
import os, signal, sys
from pathlib import Path
import transformers.trainer

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

save = transformers.trainer.Trainer._save_optimizer_and_scheduler
def save_or_die(self, folder):
    (die if folder.endswith("checkpoint-4") else save)(self, folder)

transformers.trainer.Trainer._save_optimizer_and_scheduler = save_or_die
from tests.training.test_trainer_kill import EXAMPLES, SETTINGS
from deemster.training.sft import train_sft
train_sft(EXAMPLES, model=sys.argv[1], out=Path(sys.argv[2]), settings=SETTINGS)
"""


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    base, out = save_base(tmp_path / "base"), tmp_path / "killed"
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(base), str(out)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=170,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    checkpoints = out / "checkpoints"
    assert is_complete(checkpoints / "checkpoint-2")
    assert (checkpoints / "checkpoint-4" / "model.safetensors").exists()
    assert not is_complete(checkpoints / "checkpoint-4")  # torn

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
