"""The accelerate configurations are what `accelerate launch` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trl
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser

RECIPES = Path(__file__).parents[2] / "recipes" / "accelerate"


@pytest.mark.parametrize(
    ("name", "kind", "processes"),
    [
        ("single_gpu", "NO", 1),
        ("multi_gpu", "MULTI_GPU", 8),
        ("fsdp2", "FSDP", 8),
        ("zero2", "DEEPSPEED", 8),
        ("zero3", "DEEPSPEED", 8),
    ],
)
def test_accelerate_reads_it(name: str, kind: str, processes: int) -> None:
    config: Any = load_config_from_file(str(RECIPES / f"{name}.yaml"))
    assert config.distributed_type == kind
    assert config.num_processes == processes
    assert config.mixed_precision == "bf16"


@pytest.mark.parametrize(
    ("name", "section"),
    [("fsdp2", "fsdp_config"), ("zero2", "deepspeed_config"), ("zero3", "deepspeed_config")],
)
def test_every_option_is_known_to_the_launcher(name: str, section: str) -> None:
    text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    options = yaml.safe_load(text)[section]
    known = {action.dest for action in launch_command_parser()._actions}
    assert options.keys() <= known
    assert options.get("fsdp_version", 2) == 2


@pytest.mark.parametrize("stage", [2, 3])
def test_the_launcher_takes_zero_from_the_file(stage: int) -> None:
    given = ["--config_file", str(RECIPES / f"zero{stage}.yaml"), "-m", "deemster"]
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(given))
    assert (args.use_deepspeed, args.zero_stage, args.num_processes) == (True, stage, 8)
    assert args.zero3_init_flag in (False, "false")


@pytest.mark.parametrize("stage", [2, 3])
def test_zero_is_set_as_trl_sets_it(stage: int) -> None:
    theirs, ours = (
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (
            Path(trl.__file__).parent / "accelerate_configs" / f"zero{stage}.yaml",
            RECIPES / f"zero{stage}.yaml",
        )
    )
    # TRL makes the trainer first, and weights in pieces; here they have been read by then.
    init = {"zero3_init_flag": False}
    assert ours["deepspeed_config"] == {**theirs["deepspeed_config"], **init}
